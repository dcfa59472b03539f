"""The shapes: what the file holds, and what expressions and poses do to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vitrail_avatars.arkit import ARKIT, units
from vitrail_avatars.head import FILE, PARTS, load_head
from vitrail_avatars.landmarks import landmarks_5, landmarks_68, points_68
from vitrail_avatars.packing import STEP, pack, unpack
from vitrail_avatars.pose import LOOK_ASIDE, gaze_of, neck_share, rotations, turn_eyes, turn_head


@pytest.fixture(scope="module")
def head():
    return load_head()


def face(head, **values):
    expression = torch.from_numpy(units(**values))[None]
    return head.expressed(head.neutral(torch.zeros(1, 64)), expression)[:, : head.points]


def test_the_file_is_small_and_carries_its_licence():
    assert FILE.stat().st_size < 3 * 2**20
    assert "CC0" in (FILE.parent / "README.md").read_text()


def test_what_is_packed_comes_back():
    arrays = unpack(FILE)
    names = {"expressions", "components", "mean", "texture"}
    again = pack(arrays)
    assert again == FILE.read_bytes(), "the file is what `pack` writes"
    assert all(arrays[name].dtype == np.float32 for name in names)


def test_shapes_and_parts(head):
    assert head.mean.shape == (head.points + 2, 3)
    assert head.components.shape == (64, head.points + 2, 3)
    assert head.expressions.shape == (len(ARKIT), head.points, 3) == (52, head.points, 3)
    assert head.corners.shape == (2, 3, 3, 64)
    assert set(head.parts.tolist()) == set(range(len(PARTS)))
    assert head.triangles.max() < head.points
    assert head.texture_triangles.max() < len(head.texture)


def test_eyes_are_the_measure(head):
    """The mean of normalised shapes is normalised; each component keeps the eyes' distance in the first order."""
    left, right = (head.mean[head.part_points(f"{side} eye")].mean(dim=0) for side in ("left", "right"))
    assert torch.allclose((left + right) / 2, torch.zeros(3), atol=2 * STEP)
    assert left[0] - right[0] == pytest.approx(1, abs=2e-3)
    moved = head.components[:, head.part_points("left eye")].mean(1) - head.components[
        :, head.part_points("right eye")
    ].mean(1)
    assert moved[:, 0].abs().max() < 0.01


def test_the_mean_head_is_symmetric(head):
    skin = head.mean[head.part_points("skin")]
    mirrored = skin * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.cdist(mirrored, skin).min(dim=1).values.max() < 0.02


def test_triangles_turn_counter_clockwise_from_outside(head):
    a, b, c = (head.mean[head.triangles[:, i]] for i in range(3))
    volume = (a * torch.linalg.cross(b, c)).sum(1)
    assert volume[head.parts == 0].sum() > 0
    assert volume[head.parts == 1].sum() > 0
    ball = head.mean[head.part_points("left eye")].mean(0)
    outward = (torch.linalg.cross(b - a, c - a) * ((a + b + c) / 3 - ball)).sum(1)
    assert (outward[head.parts == 1] > 0).all()


def gap(vertices):
    return float((landmarks_68(vertices)[0, 62] - landmarks_68(vertices)[0, 66]).norm())


def test_what_units_do(head):
    rest = face(head)
    assert gap(rest) < 0.03
    assert gap(face(head, jawOpen=1.0)) > 0.3
    assert gap(face(head, jawOpen=1.0, mouthClose=1.0)) < 0.05
    corners = landmarks_68(face(head, mouthSmile=1.0))[0, [48, 54]] - landmarks_68(rest)[0, [48, 54]]
    assert (corners[:, 1] > 0.05).all(), "corners of the mouth go up"
    width = (
        landmarks_68(face(head, mouthPucker=1.0))[0, 48] - landmarks_68(face(head, mouthPucker=1.0))[0, 54]
    ).norm()
    assert width < 0.85 * (landmarks_68(rest)[0, 48] - landmarks_68(rest)[0, 54]).norm()
    lids = landmarks_68(face(head, eyeBlinkLeft=1.0))[0]
    assert (lids[43] - lids[47]).norm() < 0.5 * (lids[38] - lids[40]).norm(), "one eye closed, the other open"


def test_expressions_are_in_arkits_order(head):
    moved = head.expressions.norm(dim=2).amax(dim=1)
    assert (moved > 0).all()
    for number, name in enumerate(ARKIT):
        weight = head.expressions[number].norm(dim=1)
        middle = (weight[:, None] * head.mean[: head.points]).sum(0) / weight.sum()
        if name.endswith("Left") and name not in ("jawLeft", "mouthLeft"):
            assert middle[0] > 0.02, f"{name} is on the person's left, which is x > 0"
        if name.endswith("Right") and name not in ("jawRight", "mouthRight"):
            assert middle[0] < -0.02, name
        if name.startswith("brow"):
            assert middle[1] > 0, name
        if name.startswith(("mouth", "jaw")):
            assert middle[1] < -0.7, name


def test_landmarks_are_where_their_names_say(head):
    points = landmarks_68(head.mean[None, : head.points])[0]
    assert len(points_68().unique()) == 68
    mirror = points * torch.tensor([-1.0, 1.0, 1.0])
    for right, left in ((36, 45), (48, 54), (31, 35), (0, 16), (17, 26), (60, 64), (40, 47)):
        assert (mirror[right] - points[left]).norm() < 0.02, (right, left)
    assert points[30, 2] == points[:, 2].max(), "the tip of the nose is the foremost"
    assert (points[17:27, 1] > points[36:48, 1].max()).all(), "brows above eyes"
    assert points[8, 1] == points[:, 1].min()
    assert (points[2:9, 0].diff() > 0).all(), "the outline goes from the person's right to the chin"
    assert (points[:9, 1].diff() < 0).all()
    five = landmarks_5(head.mean[None, : head.points], head)[0]
    assert five[0, 0] < 0 < five[1, 0]
    assert five[:2, 0].abs().tolist() == pytest.approx([0.5, 0.5], abs=0.06)


def test_rotations_turn_as_they_say():
    ahead, up, left = torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 1, 0]), torch.tensor([1.0, 0, 0])
    assert (rotations(torch.tensor([0.3, 0, 0])) @ ahead)[1] > 0, "positive pitch looks up"
    assert (rotations(torch.tensor([0, 0.3, 0])) @ ahead)[0] > 0, "positive yaw looks to the person's left"
    assert (rotations(torch.tensor([0, 0, 0.3])) @ up)[0] > 0, "positive roll leans to the left"
    both = rotations(torch.tensor([[0.4, -0.7, 0.2]]).double())
    assert torch.allclose(both @ both.transpose(1, 2), torch.eye(3).double(), atol=1e-12)
    assert torch.linalg.det(both).item() == pytest.approx(1)
    assert (rotations(torch.tensor([0, math.pi / 2, 0])) @ left)[2] == pytest.approx(-1)


def test_eyes_turn_about_their_centres(head):
    expression = torch.from_numpy(units(eyeLookOutLeft=1.0, eyeLookInRight=1.0))[None]
    gaze = gaze_of(expression)
    assert torch.allclose(gaze, torch.tensor([[[0, LOOK_ASIDE], [0, LOOK_ASIDE]]]))
    neutral = head.neutral(torch.zeros(1, 64))
    turned = turn_eyes(head, neutral, gaze)
    for part in ("left eye", "right eye"):
        points = head.part_points(part)
        before, after = neutral[0, points], turned[0, points]
        assert torch.allclose(before.mean(0), after.mean(0), atol=1e-5)
        front = before[:, 2].argmax()
        assert after[front, 0] > before[front, 0] + 0.05
    skin = head.part_points("skin")
    assert torch.equal(neutral[:, skin], turned[:, skin])


def test_the_head_turns_and_the_shoulders_stay(head):
    neutral = head.neutral(torch.zeros(2, 64))
    turned = turn_head(head, neutral, torch.tensor([[0.0, 0.6, 0.0], [0.0, 0.0, 0.0]]))
    assert torch.allclose(turned[1], neutral[1], atol=1e-6)
    share = neck_share(head.mean)
    low = share == 0
    assert low.sum() > 200
    assert torch.allclose(turned[0, low], neutral[0, low], atol=1e-6)
    above = share[: head.points] == 1
    assert above[points_68()].all(), "all landmarks are on what turns whole"
    before, after = neutral[0, : head.points][above], turned[0, : head.points][above]
    assert torch.allclose(torch.pdist(before[::20]), torch.pdist(after[::20]), atol=1e-4), (
        "the skull is rigid"
    )
    assert landmarks_68(turned[:1, : head.points])[0, 30, 0] > 0.5
