"""`vitrail train NAME [--preset P] [--config FILE] [flags]`."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from vitrail.cli import flags
from vitrail.errors import BrokenError, UsageError
from vitrail.loading import find_component, find_plugin
from vitrail.specs import ComponentSpec, resolve, resolve_function

app = flags.verb(
    "train",
    usage="train NAME [--preset P] [--config FILE] [FLAGS]",
    more="Every field of the method's config is a flag: `vitrail train NAME --help` lists them.\n"
    "Several GPUs: torchrun --nproc-per-node N -m vitrail train NAME ...",
)


@app.default
def train(
    name: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    preset: str | None = None,
    config: Path | None = None,
    print_config: flags.Switch = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    resume: flags.Switch = False,
) -> None:
    """Train a method from a preset or a config file.

    Args:
        name: a plugin, or a component as plugin/variant, whose own network is then the one to train.
        preset: start from one of the method's presets; `vitrail train NAME --help` names them.
        config: a TOML file with values that go over the preset's, such as --print-config writes.
        print_config: print the resolved config as TOML and do nothing else.
        out: folder for checkpoints, logs and the finished weights; runs/NAME-PRESET by default.
        resume: go on from the last checkpoint in that folder.
    """
    if flags.asks_help(name):
        app.help_print([])
        print("\nMethods that can be trained: " + (", ".join(_trainable()) or "none are installed"))
        return
    spec = _spec_with(name, "trainer")
    trainer = resolve_function(spec.trainer, wanted_by=spec.id)
    found = flags.config_parameter(trainer)
    if found is None:
        raise BrokenError(f"{spec.id} names the trainer {spec.trainer}, which takes no config dataclass.")
    parameter, config_class = found
    takes_spec = "spec" in inspect.signature(trainer).parameters
    asked = spec if takes_spec and "/" in name else None
    own = None if asked is None else flags.about(config_class, resolve(spec.config, wanted_by=spec.id)())
    start = flags.starting_config(
        config_class, presets_module=spec.presets, preset=preset, file=config, start=own
    )
    known = flags.presets(import_module(spec.presets)) if spec.presets else {}
    values = flags.parse(
        trainer,
        tokens,
        prog=f"vitrail train {name}",
        summary=_summary(name, known),
        given={"out": None, "resume": None, "spec": None},
        defaults={} if start is None else {parameter: start},
    )
    if values is None:
        return
    if print_config:
        print(flags.to_toml(values[parameter]), end="")
        return
    folder = out or Path("runs") / "-".join([name.replace("/", "-"), *filter(None, [preset])])
    more = {"spec": asked} if takes_spec else {}
    trainer(**values, **more, out=folder, resume="auto" if resume else None)


def _spec_with(name: str, verb: str) -> ComponentSpec:
    """The component to use: `name` itself, or the first of a plugin that offers the verb."""
    specs = (find_component(name),) if "/" in name else find_plugin(name).components
    for spec in specs:
        if getattr(spec, verb):
            return spec
    raise UsageError(f"{name} offers no {verb}: its authors have not written one.")


def _trainable() -> list[str]:
    from vitrail.manager import current

    return sorted({spec.plugin for spec in current().components.values() if spec.trainer})


def _summary(name: str, known: dict[str, Any]) -> str:
    lines = [f"Train {name}. Beside the flags below: --preset, --config, --print-config, --out, --resume."]
    lines += ["Presets: " + ", ".join(known)] if known else []
    return "\n".join(lines)
