"""The suites guard themselves: no standard check goes missing without a reason."""

import pytest

from vitrail.testing import SegmenterSuite
from vitrail.testing.registry import CHECKS, checks_of
from vitrail.testing.suites import ComponentSuite

pytestmark = pytest.mark.usefixtures("fakes")


class Suite(SegmenterSuite):
    __test__ = False
    component = "fake/segmenter"


def test_every_check_becomes_a_test_method():
    for name in checks_of(*SegmenterSuite.groups):
        assert getattr(SegmenterSuite, f"test_{name}").standard_check == name


def test_every_group_is_in_some_suite():
    from vitrail.testing import suites

    used = {g for s in vars(suites).values() if isinstance(s, type) for g in getattr(s, "groups", ())}
    checks_of("packaging")
    assert set(CHECKS) == used


def test_a_removed_check_needs_a_reason():
    class Removed(Suite):
        test_is_deterministic = None

    with pytest.raises(AssertionError, match="is_deterministic"):
        Removed().test_standard_checks_are_all_there()

    class Explained(Removed):
        overrides = {"is_deterministic": "the sensor adds noise"}

    Explained().test_standard_checks_are_all_there()


def test_an_overridden_check_needs_a_reason():
    class Overridden(Suite):
        def test_is_deterministic(self):
            pass

    with pytest.raises(AssertionError, match="is_deterministic"):
        Overridden().test_standard_checks_are_all_there()


def test_an_override_that_changes_nothing_is_stale():
    class Stale(Suite):
        overrides = {"is_deterministic": "once"}

    with pytest.raises(AssertionError, match="not changed"):
        Stale().test_standard_checks_are_all_there()


def test_a_quirk_is_strict(monkeypatch):
    class Quirky(Suite):
        quirks = {"is_deterministic": "it is said to roll dice"}

    with pytest.raises(pytest.fail.Exception, match="no longer needed"):
        Quirky().test_is_deterministic()


def test_a_quirk_excuses_a_failing_check(monkeypatch):
    from vitrail.testing.fake_components import FakeSegmenter

    class Quirky(Suite):
        quirks = {"classes_are_named": "names are coming"}

    ComponentSuite._subjects.clear()
    monkeypatch.setattr(FakeSegmenter, "classes", ("one",))
    with pytest.raises(pytest.xfail.Exception, match="names are coming"):
        Quirky().test_classes_are_named()
    ComponentSuite._subjects.clear()


@pytest.mark.parametrize(
    ("quirks", "text"), [({"no_such": "x"}, "do not exist"), ({"is_deterministic": ""}, "no reason")]
)
def test_quirks_must_exist_and_have_reasons(quirks, text):
    bad = type("Bad", (Suite,), {"quirks": quirks, "__test__": False})
    with pytest.raises(AssertionError, match=text):
        bad().test_standard_checks_are_all_there()


def test_a_suite_refuses_a_component_of_another_kind():
    class Wrong(SegmenterSuite):
        __test__ = False
        component = "fake/generator"

    with pytest.raises(AssertionError, match="is a generator"):
        Wrong().subject()
