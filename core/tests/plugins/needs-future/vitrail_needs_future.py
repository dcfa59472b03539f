"""It requires another vitrail, so it must never be imported; it leaves a file behind when it is."""

from __future__ import annotations

import os
from pathlib import Path

from vitrail.hookspecs import hookimpl

Path(os.environ["NEEDS_FUTURE_MARKER"]).write_text("imported")


@hookimpl
def vitrail_components():
    return []
