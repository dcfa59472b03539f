"""Configs are data: frozen dataclasses that survive JSON and TOML."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, fields, is_dataclass
from importlib import import_module
from typing import Any

from vitrail.cli import flags
from vitrail.component import default_config, from_dict
from vitrail.specs import resolve, resolve_function
from vitrail.testing.registry import Skip, check, demand
from vitrail.testing.subject import Subject


def _demand_plain_data(value: Any, what: str) -> None:
    demand(is_dataclass(value) and not isinstance(value, type), f"{what} is not a dataclass instance.")
    demand(type(value).__dataclass_params__.frozen, f"{type(value).__name__} is not frozen.")
    demand(
        all(f.kw_only for f in fields(value)), f"{type(value).__name__} is not keyword-only (kw_only=True)."
    )


@check("config")
def check_config_is_plain_data(subject: Subject) -> None:
    """The default config is a frozen, keyword-only dataclass that survives JSON."""
    config = default_config(subject.spec)
    if config is None:
        raise Skip("it takes no config")
    _demand_plain_data(config, "the default config")
    again = from_dict(type(config), json.loads(json.dumps(asdict(config))), where="JSON")
    demand(again == config, f"the config changes on its way through JSON:\n{config}\n{again}")


@check("config")
def check_presets_are_plain_data(subject: Subject) -> None:
    """Every preset gives the trainer's config, and survives TOML as --print-config writes it."""
    spec = subject.spec
    if not spec.trainer:
        raise Skip("it names no trainer")
    found = flags.config_parameter(resolve_function(spec.trainer, wanted_by=spec.id))
    demand(found is not None, f"{spec.trainer} has no parameter that is annotated with a config dataclass.")
    assert found is not None
    if not spec.presets:
        raise Skip("it has no presets")
    presets = flags.presets(import_module(spec.presets))
    demand(bool(presets), f"{spec.presets} has no public function.")
    for name, preset in presets.items():
        config = preset()
        demand(
            type(config) is found[1],
            f"preset {name} gives a {type(config).__name__}, not {found[1].__name__}.",
        )
        _demand_plain_data(config, f"preset {name}")
        again = from_dict(found[1], tomllib.loads(flags.to_toml(config)), where=name)
        demand(again == config, f"preset {name} changes on its way through TOML:\n{config}\n{again}")


@check("config")
def check_options_are_plain_data(subject: Subject) -> None:
    """`spec.options` is a frozen, keyword-only dataclass that can be built without arguments."""
    if not subject.spec.options:
        raise Skip("it has no options")
    options = resolve(subject.spec.options, wanted_by=subject.id)
    demand(isinstance(options, type) and is_dataclass(options), f"{subject.spec.options} is not a dataclass.")
    _demand_plain_data(options(), subject.spec.options)
