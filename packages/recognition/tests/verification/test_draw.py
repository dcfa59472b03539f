"""The picture of a ROC."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import UsageError
from vitrail_recognition.draw import MOST_POINTS, _thinned, draw_roc
from vitrail_recognition.verification.roc import roc_curve


def curve(genuine, impostors, distance=2.0, seed=0):
    rng = np.random.default_rng(seed)
    same = np.arange(genuine + impostors) < genuine
    return roc_curve(rng.standard_normal(genuine + impostors) + distance * same, same)


def test_it_draws_without_a_screen(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    before = "matplotlib.pyplot" in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = draw_roc(
            {"lfw": curve(300, 300), "ijbc": curve(2000, 100_000)},
            tmp_path / "new" / "roc.png",
            title="fake/x",
        )
    assert ("matplotlib.pyplot" in sys.modules) == before
    pixels = np.array(Image.open(path).convert("RGB"))
    assert pixels.shape == (750, 1050, 3)
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):  # both curves are there
        assert (np.abs(pixels.astype(int) - colour).sum(axis=2) < 12).sum() > 300


@pytest.mark.parametrize("impostors", [1, 5, 9, 10, 11, 40])
def test_few_pairs(tmp_path, impostors):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_roc({"a": curve(3, impostors)}, tmp_path / "roc.png")


def test_thinning_changes_nothing_that_can_be_seen():
    whole = curve(20_000, 400_000, distance=1.0)
    far, tar = _thinned(whole)
    assert len(whole.far) > 4 * MOST_POINTS > 4 * len(far) > 1000
    assert (far[0], far[-1], tar[-1]) == (1 / 400_000, 1, 1)
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= 0).all()
    wanted = np.geomspace(1e-5, 1, 500)
    shown = tar[np.searchsorted(far, wanted, side="right") - 1]
    assert np.abs(shown - whole.tar_at(wanted, rule="at most")).max() < 0.005


def test_other_endings(tmp_path):
    draw_roc({"a": curve(30, 30)}, tmp_path / "roc.svg")
    assert (tmp_path / "roc.svg").read_text().startswith("<?xml")
    with pytest.raises(UsageError, match=r"roc\.doc cannot be drawn"):
        draw_roc({"a": curve(30, 30)}, tmp_path / "roc.doc")
    assert not (tmp_path / "roc.doc").exists()
    with pytest.raises(UsageError, match="no curve"):
        draw_roc({}, tmp_path / "roc.png")
