"""Numpy in, numpy out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, InputError
from vitrail.interfaces import TokenRecognizer
from vitrail_recognition import torch_recognizer
from vitrail_transface.plugin import VIT_S
from vitrail_transface.recognizer import TransFaceRecognizer


@pytest.fixture(scope="module")
def component(small_config, random_network):
    made = TransFaceRecognizer.from_config(small_config, spec=VIT_S, seed=0)
    made.module.load_state_dict(random_network().state_dict())
    return made


def test_is_a_recognizer_with_tokens(component):
    assert isinstance(component, TokenRecognizer)
    assert component.spec is VIT_S
    assert component.device == "cpu"


def test_gives_what_the_network_by_hand_gives(component, by_hand, crops):
    faces = crops(3)
    images = torch.from_numpy((np.stack(faces).transpose(0, 3, 1, 2) / 255.0 - 0.5) / 0.5)
    wanted = by_hand(component.module.state_dict(), images, 4)
    vectors = component.embed(faces).vectors
    direction = wanted["embedding"] / np.linalg.norm(wanted["embedding"], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, direction, atol=1e-5)
    np.testing.assert_allclose(component.tokens(faces), wanted["tokens"], atol=1e-4)
    assert not np.allclose(wanted["tokens"], wanted["gated"], atol=1e-2), "the gate must make a difference"
    assert vectors.dtype == component.tokens(faces).dtype == np.float32


def test_colours_have_an_order(component, crops):
    face = crops(1)[0]
    red_first, blue_first = component.embed([face, face[:, :, ::-1]]).vectors
    assert not np.allclose(red_first, blue_first, atol=1e-3)


def test_large_batches_run_in_parts(component, crops, monkeypatch):
    faces = crops(5)
    whole, tokens = component.embed(faces).vectors, component.tokens(faces)
    monkeypatch.setattr(torch_recognizer, "FACES_AT_ONCE", 2)
    sizes = []
    hook = component.module.patch_embed.register_forward_pre_hook(
        lambda module, inputs: sizes.append(len(inputs[0]))
    )
    try:
        np.testing.assert_allclose(component.embed(faces).vectors, whole, atol=1e-5)
        np.testing.assert_allclose(component.tokens(faces), tokens, atol=1e-5)
    finally:
        hook.remove()
    assert sizes == [2, 2, 1] * 2


def test_nothing_gives_nothing(component):
    assert component.embed([]).vectors.shape == (0, 24)
    assert component.tokens([]).shape == (0, 144, 32)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda face: face[:, :100], r"Face 1 is uint8 of shape \(112, 100, 3\); wanted is an aligned crop"),
        (lambda face: face[..., 0], r"shape \(112, 112\)"),
        (lambda face: face.astype(np.float32), "Face 1 is float32"),
        (lambda face: face.tolist(), "Face 1 is a list"),
    ],
)
def test_other_faces_are_refused_in_a_sentence(component, crops, spoil, words):
    good, bad = crops(2)
    for method in (component.embed, component.tokens):
        with pytest.raises(InputError, match=words):
            method([good, spoil(bad)])


def test_saved_and_loaded_gives_the_same(component, crops, tmp_path):
    component.save_pretrained(tmp_path / "whole")
    component.save_pretrained(tmp_path / "half", dtype="fp16")
    faces = crops(2)
    again = TransFaceRecognizer.from_pretrained(tmp_path / "whole", spec=VIT_S)
    half = TransFaceRecognizer.from_pretrained(tmp_path / "half", spec=VIT_S)
    assert again.config == half.config == component.config
    assert np.array_equal(again.embed(faces).vectors, component.embed(faces).vectors)
    np.testing.assert_allclose(half.embed(faces).vectors, component.embed(faces).vectors, atol=5e-3)


def test_weights_that_give_no_numbers_are_called_broken(small_config, crops):
    component = TransFaceRecognizer.from_config(small_config, spec=VIT_S, seed=0)
    with torch.no_grad():
        component.module.feature[3].weight.fill_(float("nan"))
    with pytest.raises(BrokenError, match="no finite embedding for"):
        component.embed(crops(1))
