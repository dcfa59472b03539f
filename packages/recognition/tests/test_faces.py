"""Which faces are found, which one is taken, and what is said about it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import InputError, UsageError
from vitrail.results import Face
from vitrail_recognition.align import align
from vitrail_recognition.faces import AlignedFace, FaceFinder, find_faces

PHOTO = np.zeros((300, 400, 3), dtype=np.uint8)


def made(width: float, left: float = 10, height: float | None = None) -> AlignedFace:
    box = np.array([left, 20, left + width, 20 + (height or width)], dtype=np.float32)
    face = Face(box=box, landmarks=np.zeros((5, 2), dtype=np.float32), score=0.99)
    return AlignedFace(face=face, crop=np.zeros((112, 112, 3), dtype=np.uint8))


def test_a_face_is_aligned(astronaut):
    (found,) = find_faces(astronaut)
    np.testing.assert_array_equal(found.crop, align(astronaut, found.face.landmarks))
    assert found.crop.shape == (112, 112, 3)
    assert 80 < found.width < 95


def test_other_sizes(astronaut):
    (found,) = find_faces(astronaut, size=(128, 128))
    assert found.crop.shape == (128, 128, 3)


def test_upside_down_is_not_the_same_crop_mirrored(astronaut):
    (upright,) = find_faces(astronaut)
    (mirrored,) = find_faces(np.ascontiguousarray(astronaut[:, ::-1]))
    difference = np.abs(mirrored.crop[:, ::-1].astype(int) - upright.crop).mean()
    assert difference < 25
    assert mirrored.face.landmarks[0, 0] < mirrored.face.landmarks[1, 0]


def test_many_photographs(astronaut):
    photos = [astronaut, PHOTO, np.ascontiguousarray(astronaut[:, ::-1])]
    found = FaceFinder(size=(128, 128)).batch(photos)
    assert [len(faces) for faces in found] == [1, 0, 1]
    for photo, faces in zip(photos, found, strict=True):
        for mine, alone in zip(faces, FaceFinder(size=(128, 128))(photo), strict=True):
            assert np.abs(mine.crop.astype(int) - alone.crop).max() <= 2


def test_no_face_says_what_was_looked_for():
    with pytest.raises(InputError, match=r"No face was found in a\.jpg \(400x300\); .* at least 20 pixels"):
        FaceFinder().take([], PHOTO, "a.jpg")
    with pytest.raises(InputError, match="at least 50 pixels"):
        FaceFinder().take([], np.zeros((3000, 4000, 3), dtype=np.uint8), "a.jpg")


def test_one_face_needs_no_words():
    assert FaceFinder().take([made(90)], PHOTO, "a.jpg") == (0, [])


def test_of_several_the_largest_is_taken_and_said():
    index, (note,) = FaceFinder().take([made(90, left=33), made(50)], PHOTO, "a.jpg")
    assert index == 0
    assert note == "2 faces were found in a.jpg; the largest was taken, 90 pixels wide at 33, 20."


def test_nearly_equal_faces_are_a_warning():
    _, (note,) = FaceFinder().take([made(90), made(80), made(20)], PHOTO, "a.jpg")
    assert note.endswith("But number 2 is nearly as large: give the number of the face that is meant.")
    _, (note,) = FaceFinder().take([made(90), made(80), made(85)], PHOTO, "a.jpg")
    assert "But 2 others are nearly as large" in note


def test_a_number_chooses():
    faces = [made(90), made(80)]
    assert FaceFinder().take(faces, PHOTO, "a.jpg", 2) == (1, [])
    for number in (0, 3):
        with pytest.raises(InputError, match=rf"Face {number} of a\.jpg was asked for; faces 1 to 2"):
            FaceFinder().take(faces, PHOTO, "a.jpg", number)


@pytest.mark.parametrize(("width", "said"), [(31, True), (32, False)])
def test_tiny_faces_get_a_note(width, said):
    _, notes = FaceFinder().take([made(width, height=60)], PHOTO, "a.jpg")
    assert bool(notes) == said
    if said:
        assert notes == [
            "The face in a.jpg is only 31 pixels wide: the similarity of faces under 32 pixels says little."
        ]


def test_a_tiny_face_is_really_found(astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((150, 150), Image.Resampling.BILINEAR))
    finder = FaceFinder()
    found = finder(small)
    _, notes = finder.take(found, small, "small.png")
    assert len(notes) == 1
    assert "pixels wide" in notes[0]


def test_aligned_crops_are_taken_as_they_are():
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    finder = FaceFinder(aligned=True)
    (found,) = finder(crop)
    np.testing.assert_array_equal(found.crop, crop)
    np.testing.assert_allclose(align(crop, found.face.landmarks), crop, atol=1)
    assert finder.take([found], crop, "a.png") == (0, [])
    with pytest.raises(InputError, match=r"it is 400x300 pixels; an aligned crop of 112x112 was promised"):
        finder(PHOTO)


def test_crops_that_cannot_be_made():
    with pytest.raises(UsageError, match="is no known alignment template"):
        FaceFinder(template="ffhq", aligned=True)(np.zeros((112, 112, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="wanted is uint8 RGB"):
        find_faces(np.zeros((9, 9)))
