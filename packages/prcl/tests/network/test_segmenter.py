"""Numpy in, numpy out: labels, and how confident and how uncertain they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitrail.errors import InputError, UsageError
from vitrail.interfaces import Segmenter
from vitrail_prcl.bench import bench
from vitrail_prcl.model import PRCLNet
from vitrail_prcl.plugin import R50
from vitrail_prcl.segmenter import Measured, PRCLSegmenter
from vitrail_segmentation import torch_segmenter
from vitrail_segmentation.bench import BenchOptions


@pytest.fixture(scope="module")
def component(narrow, seen):
    made = PRCLSegmenter.from_config(
        narrow(backbone="resnet18", classes=("a", "b", "c", "d")), spec=R50, seed=1
    )
    seen(made.module)
    return made


def picture(height, width, seed=0, bands=3, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, bands)).astype(dtype)


def test_is_a_segmenter(component):
    assert isinstance(component, Segmenter)
    assert isinstance(component.module, PRCLNet)
    assert (component.bands, component.dtypes) == (3, ("uint8",))
    assert component.classes == ("a", "b", "c", "d")


def test_what_is_measured_is_what_the_network_says(component):
    image = picture(41, 66)
    found = component.measure([image])[0]
    assert isinstance(found, Measured)
    with torch.no_grad():
        shown = component.module.represent(component.prepare([image]))
        logits = F.interpolate(shown.logits, size=(41, 66), mode="bilinear", align_corners=True)[0]
        mean = shown.variance.mean(1, keepdim=True)
        uncertainty = F.interpolate(mean, size=(41, 66), mode="bilinear", align_corners=True)[0, 0]
    assert found.labels.dtype == np.uint8
    assert found.confidence.dtype == found.uncertainty.dtype == np.float32
    np.testing.assert_array_equal(found.labels, logits.argmax(0).numpy())
    np.testing.assert_allclose(found.confidence, logits.softmax(0).amax(0).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.uncertainty, uncertainty.numpy(), atol=1e-6)
    assert len(np.unique(found.labels)) > 1
    assert found.confidence.min() >= 1 / 4
    assert 0.01 < found.uncertainty.std() < 0.3
    result = component.segment([image])[0]
    np.testing.assert_array_equal(result.labels, found.labels)
    np.testing.assert_array_equal(component.uncertainty([image])[0], found.uncertainty)


def test_many_sizes_come_back_in_order_and_equal_sizes_run_together(component, monkeypatch):
    images = [picture(32, 64, 0), picture(33, 20, 1), picture(32, 64, 2), picture(32, 64, 3)]
    alone = [component.measure([image])[0] for image in images]
    runs = []
    real = component.module.measure
    monkeypatch.setattr(component.module, "measure", lambda image: runs.append(len(image)) or real(image))
    together = component.measure(images)
    assert sorted(runs) == [1, 3]
    runs.clear()
    monkeypatch.setattr(torch_segmenter, "PIXELS_AT_ONCE", 2 * 32 * 64)
    component.measure(images)
    assert sorted(runs) == [1, 1, 2]
    for one, among in zip(alone, together):
        np.testing.assert_allclose(one.confidence, among.confidence, atol=1e-4)
        np.testing.assert_allclose(one.uncertainty, among.uncertainty, atol=1e-4)


def test_nothing_gives_nothing(component):
    assert component.measure([]) == component.uncertainty([]) == []


def test_other_images_are_refused_in_a_sentence(component):
    with pytest.raises(InputError, match=r"Image 1 has shape \(32, 32\); these weights want \(H, W, 3\)"):
        component.measure([picture(32, 32), picture(32, 32)[..., 0]])
    with pytest.raises(InputError, match="Image 0 is float32"):
        component.uncertainty([picture(32, 32).astype(np.float32)])


def test_more_classes_than_a_byte_holds(narrow):
    many = narrow(backbone="resnet18", classes=tuple(f"c{k}" for k in range(300)))
    component = PRCLSegmenter.from_config(many, spec=R50, seed=0)
    assert component.measure([picture(32, 32)])[0].labels.dtype == np.uint16
    assert component.segment([picture(32, 32)])[0].ignore == 65535


def test_saved_and_loaded_it_measures_the_same(component, tmp_path):
    component.save_pretrained(tmp_path)
    loaded = PRCLSegmenter.from_pretrained(tmp_path, spec=R50)
    assert loaded.config == component.config
    image = picture(40, 64)
    np.testing.assert_array_equal(
        loaded.measure([image])[0].uncertainty, component.measure([image])[0].uncertainty
    )


def test_the_benchmark_reports_what_it_timed(component):
    report = bench(component, options=BenchOptions(size=(32, 64), batch=2, rounds=1))
    assert list(report["times"]) == ["32x32", "64x64"]
    row = report["times"]["64x64"]
    assert set(row) == {"segment (ms)", "network (ms)", "measure (ms)", "megapixels a second"}
    assert row["megapixels a second"] == pytest.approx(2 * 64 * 64 / row["segment (ms)"] / 1e3, rel=0.05)
    with pytest.raises(UsageError, match="numbers from 1"):
        BenchOptions(size=(0,))
