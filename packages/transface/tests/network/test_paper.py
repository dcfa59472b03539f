"""Every symbol that PAPER.md names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vitrail.specs import resolve

PAPER = Path(__file__).parents[2] / "PAPER.md"
SYMBOL = re.compile(r"`(vitrail\w*(?:\.\w+)*:\w+(?:\.\w+)*)`")

pytestmark = pytest.mark.skipif(not PAPER.is_file(), reason="PAPER.md is not beside these tests")


def symbols() -> list[str]:
    return sorted(set(SYMBOL.findall(PAPER.read_text(encoding="utf-8")))) if PAPER.is_file() else []


@pytest.mark.parametrize("symbol", symbols())
def test_symbol_exists(symbol):
    assert resolve(symbol) is not None


def test_the_tables_cover_the_method():
    """Every public class and function of the modules that hold the method is in the tables."""
    import inspect

    from vitrail_transface import dpap, ehsm, model, probe

    named = set(symbols())
    expected = {
        f"{module.__name__}:{name}"
        for module in (dpap, ehsm, model, probe)
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }
    assert expected <= named, expected - named
