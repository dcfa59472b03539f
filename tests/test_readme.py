"""The README and what it is made from."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN, END = "<!-- plugins:begin -->\n", "<!-- plugins:end -->"


@pytest.fixture(scope="module")
def printed(root):
    done = subprocess.run([sys.executable, "tools/readme_table.py"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_plugins_is_the_one_of_plugins_toml(root, printed):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert readme.count(BEGIN) == readme.count(END) == 1
    table = readme.partition(BEGIN)[2].partition(END)[0]
    assert table == printed, "run: python tools/readme_table.py --write"


def test_the_table_names_every_plugin_and_component(printed, rows):
    lines = printed.splitlines()
    assert len(lines) == 2 + len(rows)
    assert {line.count(" | ") for line in lines if "---" not in line} == {4}
    for line, (name, entry) in zip(lines[2:], rows.items(), strict=True):
        assert f"`{name}`" in line
        assert entry.summary in line
        assert all(f"`{id}`" in line for id in entry.components)
        assert line.endswith(f"| {entry.status} |")


def test_links_of_the_table_lead_somewhere(root, available):
    for entry in available.values():
        assert (root / entry.folder / "README.md").is_file()
