"""Prints the README's table of plugins, made from plugins.toml; with --write, puts it into README.md.

The table stands between the two markers below; a test holds the README and plugins.toml together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrail.files import write_text
from vitrail.index import IndexEntry, parse

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- plugins:begin -->", "<!-- plugins:end -->"


def table() -> str:
    """The table as Markdown, a row a plugin, in the order of plugins.toml."""
    rows = parse((ROOT / "plugins.toml").read_text(encoding="utf-8")).values()
    lines = ["| plugin | kind | what it is | gives | status |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(_cells(entry))} |" for entry in rows]
    return "\n".join(lines) + "\n"


def _cells(entry: IndexEntry) -> tuple[str, ...]:
    name = f"[`{entry.name}`]({entry.folder})" if entry.folder else f"`{entry.name}`"
    paper = f" ([paper]({entry.paper}))" if entry.paper.startswith("https://") else ""
    gives = [f"`{id}`" for id in entry.components] + [f"`vitrail {verb}`" for verb in entry.verbs]
    return name, entry.kind, entry.summary + paper, ", ".join(gives), entry.status


def between_markers(text: str) -> tuple[int, int]:
    """Where the table begins and ends in the text of the README; SystemExit where a marker is missing."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise SystemExit(f"README.md has no {BEGIN} with {END} after it; put both where the table belongs.")
    return begin + len(BEGIN) + 1, end


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    if not parser.parse_args().write:
        print(table(), end="")
        return
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    begin, end = between_markers(text)
    write_text(readme, text[:begin] + table() + text[end:])


if __name__ == "__main__":
    main()
