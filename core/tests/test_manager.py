"""Discovery and isolation, in this process; test_bad_plugins.py looks at real wheels from outside."""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, EntryPoint

import pytest

from vitrail import hookspecs, manager
from vitrail.cli import tree
from vitrail.errors import BrokenError
from vitrail.manager import Manager, from_environment, scan_entry_points
from vitrail.specs import Command, ComponentSpec, DoctorLine


def spec(id, **changes):
    return ComponentSpec(**{"id": id, "kind": "segmenter", "target": "a:B", "summary": "one", **changes})


def only(point):
    (record,) = Manager([point]).records
    return record


def test_a_good_plugin(plugin):
    point = plugin(
        "good",
        components=lambda: iter([spec("good/a"), spec("good/b")]),
        commands={"one": ("m:f", "One."), "two": Command(target="m:g", help="Two.")},
        doctor=lambda: [DoctorLine(level="ok", text="fine")],
    )
    built = Manager([point])
    record = built.record("good")
    assert record.status == "ok"
    assert (record.reason, record.traceback) == ("", "")
    assert list(built.components) == ["good/a", "good/b"]
    assert built.commands == {
        "one": Command(target="m:f", help="One."),
        "two": Command(target="m:g", help="Two."),
    }
    assert built.call(record, "vitrail_doctor")[0].text == "fine"
    assert built.record("other") is None


def test_a_plugin_without_hooks(plugin):
    built = Manager([plugin("bare")])
    assert built.records[0].status == "ok"
    assert built.call(built.records[0], "vitrail_doctor") is None


@pytest.mark.parametrize(
    ("commands", "status", "text"),
    [
        ({"x": "m:f"}, "broken", 'its verb \'x\' is not given as ("module:app", "one line of help").'),
        ({"x": ("m:f",)}, "broken", "its verb 'x' is not given as"),
        ({"x": ("m", "Help.")}, "broken", "its verb 'x' is not given as"),
        ({"x": ("m:f", "")}, "broken", "its verb 'x' is not given as"),
        ({"x": (len, "Help.")}, "broken", "its verb 'x' is not given as"),
        (
            {"--x": ("m:f", "Help.")},
            "broken",
            "its verb '--x' is not lower case letters, digits and hyphens.",
        ),
        ({3: ("m:f", "Help.")}, "broken", "its verb 3 is not lower case letters"),
        ([1], "broken", "its hook vitrail_commands failed: TypeError"),
        ({"doctor": ("m:f", "Help.")}, "conflict", "its verb 'doctor' is one of vitrail's own."),
    ],
)
def test_verbs_that_cannot_be(plugin, commands, status, text):
    record = only(plugin("bad", commands=commands))
    assert record.status == status
    assert text in record.reason
    assert record.commands == {}


@pytest.mark.parametrize(
    ("components", "status", "text"),
    [
        (3, "broken", "its hook vitrail_components failed: TypeError: 'int' object is not iterable"),
        ([None], "broken", "vitrail_components gave a NoneType; wanted are ComponentSpec objects."),
        ([spec("bad/a"), spec("bad/a")], "broken", "it offers bad/a more than once."),
        ([spec("other/a")], "broken", "the spec of other/a is unsound: its prefix is not 'bad'"),
        ([spec("bad/a", kind="x", summary="")], "broken", "kind 'x' is none of recognizer"),
        ([spec("bad/a", api=1.0)], "incompatible", "bad/a: api 1.0 is not of the form MAJOR.MINOR."),
        ([spec(7)], "broken", "id is a int, not a string"),
        (lambda: (_ for _ in ()).throw(KeyError("gone")), "broken", "KeyError: 'gone'"),
        (lambda: sys.exit(), "broken", "its hook vitrail_components failed: sys.exit was called"),
    ],
)
def test_components_that_cannot_be(plugin, components, status, text):
    record = only(plugin("bad", components=components))
    assert record.status == status
    assert text in record.reason
    assert record.components == ()
    assert bool(record.traceback) is ("failed" in record.reason)


def test_interrupting_is_not_caught(plugin):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Manager([plugin("slow", components=interrupted)])


def test_an_entry_point_that_is_no_module():
    point = EntryPoint(name="bad", value="vitrail.specs:ComponentSpec", group=hookspecs.ENTRY_POINT_GROUP)
    assert "is a type; wanted is a module." in only(point).reason
    point = EntryPoint(name="bad", value="not a module", group=hookspecs.ENTRY_POINT_GROUP)
    assert only(point).status == "broken"


def test_one_module_under_two_names(plugin):
    """The second entry point must not take the first one's hooks away."""
    first = plugin("first", components=[spec("first/a")], doctor=[DoctorLine(level="ok", text="still here")])
    second = EntryPoint(name="second", value=first.value, group=first.group)
    built = Manager([first, second])
    assert [record.status for record in built.records] == ["ok", "broken"]
    assert "its prefix is not 'second'" in built.records[1].reason
    assert built.call(built.records[0], "vitrail_doctor")[0].text == "still here"


def test_one_module_from_two_distributions_is_a_conflict(plugin):
    first = plugin("twin", components=[spec("twin/a")])
    again = EntryPoint(name="twin", value=first.value, group=first.group)
    assert [record.status for record in Manager([first, again]).records] == ["conflict", "conflict"]


def test_three_that_give_one_verb_are_all_out(plugin):
    points = [plugin(name, commands={"paint": ("m:f", "Paint.")}) for name in ("a", "b", "c")]
    built = Manager([*points, plugin("d", commands={"draw": ("m:f", "Draw.")})])
    assert [record.status for record in built.records] == ["conflict"] * 3 + ["ok"]
    assert "all give verb 'paint': uninstall all but one of them." in built.records[0].reason
    assert list(built.commands) == ["draw"]


def test_a_plugin_that_is_broken_anyway_causes_no_conflict(plugin):
    good = plugin("a", components=[spec("a/x")], commands={"paint": ("m:f", "Paint.")})
    broken = plugin("b", components=[None], commands={"paint": ("m:f", "Paint.")})
    assert [record.status for record in Manager([good, broken]).records] == ["ok", "broken"]


def test_allow_and_deny(plugin):
    points = [plugin(name, components=[spec(f"{name}/x")]) for name in ("a", "b", "c")]
    status = lambda **lists: [record.status for record in Manager(points, **lists).records]  # noqa: E731
    assert status(allow=["a", "b"], deny=["b"]) == ["ok", "disabled", "disabled"]
    assert status(allow=[]) == ["disabled"] * 3
    assert status(deny=["c"]) == ["ok", "ok", "disabled"]


class Installed(Distribution):
    def __init__(self, **files):
        self.files_by_name = files

    def read_text(self, filename):
        return self.files_by_name.get(filename.replace(".", "_"))

    def locate_file(self, path):
        return path


def installed(name, requires=(), points="p = vitrail.palettes", version="1"):
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    return Installed(METADATA="\n".join(lines) + "\n", entry_points_txt=f"[vitrail.plugins]\n{points}\n")


@pytest.fixture
def found(monkeypatch):
    def found(*installed):
        monkeypatch.setattr(manager, "distributions", lambda: iter(installed))
        return Manager().records

    return found


@pytest.mark.parametrize(
    ("requires", "status"),
    [
        (["vitrail>=99"], "incompatible"),
        (["Vitrail <0.0.1"], "incompatible"),
        (["vitrail[video]>=99"], "incompatible"),
        (["numpy", "vitrail>=99 ; python_version > '3'"], "incompatible"),
        (["vitrail>=99 ; extra == 'new'"], "ok"),
        (["vitrail>=99 ; python_version < '3'"], "ok"),
        (["vitrail-training>=99"], "ok"),
        (["vitrail>=0.0.1,<99"], "ok"),
        (["vitrail"], "ok"),
        (["this is not a requirement !!"], "ok"),
        ([], "ok"),
    ],
)
def test_declared_requirements(found, requires, status):
    (record,) = found(installed("somebody", requires))
    assert record.status == status
    assert ("it requires vitrail" in record.reason) is (status == "incompatible")


def test_a_distribution_that_is_found_twice_counts_once(found):
    records = found(installed("Some.Body", version="2"), installed("some-body", version="1"))
    assert [record.origin for record in records] == ["Some.Body 2"]


def test_distributions_that_cannot_be_read_stop_nobody(found):
    class Torn(Installed):
        def read_text(self, filename):
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "torn")

    half = Installed(entry_points_txt="[vitrail.plugins]\np = vitrail.palettes\n")
    nonsense = installed("nonsense", points="this is no entry point")
    assert [
        r.distribution for r in found(Torn(), half, nonsense, installed("whole")) if r.status == "ok"
    ] == ["whole"]


def test_other_groups_are_none_of_our_business(monkeypatch):
    other = Installed(METADATA="Name: other\nVersion: 1\n", entry_points_txt="[console_scripts]\nx = a:b\n")
    monkeypatch.setattr(manager, "distributions", lambda: iter([other, Installed(METADATA="Name: none\n")]))
    assert scan_entry_points() == []


def test_the_environment(found, monkeypatch):
    found(installed("one", points="a = vitrail.palettes\nb = vitrail.records\nc = no_such_module"))
    status = lambda **e: {r.name: r.status for r in from_environment(e).records}  # noqa: E731
    assert status() == {"a": "ok", "b": "ok", "c": "broken"}
    assert status(VITRAIL_PLUGINS=" a ,") == {"a": "ok", "b": "disabled", "c": "disabled"}
    assert status(VITRAIL_DISABLE_PLUGINS="a,c", VITRAIL_STRICT="1") == {
        "a": "disabled",
        "b": "ok",
        "c": "disabled",
    }
    with pytest.raises(
        BrokenError, match=r"VITRAIL_STRICT is set and 1 plugin\(s\) cannot be used: c \(one 1\) is"
    ):
        from_environment({"VITRAIL_STRICT": "1"})


def test_vitrails_own_verbs_are_the_ones_that_no_plugin_may_take():
    assert set(tree.VERBS) == set(manager.CORE_VERBS)
