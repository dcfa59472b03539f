"""Using a component of any kind once, and comparing what came out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.testing.subject import Subject, sound


def use(component: Any, subject: Subject, *, image: NDArray[Any] | None = None) -> list[NDArray[Any]]:
    """Call the method of the component's kind; the arrays that matter come back as a list."""
    picture = subject.image() if image is None else image
    kind = subject.spec.kind
    if kind == "recognizer":
        return [component.embed([picture]).vectors]
    if kind == "segmenter":
        result = component.segment([picture], scores=True)[0]
        return [result.labels, result.scores]
    if kind == "generator":
        return list(component.generate("a face", faces=[picture], count=1, seed=7).images)
    return [frame.copy() for frame in component.animate(sound(), portrait=picture, seed=7).frames]


def same(first: list[NDArray[Any]], second: list[NDArray[Any]], *, exact: bool = False) -> bool:
    """Whether two outcomes are equal; labels and pictures exactly, floats to rounding unless `exact`."""
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if exact or a.dtype.kind in "iub":
            if not np.array_equal(a, b):
                return False
        elif not np.allclose(a, b, rtol=1e-4, atol=1e-5):
            return False
    return True
