"""The three hooks. A plugin is a module (named by an entry point in the group `vitrail.plugins`) that
implements any of them. The module must not import torch, numpy or anything else that is slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pluggy

from vitrail.specs import Command, ComponentSpec, DoctorLine

PROJECT = "vitrail"
ENTRY_POINT_GROUP = "vitrail.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def vitrail_components() -> Iterable[ComponentSpec]:  # type: ignore[empty-body]
    """The components that this plugin offers. Every id begins with the entry point's name."""


@hookspec
def vitrail_commands() -> Mapping[str, Command | tuple[str, str]]:  # type: ignore[empty-body]
    """Verbs for the command line: name -> ("module:app", one line of help). Imported only when called."""


@hookspec
def vitrail_doctor() -> Iterable[DoctorLine]:  # type: ignore[empty-body]
    """Findings about this machine: which kernel backend is used, what is missing. May import what it needs."""
