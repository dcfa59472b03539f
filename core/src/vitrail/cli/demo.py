"""`vitrail demo [ID]`: a method at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail import index, manager
from vitrail.cli import output
from vitrail.errors import NotInstalledError, UsageError
from vitrail.loading import find_component
from vitrail.specs import ComponentSpec, resolve_function


def demo(
    id: str | None = None, /, *, out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("vitrail-demo")
) -> None:
    """See a method at work on data that is on this machine.

    Args:
        id: a component with a demo; the first installed one by default.
        out: folder for the pictures and files.
    """
    offered = _demos()
    if id is None and not offered:
        known = [entry.install for entry in index.plugins().values() if entry.components and entry.install]
        raise NotInstalledError(f"No installed plugin brings a demo. Install one, for example: {known[0]}")
    spec = offered[0] if id is None else find_component(id)
    if not spec.demo:
        choices = ", ".join(s.id for s in offered) or "none of the installed ones"
        raise UsageError(f"{spec.id} has no demo; there is one for {choices}.")
    resolve_function(spec.demo, wanted_by=spec.id)(out=out)
    others = [s.id for s in offered if s.id != spec.id]
    if others:
        output.say(f"There are demos of {', '.join(others)} too: vitrail demo ID")


def _demos() -> list[ComponentSpec]:
    order = list(index.plugins())
    specs = [spec for spec in manager.current().components.values() if spec.demo]
    return sorted(specs, key=lambda spec: order.index(spec.plugin) if spec.plugin in order else len(order))
