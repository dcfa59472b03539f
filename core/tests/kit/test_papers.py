from __future__ import annotations

import pytest

from vitrail.testing.papers import PaperSuite

OWN = ("vitrail.testing.papers",)


def suite(tmp_path, text=None, modules=("vitrail.errors",), beside=()):
    if text is not None:
        (tmp_path / "PAPER.md").write_text(text)

    class Checked(PaperSuite):
        paper = tmp_path / "PAPER.md"
        beside_the_point = frozenset(beside)

    Checked.modules = modules
    return Checked()


def test_a_paper_that_is_true(tmp_path):
    found = suite(tmp_path, "| Eq. 1 | `vitrail.testing.papers:PaperSuite.named` |", modules=OWN)
    found.test_every_symbol_exists()
    with pytest.raises(AssertionError, match=r"does not name vitrail\.testing\.papers:PaperSuite"):
        found.test_the_method_is_covered()
    whole = suite(tmp_path, "`vitrail.testing.papers:PaperSuite`", modules=OWN)
    whole.test_the_method_is_covered()


def test_a_symbol_that_is_gone_is_named(tmp_path):
    with pytest.raises(AssertionError, match=r"vitrail\.errors:Nothing"):
        suite(tmp_path, "`vitrail.errors:Nothing` and `vitrail.errors:UsageError`").test_every_symbol_exists()


def test_what_is_left_out_must_be_there(tmp_path):
    names = ["vitrail.testing.papers:PaperSuite", "vitrail.testing.papers:Old"]
    found = suite(tmp_path, "nothing", modules=OWN, beside=names)
    with pytest.raises(AssertionError, match=r"names what there is not: vitrail\.testing\.papers:Old"):
        found.test_the_method_is_covered()


def test_without_the_file_it_is_skipped(tmp_path):
    with pytest.raises(pytest.skip.Exception, match=r"PAPER\.md is not beside"):
        suite(tmp_path).test_every_symbol_exists()
