"""Skin, hair, light and the picture that they make."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitrail_avatars.appearance.atlas import load_atlas
from vitrail_avatars.appearance.colours import from_srgb, skin, to_srgb
from vitrail_avatars.appearance.hair import CENTRE, Hair, grow, scalp
from vitrail_avatars.appearance.light import Light, environment_of, irradiance
from vitrail_avatars.appearance.noise import noise
from vitrail_avatars.appearance.skin import Skin, paint
from vitrail_avatars.camera import Camera, project
from vitrail_avatars.head import load_head
from vitrail_avatars.landmarks import landmarks_68
from vitrail_avatars.render import Look, picture

SIZE = 64


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def atlas():
    return load_atlas(128)


def person(melanin=0.2, seed=3):
    return Skin(melanin, 0.4, 0.0, 0.0, 0.0, 0.5, 30.0, seed)


def light(strength=0.8, key=(0.0, 0.0, 1.0)):
    environment = environment_of(np.array([[0.0, 0, 1]]), np.full((1, 3), 0.07))
    return Light(environment, np.array(key), np.full(3, strength))


def draw(head, atlas, *, skin_of=None, lamp=None, strands=None):
    painted = paint(atlas, skin_of or person())
    look = Look(
        painted, np.full(painted.shape[:2], 0.3, np.float32), np.array([0.1, 0.2, 0.3], np.float32), strands
    )
    points = None if strands is None else torch.from_numpy(strands.points)
    vertices = head.mean[: head.points].contiguous()
    return picture(
        head, atlas, look, vertices, points, lamp or light(), Camera(), SIZE, np.zeros((SIZE, SIZE, 3))
    )


def patch(picture, head, landmark):
    """Mean colour about a landmark."""
    seen = project(landmarks_68(head.mean[None, : head.points]), Camera(), (SIZE, SIZE))[0, landmark]
    x, y = int(seen[0]), int(seen[1])
    return picture[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))


def test_a_picture_is_the_same_each_time_and_has_a_face(head, atlas):
    first, again = draw(head, atlas), draw(head, atlas)
    assert np.array_equal(first, again)
    assert first.shape == (SIZE, SIZE, 3)
    assert not first[:4, :4].any(), "background"
    tip = patch(first, head, 30)
    assert tip[0] > tip[1] > tip[2] > 0, "skin is reddish"
    lip, chin = patch(first, head, 57), patch(first, head, 8)
    assert lip[0] / lip[1] > 1.2 * chin[0] / chin[1], "lips are redder than the chin"


def test_melanin_and_lamps_do_what_they_say(head, atlas):
    usual = draw(head, atlas).mean()
    assert draw(head, atlas, skin_of=person(melanin=0.9)).mean() < 0.6 * usual
    assert draw(head, atlas, lamp=light(strength=1.6)).mean() > 1.3 * usual
    aside = draw(head, atlas, lamp=light(key=(1.0, 0.0, 0.0)))
    assert patch(aside, head, 13).mean() > 1.5 * patch(aside, head, 3).mean(), (
        "the lit cheek is on the lamp's side"
    )


def test_hair_grows_on_the_scalp_and_stays_outside_the_skull(head, atlas):
    mean = head.mean[: head.points].numpy()
    triangles = head.triangles[head.parts == 0].numpy()
    cut = Hair("short", 0.5, 0.5, 0.0, 0.3, 0.6, 0.0, (0.02, 0.01, 0.01), 5, strands=1500)
    strands = grow(cut, mean, mean, triangles)
    assert strands is not None
    assert grow(Hair(**{**cut.__dict__, "style": "bald"}), mean, mean, triangles) is None
    assert (scalp(strands.points[:, 0], 0.0) > 0).mean() > 0.95
    face = landmarks_68(torch.from_numpy(mean)[None])[0].numpy()
    assert scalp(face, 0.0).max() == 0, "no hair on the face"
    away = np.linalg.norm(strands.points - CENTRE, axis=2)
    assert (away[:, -1] > away[:, 0] - 0.15).mean() > 0.95
    bare, haired = draw(head, atlas), draw(head, atlas, strands=strands)
    top = slice(0, SIZE // 4)
    assert haired[top].sum() < 0.8 * bare[top].sum(), "dark hair covers the crown"


def test_noise_is_a_field_of_the_place():
    at = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    values = noise(at, 0.3, 7, octaves=2)
    assert np.array_equal(values, noise(at, 0.3, 7, octaves=2))
    assert abs(values.mean()) < 0.15
    assert 0.7 < values.std() < 1.3
    near = noise(at + 0.003, 0.3, 7, octaves=2)
    assert np.abs(near - values).mean() < 0.1
    assert np.corrcoef(values, noise(at, 0.3, 8, octaves=2))[0, 1] < 0.2


def test_an_environment_gives_what_its_lamp_would(head):
    """Nine harmonics hold a lamp's cosine to a few percent of its peak (Ramamoorthi and Hanrahan 2001)."""
    normals = np.random.default_rng(1).standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lamp = np.array([[0.6, 0.0, 0.8]])
    got = irradiance(normals, environment_of(lamp, np.ones((1, 3))))[:, 0]
    assert np.abs(got - np.clip(normals @ lamp[0], 0, None)).max() < 0.12


def test_colours_go_there_and_back():
    values = np.linspace(0, 1, 101)
    assert np.allclose(from_srgb(to_srgb(values)), values, atol=1e-6)
    assert (np.diff(skin(np.linspace(0, 1, 9), 0.3), axis=0) < 0).all()
