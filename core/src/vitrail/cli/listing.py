"""`vitrail plugins list`. Imports as little as it can."""

from __future__ import annotations

import sys
from typing import Any

from vitrail import index, manager
from vitrail.cli import output
from vitrail.records import PluginRecord


def list_plugins(*, json: bool) -> None:
    """Print installed plugins with what they give, and known ones that are not installed."""
    records = manager.current().records
    installed = {record.name for record in records}
    absent = [entry for entry in index.plugins().values() if entry.name not in installed]
    if json:
        output.print_json(
            {
                "plugins": [record_as_dict(record) for record in records],
                "not_installed": [
                    {"name": e.name, "status": e.status, "summary": e.summary, "install": e.install}
                    for e in absent
                ],
            }
        )
        return
    rows = [
        (record.name, record.status, record.origin, ", ".join(_offers(record)) or "-") for record in records
    ]
    output.print_table(("plugin", "status", "distribution", "gives"), rows)
    if absent:
        output.print_table(
            ("not installed", "status", "distribution", "what it is"),
            [(entry.name, entry.status, entry.distribution, entry.summary) for entry in absent],
        )
    sys.stdout.flush()
    for record in records:
        if record.status not in ("ok", "disabled"):
            output.say(f"{record.name} ({record.origin}) is {record.trouble}")


def record_as_dict(record: PluginRecord) -> dict[str, Any]:
    """A record as plain data for --json."""
    return {
        "name": record.name,
        "status": record.status,
        "reason": record.reason,
        "distribution": record.distribution,
        "version": record.version,
        "module": record.module,
        "components": [spec.id for spec in record.components],
        "verbs": {verb: command.help for verb, command in record.commands.items()},
    }


def _offers(record: PluginRecord) -> list[str]:
    return [spec.id for spec in record.components] + [f"verb {verb}" for verb in record.commands]
