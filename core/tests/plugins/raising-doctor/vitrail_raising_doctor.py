"""It can be used, and its check of the machine raises."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_doctor():
    raise RuntimeError("the doctor is ill")
