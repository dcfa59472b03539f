"""Margins against their formulas, autograd in float64 and the recorded values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from vitrail.errors import UsageError
from vitrail_recognition.margins import ArcFace, CosFace

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "recognition_golden.json").read_text())["margin"]


@pytest.fixture
def cosines():
    """Between 4 embeddings and 10 centres, by the recipe of the recorded values."""
    torch.manual_seed(0)
    embeddings, centres = torch.randn(4, 8), torch.randn(10, 8)
    return F.normalize(embeddings) @ F.normalize(centres).T, torch.tensor([1, 3, 5, 7])


def slope(margin, cosine):
    cosine = cosine.clone().requires_grad_()
    return torch.autograd.grad(margin(cosine).sum(), cosine)[0]


@pytest.mark.parametrize(
    ("margin", "name"),
    [
        (ArcFace(), "arcface_m05_s64_target"),
        (ArcFace(gradient="straight_through"), "arcface_m05_s64_target"),
        (CosFace(), "cosface_m04_target"),
    ],
)
def test_recorded_targets_and_losses(cosines, margin, name):
    all_cosines, labels = cosines
    target = all_cosines[torch.arange(4), labels]
    assert target.tolist() == pytest.approx(GOLDEN["cos_target"], abs=1e-6)
    moved = margin(target)
    assert moved.tolist() == pytest.approx(GOLDEN[name], abs=2e-5)
    logits = (64 * all_cosines).index_put((torch.arange(4), labels), moved)
    loss = F.cross_entropy(logits, labels).item()
    assert loss == pytest.approx(GOLDEN[name.split("_")[0] + "_ce"], abs=1e-4)


def test_recorded_slopes(cosines):
    all_cosines, labels = cosines
    target = all_cosines[torch.arange(4), labels]
    assert slope(ArcFace(), target).tolist() == pytest.approx(GOLDEN["dtarget_dcos_true"], abs=1e-3)
    straight = slope(ArcFace(gradient="straight_through"), target)
    assert straight.tolist() == [GOLDEN["dtarget_dcos_insightface_straight_through"]] * 4
    assert slope(CosFace(), target).tolist() == [64.0] * 4


def test_recorded_values_beyond_pi():
    wanted = GOLDEN["cos_-0.95"]
    cosine = torch.tensor(-0.95)
    straight = ArcFace(gradient="straight_through")(cosine).item()
    assert straight == pytest.approx(wanted["insightface"], abs=1e-4)
    assert ArcFace()(cosine).item() == pytest.approx(wanted["topofr_arcface_fallback"], abs=1e-4)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.2])
def test_values_and_slopes_are_those_of_the_formula(margin):
    """Against cos(acos c + m) by autograd in float64, where theta + m stays below pi."""
    cosine = torch.linspace(-math.cos(margin) + 1e-3, 1 - 1e-6, 501, dtype=torch.float64, requires_grad=True)
    wanted = 64 * torch.cos(torch.acos(cosine) + margin)
    (derivative,) = torch.autograd.grad(wanted.sum(), cosine)
    true, straight = ArcFace(margin=margin), ArcFace(margin=margin, gradient="straight_through")
    torch.testing.assert_close(true(cosine), wanted, rtol=0, atol=1e-9)
    torch.testing.assert_close(straight(cosine), wanted, rtol=0, atol=1e-9)
    torch.testing.assert_close(slope(true, cosine.detach()), derivative, rtol=1e-6, atol=1e-8)
    assert slope(straight, cosine.detach()).tolist() == [64.0] * 501


def test_beyond_pi_the_true_form_goes_on_falling():
    """The target's logit falls as the angle grows, all the way; cos(theta + m) alone would rise again."""
    angles = torch.linspace(0, math.pi, 721, dtype=torch.float64)
    values = ArcFace()(angles.cos())
    assert (values.diff() < 0).all()
    straight = ArcFace(gradient="straight_through")(angles.cos())
    assert not (straight.diff() < 0).all()
    assert slope(ArcFace(), torch.tensor([-0.99, -1.0])).tolist() == [64.0, 64.0]


@pytest.mark.parametrize("gradient", ["true", "straight_through"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_rounding_beyond_one_stays_finite(gradient, dtype):
    margin = ArcFace(gradient=gradient)
    cosine = torch.tensor([1.0, 1.001, 1.01, -1.0, -1.001, -1.01, 0.9999], dtype=dtype)
    assert margin(cosine).isfinite().all()
    assert margin(cosine).dtype == torch.float32
    slopes = slope(margin, cosine)
    assert slopes.isfinite().all()
    assert (slopes > 0).all()


def test_no_margin_is_the_scaled_cosine():
    cosine = torch.linspace(-1, 1, 41, dtype=torch.float64)
    for margin in (
        ArcFace(margin=0.0),
        ArcFace(margin=0.0, gradient="straight_through"),
        CosFace(margin=0.0),
    ):
        torch.testing.assert_close(margin(cosine), 64 * cosine, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ArcFace, {"margin": 3.2}, "margin is 3.2"),
        (CosFace, {"margin": -0.1}, "margin is -0.1"),
        (ArcFace, {"scale": 0}, "scale is 0"),
        (ArcFace, {"gradient": "none"}, "gradient is 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused(kind, options, message):
    with pytest.raises(UsageError, match=message):
        kind(**options)
