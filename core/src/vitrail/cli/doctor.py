"""`vitrail doctor`: what works on this machine and what does not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable

from vitrail import manager
from vitrail.cache import cache_folder
from vitrail.cli import flags, output
from vitrail.errors import BrokenError
from vitrail.records import PluginRecord
from vitrail.specs import DoctorLine
from vitrail.version import __version__

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


def doctor(*, json: flags.Switch = False) -> None:
    """Say what works on this machine and what does not; exits with 4 when something is a problem.

    Args:
        json: print JSON instead of text.
    """
    lines = [("vitrail", line) for line in _own_lines()]
    for record in manager.current().records:
        lines += [(record.name, line) for line in _plugin_lines(record)]
    if json:
        output.print_json([{"from": name, "level": line.level, "text": line.text} for name, line in lines])
    else:
        for name, line in lines:
            print(f"{output.colour(line.level.ljust(7), _COLOURS[line.level])} {name.ljust(14)} {line.text}")
    problems = sum(line.level == "problem" for _, line in lines)
    if problems:
        raise BrokenError(f"{problems} problem(s) were found; the lines above name them.")


def _own_lines() -> Iterable[DoctorLine]:
    yield DoctorLine(
        level="ok", text=f"vitrail {__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    yield DoctorLine(level="ok", text=f"{os.cpu_count()} processors; weights are kept in {cache_folder()}")
    for name in ("VITRAIL_PLUGINS", "VITRAIL_DISABLE_PLUGINS", "VITRAIL_STRICT", "VITRAIL_KERNELS"):
        if name in os.environ:
            yield DoctorLine(level="note", text=f"{name}={os.environ[name]} is set")
    if sys.prefix == sys.base_prefix:
        yield DoctorLine(
            level="note", text="this is not a virtual environment; other programs share these packages"
        )


def _plugin_lines(record: PluginRecord) -> Iterable[DoctorLine]:
    if record.status == "disabled":
        return [DoctorLine(level="note", text=f"{record.origin} is {record.trouble}")]
    if record.status != "ok":
        return [DoctorLine(level="problem", text=f"{record.origin} is {record.trouble}")]
    try:
        found = manager.current().call(record, "vitrail_doctor")
        lines = [line for line in found or () if isinstance(line, DoctorLine)]
    except (Exception, SystemExit) as error:
        return [DoctorLine(level="problem", text=f"its own check failed: {type(error).__name__}: {error}")]
    return [DoctorLine(level="ok", text=record.origin), *lines]
