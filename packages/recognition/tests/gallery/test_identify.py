"""Who is it? Searching a gallery."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from made_up import ALIGNED, build, crop

from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail_recognition import gallery as module
from vitrail_recognition.gallery import GalleryIndex
from vitrail_recognition.identify import identify
from vitrail_recognition.verification.calibration import Calibration, Point, weights_hash


@pytest.fixture
def known(recognizer, people, tmp_path):
    pytest.importorskip("faiss")
    return build(recognizer, people, tmp_path / "g")[0]


def test_everybody_is_found_and_people_are_named_once(recognizer, known):
    for person in range(3):
        result = identify(recognizer, crop(person, 7), known, finder=ALIGNED, top=3)
        ((best, *others),) = result.matches
        assert best.identity == f"person{person}"
        assert best.cosine > 0.95
        assert len({best.identity, *(match.identity for match in others)}) == 3
        assert [m.cosine for m in (best, *others)] == sorted(
            (m.cosine for m in (best, *others)), reverse=True
        )
        assert best.accepted is None
        assert "No verdict" in result.summary


def test_search_equals_brute_force():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(4)
    names = [f"n{value}" for value in rng.integers(0, 12, 90)]
    vectors = rng.normal(size=(90, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entries = tuple(
        module.Entry(
            file=f"{i}", identity=name, size=1, mtime=1, sha256="", problem="none" if i % 9 == 0 else ""
        )
        for i, name in enumerate(names)
    )
    settings = module.Settings(recognizer="a/b", weights_hash="", detector="aligned")
    index = GalleryIndex(module.Gallery(settings=settings, entries=entries, vectors=vectors))
    queries = vectors[[3, 5]] + 0.2 * rng.normal(size=(2, 16)).astype(np.float32)
    for query, found in zip(queries, index.search(queries, 4)):
        best = {}
        for row, name in enumerate(names):
            if row % 9:
                best[name] = max(best.get(name, -2), float(np.clip(vectors[row] @ query, -1, 1)))
        expected = sorted(best.items(), key=lambda item: -item[1])[:4]
        assert [name for name, _, _ in found] == [name for name, _ in expected]
        np.testing.assert_allclose([cosine for _, _, cosine in found], [c for _, c in expected], atol=1e-5)
        for name, file, cosine in found:
            assert names[int(file)] == name
            assert float(np.clip(vectors[int(file)] @ query, -1, 1)) == pytest.approx(cosine, abs=1e-5)


def test_more_people_than_there_are(recognizer, known):
    assert len(identify(recognizer, crop(0), known, finder=ALIGNED, top=50).matches[0]) == 4
    with pytest.raises(UsageError, match="top is 0"):
        identify(recognizer, crop(0), known, finder=ALIGNED, top=0)


def test_a_calibration_accepts_and_refuses(recognizer, known):
    calibration = Calibration(
        data="a made-up set",
        recogniser="fake/recognizer",
        weights_hash=weights_hash(recognizer),
        genuine=50,
        impostors=10_000,
        points=(Point(far=0.001, cosine=0.9, tar=0.9),),
    )
    result = identify(recognizer, crop(1, 3), known, finder=ALIGNED, calibration=calibration)
    assert [match.accepted for match in result.matches[0]] == [True, False, False, False]
    assert result.threshold == 0.9
    assert "up to 0.007 of all would be taken for somebody" in result.summary  # seven photographs
    stranger = identify(recognizer, crop(1234), known, finder=ALIGNED, calibration=calibration)
    assert not any(match.accepted for match in stranger.matches[0])
    for shown in (result, stranger):
        picture = shown.picture()
        assert picture.shape[1:] == (1200, 3)
        assert picture.dtype == np.uint8
    demo = identify(
        recognizer, crop(1), known, finder=ALIGNED, calibration=calibration, caveat="demo weights"
    )
    assert demo.threshold is None
    assert "No verdict: demo weights" in demo.summary


def test_every_face_of_a_photograph(recognizer, known, group):
    result = identify(recognizer, group, known, name="group.jpg", top=2)
    assert len(result.faces) == len(result.matches) == 6
    record = result.as_dict()
    assert [face["number"] for face in record["faces"]] == [1, 2, 3, 4, 5, 6]
    assert len(record["faces"][0]["matches"]) == 2
    assert result.picture().shape[0] > 6 * 112


def test_a_photograph_without_faces(recognizer, known):
    with pytest.raises(InputError, match=r"No face was found in wall\.jpg"):
        identify(recognizer, np.full((80, 90, 3), 100, dtype=np.uint8), known, name="wall.jpg")


def test_without_faiss(recognizer, people, tmp_path, monkeypatch):
    made, _ = build(recognizer, people, tmp_path / "g")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(NotInstalledError, match=r"vitrail-recognition\[gallery\]"):
        identify(recognizer, crop(0), made, finder=ALIGNED)


def test_another_detector_than_the_gallerys_is_said(recognizer, known):
    from dataclasses import replace

    assert identify(recognizer, crop(0, 7), known, finder=ALIGNED).notes == ()
    other = replace(known, settings=replace(known.settings, detector="scrfd"))
    (note,) = identify(recognizer, crop(0, 7), other, finder=ALIGNED, where="people.gallery").notes
    assert note.startswith("people.gallery was built with the detector scrfd, and this is aligned")
