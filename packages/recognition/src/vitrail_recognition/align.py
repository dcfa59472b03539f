"""Turn, scale and shift a face so that its eyes, nose and mouth lie where recognisers expect them.

The similarity (rotation, one scale, translation) is the least-squares one of Umeyama, "Least-squares estimation of
transformation parameters between two point patterns", PAMI 1991, eq. 40-43. Points are (x, y) with pixel centres at
whole numbers, as in OpenCV and scikit-image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.errors import InputError, UsageError
from vitrail_recognition.photo import check_rgb

ARCFACE = (
    (38.2946, 51.6963),  # left eye, as the viewer sees it
    (73.5318, 51.5014),  # right eye
    (56.0252, 71.7366),  # tip of the nose
    (41.5493, 92.3655),  # left corner of the mouth
    (70.7299, 92.2041),  # right corner
)
"""Where insightface's recognisers have the five points in a crop of 112x112."""

TEMPLATES = {"arcface": ARCFACE}


def template(name: str = "arcface", size: tuple[int, int] = (112, 112)) -> NDArray[np.float64]:
    """Target points (5, 2) in a crop of `size` (height, width): sides 112k, or 128k with a margin of 8k in x.

    UsageError for another name or size.
    """
    if name not in TEMPLATES:
        known = ", ".join(TEMPLATES)
        raise UsageError(f"{name!r} is no known alignment template; there is {known}.")
    points = np.array(TEMPLATES[name], dtype=np.float64)
    side = size[0]
    if size[0] != size[1] or side <= 0 or (side % 112 and side % 128):
        raise UsageError(
            f"crops of {size[0]}x{size[1]} were asked for; the template {name} is for squares whose side is a "
            "multiple of 112 or 128."
        )
    if side % 112 == 0:
        return points * (side / 112)
    return (points + np.array([8.0, 0.0])) * (side / 128)


def five_points(landmarks: ArrayLike) -> NDArray[np.float64]:
    """Five points (5, 2) from five or from the 68 of the iBUG scheme, whose eyes are the means of their corners."""
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape == (68, 2):
        left, right = points[[36, 39]].mean(axis=0), points[[42, 45]].mean(axis=0)
        points = np.stack([left, right, points[30], points[48], points[54]])
    if points.shape != (5, 2):
        raise InputError(f"landmarks have shape {points.shape}; wanted is (5, 2) or (68, 2).")
    if not np.isfinite(points).all():
        raise InputError("landmarks hold NaN or infinity.")
    return points


def similarity(points: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """M (2, 3) with M @ (x, y, 1) nearest to `target`, both (N, 2); never a mirror image (Umeyama 1991).

    InputError where all points are one, so that no scale is defined.
    """
    points, target = np.asarray(points, dtype=np.float64), np.asarray(target, dtype=np.float64)
    centre, target_centre = points.mean(axis=0), target.mean(axis=0)
    spread, target_spread = points - centre, target - target_centre
    variance = (spread**2).sum() / len(points)
    if variance <= 1e-12 * max((points**2).max(), 1):
        raise InputError("the landmarks all lie in one point; no alignment follows from them.")
    u, d, vt = np.linalg.svd(target_spread.T @ spread / len(points))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / variance
    shift = target_centre - scale * rotation @ centre
    return np.column_stack([scale * rotation, shift])


def warp(image: NDArray[np.uint8], matrix: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The affine image of a picture (H, W, 3): bilinear, zero outside, (height, width, 3) uint8.

    `matrix` (2, 3) maps pixels of the picture to pixels of the result, as for OpenCV's warpAffine.
    """
    linear = np.asarray(matrix, dtype=np.float64)[:, :2]
    inverse = np.linalg.inv(linear)
    offset = -inverse @ np.asarray(matrix, dtype=np.float64)[:, 2]
    rows, columns = np.mgrid[: size[0], : size[1]]
    x = inverse[0, 0] * columns + inverse[0, 1] * rows + offset[0]
    y = inverse[1, 0] * columns + inverse[1, 1] * rows + offset[1]
    left, top = np.floor(x), np.floor(y)
    right_share, bottom_share = (x - left)[..., None], (y - top)[..., None]
    # float64 positions beyond the picture are cut before they become integers, which could overflow
    left = np.clip(left, -2, image.shape[1]).astype(np.intp)
    top = np.clip(top, -2, image.shape[0]).astype(np.intp)
    upper = (1 - right_share) * _pixels(image, top, left) + right_share * _pixels(image, top, left + 1)
    lower = (1 - right_share) * _pixels(image, top + 1, left) + right_share * _pixels(
        image, top + 1, left + 1
    )
    return np.rint((1 - bottom_share) * upper + bottom_share * lower).astype(np.uint8)


def align(
    image: NDArray[np.uint8],
    landmarks: ArrayLike,
    *,
    size: tuple[int, int] = (112, 112),
    name: str = "arcface",
) -> NDArray[np.uint8]:
    """One aligned crop, (height, width, 3) uint8, from a photograph (H, W, 3) and its (5, 2) or (68, 2) points."""
    check_rgb(image)
    return warp(image, similarity(five_points(landmarks), template(name, size)), size)


def align_batch(
    images: Sequence[NDArray[np.uint8]],
    landmarks: Sequence[ArrayLike],
    *,
    size: tuple[int, int] = (112, 112),
    name: str = "arcface",
) -> NDArray[np.uint8]:
    """Crops (B, height, width, 3) of B photographs, whose sizes may differ, with one set of points each."""
    if len(images) != len(landmarks):
        raise InputError(f"{len(images)} photographs came with {len(landmarks)} sets of landmarks.")
    crops = np.zeros((len(images), *size, 3), dtype=np.uint8)
    for index, (image, points) in enumerate(zip(images, landmarks)):
        crops[index] = align(image, points, size=size, name=name)
    return crops


def _pixels(
    image: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Values at whole positions, 0 outside the picture."""
    height, width = image.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return np.where(inside[..., None], found, 0).astype(np.float64)
