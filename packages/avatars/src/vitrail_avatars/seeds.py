"""Random numbers that depend on what they are for and not on what was drawn before."""

from __future__ import annotations

import zlib

import numpy as np

from vitrail.errors import UsageError


def stream(seed: int, index: int, purpose: str) -> np.random.Generator:
    """A generator for one purpose of example `index` of data set `seed`; both are at least 0."""
    if seed < 0 or index < 0:
        raise UsageError(f"the seed is {seed} and the index {index}; wanted are whole numbers from 0 on.")
    return np.random.default_rng([seed, index, zlib.crc32(purpose.encode())])
