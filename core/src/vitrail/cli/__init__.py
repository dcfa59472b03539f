"""The command line. `app` is the console script; every verb is a module of its own, imported when called."""

from __future__ import annotations

from vitrail.cli.main import app

__all__ = ["app"]
