"""`vitrail plugins list|info|new|validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from vitrail import index, manager
from vitrail.cli import flags, listing, output
from vitrail.cli.listing import record_as_dict
from vitrail.errors import NotInstalledError
from vitrail.loading import find_component, not_installed
from vitrail.specs import ComponentSpec

app = App(name="plugins", help="List, describe, create and check plugins.", help_format="plaintext")


@app.command(name="list")
def list_plugins(*, json: flags.Switch = False) -> None:
    """List installed plugins with their components, and known ones that are not installed.

    Args:
        json: print JSON instead of a table.
    """
    listing.list_plugins(json=json)


@app.command
def info(name: str, /, *, json: flags.Switch = False) -> None:
    """Say everything about one plugin or one component.

    Args:
        name: a plugin, or a component as plugin/variant.
        json: print JSON instead of text.
    """
    plugin, _, variant = name.partition("/")
    record = manager.current().record(plugin)
    if record is None:
        entry = index.plugins().get(plugin)
        if entry is None:
            raise not_installed(name)
        status = "not installed" if entry.status == "available" else entry.status
        facts: dict[str, Any] = {
            "plugin": entry.name, "status": status, "summary": entry.summary, "title": entry.title,
            "paper": entry.paper, "components": entry.components, "install": entry.install,
        }  # fmt: skip
        output.print_json(facts) if json else output.print_mapping(facts)
        return
    specs = [spec for spec in record.components if not variant or spec.id == name]
    if variant and not specs:
        find_component(name)  # says why it is not there
    if json:
        facts = {**record_as_dict(record), "components": [_spec_as_dict(spec) for spec in specs]}
        output.print_json({**facts, "traceback": record.traceback})
        return
    if not variant:
        facts = {
            "plugin": record.name, "status": record.status, "distribution": record.origin, "module": record.module,
            "reason": record.reason, "verbs": [f"{verb} ({c.help})" for verb, c in record.commands.items()],
        }  # fmt: skip
        output.print_mapping(facts)
    for spec in specs:
        output.print_mapping(_spec_as_dict(spec))
    if record.traceback:
        output.say(record.traceback.rstrip())


@app.command
def new(
    kind: str,
    name: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    author: flags.Text = "",
) -> None:
    """Write a new plugin package that passes the conformance kit as it is.

    Args:
        kind: recognizer, segmenter, generator or animator.
        name: name of the plugin and prefix of its ids, e.g. "water".
        out: folder to write; vitrail-NAME by default.
        author: who the licence names.
    """
    try:
        from vitrail.scaffold import render
    except ImportError as error:
        raise NotInstalledError('`plugins new` needs an extra: pip install "vitrail[new]"') from error
    folder = render(kind, name, out=out, author=author)
    output.say(
        f"Wrote {folder}. Next:\n  cd {folder}\n  pip install -e '.[testing]'\n  pytest\n  vitrail plugins info {name}"
    )


@app.command
def validate(name: str, /, *, json: flags.Switch = False) -> None:
    """Check a plugin, or one component, against the contract; exits with 4 when a check fails.

    Args:
        name: a plugin, or a component as plugin/variant.
        json: print JSON instead of a table.
    """
    try:
        from vitrail.testing.validate import validate as run_checks
    except ImportError as error:
        raise NotInstalledError(
            '`plugins validate` needs an extra: pip install "vitrail[testing]"'
        ) from error
    from vitrail.errors import BrokenError

    outcomes = run_checks(name)
    if json:
        output.print_json(
            [{"check": o.check, "subject": o.subject, "result": o.result, "text": o.text} for o in outcomes]
        )
    else:
        output.print_table(
            ("result", "subject", "check", ""), [(o.result, o.subject, o.check, o.text) for o in outcomes]
        )
    failed = sum(outcome.result == "failed" for outcome in outcomes)
    if failed:
        raise BrokenError(f"{failed} of {len(outcomes)} checks failed for {name}.")
    output.say(f"{sum(o.result == 'passed' for o in outcomes)} checks passed for {name}.")


def _spec_as_dict(spec: ComponentSpec) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(spec)
