"""`vitrail eval ID [flags]`: what a component is worth on a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from vitrail.cli import flags, output
from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail.loading import find_component, load
from vitrail.specs import ComponentSpec, resolve_function

OF_A_KIT = {"recognizer": ("recognition", "vitrail_recognition.evaluate:evaluate")}
"""Kind -> the kit, and its function that measures any component of that kind."""

app = flags.verb(
    "eval",
    usage="eval ID [FLAGS]",
    more="`vitrail eval ID --help` lists the flags of its evaluator.",
)


@app.default
def evaluate(
    id: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    weights: Path | None = None,
    device: str | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    json: flags.Switch = False,
) -> None:
    """Measure a component on a data set.

    Args:
        id: a component as plugin/variant.
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        out: folder for the report and its pictures.
        json: print JSON instead of tables.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    evaluator = resolve_function(_evaluator(find_component(id)), wanted_by=id)
    given = {"component": None, "out": None}
    summary = f"Measure {id}. Beside the flags below: --weights, --device, --out, --json."
    values = flags.parse(evaluator, tokens, prog=f"vitrail eval {id}", summary=summary, given=given)
    if values is None:
        return
    report = evaluator(load(id, weights=weights, device=device), **values, out=out)
    show_report(report, json=json)
    if out is not None:
        import json as json_module

        write_text(out / "report.json", json_module.dumps(dict(report), indent=2, default=str) + "\n")
        output.say(f"Wrote {out / 'report.json'}.")


def _evaluator(spec: ComponentSpec) -> str:
    """The component's own, or that of the kit of its kind, where that is there."""
    from vitrail.manager import current

    if spec.evaluator:
        return spec.evaluator
    kit, reference = OF_A_KIT.get(spec.kind, ("", ""))
    record = current().record(kit) if kit else None
    if record is not None and record.status == "ok":
        return reference
    more = f" vitrail-{kit} measures any {spec.kind}; it is not installed, or switched off." if kit else ""
    raise UsageError(f"{spec.id} offers no evaluator: its authors have not written one.{more}")


def show_report(report: Mapping[str, Any], *, json: bool) -> None:
    """A mapping as tables: plain values together, each nested mapping or list of rows as a table of its own."""
    if json:
        output.print_json(report)
        return
    plain = {name: value for name, value in report.items() if not _is_table(value)}
    if plain:
        output.print_mapping(plain)
    for name, value in report.items():
        if not _is_table(value):
            continue
        rows = list(value.values()) if isinstance(value, Mapping) else list(value)
        columns = list(rows[0])
        heads = list(value) if isinstance(value, Mapping) else None
        output.print_table(
            (*([""] if heads else []), *columns),
            [
                (*([heads[i]] if heads else []), *(output.show(row.get(column, "")) for column in columns))
                for i, row in enumerate(rows)
            ],
            title=name,
        )


def _is_table(value: Any) -> bool:
    rows = list(value.values()) if isinstance(value, Mapping) else value
    return isinstance(rows, list | tuple) and bool(rows) and all(isinstance(row, Mapping) for row in rows)
