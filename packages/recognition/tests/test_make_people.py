"""The script that makes up identities where no photographs can be had."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from vitrail_recognition.readers import open_faces

SCRIPT = Path(__file__).parents[1] / "tools" / "make_people.py"


@pytest.fixture(scope="module")
def script():
    if not SCRIPT.is_file():
        pytest.skip("the script is only in a checkout")
    spec = importlib.util.spec_from_file_location("make_people", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_people"] = module  # its dataclass looks its module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_people"]


@pytest.fixture(scope="module")
def made(script, tmp_path_factory):
    root = tmp_path_factory.mktemp("people")
    script.make_people(root / "five", identities=5, each=4)
    return root


def test_it_is_a_folder_of_identities_as_the_reader_wants_it(made):
    faces = open_faces(made / "five")
    assert (faces.classes, len(faces)) == (5, 20)
    assert {faces[i][0].shape for i in range(20)} == {(112, 112, 3)}


def test_a_person_does_not_depend_on_who_else_is_made(script, made):
    script.make_people(made / "one", identities=1, each=2, first=3)
    for name in ("person00003/00.jpg", "person00003/01.jpg"):
        assert (made / "one" / name).read_bytes() == (made / "five" / name).read_bytes()


def test_pictures_of_one_person_differ_and_still_show_one_person(script):
    """Straight ahead under one light, people are apart; a plain comparison of photographs hardly tells them."""
    people = [script.make_person(0, number) for number in range(12)]
    albedo = np.stack([person.albedo.ravel() - person.albedo.mean() for person in people])
    albedo /= np.linalg.norm(albedo, axis=1, keepdims=True)
    assert np.abs(np.triu(albedo @ albedo.T, 1)).max() < 0.9

    pictures = [
        [script.photograph(person, np.random.default_rng((number, i))) for i in range(3)]
        for number, person in enumerate(people)
    ]
    flat = np.array(pictures, float).reshape(36, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    cosines, who = flat @ flat.T, np.repeat(np.arange(12), 3)
    np.fill_diagonal(cosines, -1)
    assert (who[cosines.argmax(axis=1)] == who).mean() < 0.6


def test_a_pixel_shows_the_point_of_the_turned_head_that_lies_there(script):
    """Points of the front, carried to the crop by rotation and alignment, are found again in its pixels."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        radii, rotation = script.RADII * rng.normal(1, 0.05, 3), script.turn(rng)
        unit, head, matrix = script.see(radii, rotation, rng.normal(0, 1, (5, 2)))
        flat = rng.uniform(-0.5, 0.5, (2, 40))
        points = np.vstack([flat, script.front(flat)])
        placed = (rotation @ (points * radii[:, None]))[:2].T + script.CENTRE
        pixels = np.rint(placed @ matrix[:, :2].T + matrix[:, 2]).astype(int)
        inside = ((pixels >= 0) & (pixels < 112)).all(axis=1)
        across, down = pixels[inside].T
        assert inside.sum() > 20
        assert (head[down, across] == 1).all()
        assert np.abs(unit[:, down, across] - points[:, inside]).max() < 2 / script.RADII.min()


def test_a_head_that_looks_straight_ahead_has_its_points_at_the_template(script):
    unit, _, matrix = script.see(script.RADII, np.eye(3))
    assert np.abs(matrix - np.eye(2, 3)).max() < 1e-12
    across, down = np.rint(script.ARCFACE).astype(int).T
    wanted = (np.array(script.ARCFACE) - script.CENTRE) / script.RADII[:2]
    assert np.abs(unit[:2, down, across].T - wanted).max() < 0.5 / script.RADII.min()
