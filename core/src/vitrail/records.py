"""What became of each installed plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pluggy import PluginManager

from vitrail.specs import Command, ComponentSpec

Status = Literal["ok", "disabled", "incompatible", "broken", "conflict"]


@dataclass(frozen=True, kw_only=True)
class PluginRecord:
    """One installed plugin. `name` is its entry point's name and the prefix of its ids.

    reason: one sentence, empty when status is "ok". traceback: the full text, for "broken" ones. components,
    commands and hooks are those that can be used: empty unless status is "ok".
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Status
    reason: str = ""
    traceback: str = ""
    components: tuple[ComponentSpec, ...] = ()
    commands: Mapping[str, Command] = field(default_factory=dict)
    hooks: PluginManager | None = field(default=None, repr=False, compare=False)

    @property
    def origin(self) -> str:
        """The distribution and its version, as messages name it."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def trouble(self) -> str:
        """Status and reason, as messages say them: "broken: importing it failed"."""
        return f"{'in conflict' if self.status == 'conflict' else self.status}: {self.reason}"
