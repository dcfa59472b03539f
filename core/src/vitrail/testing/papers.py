"""PAPER.md, the table from a paper's symbols to code, kept true: a method's tests subclass `PaperSuite`."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pytest

from vitrail.specs import resolve

SYMBOL = re.compile(r"`([A-Za-z_]\w*(?:\.\w+)*:\w+(?:\.\w+)*)`")


class PaperSuite:
    """Every symbol that the file names exists, and every public class and function of the method is named in it.

    paper: the file. modules: names of the modules that hold the method. beside_the_point: symbols ("module:name") of
    theirs that are no idea of the paper's.

    Without the file, as where the tests of an installed wheel run, the suite is skipped.
    """

    paper: ClassVar[Path]
    modules: ClassVar[tuple[str, ...]] = ()
    beside_the_point: ClassVar[frozenset[str]] = frozenset()

    def named(self) -> set[str]:
        if not self.paper.is_file():
            pytest.skip(f"{self.paper.name} is not beside these tests")
        return set(SYMBOL.findall(self.paper.read_text(encoding="utf-8")))

    def test_every_symbol_exists(self) -> None:
        missing = []
        for symbol in sorted(self.named()):
            try:
                resolve(symbol)
            except Exception as error:
                missing.append(f"{symbol}: {error}")
        assert not missing, "\n".join(missing)

    def test_the_method_is_covered(self) -> None:
        public = {symbol for module in self.modules for symbol in _public(module)}
        unnamed = public - self.named() - self.beside_the_point
        assert not unnamed, f"{self.paper.name} does not name {', '.join(sorted(unnamed))}"
        stale = self.beside_the_point - public
        assert not stale, f"beside_the_point names what there is not: {', '.join(sorted(stale))}"


def _public(name: str) -> set[str]:
    module = import_module(name)
    return {
        f"{name}:{key}"
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
    }
