"""People, their look, and pictures of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail.errors import UsageError
from vitrail_avatars.appearance.beard import Beard, area, grow_beard
from vitrail_avatars.appearance.colours import from_srgb, skin, to_srgb
from vitrail_avatars.appearance.hair import CENTRE, Hair, grow, scalp
from vitrail_avatars.appearance.light import Light, environment_of, irradiance
from vitrail_avatars.appearance.look import dressed, look_of
from vitrail_avatars.appearance.noise import noise
from vitrail_avatars.appearance.skin import Skin, paint
from vitrail_avatars.arkit import units
from vitrail_avatars.camera import Camera
from vitrail_avatars.head import AGES, ANCESTRIES, GENDERS
from vitrail_avatars.landmarks import landmarks_68
from vitrail_avatars.population import person
from vitrail_avatars.render import BACKGROUND, HAIR, Look, Shot, render
from vitrail_avatars.shapes import details, shape

SIZE = 64


def tone(melanin=0.2, seed=3):
    return Skin(melanin, 0.4, 0.0, 0.0, 0.0, 0.5, 30.0, seed)


def light(strength=0.8, key=(0.0, 0.0, 1.0)):
    environment = environment_of(np.array([[0.0, 0, 1]]), np.full((1, 3), 0.2))
    return Light(environment, np.array(key), np.full(3, strength))


def shot(lamp=None, angles=(0.0, 0.0, 0.0), **face):
    return Shot(
        units(**face),
        np.array(angles),
        np.zeros((2, 2)),
        lamp or light(),
        Camera(),
        np.zeros((SIZE, SIZE, 3)),
    )


def draw(head, atlas, *, skin_of=None, strands=None, **how):
    painted = paint(atlas, skin_of or tone())
    gloss = np.full((*painted.shape[:2], 1), 0.3, np.float32)
    look = Look(np.concatenate([painted, gloss], axis=2), np.array([0.1, 0.2, 0.3]), strands)
    return render(head, atlas, head.mean[None], look, shot(**how), SIZE)


def patch(picture, landmark):
    """Mean linear colour about a landmark."""
    x, y = picture.landmarks_68[landmark].astype(int)
    return from_srgb(picture.rgb[y - 1 : y + 2, x - 1 : x + 2] / 255).mean(axis=(0, 1))


def brightness(picture):
    return from_srgb(picture.rgb / 255).mean()


def test_a_picture_is_the_same_each_time_and_has_a_face(head, atlas):
    first, again = draw(head, atlas), draw(head, atlas)
    assert np.array_equal(first.rgb, again.rgb)
    assert first.rgb.shape == (SIZE, SIZE, 3)
    assert first.rgb.dtype == np.uint8
    assert not first.rgb[:4, :4].any(), "background"
    assert first.mask.min() == 0
    assert first.mask.max() == pytest.approx(1)
    assert ((first.parts != BACKGROUND) == (first.mask > 0.5)).mean() > 0.98
    assert {0, 1, 2, 3} <= set(first.parts.ravel().tolist()), "background, skin and both eyes"
    tip = patch(first, 30)
    assert tip[0] > tip[1] > tip[2] > 0, "skin is reddish"
    lip, chin = patch(first, 57), patch(first, 8)
    assert lip[0] / lip[1] > 1.2 * chin[0] / chin[1], "lips are redder than the chin"


def test_landmarks_are_on_the_picture_where_the_face_is(head, atlas):
    picture = draw(head, atlas)
    eyes = picture.landmarks_5[:2].astype(int)
    assert [picture.parts[y, x] for x, y in eyes] == [3, 2], "the person's right eye is first"
    assert picture.landmarks_5[0, 0] < picture.landmarks_5[1, 0]
    assert picture.landmarks_68[8, 1] > picture.landmarks_68[57, 1] > picture.landmarks_68[33, 1]
    aside = draw(head, atlas, angles=(0.0, 0.5, 0.0))
    assert aside.landmarks_68[30, 0] > picture.landmarks_68[30, 0] + 3, (
        "turned to its left, which is on the right"
    )
    opened = draw(head, atlas, jawOpen=1.0)
    assert set(opened.parts.ravel().tolist()) & {4, 5, 6}, "teeth or tongue are seen"


def test_melanin_and_lamps_do_what_they_say(head, atlas):
    usual = brightness(draw(head, atlas))
    assert brightness(draw(head, atlas, skin_of=tone(melanin=0.9))) < 0.6 * usual
    assert brightness(draw(head, atlas, lamp=light(strength=1.6))) > 1.2 * usual
    aside = draw(head, atlas, lamp=light(key=(1.0, 0.0, 0.0)))
    assert patch(aside, 13).mean() > 1.3 * patch(aside, 3).mean(), "the lit cheek is on the lamp's side"


def test_a_lamp_from_above_puts_the_chin_s_shadow_on_the_neck(head, atlas):
    lamp = light(key=(0.0, 0.8, 0.6))
    lit = from_srgb(draw(head, atlas, lamp=lamp).rgb / 255)
    plain = from_srgb(draw(head, atlas, lamp=light()).rgb / 255)
    chin = draw(head, atlas).landmarks_68[8].astype(int)
    below = slice(chin[1] + 2, chin[1] + 5), slice(chin[0] - 3, chin[0] + 4)
    cheek = slice(chin[1] - 16, chin[1] - 13), slice(chin[0] - 12, chin[0] - 9)
    assert lit[below].mean() / lit[cheek].mean() < 0.8 * plain[below].mean() / plain[cheek].mean()


CUT = Hair("short", 0.5, 0.5, 0.0, 0.3, 0.6, 0.0, (0.02, 0.01, 0.01), 5, strands=1500)


@pytest.mark.parametrize(
    "style", ["buzz", "short", "swept", "fringe", "bob", "long", "curly", "afro", "tied"]
)
def test_hair_grows_on_the_scalp_and_stays_outside_the_skull(face, style):
    strands = grow(replace(CUT, style=style), face)
    assert strands is not None
    assert np.isfinite(strands.points).all()
    on = face.mean[face.triangles[strands.triangle]]
    place = (on * strands.weights[..., None]).sum(axis=1)
    assert (scalp(place, 0.0) > 0).all()
    away = np.linalg.norm(strands.points - CENTRE, axis=2)
    assert (away[:, -1] > away[:, 0] - 0.2).mean() > 0.9
    again = grow(replace(CUT, style=style), face)
    assert np.array_equal(strands.points, again.points)


def test_hair_covers_the_crown_and_leaves_the_face(head, atlas, face):
    assert grow(replace(CUT, style="bald"), face) is None
    points = landmarks_68(torch.from_numpy(face.mean)[None])[0].numpy()
    assert scalp(points, 0.0).max() == 0
    bare, haired = draw(head, atlas), draw(head, atlas, strands=grow(CUT, face))
    assert (haired.parts == HAIR).sum() > 100
    top = slice(0, SIZE // 4)
    assert haired.rgb[top].sum() < 0.9 * bare.rgb[top].sum()
    low = slice(SIZE // 2, SIZE)
    assert (haired.parts[low] == HAIR).mean() < 0.1


def test_a_beard_goes_with_the_jaw(head, atlas, face):
    full = Beard("full", 0.3, 1.0, (0.02, 0.01, 0.01))
    strands = grow_beard(full, face, 4)
    assert strands is not None
    assert grow_beard(replace(full, style="stubble"), face, 4) is None
    assert area(face.mean, "none").max() == 0
    place = (face.mean[face.triangles[strands.triangle]] * strands.weights[..., None]).sum(axis=1)
    assert place[:, 1].max() < -0.1, "none above the cheeks"
    rows = [
        np.flatnonzero((draw(head, atlas, strands=strands, jawOpen=j).parts == HAIR).any(axis=1)).max()
        for j in (0.0, 1.0)
    ]
    assert rows[1] > rows[0] + 1, "an open jaw carries it down"


def test_people_are_the_same_whenever_they_are_called(head, atlas):
    first, again = person(3, 5), person(3, 5)
    assert np.array_equal(first.identity, again.identity)
    assert first.hair == again.hair
    assert not np.allclose(first.identity, person(3, 6).identity)
    assert not np.allclose(first.identity, person(4, 5).identity)
    older = person(3, 5, age=80.0)
    assert (older.gender, older.ancestry, older.eyes) == (first.gender, first.ancestry, first.eyes), (
        "all else stays"
    )
    neutral, look = look_of(head, atlas, first)
    neutral_again, look_again = look_of(head, atlas, again)
    assert torch.equal(neutral, neutral_again)
    assert np.array_equal(look.skin, look_again.skin)
    shirt = dressed(atlas, neutral, look, np.array([0.8, 0.0, 0.0]), 0.5)
    changed = (shirt.skin != look.skin).any(axis=2)
    assert changed.sum() > 0
    assert atlas.place[changed][:, 1].max() < -2, "a shirt covers no face"


def test_a_population_is_varied():
    some = [person(0, n) for n in range(200)]
    assert 0.35 < np.mean([p.gender == "male" for p in some]) < 0.65
    ages = np.array([p.age for p in some])
    assert ages.min() < 20
    assert ages.max() > 65
    assert len({p.hair.style for p in some}) >= 8
    assert len({p.eyes for p in some}) == 6
    components = np.stack([p.identity for p in some])
    assert (components.std(axis=0) > 0.3).mean() > 0.9
    assert all(p.beard.style == "none" for p in some if p.gender == "female" or p.age < 16)
    melanin = np.array([p.skin.melanin for p in some])
    assert melanin.max() - melanin.min() > 0.5


def test_gender_and_age_are_directions_of_shape(head):
    usual = np.zeros(len(head.detail_names), np.float32)
    even = np.full(3, 1 / 3)

    def face(gender, age):
        return head.neutral(torch.from_numpy(shape(head, gender, age, even, 0.5, 0.5, usual))[None])[0]

    def jaw(points):
        return float((landmarks_68(points[None])[0, 4] - landmarks_68(points[None])[0, 12]).norm())

    assert jaw(face("male", 25.0)) > jaw(face("female", 25.0))

    def lower(points):
        marks = landmarks_68(points[None])[0]
        return float(marks[27, 1] - marks[8, 1])

    assert lower(face("male", 11.0)) < lower(face("male", 25.0)), (
        "a child's face is short, its eyes being the measure"
    )
    assert head.corners.shape[:3] == (len(GENDERS), len(AGES), len(ANCESTRIES))
    values = details(head, np.random.default_rng(0))
    sides = [
        (i, head.detail_names.index("r-" + n[2:]))
        for i, n in enumerate(head.detail_names)
        if n.startswith("l-")
    ]
    assert max(abs(values[i] - values[j]) for i, j in sides) < 0.25


def test_who_cannot_be():
    with pytest.raises(UsageError, match="gender is woman; wanted is one of female, male"):
        person(0, 0, gender="woman")
    with pytest.raises(UsageError, match="age is 3; wanted are 10 to 85 years"):
        person(0, 0, age=3)
    with pytest.raises(UsageError, match="ancestry is x; wanted is one of african, asian, caucasian"):
        person(0, 0, ancestry="x")
    with pytest.raises(UsageError, match="wanted are whole numbers from 0 on"):
        person(-1, 0)


def test_noise_is_a_field_of_the_place():
    at = np.random.default_rng(0).normal(size=(4000, 3)).astype(np.float32)
    values = noise(at, 0.3, 7, octaves=2)
    assert np.array_equal(values, noise(at, 0.3, 7, octaves=2))
    assert abs(values.mean()) < 0.15
    assert 0.7 < values.std() < 1.3
    near = noise(at + 0.003, 0.3, 7, octaves=2)
    assert np.abs(near - values).mean() < 0.1
    assert np.corrcoef(values, noise(at, 0.3, 8, octaves=2))[0, 1] < 0.2


def test_an_environment_gives_what_its_lamp_would():
    """Nine harmonics hold a lamp's cosine to about a tenth of its peak (Ramamoorthi and Hanrahan 2001)."""
    normals = np.random.default_rng(1).standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lamp = np.array([[0.6, 0.0, 0.8]])
    got = irradiance(normals, environment_of(lamp, np.ones((1, 3))))[:, 0]
    assert np.abs(got - np.clip(normals @ lamp[0], 0, None)).max() < 0.12


def test_colours_go_there_and_back():
    values = np.linspace(0, 1, 101)
    assert np.allclose(from_srgb(to_srgb(values)), values, atol=1e-6)
    assert (np.diff(skin(np.linspace(0, 1, 9), 0.3), axis=0) < 0).all()
