from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vitrail_recognition.recognizers import load_recognizer

sys.path.insert(0, str(Path(__file__).parent))  # for made_up.py

from made_up import Counting, crop, save


@pytest.fixture
def recognizer(fakes):
    return Counting(load_recognizer("fake/recognizer"))


@pytest.fixture
def people(tmp_path):
    """Three people in folders with two photographs each, one in a file of her own, and two that cannot be used."""
    folder = tmp_path / "people"
    for person in range(3):
        for shot in range(2):
            save(folder / f"person{person}" / f"{shot}.png", crop(person, shot))
    save(folder / "Zoë.png", crop(99))
    (folder / "person0" / "broken.jpg").write_bytes(b"no picture")
    save(folder / "person1" / "large.png", np.zeros((50, 60, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("not a photograph")
    save(folder / ".trash" / "x.png", crop(5))
    return folder
