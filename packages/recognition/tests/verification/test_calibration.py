"""Thresholds from false-accept rates: what is stated holds for the pairs, and no more than they show is stated."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.errors import BrokenError, UsageError
from vitrail.testing.fake_components import FakeRecognizer
from vitrail.testing.fakes import vitrail_components
from vitrail_recognition.verification.calibration import (
    Calibration,
    Point,
    calibrate,
    read_calibration,
    weights_hash,
)

WHO = {"data": "lfw", "recogniser": "fake/recognizer", "weights_hash": "ab" * 32}


def scores(genuine=500, impostors=10_000, seed=0):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0.6, 0.15, genuine), rng.normal(0.0, 0.12, impostors)])
    return np.clip(values, -1, 1), np.arange(genuine + impostors) < genuine


@pytest.fixture
def calibration():
    return calibrate(*scores(), **WHO)


def test_rates_are_kept_and_thresholds_are_the_smallest(calibration):
    cosines, same = scores()
    assert [point.far for point in calibration.points] == pytest.approx([0.1, 0.03, 0.01, 0.003, 0.001])
    assert (calibration.genuine, calibration.impostors) == (500, 10_000)
    for point in calibration.points:
        assert (cosines[~same] >= point.cosine).mean() <= point.far
        assert (cosines[same] >= point.cosine).mean() == point.tar
        below = cosines[cosines < point.cosine].max()
        assert (cosines[~same] >= below).mean() > point.far


@settings(deadline=None)
@given(st.integers(10, 300), st.integers(1, 30), st.integers(0, 10**6), st.sampled_from([1, 3, 100]))
def test_on_any_scores(impostors, genuine, seed, levels):
    """Ties included: equal cosines pass together, or not."""
    rng = np.random.default_rng(seed)
    cosines = rng.integers(-levels, levels + 1, impostors + genuine) / levels
    same = np.arange(impostors + genuine) < genuine
    fars = (0.5, 0.1, 0.05, 1e-3)
    if 0.5 * impostors < 10:
        with pytest.raises(UsageError, match="Give more data"):
            calibrate(cosines, same, fars=fars, **WHO)
        return
    found = calibrate(cosines, same, fars=fars, **WHO)
    assert [point.far for point in found.points] == [far for far in fars if far * impostors >= 10 - 1e-9]
    for point in found.points:
        assert (cosines[~same] >= point.cosine).sum() <= point.far * impostors + 1e-9
        assert (cosines[same] >= point.cosine).mean() == point.tar


def test_no_rate_below_ten_over_the_impostor_pairs():
    for impostors, smallest in ((100, 0.1), (999, 0.03), (1000, 0.01), (9_999, 0.003), (100_000, 1e-4)):
        made = calibrate(*scores(impostors=impostors), **WHO)
        assert made.points[-1].far == pytest.approx(smallest)
        with pytest.raises(UsageError, match=f"{impostors} impostor pairs allow no less than"):
            made.verdict(0.5, far=smallest / 30)
    with pytest.raises(UsageError, match=r"99 impostor pairs; .* needs 100 impostor pairs"):
        calibrate(*scores(impostors=99), **WHO)
    with pytest.raises(UsageError, match="0 genuine"):
        calibrate([0.1] * 100, [False] * 100, **WHO)


def test_a_file_that_claims_more_is_refused(calibration, tmp_path):
    path = calibration.save(tmp_path / "a.json")
    values = json.loads(path.read_text())
    values["points"][-1]["far"] = 9e-4
    path.write_text(json.dumps(values))
    with pytest.raises(
        UsageError, match=r"a\.json is not used: A false-accept rate of 0\.0009 .* 10000 impostor pairs"
    ):
        read_calibration(path)
    values["points"][-1]["far"] = 1e-3
    values["impostors"] = 9_999
    path.write_text(json.dumps(values))
    with pytest.raises(UsageError, match=r"9999 impostor pairs, which allow no less than 0\.001"):
        read_calibration(path)
    with pytest.raises(UsageError, match=r"rate of 0\.0001 is stated from 10000"):
        replace(calibration, points=(*calibration.points, Point(far=1e-4, cosine=0.9, tar=0.1)))


def test_round_trip(calibration, tmp_path):
    path = calibration.save(tmp_path / "a.json")
    assert read_calibration(path) == calibration
    values = json.loads(path.read_text())
    assert values["data"] == "lfw"
    assert values["recogniser"] == "fake/recognizer"
    assert values["weights_hash"] == "ab" * 32
    assert (values["genuine"], values["impostors"]) == (500, 10_000)


def test_verdicts(calibration):
    usual = calibration.at(1e-3)
    for cosine, same in ((usual.cosine, True), (usual.cosine - 1e-6, False), (1.0, True), (-1.0, False)):
        verdict = calibration.verdict(cosine)
        assert (verdict.same, verdict.point, verdict.data) == (same, usual, "lfw")
    assert "not the same person" in str(calibration.verdict(0.0))
    text = str(calibration.verdict(1.0))
    assert text.startswith("the same person: cosine 1.000 is at or above")
    assert "one in 1,000 pairs of strangers" in text
    assert text.endswith("on lfw")
    strict, lax = usual, calibration.at(0.1)
    between = (strict.cosine + lax.cosine) / 2
    assert not calibration.verdict(between).same
    assert calibration.verdict(between, far=0.1).same
    with pytest.raises(UsageError, match=r"no false-accept rate of 0\.02; it has 0\.1, 0\.03"):
        calibration.verdict(0.5, far=0.02)
    for cosine in (float("nan"), 1.5, -7):
        with pytest.raises(UsageError, match="between -1 and 1"):
            calibration.verdict(cosine)


def test_the_usual_rate():
    many = calibrate(*scores(impostors=200_000), **WHO)
    assert many.points[-1].far < 1e-3
    assert many.verdict(0.5).point.far == pytest.approx(1e-3)
    few = calibrate(*scores(impostors=400), **WHO)
    assert few.verdict(0.5).point.far == pytest.approx(0.03)
    strict = calibrate(*scores(impostors=200_000), fars=(1e-4,), **WHO)
    assert strict.verdict(0.5).point.far == pytest.approx(1e-4)


def test_it_is_for_one_recogniser_and_its_weights(calibration):
    calibration.require("fake/recognizer", "ab" * 32)
    with pytest.raises(UsageError, match=r"made with fake/recognizer.*those of topofr/tiny"):
        calibration.require("topofr/tiny", "ab" * 32)
    with pytest.raises(UsageError, match="other weights of fake/recognizer"):
        calibration.require("fake/recognizer", "cd" * 32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "not a calibration of format 1"),
        ({"data": " "}, "names its data set"),
        ({"weights_hash": "abc"}, "no SHA-256"),
        ({"points": []}, "says nothing"),
        ({"impostors": 0}, "says nothing"),
        ({"points": [{"far": 0.1, "cosine": None, "tar": 0.5}]}, "cosine"),
        ({"points": [{"far": 1.5, "cosine": 0.1, "tar": 0.5}]}, "rates lie between"),
        ({"points": [{"far": 0.1, "cosine": 0.1, "tar": 1.5}]}, "rates lie between"),
        ({"points": [{"far": 0.1, "cosine": float("nan"), "tar": 0.5}]}, "rates lie between"),
        (
            {"points": [{"far": 0.1, "cosine": 0.5, "tar": 0.5}, {"far": 0.01, "cosine": 0.4, "tar": 0.4}]},
            "needs a cosine that is no smaller",
        ),
        ({"more": 1}, "more"),
    ],
)
def test_files_that_say_something_wrong(calibration, tmp_path, change, words):
    path = calibration.save(tmp_path / "a.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((UsageError, BrokenError), match=words):
        read_calibration(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_calibration(tmp_path / "no.json")
    for text in ("{", "[]", "3", ""):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises((UsageError, BrokenError), match=r"a\.json (cannot be read|is not a calibration)"):
            read_calibration(tmp_path / "a.json")


def test_scores_that_are_none():
    with pytest.raises(UsageError, match="finite cosine"):
        calibrate([np.nan] * 100, [False] * 100, **WHO)
    with pytest.raises(UsageError, match="finite cosine"):
        calibrate([0.5] * 100, [False] * 99, **WHO)


def test_the_hash_of_weights_without_a_network():
    spec = next(spec for spec in vitrail_components() if spec.kind == "recognizer")
    found = weights_hash(FakeRecognizer(None, spec))
    assert found == weights_hash(FakeRecognizer(None, spec))
    assert found != weights_hash(FakeRecognizer(None, replace(spec, id="fake/other")))
    Calibration(
        data="x",
        recogniser="y",
        weights_hash=found,
        genuine=1,
        impostors=100,
        points=(Point(far=0.1, cosine=0, tar=1),),
    )


def test_the_hash_of_a_network():
    torch = pytest.importorskip("torch")

    class Component:
        def __init__(self, seed, dtype=torch.float32):
            torch.manual_seed(seed)
            self.module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to(dtype)

    found = weights_hash(Component(0))
    assert found == weights_hash(Component(0))
    assert found != weights_hash(Component(1))
    changed = Component(0)
    changed.module[1].running_mean[0] = 1e-3
    assert found != weights_hash(changed)
    half = Component(0, torch.float16)
    widened = Component(0, torch.float16)
    widened.module.float()
    assert weights_hash(half) == weights_hash(widened)
