"""Batches of images, for recognizers and segmenters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import VitrailError
from vitrail.testing.registry import check, demand
from vitrail.testing.subject import Subject


def _run(subject: Subject, images: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    if subject.spec.kind == "recognizer":
        return list(subject.component.embed(images).vectors)
    return [result.scores for result in subject.component.segment(images, scores=True)]


@check("batch")
def check_batch_equals_one_by_one(subject: Subject) -> None:
    """A batch, of different sizes where allowed, gives what its images give alone, in their order."""
    images = subject.images()
    together, alone = _run(subject, images), [_run(subject, [image])[0] for image in images]
    demand(len(together) == len(images), f"{len(images)} images gave {len(together)} results.")
    for index, (a, b) in enumerate(zip(together, alone, strict=True)):
        demand(a.shape == b.shape, f"image {index} has shape {a.shape} in a batch and {b.shape} alone.")
        worst = float(np.max(np.abs(a - b), initial=0.0))
        demand(worst < 1e-3, f"image {index} differs by {worst:.2g} between the batch and alone.")


@check("batch")
def check_empty_batch_is_empty(subject: Subject) -> None:
    """No images give no results, without an error."""
    demand(len(_run(subject, [])) == 0, "an empty batch gave results.")


@check("batch")
def check_wrong_images_are_refused(subject: Subject) -> None:
    """An image of the wrong rank, type or number of bands raises a VitrailError that says so."""
    good = subject.image()
    bands = good.shape[2]
    wrong = {
        "a flat array (H, W)": good[:, :, 0],
        f"{bands + 1} bands": np.concatenate([good, good[:, :, :1]], axis=2),
        "complex numbers": good.astype(np.complex64),
        "an empty image": good[:0],
    }
    for what, image in wrong.items():
        try:
            _run(subject, [image])
        except VitrailError as error:
            demand(len(str(error)) > 20, f"for {what} the message is only {str(error)!r}.")
            continue
        raise AssertionError(f"{what} raised no VitrailError.")
