"""A parametric world of talking heads: people by number, pictures of them, and what they say.

>>> import vitrail_avatars as avatars
>>> somebody = avatars.people(seed=0)[7]
>>> for example in avatars.dataset(seed=0, people=100, views=4, size=112): ...
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# name here -> module and name there; the modules need torch and numba, so they are imported when they are asked for
_HOMES = {
    "Avatars": ("pictures", "Avatars"),
    "People": ("population", "People"),
    "Person": ("population", "Person"),
    "dataset": ("pictures", "Avatars"),
    "people": ("population", "People"),
    "person": ("population", "person"),
    "utterance": ("speech", "utterance"),
}

__all__ = ["Avatars", "People", "Person", "dataset", "people", "person", "utterance"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), there)


def __dir__() -> list[str]:
    return __all__
