"""Flags made from a function's signature: dataclass fields, presets, TOML files, and their order."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import cyclopts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.cli import flags
from vitrail.errors import BrokenError, UsageError


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How to fit.

    steps: how many steps.
    rate, decay: of the optimizer,
        both of them.
    """

    steps: int = 10
    rate: float = 1e-3
    decay: float | None = 0.1

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; wanted is 0 or more")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A config.

    data: folder with the pictures.
    mode: how.
    """

    data: Path | None = None
    mode: Literal["fast", "slow"] = "fast"
    flip: bool = True
    name: str | None = None
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.5, 1.0)
    fit: Fit = field(default_factory=Fit)
    extra: Fit | None = None


def train(config: Config, *, out: Path, resume: str | None = None) -> None:
    raise AssertionError("parsing calls nothing")


def parse(*tokens, start=None):
    values = flags.parse(
        train,
        tokens,
        prog="vitrail train x",
        given={"out": None, "resume": None},
        defaults={} if start is None else {"config": start},
    )
    assert values is None or set(values) == {"config"}
    return values and values["config"]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], Config()),
        (["--fit.steps", "3"], Config(fit=Fit(steps=3))),
        (["--fit.rate=1e-4"], Config(fit=Fit(rate=1e-4))),
        (["--fit.decay", "none"], Config(fit=Fit(decay=None))),
        (["--extra.steps", "3"], Config(extra=Fit(steps=3))),
        (["--sizes", "3", "4", "5"], Config(sizes=(3, 4, 5))),
        (["--sizes", "3", "--sizes", "4"], Config(sizes=(3, 4))),
        (["--empty-sizes"], Config(sizes=())),
        (["--pair", "1", "-2.5"], Config(pair=(1.0, -2.5))),
        (["--data", "a/b"], Config(data=Path("a/b"))),
        (["--mode", "slow"], Config(mode="slow")),
        (["--flip"], Config(flip=True)),
        (["--no-flip"], Config(flip=False)),
        (["--name", "a b"], Config(name="a b")),
    ],
)
def test_fields_are_flags(tokens, expected):
    found = parse(*tokens)
    assert found == expected
    assert type(found) is Config
    assert type(found.fit) is Fit


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["--nope", "3"], "Unknown option: --nope."),
        (["--fit.step", "3"], "Unknown option: --fit.step. Did you mean --fit.steps?"),
        (["--fit.steps", "many"], 'unable to convert "many" into int'),
        (["--mode", "sideways"], 'Invalid value "sideways" for --mode. Choose from: "fast", "slow".'),
        (["--pair", "1"], "--pair requires 2 positional arguments. Only got 1."),
        (["--fit.steps"], "--fit.steps requires an argument"),
        (["stray"], "stray"),
        (["--out", "somewhere"], "Unknown option: --out"),
    ],
)
def test_wrong_flags(tokens, text):
    with pytest.raises(cyclopts.CycloptsError) as caught:
        parse(*tokens)
    assert text in str(caught.value)


def test_a_value_that_the_config_itself_refuses():
    with pytest.raises(UsageError, match="steps is -1; wanted is 0 or more"):
        parse("--fit.steps", "-1")


def test_values_of_a_preset_are_the_defaults():
    preset = Config(data=Path("x"), sizes=(7,), fit=Fit(steps=99, decay=None), extra=Fit(rate=5.0))
    assert parse(start=preset) == preset
    assert parse("--fit.rate", "2", start=preset) == replace(preset, fit=Fit(steps=99, rate=2.0, decay=None))
    # a flag of an optional part changes that part and forgets nothing of it
    assert parse("--extra.steps", "1", start=preset) == replace(preset, extra=Fit(rate=5.0, steps=1))


@dataclass(frozen=True, kw_only=True)
class Documented:
    """rate: from the class."""

    rate: float = 0.1
    depth: int = 2
    """From under the field,
    over two lines."""
    plain: int = 3


def test_help_comes_from_under_the_field_too():
    assert flags.field_help(Documented) == {
        "rate": "from the class.",
        "depth": "From under the field, over two lines.",
    }


@dataclass(frozen=True, kw_only=True)
class Further(Documented):
    """plain: said here.
    more: of this class.
    """

    more: int = 4
    rate: float = 0.2
    """Said anew."""


def test_help_of_inherited_fields_is_inherited():
    assert flags.field_help(Further) == {
        "rate": "Said anew.",
        "depth": "From under the field, over two lines.",
        "plain": "said here.",
        "more": "of this class.",
    }


def test_help_comes_from_the_docstrings(capsys):
    assert parse("--help", start=Config(fit=Fit(steps=77))) is None
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--data PATH folder with the pictures." in shown
    assert "--fit.steps INT how many steps. [default: 77]" in shown
    assert "--fit.rate FLOAT of the optimizer, both of them. [default: 0.001]" in shown
    assert "--mode CHOICE how. [choices: fast, slow] [default: fast]" in shown
    assert "--flip --no-flip" in shown
    assert "--out" not in shown
    assert "--version" not in shown


def test_the_help_of_fields():
    assert flags.field_help(Fit) == {
        "steps": "how many steps.",
        "rate": "of the optimizer, both of them.",
        "decay": "of the optimizer, both of them.",
    }
    assert flags.field_help(Config) == {"data": "folder with the pictures.", "mode": "how."}


def test_help_is_shown_even_where_a_value_is_missing(capsys):
    def measure(data: Path, *, top: int = 5) -> None: ...

    assert flags.parse(measure, ["-h"], prog="vitrail eval x") is None
    assert "--data" in capsys.readouterr().out
    with pytest.raises(cyclopts.MissingArgumentError, match="--data"):
        flags.parse(measure, [], prog="vitrail eval x")
    assert flags.parse(measure, ["--data", "d"], prog="x") == {"data": Path("d"), "top": 5}


def test_a_config_with_a_field_that_must_be_given():
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        classes: int
        width: int = 3

    def measure(config: Needs) -> None: ...

    measure.__annotations__ = {"config": Needs}
    with pytest.raises(cyclopts.MissingArgumentError, match="--classes"):
        flags.parse(measure, ["--width", "4"], prog="x")
    assert flags.parse(measure, ["--classes", "2"], prog="x") == {"config": Needs(classes=2)}


def test_annotations_that_are_not_there_at_run_time():
    def measure(config: Nowhere) -> None: ...  # noqa: F821

    for look in (flags.config_parameter, lambda f: flags.parse(f, [], prog="x")):
        with pytest.raises(BrokenError, match="has an annotation that does not resolve: name 'Nowhere'"):
            look(measure)


def test_the_config_parameter():
    def other(first: int, second: Sequence[int]) -> None: ...

    assert flags.config_parameter(train) == ("config", Config)
    assert flags.config_parameter(other) is None


@pytest.fixture
def presets_module(monkeypatch):
    module = types.ModuleType("presets_of_this_test")
    code = "def small(): return Config(fit=Fit(steps=1), sizes=(9,))\ndef large(): return Config(fit=Fit(steps=1000))\n"
    code += "def _private(): ...\n"
    module.__dict__.update(Config=Config, Fit=Fit, parse=parse)
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


@pytest.fixture
def starting(presets_module, tmp_path):
    def starting(preset=None, toml=None, module=presets_module):
        file = None
        if toml is not None:
            file = tmp_path / "config.toml"
            file.write_text(toml)
        return flags.starting_config(Config, presets_module=module, preset=preset, file=file)

    return starting


def test_presets_are_the_public_functions_of_their_module(presets_module):
    assert list(flags.presets(sys.modules[presets_module])) == ["small", "large"]


def test_toml_goes_over_the_preset_and_flags_go_over_both(starting):
    start = starting("small", 'data = "there"\n[fit]\nrate = 1\n')
    assert start == Config(data=Path("there"), sizes=(9,), fit=Fit(steps=1, rate=1))
    assert parse("--fit.rate", "0.5", start=start).fit == Fit(steps=1, rate=0.5)
    assert starting(None, "sizes = [4]").sizes == (4,)
    assert starting(None, None) is None


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("colour = 1", "has colour, which Config does not know; it knows data, extra, fit"),
        ("[fit]\nstep = 1", "has step, which Fit does not know; it knows decay, rate, steps"),
        ("[fit]\nsteps = -5", "does not make a Fit: steps is -5; wanted is 0 or more"),
        ('[fit]\nsteps = "many"', "gives 'many' for steps; wanted is int"),
        ("sizes = 3", r"gives 3 for sizes; wanted is tuple\[int, ...\]"),
        ("pair = [1, 2, 3]", r"gives \[1, 2, 3\] for pair; wanted is tuple\[float, float\]"),
        ("fit = 3", "gives 3 for fit; wanted is Fit"),
        ("= 3", "is not a TOML file that can be read"),
    ],
)
def test_mistakes_in_a_toml_file_are_the_users(starting, toml, text):
    with pytest.raises(UsageError, match=rf"config\.toml .*{text}"):
        starting("small", toml)


def test_a_toml_file_that_is_none(tmp_path, presets_module):
    for path, text in [
        (tmp_path / "gone.toml", "does not exist; wanted is a TOML file"),
        (tmp_path, "is not a TOML"),
    ]:
        with pytest.raises(UsageError, match=text):
            flags.starting_config(Config, presets_module=presets_module, preset=None, file=path)


def test_a_preset_that_does_not_exist(starting):
    with pytest.raises(UsageError, match=r"There is no preset 'tiny'; there are small, large\."):
        starting("tiny")
    with pytest.raises(UsageError, match=r"--preset small was given, and this component has no presets\."):
        starting("small", module="")


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
numbers = st.floats(allow_nan=False)
fits = st.builds(Fit, steps=st.integers(0, 10**9), rate=numbers, decay=st.none() | numbers)
configs = st.builds(
    Config,
    data=st.none() | st.builds(Path, text),
    mode=st.sampled_from(["fast", "slow"]),
    flip=st.booleans(),
    name=st.none() | text,
    sizes=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=4).map(tuple),
    pair=st.tuples(numbers, numbers),
    fit=fits,
    extra=st.none() | fits,
)


@settings(max_examples=40, deadline=None, database=None)
@given(configs)
def test_what_is_printed_is_read_back(config):
    import tomllib

    again = flags.from_dict_or_usage(Config, tomllib.loads(flags.to_toml(config)), "here")
    assert again == config
    assert parse(start=again) == config


def test_numbers_that_are_not_finite_are_printed_too():
    import tomllib

    config = Config(fit=Fit(rate=math.inf, decay=-math.inf))
    assert flags.from_dict_or_usage(Config, tomllib.loads(flags.to_toml(config)), "here") == config


def test_none_where_toml_cannot_say_it():
    @dataclass(frozen=True, kw_only=True)
    class Named:
        name: str | None = "somebody"

    Named.__annotations__["name"] = str | None
    assert flags.to_toml(Named(name="x")) == 'name = "x"\n'
    with pytest.raises(BrokenError, match=r"make None the default of Named\.name"):
        flags.to_toml(Named(name=None))
