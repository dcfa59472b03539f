"""Numpy in, numpy out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail.errors import InputError
from vitrail.interfaces import Segmenter
from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet
from vitrail_cmunet.plugin import RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation import torch_segmenter


@pytest.fixture(scope="module")
def component():
    return CMUNetSegmenter.from_config(CMUNetConfig(width=16), spec=RESNET18, seed=1)


def picture(height, width, seed=0, bands=3, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, bands)).astype(dtype)


def test_is_a_segmenter(component):
    assert isinstance(component, Segmenter)
    assert component.spec is RESNET18
    assert isinstance(component.module, CMUNet)
    assert (component.bands, component.dtypes) == (3, ("uint8",))
    assert component.classes == CMUNetConfig().classes


def test_labels_and_scores_are_those_of_the_network_on_the_normalised_image(component):
    image = picture(40, 64)
    result = component.segment([image], scores=True)[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = ((torch.from_numpy(image).float() / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        wanted = component.module(normalised)[0].numpy()
    assert result.scores.dtype == np.float32
    np.testing.assert_allclose(result.scores, wanted, atol=1e-5)
    assert np.array_equal(result.labels, result.scores.argmax(0))
    assert len(np.unique(result.labels)) > 1
    assert result.palette.tolist() == [list(colour) for colour in component.config.palette]
    assert component.segment([image])[0].scores is None


def test_many_sizes_come_back_in_order_and_equal_sizes_run_together(component, monkeypatch):
    images = [picture(32, 64, 0), picture(33, 20, 1), picture(32, 64, 2), picture(32, 64, 3)]
    alone = [component.segment([image], scores=True)[0].scores for image in images]
    runs = []
    component.module.register_forward_pre_hook(lambda module, inputs: runs.append(tuple(inputs[0].shape)))
    try:
        together = component.segment(images, scores=True)
        assert sorted(runs) == [(1, 3, 33, 20), (3, 3, 32, 64)]
        runs.clear()
        monkeypatch.setattr(torch_segmenter, "PIXELS_AT_ONCE", 2 * 32 * 64)
        component.segment(images)
        assert sorted(shape[0] for shape in runs) == [1, 1, 2]
    finally:
        component.module._forward_pre_hooks.clear()
    for one, among in zip(alone, together):
        np.testing.assert_allclose(one, among.scores, atol=1e-4)


def test_nothing_gives_nothing(component):
    assert component.segment([]) == []


def test_raw_bands_are_normalised_by_their_own_statistics():
    config = CMUNetConfig(
        width=16, bands=5, mean=(1000.0,) * 5, std=(250.0,) * 5, dtypes=("uint16", "float32"), palette=()
    )
    component = CMUNetSegmenter.from_config(config, spec=RESNET18)
    image = picture(32, 32, bands=5, dtype=np.uint16) + 1000
    assert component.prepare([image]).mean().item() == pytest.approx((image.mean() - 1000) / 250, rel=1e-4)
    first, second = component.segment([image, image.astype(np.float32)], scores=True)
    np.testing.assert_allclose(first.scores, second.scores, atol=1e-5)
    assert first.palette.shape == (6, 3)


def test_more_classes_than_a_byte_holds():
    classes = tuple(f"c{k}" for k in range(300))
    component = CMUNetSegmenter.from_config(
        CMUNetConfig(width=16, classes=classes, palette=()), spec=RESNET18
    )
    result = component.segment([picture(32, 32)], scores=True)[0]
    assert result.labels.dtype == np.uint16
    assert np.array_equal(result.labels, result.scores.argmax(0))
    assert result.ignore == 65535


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (picture(32, 32)[..., 0], r"Image 1 has shape \(32, 32\); these weights want \(H, W, 3\)"),
        (picture(32, 32, bands=4), r"shape \(32, 32, 4\)"),
        (picture(32, 32)[:0], r"H and W at least 1"),
        (picture(32, 32).astype(np.float32), "Image 1 is float32; these weights were trained on uint8"),
        (picture(32, 32).astype(np.complex64), "Image 1 is complex64"),
        ([[1, 2], [3, 4]], "Image 1 is a list"),
    ],
)
def test_other_images_are_refused_in_a_sentence(component, image, words):
    with pytest.raises(InputError, match=words):
        component.segment([picture(32, 32), image])


def test_numbers_that_are_not_finite_are_refused():
    component = CMUNetSegmenter.from_config(CMUNetConfig(width=16, dtypes=("float32",)), spec=RESNET18)
    image = picture(32, 32).astype(np.float32)
    image[3, 4, 1] = np.nan
    image[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="2 numbers that are not finite"):
        component.segment([image])


def test_half_precision_weights_stay_close(component, tmp_path):
    component.save_pretrained(tmp_path / "half", dtype="fp16")
    half = CMUNetSegmenter.from_pretrained(tmp_path / "half", spec=RESNET18)
    assert half.config == component.config
    image = picture(64, 64)
    one, other = (c.segment([image], scores=True)[0].scores for c in (component, half))
    np.testing.assert_allclose(one, other, atol=0.02)
