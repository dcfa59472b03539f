"""Normals, places on the mean head, and optical flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitrail_avatars.appearance.glasses import Glasses
from vitrail_avatars.appearance.look import dressed, look_of
from vitrail_avatars.arkit import units
from vitrail_avatars.camera import Camera, project
from vitrail_avatars.landmarks import landmarks_68
from vitrail_avatars.maps import maps
from vitrail_avatars.population import person
from vitrail_avatars.render import GLASSES, HAIR, posed, render
from vitrail_avatars.scenes import scene, shot_of

SIZE = 96


@pytest.fixture(scope="module")
def somebody(head, atlas):
    neutral, look = look_of(head, atlas, person(0, 4))
    glasses = Glasses("round", (0.1, 0.1, 0.1), 0.5, 0.5)
    return head, neutral, dressed(atlas, neutral, look, np.full(3, 0.3), 0.5, glasses)


def shot(angles=(0.0, 0.0, 0.0), camera=None, **face):
    now = shot_of(scene(0, 3), SIZE)
    return replace(
        now,
        expression=units(**face),
        angles=np.array(angles),
        gaze=np.zeros((2, 2)),
        camera=camera or Camera(),
    )


def test_parts_agree_with_the_picture(somebody, atlas):
    head, neutral, look = somebody
    now = shot(angles=(0.1, 0.3, 0.0))
    found = maps(head, neutral, look, now, SIZE)
    picture = render(head, atlas, neutral, look, now, SIZE, samples=1)
    assert np.array_equal(found.parts, picture.parts)
    assert {HAIR, GLASSES, 1, 2, 3} <= set(found.parts.ravel().tolist())
    assert found.flow is None
    assert np.array_equal(np.isfinite(found.depth), found.parts > 0)


def test_normals_and_places_are_those_of_the_face(somebody):
    head, neutral, look = somebody
    now = shot(angles=(0.0, 0.4, 0.0), jawOpen=0.6)
    found = maps(head, neutral, replace(look, glasses=None, strands=None), now, SIZE)
    skin = found.parts == 1
    assert np.linalg.norm(found.normals[skin], axis=1) == pytest.approx(1, abs=1e-4)
    assert (found.normals[skin][:, 2] > -0.3).all(), "what is seen looks at the viewer, but for smoothing"
    vertices, _ = posed(head, neutral, now)
    there = landmarks_68(vertices[None])[0]
    at, on_mean = (
        project(there, now.camera, (SIZE, SIZE)).numpy(),
        landmarks_68(head.mean[None, : head.points])[0],
    )
    for landmark in (30, 33, 8, 51):  # in the middle, so that they are seen
        x, y = at[landmark, :2].astype(int)
        assert found.position[y, x] == pytest.approx(on_mean[landmark].numpy(), abs=0.08)


def test_flow_leads_to_the_same_spot_in_the_next_frame(somebody):
    head, neutral, look = somebody
    now = shot()
    after = shot(angles=(0.02, 0.06, 0.01), camera=Camera(across=4.1, centre=(0.03, -0.45)), jawOpen=0.1)
    first, second = maps(head, neutral, look, now, SIZE, after), maps(head, neutral, look, after, SIZE)
    rows, columns = np.nonzero(first.parts == 1)
    there = np.stack([columns, rows], axis=1) + 0.5 + first.flow[rows, columns]
    x, y = np.clip(np.floor(there), 0, SIZE - 1).astype(int).T
    still = second.parts[y, x] == 1
    off = np.linalg.norm(second.position[y, x] - first.position[rows, columns], axis=1)[still]
    assert still.mean() > 0.9
    assert np.median(off) < 0.03, "within a pixel, 0.045 eye distances wide"
    assert np.quantile(off, 0.95) < 0.1
    moved = np.linalg.norm(first.flow[first.parts > 0], axis=1)
    assert np.median(moved) > 1
    stay = maps(head, neutral, look, now, SIZE, now)
    assert not stay.flow.any()
    for part in (HAIR, GLASSES):
        on = first.parts == part
        assert np.abs(first.flow[on] - np.median(first.flow[first.parts == 1], axis=0)).max() < 6, (
            "goes along"
        )
