"""Its verb is one of vitrail's own."""

from __future__ import annotations

from vitrail.hookspecs import hookimpl


@hookimpl
def vitrail_commands():
    return {"train": ("vitrail_core_verb:train", "Train in another way.")}


def train() -> None:
    print("trained")
