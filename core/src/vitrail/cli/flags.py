"""Command-line flags from a function's own signature: dataclass fields become flags, presets become defaults.

A method writes `train(config: TrainConfig, *, out, resume=None)`, and its flags follow. The help of a field is
the line `name: text` of the dataclass's docstring.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, asdict, field, fields, is_dataclass, make_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_type_hints

from cyclopts import App, Parameter

from vitrail.configs import from_dict
from vitrail.errors import BrokenError, UsageError

HELP_FLAGS = ("--help", "-h")

Switch = Annotated[bool, Parameter(negative="", show_default=False)]

# Verbs that run a plugin's function take their words as they come: which flags there are depends on the id.
Word = Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)]
Text = Annotated[str, Parameter(show_default=False)]
Hidden = Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]


def verb(name: str, *, usage: str, more: str) -> App:
    """The app of such a verb. It has no help flag of its own, since help may be asked of the id's flags.

    usage: the line after "Usage: vitrail". more: what stands below the flags.
    """
    return App(
        name=name,
        usage=f"Usage: vitrail {usage}",
        help_flags=[],
        help_format="plaintext",
        help_epilogue=more,
        default_parameter=Parameter(negative=""),
    )


def asks_help(id: str) -> bool:
    """Whether a verb's first word asks for its help. UsageError for another flag, since the id comes first."""
    if id.startswith("-") and id not in HELP_FLAGS:
        raise UsageError(f"{id} is not understood here; the name of a plugin or component comes first.")
    return not id or id in HELP_FLAGS


def after(word: str, tokens: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The tokens that a plugin's function gets, where a verb takes `word` first."""
    if word in HELP_FLAGS:
        return (word,)
    if word.startswith("-"):
        raise UsageError(f"{word} is not understood here; {what} comes right after the id.")
    return tokens


def parse(
    function: Callable[..., Any],
    tokens: Sequence[str],
    *,
    prog: str,
    summary: str = "",
    given: Mapping[str, Any] = {},
    defaults: Mapping[str, Any] = {},
) -> dict[str, Any] | None:
    """The keyword arguments for `function` from `tokens`; None when help was asked for and shown.

    given: arguments that are known already and become no flags. defaults: a config instance for a parameter
    that is annotated with a dataclass; its values are the flags' defaults.
    """
    hints = _hints(function)
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in given or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        hint = hints.get(parameter.name, str)
        if isinstance(hint, type) and is_dataclass(hint):
            flagged = _with_defaults(hint, defaults.get(parameter.name))
            parameters.append(
                parameter.replace(
                    kind=parameter.KEYWORD_ONLY,
                    annotation=Annotated[flagged, Parameter(name="*")],
                    default=parameter.empty if _required(flagged) else flagged(),
                )
            )
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hint))

    collected: dict[str, Any] = {}

    def collect(**values: Any) -> None:
        collected.update(values)

    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    collect.__annotations__ = {p.name: p.annotation for p in parameters}
    app = App(
        name=prog,
        help=summary,
        help_format="plaintext",
        result_action="return_value",
        version_flags=[],
        default_parameter=Parameter(consume_multiple=True),  # --sizes 1 2 3
    )
    app.default(collect)
    if any(token in HELP_FLAGS for token in tokens):
        app.help_print([])
        return None
    app(list(tokens), exit_on_error=False, print_error=False)
    return {p.name: _as_real(collected.get(p.name, p.default)) for p in parameters}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise BrokenError(
            f"{function.__module__}:{function.__name__} has an annotation that does not resolve: {error}."
        ) from error


def config_parameter(function: Callable[..., Any]) -> tuple[str, type] | None:
    """The first parameter that is annotated with a dataclass, and that dataclass."""
    hints = _hints(function)
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        if isinstance(hint, type) and is_dataclass(hint):
            return name, hint
    return None


def presets(module: ModuleType) -> dict[str, Callable[[], Any]]:
    """The public functions of a presets module that were written there."""
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {
        name: value
        for name, value in found.items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }


def starting_config(
    config_class: type, *, presets_module: str, preset: str | None, file: Path | None, start: Any = None
) -> Any:
    """The config that flags then change: a preset, or else `start`, with a TOML file's values on top; None for none."""
    if preset is not None:
        if not presets_module:
            raise UsageError(f"--preset {preset} was given, and this component has no presets.")
        known = presets(import_module(presets_module))
        if preset not in known:
            raise UsageError(f"There is no preset {preset!r}; there are {', '.join(known)}.")
        start = known[preset]()
    if file is not None:
        below = asdict(start) if start is not None else {}
        start = from_dict_or_usage(config_class, _over(below, _read_toml(file)), str(file))
    return start


def about(config_class: type, own: Any) -> Any:
    """A config of a run with `own`, a component's config, in the field of that type; None without such a field."""
    hints = get_type_hints(config_class)
    name = next((f.name for f in fields(config_class) if hints[f.name] is type(own)), None)
    return None if name is None else config_class(**{name: own})


def to_toml(config: Any) -> str:
    """A config as TOML, which has no null: a None is left out where it is the default, and "none" elsewhere."""
    import tomli_w

    return tomli_w.dumps(_plain(config))


def from_dict_or_usage(config_class: type, values: dict[str, Any], where: str) -> Any:
    """`vitrail.configs.from_dict`, where a mistake is the user's."""
    try:
        return from_dict(config_class, values, where=where)
    except BrokenError as error:
        raise UsageError(str(error)) from error


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{file} does not exist; wanted is a TOML file such as --print-config writes."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} is not a TOML file that can be read: {error}.") from error


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value


def _plain_fields(config: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if value is not None:
            plain[f.name] = _plain(value)
        elif _default(f) is not None:
            if str in get_args(get_type_hints(type(config))[f.name]):
                raise BrokenError(
                    f"{f.name} is None, which TOML cannot say where text may stand: make None the default of "
                    f"{type(config).__name__}.{f.name}."
                )
            plain[f.name] = "none"
    return plain


def _default(f: Field[Any]) -> Any:
    """The default of a field; MISSING if it has none."""
    return f.default if f.default_factory is MISSING else f.default_factory()


def _with_defaults(config_class: type, start: Any) -> type:
    """A twin of a dataclass whose defaults are the values of `start`, and whose fields carry their help."""
    hints = get_type_hints(config_class, include_extras=True)
    texts = field_help(config_class)
    made: list[tuple[str, Any, Any]] = []
    for f in fields(config_class):
        if not f.init:
            continue
        hint = hints[f.name]
        value = _default(f) if start is None else getattr(start, f.name)
        nested = _nested(hint, value)
        if nested is not None:
            twin = _with_defaults(nested, None if value is MISSING else value)
            made.append((f.name, twin, field(default=MISSING if _required(twin) else twin())))
            continue
        annotation = Annotated[hint, Parameter(help=texts[f.name])] if f.name in texts else hint
        made.append(
            (
                f.name,
                annotation,
                field(default=value) if _hashable(value) else field(default_factory=partial(_same, value)),
            )
        )
    # cyclopts looks into no class of the standard library, where make_dataclass puts its classes by itself
    place = {"__module__": config_class.__module__, "_real": config_class}
    return make_dataclass(config_class.__name__, made, kw_only=True, frozen=True, namespace=place)


def _same(value: Any) -> Any:
    return value


def _hashable(value: Any) -> bool:
    return type(value).__hash__ is not None


def _required(config_class: type) -> bool:
    return any(f.default is MISSING and f.default_factory is MISSING for f in fields(config_class))


def _nested(hint: Any, value: Any) -> type | None:
    """The dataclass whose fields become flags of their own: a field's, or for an optional one its value's."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    if is_dataclass(value) and type(value) in get_args(hint):
        return type(value)
    return None


def _as_real(value: Any) -> Any:
    """The config that a twin stands for; other values are themselves."""
    config_class = getattr(type(value), "_real", None)
    if config_class is None:
        return value
    try:
        return config_class(**{f.name: _as_real(getattr(value, f.name)) for f in fields(value)})
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def field_help(config_class: type) -> dict[str, str]:
    """The text for each field: the string under it, or the line `name: text` of the docstring, of the class that
    says it or of one that it inherits from."""
    texts: dict[str, str] = {}
    for each in reversed(config_class.__mro__):
        if is_dataclass(each):
            texts |= _in_docstring(each) | _strings_under_fields(each)
    return texts


def _in_docstring(config_class: type) -> dict[str, str]:
    names = {f.name for f in fields(config_class)}
    texts: dict[str, str] = {}
    current: list[str] = []
    for line in inspect.cleandoc(config_class.__dict__.get("__doc__") or "").splitlines():
        match = re.match(r"(\w+(?:, \w+)*): (.+)", line)
        if match and set(match[1].split(", ")) <= names:
            current = match[1].split(", ")
            texts.update(dict.fromkeys(current, match[2].strip()))
        elif line.startswith(" ") and current:
            texts.update({name: f"{texts[name]} {line.strip()}" for name in current})
        else:
            current = []
    return texts


def _strings_under_fields(config_class: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(config_class))).body[0]
    except (OSError, TypeError, SyntaxError):  # a class made at run time has no source
        return {}
    texts: dict[str, str] = {}
    above: str | None = None
    for statement in body.body if isinstance(body, ast.ClassDef) else []:
        if above and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            texts[above] = " ".join(str(statement.value.value).split())
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        above = target.id if isinstance(target, ast.Name) else None
    return texts
