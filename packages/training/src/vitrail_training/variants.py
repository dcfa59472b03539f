"""Which of a plugin's components a trained network is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vitrail.errors import UsageError
from vitrail.specs import ComponentSpec, resolve


def saved_as(
    config: Any,
    specs: Iterable[ComponentSpec],
    *,
    size: Callable[[Any], Any],
    asked: ComponentSpec | None,
    otherwise: ComponentSpec,
) -> ComponentSpec:
    """The component that a network of `config` is saved as; config.json has the exact network.

    That is what was `asked` for, whose size flags may have changed; else the variant of the same size, else
    `otherwise`. size: what two configs have to share to be one variant.

    Raises UsageError where `config` is another variant than the one asked for: of a preset for that one, for instance.
    """
    same = next((spec for spec in specs if size(resolve(spec.config)()) == size(config)), None)
    if asked is None:
        return same or otherwise
    if same is not None and same.id != asked.id:
        raise UsageError(
            f"{asked.id} was asked for, and the network of this config is that of {same.id}. Train {same.id}, or give "
            f"a preset for {asked.id}."
        )
    return asked
