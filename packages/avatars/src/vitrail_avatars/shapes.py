"""Which shapes heads have: by gender, age, ancestry, build and many details."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vitrail_avatars.head import AGE_YEARS, GENDERS, Head

USUAL = {"chin-height": 0.35, "head-scale-vert": 0.1, "head-fat": -0.1, "mouth-scale-vert": -0.15}
"""Where details lie in the mean. Without them faces are shorter and lips fuller than those that Farkas measured
("Anthropometry of the Head and Face", 1994)."""


def details(head: Head, draw: np.random.Generator, spread: float = 0.3) -> np.ndarray:
    """Random values of all details, (D,), -1 to 1; left and right nearly the same."""
    stems: dict[str, float] = {}
    values = np.empty(len(head.detail_names), np.float32)
    for place, name in enumerate(head.detail_names):
        sided = name.startswith(("l-", "r-"))
        stem = name[2:] if sided else name
        if stem not in stems:
            stems[stem] = draw.normal(0, 0.5 * spread if stem.startswith("asym-") else spread)
        own = stems[stem] + USUAL.get(stem, 0.0) + (draw.normal(0, 0.03) if sided else 0)
        values[place] = np.clip(own, -1, 1)
    return values


def shape(
    head: Head,
    gender: str,
    age: float,
    ancestry: np.ndarray,
    muscle: float,
    weight: float,
    values: np.ndarray,
) -> np.ndarray:
    """Components (64,) of the face of a gender, an age in years, shares of ancestries (3,), a build, details (D,)."""
    of_gender = np.eye(2)[GENDERS.index(gender)]
    of_age = _between(np.interp(age, AGE_YEARS, [0, 1, 2]))
    corner = np.einsum("g,a,r,garn->n", of_gender, of_age, ancestry, head.corners.numpy())
    build = np.einsum(
        "g,a,m,w,gamwn->n", of_gender, of_age, _between(2 * muscle), _between(2 * weight), head.builds.numpy()
    )
    detail = np.abs(values) @ _ways(head)[np.arange(len(values)), (values > 0).astype(int)]
    return (corner + build + detail).astype(np.float32)


@lru_cache(maxsize=1)
def _ways(head: Head) -> np.ndarray:
    """Where less and more of each detail leads, (D, 2, 64).

    A detail of one target, as `head-oval`, leads to it both ways in the data. Here less of it leads away, since
    otherwise the heads of all people would be rounder than the mean of what was measured.
    """
    ways = head.details.numpy().copy()
    single = (ways[:, 0] == ways[:, 1]).all(axis=1)
    ways[single, 0] *= -1
    return ways


def _between(at: float) -> np.ndarray:
    """Weights of 0, 1 and 2 for a number from 0 to 2."""
    return np.clip(1 - np.abs(at - np.arange(3)), 0, 1)
