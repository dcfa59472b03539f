"""Finds the installed plugins, each guarded alone: a broken one becomes a record and never stops the others.

The order matters. A plugin that somebody switched off, or that asks for another vitrail, is never imported.
`pluggy.PluginManager.load_setuptools_entrypoints` is not used: one failing import there ends the whole scan.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from types import ModuleType
from typing import Any

import pluggy
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from vitrail import hookspecs
from vitrail.errors import BrokenError
from vitrail.records import PluginRecord, Status
from vitrail.specs import _REFERENCE, Command, ComponentSpec, check_api
from vitrail.version import __version__

CORE_VERBS = (
    "plugins", "generate", "animate", "train", "eval", "convert", "export", "pull", "bench", "doctor", "demo",
)  # fmt: skip

_VERB = re.compile(r"[a-z][a-z0-9-]*")


class _Rejected(Exception):
    """Why a plugin cannot be used; becomes the status and reason of its record."""

    def __init__(self, status: Status, reason: str, trace: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.trace = status, reason, trace


def scan_entry_points() -> list[EntryPoint]:
    """Every entry point in the group, also those that several distributions give under one name.

    A distribution that is on sys.path twice (a source tree and its installation) counts once, the first. One
    whose files cannot be read (half uninstalled, say) is no plugin; it must not stop the others.
    """
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            if not _names_the_group(distribution):
                continue
            name = canonicalize_name(distribution.metadata["Name"])
            points = distribution.entry_points.select(group=hookspecs.ENTRY_POINT_GROUP)
        except Exception:
            continue
        if name not in seen:
            seen.add(name)
            found.extend(points)
    return sorted(found, key=lambda point: (point.name, point.dist.name if point.dist else ""))


def _names_the_group(distribution: Distribution) -> bool:
    # Reading one small file is much cheaper than parsing the metadata of every installed distribution.
    return hookspecs.ENTRY_POINT_GROUP in (distribution.read_text("entry_points.txt") or "")


class Manager:
    """The plugins of this process. Build one, then read `records`; nothing changes afterwards.

    allow: only these plugins are loaded, if given. deny: these are not. Names are entry-point names.
    """

    def __init__(
        self,
        entry_points: Iterable[EntryPoint] | None = None,
        *,
        allow: Iterable[str] | None = None,
        deny: Iterable[str] = (),
    ) -> None:
        allowed = None if allow is None else set(allow)
        points = scan_entry_points() if entry_points is None else list(entry_points)
        records = [_examine(point, allowed, set(deny)) for point in points]
        self.records: tuple[PluginRecord, ...] = tuple(_find_conflicts(records))

    @property
    def components(self) -> dict[str, ComponentSpec]:
        """Every usable component by id."""
        return {spec.id: spec for record in self.records for spec in record.components}

    @property
    def commands(self) -> dict[str, Command]:
        """Every usable plugin verb."""
        return {verb: command for record in self.records for verb, command in record.commands.items()}

    def record(self, name: str) -> PluginRecord | None:
        """The first record of that name."""
        return next((record for record in self.records if record.name == name), None)

    @staticmethod
    def call(record: PluginRecord, hook: str) -> Any:
        """A hook of one usable plugin, called alone; None when it has no such hook."""
        answers = getattr(record.hooks.hook, hook)() if record.hooks is not None else []
        return answers[0] if answers else None

    def require_sound(self) -> None:
        """Raise BrokenError unless every plugin is ok or was switched off (VITRAIL_STRICT=1)."""
        bad = [record for record in self.records if record.status not in ("ok", "disabled")]
        if bad:
            lines = "; ".join(f"{record.name} ({record.origin}) is {record.trouble}" for record in bad)
            raise BrokenError(f"VITRAIL_STRICT is set and {len(bad)} plugin(s) cannot be used: {lines}")


def _examine(point: EntryPoint, allow: set[str] | None, deny: set[str]) -> PluginRecord:
    record = PluginRecord(
        name=point.name,
        distribution=point.dist.name if point.dist else "unknown",
        version=point.dist.version if point.dist else "",
        module=point.value,
        status="ok",
    )
    if allow is not None and point.name not in allow:
        return replace(record, status="disabled", reason="it is not on the list of allowed plugins.")
    if point.name in deny:
        return replace(record, status="disabled", reason="it was switched off.")
    try:
        _check_requirement(point)
        loaded = replace(record, hooks=_register(_import(point)))
        return replace(loaded, components=_components(loaded), commands=_commands(loaded))
    except _Rejected as rejected:
        return replace(record, status=rejected.status, reason=rejected.reason, traceback=rejected.trace)


def _register(module: ModuleType) -> pluggy.PluginManager:
    """Hooks of this plugin alone, so that no other plugin's mistakes can reach it."""
    hooks = pluggy.PluginManager(hookspecs.PROJECT)
    hooks.add_hookspecs(hookspecs)
    try:
        hooks.register(module)
        hooks.check_pending()
    except pluggy.PluginValidationError as error:
        reason = " ".join(str(error).split())
        raise _Rejected("incompatible", f"its hooks do not fit this vitrail: {reason}") from error
    return hooks


def _components(record: PluginRecord) -> tuple[ComponentSpec, ...]:
    specs: tuple[ComponentSpec, ...] = _guarded(
        lambda: tuple(Manager.call(record, "vitrail_components") or ()), "its hook vitrail_components failed"
    )
    for spec in specs:
        if not isinstance(spec, ComponentSpec):
            raise _Rejected(
                "broken",
                f"vitrail_components gave a {type(spec).__name__}; wanted are ComponentSpec objects.",
            )
        mismatch = check_api(spec.api)
        if mismatch:
            raise _Rejected("incompatible", f"{spec.id}: {mismatch}.")
        problems = spec.problems()
        if not problems and spec.plugin != record.name:
            problems = [f"its prefix is not {record.name!r}, the name of the plugin's entry point"]
        if problems:
            raise _Rejected("broken", f"the spec of {spec.id} is unsound: {'; '.join(problems)}.")
    ids = [spec.id for spec in specs]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise _Rejected("broken", f"it offers {', '.join(twice)} more than once.")
    return specs


def _commands(record: PluginRecord) -> dict[str, Command]:
    answer = _guarded(
        lambda: dict(Manager.call(record, "vitrail_commands") or {}), "its hook vitrail_commands failed"
    )
    found: dict[str, Command] = {}
    for verb, given in answer.items():
        command = Command(target=given[0], help=given[1]) if _is_pair(given) else given
        if not isinstance(verb, str) or not _VERB.fullmatch(verb):
            raise _Rejected("broken", f"its verb {verb!r} is not lower case letters, digits and hyphens.")
        if not isinstance(command, Command) or not _is_sound(command):
            raise _Rejected(
                "broken", f'its verb {verb!r} is not given as ("module:app", "one line of help").'
            )
        if verb in CORE_VERBS:
            raise _Rejected("conflict", f"its verb {verb!r} is one of vitrail's own.")
        found[verb] = command
    return found


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2


def _is_sound(command: Command) -> bool:
    return bool(_REFERENCE.fullmatch(str(command.target))) and bool(command.help)


def _check_requirement(point: EntryPoint) -> None:
    """Refuse, before importing anything, a distribution that asks for another vitrail than this one."""
    for text in (point.dist.requires if point.dist else None) or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != "vitrail" or (
            requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
        ):
            continue
        if not requirement.specifier.contains(__version__, prereleases=True):
            raise _Rejected(
                "incompatible",
                f"it requires vitrail {requirement.specifier}, and this is {__version__}: "
                "install another version of one of the two.",
            )


def _import(point: EntryPoint) -> ModuleType:
    plugin = _guarded(point.load, f"importing {point.value} failed")
    if not isinstance(plugin, ModuleType):
        raise _Rejected(
            "broken", f"its entry point {point.value} is a {type(plugin).__name__}; wanted is a module."
        )
    return plugin


def _guarded(call: Callable[[], Any], what: str) -> Any:
    try:
        return call()
    except (Exception, SystemExit) as error:
        name = "sys.exit was called" if isinstance(error, SystemExit) else type(error).__name__
        detail = f"{name}: {error}" if str(error) else name
        raise _Rejected("broken", f"{what}: {detail}", traceback.format_exc()) from error


def _find_conflicts(records: list[PluginRecord]) -> list[PluginRecord]:
    """Two distributions that give one id, or one verb, are both out; each names the other."""

    def claims(record: PluginRecord) -> set[str]:
        return {f"component {spec.id}" for spec in record.components} | {
            f"verb {v!r}" for v in record.commands
        }

    settled = []
    for record in records:
        rivals = [other for other in records if other is not record and claims(other) & claims(record)]
        if rivals:
            shared = sorted(set().union(*(claims(other) & claims(record) for other in rivals)))
            names = " and ".join(other.origin for other in rivals)
            both = "both" if len(rivals) == 1 else "all"
            reason = (
                f"{record.origin} and {names} {both} give {', '.join(shared)}: uninstall all but one of them."
            )
            record = replace(record, status="conflict", reason=reason, components=(), commands={}, hooks=None)
        settled.append(record)
    return settled


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def from_environment(environ: Mapping[str, str] | None = None) -> Manager:
    """A manager that heeds VITRAIL_PLUGINS, VITRAIL_DISABLE_PLUGINS and VITRAIL_STRICT."""
    environ = os.environ if environ is None else environ
    allow = _names(environ["VITRAIL_PLUGINS"]) if "VITRAIL_PLUGINS" in environ else None
    manager = Manager(allow=allow, deny=_names(environ.get("VITRAIL_DISABLE_PLUGINS", "")))
    if environ.get("VITRAIL_STRICT", "") not in ("", "0"):
        manager.require_sound()
    return manager


@lru_cache(maxsize=1)
def current() -> Manager:
    """The manager of this process, built on first use."""
    return from_environment()
