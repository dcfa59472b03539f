"""The similarity of two faces, the verdict, why there is none, and the pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail.specs import ComponentSpec, Inputs
from vitrail_recognition.compare import compare
from vitrail_recognition.faces import FaceFinder
from vitrail_recognition.recognizers import load_recognizer, usable_recognizer, weights_caveat
from vitrail_recognition.verification.calibration import Calibration, Point, weights_hash


@pytest.fixture
def recognizer(fakes):
    return load_recognizer("fake/recognizer")


@pytest.fixture
def calibration(recognizer):
    return Calibration(
        data="a made-up set",
        recogniser="fake/recognizer",
        weights_hash=weights_hash(recognizer),
        genuine=200,
        impostors=20_000,
        points=(Point(far=0.01, cosine=0.5, tar=0.98), Point(far=0.001, cosine=0.7, tar=0.9)),
    )


@pytest.fixture
def crops():
    """Two crops that are alike and one that is not, for `aligned`."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, 256, (7, 7, 3)).repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
    second = np.clip(first.astype(int) + rng.integers(-20, 20, first.shape), 0, 255).astype(np.uint8)
    return first, second, 255 - first


ALIGNED = FaceFinder(aligned=True)


def test_similarity_is_the_cosine(recognizer, crops):
    first, second, other = crops
    result = compare(recognizer, first, second, finder=ALIGNED)
    vectors = recognizer.embed([first, second]).vectors.astype(np.float64)
    assert result.similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
    assert compare(recognizer, first, first, finder=ALIGNED).similarity == pytest.approx(1, abs=1e-6)
    assert compare(recognizer, first, other, finder=ALIGNED).similarity < 0


def test_a_calibration_gives_a_verdict(recognizer, crops, calibration):
    first, second, other = crops
    same = compare(recognizer, first, second, finder=ALIGNED, calibration=calibration)
    assert same.verdict is not None
    assert same.verdict.same
    assert same.why_none == ""
    assert same.verdict.point.far == 0.001
    different = compare(recognizer, first, other, finder=ALIGNED, calibration=calibration, far=0.01)
    assert not different.verdict.same
    assert different.as_dict()["verdict"] == {
        "same": False,
        "threshold": 0.5,
        "far": 0.01,
        "tar": 0.98,
        "data": "a made-up set",
    }


def test_no_calibration_says_how_to_get_one(recognizer, crops):
    result = compare(recognizer, *crops[:2], finder=ALIGNED)
    assert result.verdict is None
    assert result.why_none.startswith("no calibration was given. `vitrail eval fake/recognizer --data PAIRS")


def test_a_caveat_allows_no_verdict_even_with_a_calibration(recognizer, crops, calibration):
    words = "demo weights, not calibrated on real faces"
    result = compare(recognizer, *crops[:2], finder=ALIGNED, calibration=calibration, caveat=words)
    assert result.verdict is None
    assert result.why_none == words
    assert result.similarity > 0.9


def test_a_calibration_of_something_else_is_refused(recognizer, crops, calibration):
    for wrong, words in (
        (replace(calibration, recogniser="other/one"), "made with other/one"),
        (replace(calibration, weights_hash="0" * 64), "other weights"),
    ):
        with pytest.raises(UsageError, match=words):
            compare(recognizer, *crops[:2], finder=ALIGNED, calibration=wrong)


def test_photographs_from_end_to_end(recognizer, astronaut, group):
    result = compare(recognizer, astronaut, group, names=("a.png", "g.jpg"), numbers=(None, 3))
    assert len(result.second.faces) == 6
    assert result.second.taken == 2
    assert result.notes == ()
    vectors = recognizer.embed([result.first.face.crop, result.second.faces[2].crop]).vectors
    assert result.similarity == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6)
    record = json.loads(json.dumps(result.as_dict()))
    assert record["second"]["faces"] == 6
    assert record["second"]["taken"] == 3
    check_picture(result.picture())


def test_the_missing_face_is_that_of_the_second(recognizer, astronaut):
    with pytest.raises(InputError, match=r"No face was found in wall\.jpg \(300x200\)"):
        compare(recognizer, astronaut, np.full((200, 300, 3), 9, np.uint8), names=("a.png", "wall.jpg"))


# the picture -------------------------------------------------------------------------------------------------


def check_picture(picture):
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (1200, 3)
    assert 500 < picture.shape[0] < 2500


def bar_of(picture, colour):
    """The rightmost column of the longest row of this colour."""
    same = (picture == np.array(colour, dtype=np.uint8)).all(axis=2)
    row = same.sum(axis=1).argmax()
    return int(np.flatnonzero(same[row]).max())


def test_the_bar_is_as_long_as_the_cosine(recognizer, crops, calibration):
    from vitrail_recognition import pictures

    first, second, _ = crops
    stranger = np.random.default_rng(3).integers(0, 256, (7, 7, 3)).repeat(16, axis=0).repeat(16, axis=1)
    mixed = (0.4 * first + 0.6 * stranger).astype(np.uint8)
    ends = []
    for pair in ((first, mixed), (first, second)):
        result = compare(recognizer, *pair, finder=ALIGNED, calibration=calibration)
        picture = result.picture()
        check_picture(picture)
        colour = pictures.YES if result.verdict.same else pictures.NO
        left = pictures.MARGIN + pictures.CROP + 2 * pictures.GAP
        right = pictures.WIDTH - left
        expected = left + (result.similarity - pictures.LOW) / (pictures.HIGH - pictures.LOW) * (right - left)
        ends.append(bar_of(picture, colour))
        assert abs(ends[-1] - expected) <= 2
    assert ends[0] < ends[1] - 50


def test_the_threshold_is_marked_where_it_is(recognizer, crops, calibration):
    from vitrail_recognition import pictures

    with_mark = compare(recognizer, *crops[:2], finder=ALIGNED, calibration=calibration).picture()
    left = pictures.MARGIN + pictures.CROP + 2 * pictures.GAP
    x = pictures._position(0.7, left, pictures.WIDTH - left)
    ink = (with_mark == np.array(pictures.INK, dtype=np.uint8)).all(axis=2)
    run = ink[:, x - 1 : x + 2].all(axis=1)
    assert 24 <= run.sum() <= 34  # the bar is 18 high and the mark reaches 5 beyond, each side
    without = compare(recognizer, *crops[:2], finder=ALIGNED).picture()
    assert (
        not (without == np.array(pictures.INK, dtype=np.uint8))
        .all(axis=2)[:, x - 1 : x + 2]
        .all(axis=1)
        .any()
    )


def test_crops_are_in_the_picture(recognizer, crops):
    from vitrail_recognition import pictures

    picture = compare(recognizer, crops[0], crops[2], finder=ALIGNED).picture()
    side, margin = pictures.CROP, pictures.MARGIN
    expected = np.asarray(Image.fromarray(crops[0]).resize((side, side), Image.Resampling.LANCZOS)).astype(
        int
    )
    rows = [
        top
        for top in range(picture.shape[0] - side)
        if np.abs(picture[top, margin : margin + side] - expected[0]).max() == 0
    ]
    assert any(np.array_equal(picture[top : top + side, margin : margin + side], expected) for top in rows)


@pytest.mark.parametrize("shape", [(112, 112), (40, 900), (900, 40)])
def test_odd_photographs_and_long_names_are_drawn(recognizer, shape):
    from vitrail.results import Face
    from vitrail_recognition.compare import Photo
    from vitrail_recognition.faces import AlignedFace

    box = np.array([-20, -20, 5000, 25], dtype=np.float32)  # reaches beyond the photograph
    face = Face(box=box, landmarks=np.full((5, 2), 12, dtype=np.float32), score=0.9)
    crop = np.zeros((112, 112, 3), dtype=np.uint8)
    found = tuple(AlignedFace(face=face, crop=crop) for _ in range(3))
    name = "ein sehr langer Name " * 12 + "Łódź 写真.jpg"
    photo = Photo(name=name, pixels=np.full((*shape, 3), 90, dtype=np.uint8), faces=found, taken=1)
    result = compare(recognizer, crop, crop + 9, finder=ALIGNED)
    note = "a note without spaces " + "x" * 400
    check_picture(replace(result, first=photo, second=photo, notes=(note, note), similarity=-1.0).picture())


# which recogniser --------------------------------------------------------------------------------------------


def spec(id, **more):
    return ComponentSpec(
        id=id,
        kind="recognizer",
        target="a:B",
        summary="s",
        inputs=Inputs(size=(112, 112), template="arcface"),
        **more,
    )


@dataclass(frozen=True, kw_only=True)
class SpecWithCaveat(ComponentSpec):
    weights_caveat: str = ""


def test_the_first_that_is_ready_and_demonstrations_last(monkeypatch, tmp_path):
    from vitrail.specs import Weights

    monkeypatch.setenv("VITRAIL_CACHE", str(tmp_path))
    demo = SpecWithCaveat(
        id="a/tiny", kind="recognizer", target="a:B", summary="s", weights_caveat="demo weights"
    )
    absent = spec("b/large", weights=Weights(homepage="https://example.org"))
    ready = spec("c/plain")
    assert usable_recognizer([demo, absent, ready]).id == "c/plain"
    assert usable_recognizer([demo, absent]).id == "a/tiny"
    with pytest.raises(NotInstalledError, match="No recogniser with weights is on this machine"):
        usable_recognizer([absent])


def test_a_caveat_is_of_the_weights_that_come_with_the_package(tmp_path):
    demo = SpecWithCaveat(
        id="a/tiny",
        kind="recognizer",
        target="a:B",
        summary="s",
        embedded="vitrail_recognition:weights/mtcnn",
        weights_caveat="demo weights, not calibrated on real faces",
    )
    from vitrail.loading import default_weights

    assert weights_caveat(demo) == "demo weights, not calibrated on real faces"
    assert weights_caveat(demo, default_weights(demo)) == weights_caveat(demo)
    assert weights_caveat(demo, tmp_path) == ""
    assert weights_caveat(spec("c/plain")) == ""
    assert weights_caveat(spec("c/plain"), "random") == "random weights, not trained"


def test_other_components_are_refused(fakes, use):
    with pytest.raises(UsageError, match="fake/segmenter is a segmenter; wanted is a recognizer"):
        load_recognizer("fake/segmenter")


def test_a_recogniser_that_does_not_say_its_crops(monkeypatch):
    from vitrail_recognition import recognizers

    monkeypatch.setattr(recognizers, "find_component", lambda id: replace(spec(id), inputs=Inputs()))
    with pytest.raises(BrokenError, match="does not say the size and template"):
        load_recognizer("a/b")
