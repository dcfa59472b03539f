"""Progress is shown on a terminal, and nowhere else."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from vitrail.cli import output


def test_tracked_items_are_the_items(capsys):
    assert list(output.track(range(3), "counting")) == [0, 1, 2]
    assert list(output.track(iter("ab"), "counting", 2)) == ["a", "b"]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_what_is_being_done(monkeypatch):
    shown = StringIO()
    monkeypatch.setattr(output, "talk", lambda: Console(file=shown, force_terminal=True, width=80))
    assert list(output.track(range(3), "counting sheep")) == [0, 1, 2]
    assert "counting sheep" in shown.getvalue()
