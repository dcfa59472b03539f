"""`vitrail export ID --format onnx -o FILE [--check]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import flags
from vitrail.cli.evaluate import show_report
from vitrail.errors import UsageError
from vitrail.loading import find_component, load
from vitrail.specs import resolve_function

app = flags.verb(
    "export",
    usage="export ID [-o FILE] [FLAGS]",
    more="`vitrail export ID --help` lists the flags of its exporter.",
)


@app.default
def export(
    id: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    weights: str | None = None,
    device: str | None = None,
    format: str = "onnx",
    check: flags.Switch = False,
    json: flags.Switch = False,
) -> None:
    """Write a component in another format, such as ONNX.

    Args:
        id: a component as plugin/variant.
        out: file to write; PLUGIN-VARIANT.FORMAT by default.
        weights: a folder with weights, or "random"; those of the package by default.
        device: where the component computes while it is exported.
        format: the format, as the component's exporter names it.
        check: run the written file and compare it with the component.
        json: print the report as JSON.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    spec = find_component(id)
    if not spec.exporter:
        raise UsageError(f"{id} offers no exporter: its authors have not written one.")
    exporter = resolve_function(spec.exporter, wanted_by=id)
    given = dict.fromkeys(("component", "path", "format", "check"))
    summary = f"Export {id}. Beside the flags below: --out, --format, --check, --weights, --device, --json."
    values = flags.parse(exporter, tokens, prog=f"vitrail export {id}", summary=summary, given=given)
    if values is None:
        return
    path = out or Path(f"{id.replace('/', '-')}.{format}")
    report = exporter(load(id, weights=weights, device=device), path, format=format, check=check, **values)
    show_report({"file": str(path), **dict(report)}, json=json)
