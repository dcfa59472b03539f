"""Data goes to stdout, talk goes to stderr.

Plain text on purpose: importing rich costs a quarter of the time that `plugins list` may take. Progress bars use it.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
COLOURS = {"red": "\033[1;31m", "green": "\033[32m", "yellow": "\033[33m", "bold": "\033[1m"}


def talk() -> Console:
    """The rich console for progress bars."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, beside a bar of their progress on stderr, which is gone at the end and only shown on a terminal.

    what: what is being done with them. total: how many there are, where `len` does not say.
    """
    from rich import progress

    console = talk()
    yield from progress.track(
        items, what, total, console=console, transient=True, disable=not console.is_terminal
    )


def say(text: str) -> None:
    """A line to the person."""
    print(_wrap(text, sys.stderr.isatty()), file=sys.stderr)


def error(text: str) -> None:
    """An error message, as every verb ends with when it fails."""
    sys.stdout.flush()
    print(_wrap(colour("error:", "red", sys.stderr) + f" {text}", sys.stderr.isatty()), file=sys.stderr)


def colour(text: str, name: str, stream: Any = None) -> str:
    """The text in a colour, where the stream is a terminal."""
    stream = stream or sys.stdout
    return f"{COLOURS[name]}{text}\033[0m" if stream.isatty() else text


def print_json(value: Any) -> None:
    """Machine-readable output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Columns of text under underlined heads. On a terminal the last column is wrapped to fit."""
    if title:
        print(colour(title, "bold"))
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in cells)]) for i, head in enumerate(columns)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(_columns() - before, 20) if sys.stdout.isatty() else widths[-1]
    widths[-1] = min(widths[-1], room)
    if any(columns):
        print("  ".join(head.ljust(width) for head, width in zip(columns, widths, strict=True)).rstrip())
        print("  ".join("-" * width for width in widths))
    for row in cells:
        first, *more = textwrap.wrap(row[-1], widths[-1]) if len(row[-1]) > widths[-1] else [row[-1]]
        start = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        print("  ".join([*start, first]).rstrip())
        for line in more:
            print(" " * before + line)
    print()


def print_mapping(values: Mapping[str, Any], *, title: str = "") -> None:
    """Names and values in two columns; empty values are left out."""
    rows = [(name, show(value)) for name, value in values.items() if value not in ("", None, (), [], {})]
    print_table(("", ""), rows, title=title)


def show(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {show(item)}" for name, item in value.items() if item not in ("", None, ()))
    return str(value)


def _wrap(text: str, terminal: bool) -> str:
    if not terminal:
        return text
    return "\n".join(
        textwrap.fill(line, _columns(), break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )


def _columns() -> int:
    return min(shutil.get_terminal_size().columns, 120)
