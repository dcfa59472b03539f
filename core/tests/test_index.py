"""The index of known plugins as this package carries it."""

from __future__ import annotations

import pytest

from vitrail import index
from vitrail.specs import KINDS


def test_every_row_is_complete():
    rows = index.plugins()
    assert len(rows) > 5
    for name, entry in rows.items():
        assert entry.name == name
        assert entry.status in ("available", "planned")
        assert entry.party in ("first", "third")
        assert entry.kind in (*KINDS, "kit")
        assert entry.summary
        assert entry.title
        assert all(id.startswith(f"{name}/") for id in entry.components)
        assert bool(entry.install) is (entry.status == "available")
        assert bool(entry.components) is (entry.kind != "kit")
        if entry.status == "available":
            assert entry.entry_point
            assert entry.licence


def test_no_two_rows_share_a_verb_or_a_distribution():
    rows = index.plugins().values()
    verbs = [verb for entry in rows for verb in entry.verbs]
    assert len(verbs) == len(set(verbs))
    assert len({entry.distribution for entry in rows}) == len(rows)


def test_who_brings_a_verb():
    assert index.verb_owner("segment").name == "segmentation"
    assert index.verb_owner("train") is None


def test_what_to_do_to_get_something():
    rows = index.plugins()
    planned = rows["talkingface"].how_to_get("the verb 'talk'")
    assert planned.startswith("the verb 'talk' is planned and cannot be installed yet (")
    available = rows["segmentation"].how_to_get("the verb 'segment'")
    assert available == (
        "the verb 'segment' comes with vitrail-segmentation, which is not installed. Install it: "
        + rows["segmentation"].install
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[x]\ncolour = "red"', "x has unknown fields: colour"),
        ('[x]\nkind = "kit"', "plugins.toml: x: .*missing .*'distribution'"),
    ],
)
def test_rows_that_cannot_be_read(text, problem):
    with pytest.raises(ValueError, match=problem):
        index.parse(text)
