"""Small pictures that stay apart through JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def flat(value: int, size: int = 16) -> np.ndarray:
    """A picture of one colour that depends on `value`: red, green and blue differ."""
    colour = (17 * value % 256, 40 + 29 * value % 200, 7)
    return np.full((size, size, 3), colour, np.uint8)


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def picture():
    return flat


@pytest.fixture
def encoded():
    """encoded(value): the JPEG of picture(value)."""
    return lambda value: jpeg(flat(value))


@pytest.fixture
def identities(tmp_path):
    """A folder of three identities with 2, 3 and 1 pictures; picture k of all is flat(k)."""
    root = tmp_path / "faces"
    number = 0
    for name, count in (("ada", 2), ("grace", 3), ("lise", 1)):
        (root / name).mkdir(parents=True)
        for place in range(count):
            (root / name / f"{place}.jpg").write_bytes(jpeg(flat(number)))
            number += 1
    (root / ".cache").mkdir()
    (root / "ada" / ".hidden.jpg").write_bytes(b"")
    (root / "ada" / "notes.txt").write_text("not a picture")
    return root


@pytest.fixture
def golden():
    return Path(__file__).parents[1] / "golden"
