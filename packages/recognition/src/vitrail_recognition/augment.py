"""Training crops made worse, so that a recogniser does not count on good ones."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageEnhance

from vitrail_recognition.decode import Pixels

SHAPES = (3 / 4, 4 / 3)
FILTERS = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.BOX,
    Image.Resampling.LANCZOS,
)


def augment(image: Pixels, chance: float, rng: np.random.Generator) -> Pixels:
    """Three changes, each with probability `chance` (after Kim et al., "AdaFace", CVPR 2022, who take 0.2).

    - Only a rectangle of a fifth to all of the area stays where it is; black around it.
    - Pixels are lost: made smaller, to a fifth at most, and large again.
    - Brightness and contrast change by up to a half; colours fade, to grey at most (theirs to a half), or grow by up to
      a half.

    image: (H, W, 3) uint8; returned is the same, or a new one of that size.
    """
    cut, small, light = rng.random(3) < chance
    if cut:
        image = _cut(image, rng)
    if not (small or light):
        return image
    picture = Image.fromarray(image)
    if small:
        down, up = rng.choice(len(FILTERS), 2)
        share = rng.uniform(0.2, 1)
        less = max(1, round(share * picture.width)), max(1, round(share * picture.height))
        picture = picture.resize(less, FILTERS[down]).resize(picture.size, FILTERS[up])
    if light:
        changes = (
            (ImageEnhance.Brightness, rng.uniform(0.5, 1.5)),
            (ImageEnhance.Contrast, rng.uniform(0.5, 1.5)),
            (ImageEnhance.Color, rng.uniform(0, 1.5)),
        )
        for place in rng.permutation(len(changes)):
            kind, strength = changes[place]
            picture = kind(picture).enhance(strength)
    return np.asarray(picture)


def _cut(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    area = rng.uniform(0.2, 1) * height * width
    ratio = np.exp(rng.uniform(*np.log(SHAPES)))
    tall, wide = min(height, round(np.sqrt(area / ratio))), min(width, round(np.sqrt(area * ratio)))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    kept = np.zeros_like(image)
    kept[top : top + tall, left : left + wide] = image[top : top + tall, left : left + wide]
    return kept
