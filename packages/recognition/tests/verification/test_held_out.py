from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_curve

from vitrail.results import Embeddings
from vitrail_recognition.verification.held_out import tar_on_all_pairs


class MeanColour:
    """Embeds a picture by three numbers of it."""

    def embed(self, faces):
        vectors = np.stack([face.mean(axis=(0, 1)) - 128 for face in faces]).astype(np.float32)
        return Embeddings(vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("people"), np.random.default_rng(0)
    for person in range(6):
        (root / f"p{person}").mkdir()
        colour = rng.integers(60, 200, 3)
        for number in range(4):
            picture = np.clip(colour + rng.normal(0, 14, 3), 0, 255).astype(np.uint8) * np.ones(
                (8, 8, 1), np.uint8
            )
            Image.fromarray(picture).save(root / f"p{person}" / f"{number}.png")
    return root


@pytest.mark.parametrize("far", [0.02, 0.1, 0.3])
def test_it_is_the_largest_rate_that_keeps_to_the_false_accepts(folder, far):
    pictures = [np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))]
    vectors, people = MeanColour().embed(pictures).vectors.astype(float), np.repeat(np.arange(6), 4)
    first, second = np.triu_indices(24, 1)
    fars, tars, _ = roc_curve(people[first] == people[second], (vectors[first] * vectors[second]).sum(1))
    found = tar_on_all_pairs(MeanColour(), folder, far=far)
    assert found == pytest.approx(tars[fars <= far].max())
    assert 0 < found < 1
