"""Scenes, their words, and data sets of pictures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import vitrail_avatars as avatars
from vitrail.errors import UsageError
from vitrail_avatars.camera import Camera, project
from vitrail_avatars.pictures import Avatars
from vitrail_avatars.population import People, person
from vitrail_avatars.scenes import COLOURS, caption, description, scene, shot_of


def small(**given):
    return Avatars(**({"seed": 1, "people": 3, "views": 2, "size": 32} | given))


def test_the_package_offers_people_and_pictures():
    assert avatars.people(seed=1)[4].number == 4
    assert [p.number for p in itertools.islice(People(1, gender="female"), 3)] == [0, 1, 2]
    assert {p.gender for p in itertools.islice(People(1, gender="female"), 3)} == {"female"}
    assert avatars.dataset is Avatars
    with pytest.raises(AttributeError, match="has no attribute 'peoples'"):
        _ = avatars.peoples


def test_examples_do_not_depend_on_what_was_asked_before():
    forward, backward = small(), small()
    there = [forward[i].picture.rgb for i in range(len(forward))]
    back = [backward[i].picture.rgb for i in reversed(range(len(backward)))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(there, back, strict=True))
    assert not np.array_equal(there[0], there[1])
    assert [example.identity for example in forward] == [0, 0, 1, 1, 2, 2]
    assert small(first=2, people=1)[0].identity == 2
    assert np.array_equal(small(first=2, people=1)[0].picture.rgb, there[4])


def test_workers_see_the_same_pictures():
    data = small(people=2)
    loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2)
    for index, example in enumerate(loader):
        assert np.array_equal(example.picture.rgb, data[index].picture.rgb)


def test_degraded_pictures_differ_a_little_and_repeatably():
    plain, bad, again = (small(degraded=flag)[1].picture.rgb.astype(int) for flag in (False, True, True))
    assert np.array_equal(bad, again)
    assert 0 < np.abs(bad - plain).mean() < 40


def test_a_size_is_a_size():
    for size in (16, 33):
        picture = small(size=size)[0].picture
        assert picture.rgb.shape == (size, size, 3)
        assert picture.mask.shape == picture.parts.shape == (size, size)
    large, little = small(size=128)[2].picture, small(size=64)[2].picture
    assert np.allclose(large.landmarks_68, 2 * little.landmarks_68, atol=1e-3), "the same scene, larger"
    halved = large.rgb.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - little.rgb).mean() < 12


def test_what_cannot_be_asked():
    for given, message in (
        ({"size": 8}, "size is 8; wanted is 16 to 2048"),
        ({"people": 0}, "people is 0"),
        ({"views": 0}, "views is 0"),
        ({"seed": -1}, "seed is -1"),
    ):
        with pytest.raises(UsageError, match=message):
            small(**given)
    with pytest.raises(IndexError, match="there is no example 6; the last one is 5"):
        small()[6]


def test_captions_say_what_the_scene_is():
    for index in range(60):
        now = scene(5, index)
        words = caption(now)
        assert ("turned to the right" in words) == (now.angles[1] > np.radians(18))
        assert ("glasses" in words) == (now.glasses.kind != "none")
        assert f"{now.shirt} shirt" in words
        assert now.wall in words
        nearest = min(COLOURS, key=lambda name: np.abs(np.array(COLOURS[name]) - now.shirt_colour).sum())
        assert nearest == now.shirt, "a colour is what it is called"
        wall = shot_of(now, 16).background
        assert wall.shape == (16, 16, 3)
        assert wall.min() >= 0
    assert len({caption(scene(5, index)) for index in range(60)}) > 55


def test_turned_right_in_words_is_right_in_the_picture():
    found = next(s for s in (scene(5, i) for i in range(200)) if s.angles[1] > 0.5)
    assert "turned to the right" in caption(found)


def test_a_camera_stands_where_it_says():
    """What lies on one line through its eye is one point of the picture."""
    camera = Camera(distance=9.0, across=3.5, centre=(0.4, -0.6))
    ray = torch.tensor([0.05, -0.1, -1.0])
    line = torch.tensor(camera.eye) + torch.tensor([[4.0], [9.0], [11.0]]) * ray
    seen = project(line, camera, (64, 64))
    assert torch.allclose(seen[:, :2], seen[:1, :2], atol=1e-3)
    assert seen[:, 2].tolist() == pytest.approx([4.0, 9.0, 11.0])


def test_descriptions():
    somebody = person(0, 3, gender="male", age=70.0)
    words = description(somebody)
    assert words.startswith("an old man with ")
    assert words.endswith(f"{somebody.eyes} eyes")
    assert description(person(0, 3, gender="female", age=12.0)).startswith("a girl with ")
    assert "grey" in " ".join(description(person(0, n, age=84.0)) for n in range(5))
