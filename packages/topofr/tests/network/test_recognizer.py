"""Numpy in, numpy out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, InputError
from vitrail.interfaces import Recognizer, TokenRecognizer
from vitrail_recognition import torch_recognizer
from vitrail_topofr.plugin import TINY
from vitrail_topofr.recognizer import TopoFRRecognizer


@pytest.fixture(scope="module")
def component(small):
    made = TopoFRRecognizer.from_config(small.config, spec=TINY)
    made.module.load_state_dict(small.state_dict())
    return made


def face(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (112, 112, 3)).astype(np.uint8)


def test_is_a_recognizer_without_tokens(component):
    assert isinstance(component, Recognizer)
    assert not isinstance(component, TokenRecognizer)
    assert not component.module.training


def test_embeddings_are_those_of_the_network_on_normalised_rgb(component):
    image = face()
    pixels = (torch.from_numpy(image).double() / 255 - 0.5) / 0.5
    with torch.no_grad():
        wanted = component.module(pixels.permute(2, 0, 1)[None].float())[0]
    found = component.embed([image])
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors[0], wanted / wanted.norm(), atol=1e-5)
    flipped = component.embed([image[..., ::-1]]).vectors[0]
    assert np.abs(flipped - found.vectors[0]).max() > 1e-3, "the colours have an order"


def test_many_faces_go_in_parts_and_keep_their_order(component, monkeypatch):
    faces = [face(seed) for seed in range(5)]
    together = component.embed(faces).vectors
    monkeypatch.setattr(torch_recognizer, "FACES_AT_ONCE", 2)
    runs = []
    hook = component.module.register_forward_pre_hook(lambda _, inputs: runs.append(len(inputs[0])))
    try:
        np.testing.assert_allclose(component.embed(faces).vectors, together, atol=1e-5)
    finally:
        hook.remove()
    assert runs == [2, 2, 1]
    assert component.embed([]).vectors.shape == (0, 12)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (face()[:100], r"Face 1 is uint8 of shape \(100, 112, 3\).*aligned"),
        (face()[..., 0], r"Face 1 is uint8 of shape \(112, 112\)"),
        (face().astype(np.float32), "Face 1 is float32 of shape"),
        ([1, 2], "Face 1 is a list"),
    ],
)
def test_other_images_are_refused_in_a_sentence(component, image, words):
    with pytest.raises(InputError, match=words):
        component.embed([face(), image])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_network_that_gives_no_numbers_is_told(small, value):
    broken = TopoFRRecognizer.from_config(small.config, spec=TINY)
    with torch.no_grad():
        broken.module.features.bias[3] = value
    with pytest.raises(BrokenError, match="no finite embedding for 2 of 2 faces"):
        broken.embed([face(0), face(1)])


def test_half_precision_weights_stay_close(component, tmp_path):
    component.save_pretrained(tmp_path / "half", dtype="fp16")
    half = TopoFRRecognizer.from_pretrained(tmp_path / "half", spec=TINY)
    assert half.config == component.config
    one, other = (c.embed([face()]).vectors[0] for c in (component, half))
    assert one @ other > 0.999
