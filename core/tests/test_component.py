"""The optional base class, and configs as data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest

from vitrail.component import PlainComponent, from_dict, read_config, read_record, write_config
from vitrail.errors import BrokenError, UsageError
from vitrail.specs import ComponentSpec


@dataclass(frozen=True, kw_only=True)
class Head:
    sizes: tuple[int, ...] = (1, 2)
    pairs: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    width: int = 8
    name: str = "a"
    mode: Literal["fast", "slow"] = "fast"
    data: Path | None = None
    source: Path | str = ""
    head: Head = field(default_factory=Head)
    extra: Head | None = None

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width is {self.width}; wanted is 1 or more")


class Plain(PlainComponent):
    config_class: ClassVar[type | None] = Config


def default() -> Config:
    return Config(width=3)


SPEC = ComponentSpec(id="plain/one", kind="segmenter", target="x:Plain", summary="one")
FULL = Config(
    width=2,
    name="b",
    data=Path("somewhere/else"),
    head=Head(sizes=(4, 5, 6), pairs=((1.0, 2.5), (3.0, 4.0))),
    extra=Head(sizes=()),
)


def test_a_component_is_written_and_read_back(tmp_path):
    folder = Plain(FULL, SPEC).save_pretrained(tmp_path / "saved")
    again = Plain.from_pretrained(folder, spec=SPEC)
    assert again.config == FULL
    assert again.spec is SPEC
    assert [p.name for p in folder.iterdir()] == ["config.json"]
    record = read_record(folder)
    assert (record["format"], record["id"], record["api"]) == (1, "plain/one", SPEC.api)


def test_without_a_config_class_there_is_nothing_to_keep(tmp_path):
    folder = PlainComponent(None, SPEC).save_pretrained(tmp_path / "saved")
    assert PlainComponent.from_pretrained(folder, spec=SPEC).config is None


def test_the_default_config_is_the_one_that_the_spec_names(monkeypatch):
    import sys
    import types
    from dataclasses import replace

    module = types.ModuleType("made_for_this_test")
    module.default = default
    monkeypatch.setitem(sys.modules, "made_for_this_test", module)
    named = replace(SPEC, config="made_for_this_test:default")
    assert Plain.from_config(spec=named).config == Config(width=3)
    assert Plain.from_config(FULL, spec=named).config is FULL
    assert Plain.from_config(spec=SPEC).config is None


def test_a_plain_component_stays_on_the_cpu():
    component = Plain(FULL, SPEC)
    assert component.to("cpu") is component
    assert component.device == "cpu"
    with pytest.raises(UsageError, match="plain/one computes on the cpu only; 'cuda:1' was asked for"):
        Plain.from_config(FULL, spec=SPEC, device="cuda:1")


def test_more_can_be_kept_beside_the_config(tmp_path):
    write_config(tmp_path, FULL, SPEC, trained_on="a scene", sha256={"other": "abc"})
    assert read_record(tmp_path)["trained_on"] == "a scene"
    assert read_config(tmp_path, Config, SPEC) == FULL


def test_a_folder_that_is_none(tmp_path):
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(
            UsageError, match=r"holds no config\.json; wanted is a folder that save_pretrained"
        ):
            read_record(folder)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', '{"format": 2}', "{}", "\ufffe"])
def test_a_config_that_is_damaged_or_newer(tmp_path, text):
    (tmp_path / "config.json").write_text(text, encoding="utf-16" if text == "\ufffe" else "utf-8")
    with pytest.raises(
        BrokenError, match=r"config\.json (cannot be read|is not a Vitrail config of format 1)"
    ):
        read_record(tmp_path)


def test_weights_of_another_plugin(tmp_path):
    other = ComponentSpec(id="other/one", kind="segmenter", target="x:Y", summary="one")
    Plain(FULL, other).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="holds weights of other/one; plain/one was asked for"):
        Plain.from_pretrained(tmp_path, spec=SPEC)
    variant = ComponentSpec(id="other/two", kind="segmenter", target="x:Y", summary="two")
    assert Plain.from_pretrained(tmp_path, spec=variant).config == FULL


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"depth": 3, "colour": 1},
            "here has colour, depth, which Config does not know; it knows data, extra, head",
        ),
        ({"head": {"depth": 3}}, "here has depth, which Head does not know; it knows pairs, sizes"),
        ({"extra": {"depth": 3}}, "here has depth, which Head does not know"),
        ({"width": 0}, "here does not make a Config: width is 0; wanted is 1 or more"),
        ([1, 2], "here gives a list for Config; wanted are its fields"),
        ({"head": 3}, "here gives 3 for head; wanted is Head"),
        ({"width": "wide"}, "here gives 'wide' for width; wanted is int"),
        ({"width": 1.5}, "here gives 1.5 for width; wanted is int"),
        ({"width": True}, "here gives True for width; wanted is int"),
        ({"mode": "sideways"}, "here gives 'sideways' for mode; wanted is 'fast' or 'slow'"),
        ({"head": {"sizes": [1, "x"]}}, r"gives \[1, 'x'\] for sizes; wanted is tuple\[int, \.\.\.\]"),
        ({"data": 5}, "here gives 5 for data; wanted is Path or None"),
    ],
)
def test_values_that_do_not_fit(values, text):
    with pytest.raises(BrokenError, match=text):
        from_dict(Config, values, where="here")


def test_values_of_a_wider_type_fit():
    built = from_dict(Config, {"head": {"pairs": [[1, 2]]}, "source": "text", "data": "a/b"}, where="here")
    assert built.head.pairs == ((1, 2),)
    assert built.source == "text"
    assert built.data == Path("a/b")


def test_a_missing_field_without_default():
    @dataclass(frozen=True, kw_only=True)
    class Needs:
        classes: int

    with pytest.raises(BrokenError, match=r"here does not make a Needs: .*'classes'"):
        from_dict(Needs, {}, where="here")


def test_arrays_do_not_belong_in_a_config(tmp_path):
    with pytest.raises(TypeError):
        write_config(tmp_path, Config(name=np.zeros(2)), SPEC)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_readable_json(tmp_path):
    path = write_config(tmp_path, Config(data=Path("x/y")), SPEC)
    assert json.loads(path.read_text())["config"]["data"] == "x/y"
