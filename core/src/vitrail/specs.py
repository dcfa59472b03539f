"""What a plugin says about its components, in plain data: nothing heavy is imported to read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, Literal, get_args

from vitrail.errors import BrokenError, UsageError

API_VERSION = "1.0"
"""The version of this contract. Minor versions only add; a new major may remove what was deprecated."""

Kind = Literal["recognizer", "segmenter", "generator", "animator"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_ID = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RESOURCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[\w./-]+")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a component takes.

    bands: channels of an image, (H, W, bands); None where the weights decide.
    dtypes: numpy dtype names that are accepted. Anything but ("uint8",) means raw sensor values.
    size: (height, width) where the input has one fixed size, as aligned face crops have.
    template: name of the alignment that `size` refers to, e.g. "arcface".
    """

    bands: int | None = 3
    dtypes: tuple[str, ...] = ("uint8",)
    size: tuple[int, int] | None = None
    template: str = ""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a component can do beyond the least that its kind promises.

    tokens: a recognizer that gives patch tokens, (B, N, D).
    deterministic: the same input gives bit-equal results on one machine.
    batched: many images cost less together than one by one.
    module: `component.module` is a torch network.
    """

    tokens: bool = False
    deterministic: bool = True
    batched: bool = False
    module: bool = False


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Published weights of a component, for `vitrail pull`.

    url: where the file lies; empty where the authors publish none that can be fetched directly.
    sha256, size: of that file, in hexadecimal and bytes.
    licence: of the weights, which is often not the licence of the code.
    converter: "module:function" that turns the file into a component (see ComponentSpec.converter);
        empty when the file is already in Vitrail's format.
    homepage: where a person finds out more, named in messages when `url` is empty.
    """

    url: str = ""
    sha256: str = ""
    size: int = 0
    licence: str = ""
    converter: str = ""
    homepage: str = ""

    def problems(self) -> list[str]:
        """Everything that is wrong here, as sentences; empty when it is sound."""
        found = []
        if self.url and not self.url.startswith(("http://", "https://")):
            found.append(f"weights.url {self.url!r} does not begin with https:// or http://")
        if self.url and not (_SHA256.fullmatch(self.sha256) and self.size > 0):
            found.append(
                "weights.url is given without the file's sha256 (64 hexadecimal digits) and size in bytes"
            )
        if self.converter and not _REFERENCE.fullmatch(self.converter):
            found.append(f"weights.converter {self.converter!r} is not of the form module:name")
        return found


@dataclass(frozen=True, kw_only=True)
class ComponentSpec:
    """One component: what it is, and where the code of each verb is. Strings are imported only when used.

    id: "plugin/variant"; the prefix is the plugin's entry-point name.
    target: "module:Class", the class that implements the kind's interface.
    config: "module:function" that returns the component's default config; empty if it takes none.
    embedded: "package:folder" with weights that come inside the wheel.
    weights: published weights; a component that has this set and no `embedded` cannot be loaded untrained.
    options: "module:Class", the frozen dataclass that `generate`/`animate` take as `options`.
    trainer, evaluator, converter, exporter, benchmarks, demo: "module:function", see docs/plugins.md.
    presets: module whose public functions return the trainer's configs.
    weights_caveat: why nothing may be concluded from the weights that come with it, as a phrase, such as "demo
        weights, not calibrated on real faces"; empty where they are meant for use.
    """

    id: str
    kind: Kind
    target: str
    summary: str
    api: str = API_VERSION
    config: str = ""
    inputs: Inputs = field(default_factory=Inputs)
    capabilities: Capabilities = field(default_factory=Capabilities)
    embedded: str = ""
    weights: Weights | None = None
    options: str = ""
    trainer: str = ""
    presets: str = ""
    evaluator: str = ""
    converter: str = ""
    exporter: str = ""
    benchmarks: str = ""
    demo: str = ""
    licence: str = ""
    weights_licence: str = ""
    weights_caveat: str = ""
    paper: str = ""

    @property
    def plugin(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]

    def problems(self) -> list[str]:
        """Everything that is wrong with this spec by itself, as sentences; empty when it is sound."""
        found = [
            f"{f.name} is a {type(getattr(self, f.name)).__name__}, not a string"
            for f in fields(self)
            if f.type == "str" and not isinstance(getattr(self, f.name), str)
        ]
        if found:
            return found
        if not _ID.fullmatch(self.id):
            found.append(f"id {self.id!r} is not of the form plugin/variant (lower case, digits, hyphens)")
        if self.kind not in KINDS:
            found.append(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if not _REFERENCE.fullmatch(self.target):
            found.append(f"target {self.target!r} is not of the form module:Class")
        if not self.summary:
            found.append("summary is empty")
        for name in (
            "config",
            "options",
            "trainer",
            "evaluator",
            "converter",
            "exporter",
            "benchmarks",
            "demo",
        ):
            value = getattr(self, name)
            if value and not _REFERENCE.fullmatch(value):
                found.append(f"{name} {value!r} is not of the form module:name")
        if self.presets and not _MODULE.fullmatch(self.presets):
            found.append(f"presets {self.presets!r} is not a module name")
        if self.embedded and not _RESOURCE.fullmatch(self.embedded):
            found.append(f"embedded {self.embedded!r} is not of the form package:folder")
        if self.weights is not None:
            found += self.weights.problems()
        return found


@dataclass(frozen=True, kw_only=True)
class Command:
    """A verb that a plugin adds: "module:app" (a cyclopts App or a function) and one line of help."""

    target: str
    help: str


@dataclass(frozen=True, kw_only=True)
class DoctorLine:
    """One finding of `vitrail doctor`. `level` is "ok", "note" or "problem"."""

    level: Literal["ok", "note", "problem"]
    text: str


def check_api(declared: str) -> str:
    """The reason why a spec written for api `declared` cannot be used here, or an empty string."""
    try:
        major, minor = (int(part) for part in declared.split("."))
    except (ValueError, AttributeError):
        return f"api {declared!r} is not of the form MAJOR.MINOR"
    own_major, own_minor = (int(part) for part in API_VERSION.split("."))
    if major != own_major or minor > own_minor:
        return (
            f"it is written for plugin api {declared}, and this vitrail offers {API_VERSION}: "
            "install a vitrail that offers it, or another version of the plugin"
        )
    return ""


def resolve(reference: str, *, wanted_by: str = "") -> Any:
    """Import what "module:name" refers to.

    Raises BrokenError when the module cannot be imported or has no such name, UsageError when the string
    has another form.
    """
    if not _REFERENCE.fullmatch(reference):
        raise UsageError(f"{reference!r} is not a reference of the form module:name.")
    module, _, name = reference.partition(":")
    whom = f"{wanted_by} needs" if wanted_by else "Wanted was"
    try:
        found: Any = import_module(module)
    except ImportError as error:
        raise BrokenError(
            f"{whom} {reference}, and importing {module} failed: {error}. Reinstall the package that brings it."
        ) from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise BrokenError(
            f"{whom} {reference}, and {module} has no {name!r}. The package and its plugin entry do not fit "
            "together: reinstall it, or report this to its authors."
        ) from error
    return found


def resolve_function(reference: str, *, wanted_by: str = "") -> Callable[..., Any]:
    """As `resolve`, and the result must be callable."""
    found = resolve(reference, wanted_by=wanted_by)
    if not callable(found):
        raise BrokenError(f"{wanted_by or 'Somebody'} names {reference}, which is not callable.")
    return found  # type: ignore[no-any-return]
