"""MTCNN: the numbers of facenet-pytorch's own code, and what a person may give it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_recognition.detect import (
    LONGEST,
    SMALLEST,
    detect,
    detect_batch,
    load_backend,
    longest_side,
    smallest_face,
)
from vitrail_recognition.detect.base import suppress
from vitrail_recognition.detect.mtcnn import WEIGHTS, load_nets
from vitrail_recognition.detect.mtcnn.cascade import pyramid, run_cascade

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mtcnn_golden.json").read_text())


@pytest.fixture(scope="module")
def nets():
    return load_nets()


@pytest.mark.parametrize("name", ["astronaut", "t1"])
def test_boxes_scores_and_landmarks_of_facenet_pytorch(nets, name, astronaut, request):
    image = astronaut if name == "astronaut" else request.getfixturevalue("group")
    expected = GOLDEN[name]
    assert list(image.shape) == expected["shape"]
    (faces,) = run_cascade(nets, image[None])
    assert len(faces) == len(expected["boxes"])
    np.testing.assert_allclose([face.score for face in faces], expected["scores"], atol=1e-4)
    np.testing.assert_allclose([face.box for face in faces], expected["boxes"], atol=2e-2)
    np.testing.assert_allclose([face.landmarks for face in faces], expected["landmarks"], atol=2e-2)


def test_one_face_of_one_person(astronaut):
    (face,) = detect(astronaut)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert left_mouth[0] < right_mouth[0]
    assert face.score > 0.99
    assert face.box.dtype == face.landmarks.dtype == np.float32


def test_six_people_and_the_largest_first(group):
    faces = detect(group)
    areas = [(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in faces]
    assert len(faces) == 6
    assert areas == sorted(areas, reverse=True)
    assert detect(group, min_size=400) == []


def test_a_large_photograph_is_searched_in_a_smaller_copy(astronaut):
    """Its coordinates are still those of the full picture."""
    (expected,) = detect(astronaut)
    large = np.asarray(Image.fromarray(astronaut).resize((4096, 4000), Image.Resampling.BICUBIC))
    (found,) = detect(large, min_size=400)
    width, enlarged = expected.box[2] - expected.box[0], np.array([4096, 4000]) / 512
    np.testing.assert_allclose(
        (found.landmarks + 0.5) / enlarged - 0.5, expected.landmarks, atol=0.03 * width
    )
    np.testing.assert_allclose(
        (found.box.reshape(2, 2) + 0.5) / enlarged - 0.5, expected.box.reshape(2, 2), atol=0.06 * width
    )


def test_many_photographs_are_searched_as_one_by_one(astronaut, group, monkeypatch):
    """Of one size together, of other sizes too, one without a face and one that is searched in a smaller copy."""
    import vitrail_recognition.detect as module

    monkeypatch.setattr(module, "LONGEST", 1000)
    monkeypatch.setattr(module, "AT_ONCE", 3)
    mirrored, nobody = np.ascontiguousarray(astronaut[:, ::-1]), np.full_like(astronaut, 120)
    photos = [astronaut, group, nobody, mirrored, astronaut[:400], astronaut]
    together = detect_batch(photos)
    assert [len(faces) for faces in together] == [1, len(detect(group)), 0, 1, 1, 1]
    for photo, faces in zip(photos, together, strict=True):
        for mine, alone in zip(faces, detect(photo), strict=True):
            np.testing.assert_allclose(mine.box, alone.box, atol=1e-2)
            np.testing.assert_allclose(mine.landmarks, alone.landmarks, atol=1e-2)
            assert mine.score == pytest.approx(alone.score, abs=1e-4)
    assert detect_batch([]) == []


def test_how_far_a_photograph_is_shrunk():
    assert longest_side((886, 1280), None) == LONGEST
    assert longest_side((3000, 4000), None) == LONGEST
    assert longest_side((3000, 4000), 50) == LONGEST
    assert longest_side((3000, 4000), 25) == 3200  # a face of 25 pixels keeps 20
    assert longest_side((3000, 4000), 10) == 4000
    assert smallest_face((3000, 4000), None) == 50
    assert smallest_face((300, 400), None) == SMALLEST
    assert smallest_face((3000, 4000), 30) == 30


def test_a_small_face_in_a_large_photograph_is_found_where_it_is_asked_for(astronaut, monkeypatch):
    import vitrail_recognition.detect as module

    monkeypatch.setattr(module, "LONGEST", 250)
    photo = np.full((640, 800, 3), 120, dtype=np.uint8)
    photo[120:632, 280:792] = astronaut
    photo[40:200, 60:220] = np.asarray(Image.fromarray(astronaut).resize((160, 160)))  # a face of 27 pixels
    assert len(detect(photo)) == 1
    faces = detect(photo, min_size=22)
    assert len(faces) == 2
    middle = (faces[1].box[:2] + faces[1].box[2:]) / 2
    np.testing.assert_allclose(middle, (60 + 224 * 160 / 512, 40 + 117 * 160 / 512), atol=5)


def test_the_result_does_not_depend_on_memory_layout(astronaut, nets):
    (expected,) = detect(astronaut)
    odd = np.asfortranarray(astronaut)
    odd.flags.writeable = False
    (found,) = detect(odd)
    np.testing.assert_array_equal(found.landmarks, expected.landmarks)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (19, 19), (20, 20), (300, 21), (64, 64)])
def test_no_face(shape):
    assert detect(np.full((*shape, 3), 128, dtype=np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert detect(noise, min_size=10) == []


def test_a_face_at_the_border_is_no_error(astronaut):
    for cut in (astronaut[70:], astronaut[:, 190:], astronaut[62:172, 181:267]):
        for face in detect(cut, threshold=0.1):
            assert np.isfinite(face.box).all()


def test_pyramid():
    assert pyramid(100, 40, 20) == pytest.approx([0.6 * 0.709**level for level in range(3)])
    assert pyramid(10, 1000, 20) == []


def test_wrong_requests(astronaut):
    with pytest.raises(UsageError, match="'yolo' is no detector; there are mtcnn and scrfd"):
        detect(astronaut, backend="yolo")
    for size in (0, 2, float("nan")):
        with pytest.raises(UsageError, match=f"min_size is {size}; wanted is at least 10 pixels"):
            detect(astronaut, min_size=size)
    with pytest.raises(UsageError, match=r"threshold is 1\.5"):
        detect(astronaut, threshold=1.5)
    with pytest.raises(InputError, match="wanted is uint8 RGB"):
        detect(astronaut.astype(float))
    with pytest.raises(UsageError, match=r"CUDA device"):
        detect(astronaut, device="cuda:99")


def test_weights_of_something_else(tmp_path, astronaut):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(BrokenError, match="is of another network"):
        detect(astronaut, weights=tmp_path / "other.safetensors")


def test_the_weights_are_those_of_the_card():
    card = json.loads((WEIGHTS.parent / "card.json").read_text())
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == card["sha256"][WEIGHTS.name]
    assert WEIGHTS.stat().st_size < 2_000_000
    notice = (WEIGHTS.parent / "LICENSE").read_text()
    assert "MIT License" in notice
    assert "Timothy Esler" in notice


def test_backends_are_loaded_once():
    assert load_backend("mtcnn") is load_backend("mtcnn")


@pytest.mark.parametrize("of", ["union", "smaller"])
def test_suppression_by_brute_force(of):
    rng = np.random.default_rng(2)
    corner = rng.uniform(0, 60, (80, 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 30, (80, 2))]).astype(np.float32)
    scores = rng.permutation(80).astype(np.float32)

    def overlap(a, b):
        sides = [min(a[2 + i], b[2 + i]) - max(a[i], b[i]) + 1 for i in (0, 1)]
        shared = max(sides[0], 0) * max(sides[1], 0)
        areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
        return shared / (sum(areas) - shared if of == "union" else min(areas))

    kept = []
    for index in np.argsort(-scores):
        if all(overlap(boxes[index], boxes[other]) <= 0.4 for other in kept):
            kept.append(int(index))
    assert suppress(boxes, scores, 0.4, of=of, pixel=1).tolist() == kept
    assert len(kept) < 70
    assert suppress(boxes[:0], scores[:0], 0.4).tolist() == []


def test_a_face_that_fills_its_picture_is_aligned_as_in_the_whole_one(astronaut):
    """Parts of the box that lie beyond the edge are black; stretched pixels would move the landmarks by a tenth of the
    distance of the eyes."""
    (whole,) = detect(astronaut)
    left, top, right, bottom = whole.box.astype(int)
    (tight,) = detect(np.ascontiguousarray(astronaut[top:bottom, left:right]))
    off = np.linalg.norm(tight.landmarks + np.array([left, top]) - whole.landmarks, axis=1)
    assert off.mean() < 0.05 * np.linalg.norm(whole.landmarks[0] - whole.landmarks[1])
