"""Faces in RecordIO: insightface's convention, im2rec's, and what may be wrong with them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.faces import Readable
from vitrail_recognition.readers.record_faces import RecordFaces, write_record_faces
from vitrail_recognition.readers.recordio import Record, RecordFile, RecordWriter, pack

LABELS = [0, 0, 1, 1, 1, 3]


@pytest.fixture
def folder(tmp_path, encoded):
    """Six faces of identities 0, 1 and 3 of four."""
    write_record_faces(tmp_path / "set", [(encoded(k), label) for k, label in enumerate(LABELS)], classes=4)
    return tmp_path / "set"


def test_what_is_written_is_insightface_s_layout(folder):
    assert (folder / "property").read_text() == "4,112,112\n"
    file = RecordFile(folder / "train.rec")
    assert file.keys.tolist() == list(range(1 + 6 + 4))
    assert file.record(0) == Record((7.0, 11.0), b"", id=0, is_array=True)
    ranges = [file.record(key).labels for key in range(7, 11)]
    assert ranges == [(1, 3), (3, 6), (7, 7), (6, 7)]
    assert [file.record(key).id for key in range(11)] == list(range(11))


def test_faces_come_back(folder, picture):
    faces = RecordFaces(folder)
    assert (len(faces), faces.classes, faces.names) == (6, 4, None)
    assert faces.labels.tolist() == LABELS
    for index, label in enumerate(LABELS):
        image, found = faces[index]
        assert found == label
        assert image.dtype == np.uint8
        assert np.abs(image.astype(int) - picture(index)).max() <= 3  # RGB, not BGR
    assert faces[-1][1] == 3
    with pytest.raises(IndexError):
        faces[6]


def test_only_the_path_travels(folder):
    faces = RecordFaces(folder, classes=5)
    faces.labels  # noqa: B018 - cached, and yet not pickled
    sent = pickle.dumps(faces)
    assert len(sent) < 300
    again = pickle.loads(sent)
    assert (again.classes, again[2][1], len(again)) == (5, 1, 6)


def test_the_fixture_with_missing_identities(golden):
    """Its header says two identities of which one has a record, and its labels are 7 to 9."""
    path = golden / "recognition_golden_recordio.rec"
    assert RecordFaces(path, classes=10).labels.tolist() == [7, 8, 9]
    with pytest.raises(UsageError, match=r"label 9; the header record says that there are 2 classes"):
        RecordFaces(path).labels  # noqa: B018


def test_im2rec_without_a_header(tmp_path, encoded):
    with RecordWriter(tmp_path / "a.rec") as writer:
        for key in range(3):
            writer.write(key, pack(Record((float(key),), encoded(key), id=key)))
    faces = RecordFaces(tmp_path / "a.rec")
    assert (len(faces), faces.classes, faces.labels.tolist()) == (3, 3, [0, 1, 2])
    assert faces[0][1] == 0


def test_label_arrays_and_an_index_without_the_header(tmp_path, encoded):
    """As DALI wants it: no key 0. An image's label may be an array, whose first element counts."""
    with RecordWriter(tmp_path / "a.rec") as writer:
        for key in (1, 2):
            writer.write(key, pack(Record((float(key), 77.0), encoded(key), id=key, is_array=True)))
    faces = RecordFaces(tmp_path / "a.rec")
    assert faces.labels.tolist() == [1, 2]
    assert faces[1][1] == 2
    # a first record with a label array and an image is an image, not a header
    with RecordWriter(tmp_path / "b.rec") as writer:
        writer.write(0, pack(Record((1.0, 2.0), encoded(0), is_array=True)))
    assert len(RecordFaces(tmp_path / "b.rec")) == 1


def test_without_header_records_when_asked(tmp_path, encoded):
    path = write_record_faces(tmp_path, [(encoded(0), 2), (encoded(1), 0), (encoded(2), 2)], identities=False)
    faces = RecordFaces(path)
    assert (faces.labels.tolist(), faces.classes) == ([2, 0, 2], 3)


def test_arrays_are_encoded(tmp_path, picture):
    faces = RecordFaces(write_record_faces(tmp_path, [(picture(3), 0)]))
    assert np.abs(faces[0][0].astype(int) - picture(3)).max() <= 3


def test_labels_out_of_range(folder):
    (folder / "property").write_text("3,112,112")
    faces = RecordFaces(folder)
    with pytest.raises(
        UsageError, match=r"label 3; .*property says that there are 3 classes.*0 to 2"
    ) as caught:
        faces.labels  # noqa: B018
    assert not isinstance(caught.value, InputError)  # it is not a picture to leave out
    with pytest.raises(UsageError, match=r"record 6 has the label 3") as caught:
        faces[5]
    assert not isinstance(caught.value, InputError)
    with pytest.raises(UsageError, match="the caller says that there are 2 classes"):
        RecordFaces(folder, classes=2).labels  # noqa: B018


@pytest.mark.parametrize("label", [0.5, float("nan"), float("inf"), -1.0])
def test_labels_that_are_none(tmp_path, encoded, label):
    with RecordWriter(tmp_path / "a.rec") as writer:
        writer.write(1, pack(Record((label,), encoded(0))))
    faces = RecordFaces(tmp_path / "a.rec", classes=2)
    with pytest.raises(UsageError, match="label"):
        faces.labels  # noqa: B018
    with pytest.raises(UsageError, match="label"):
        faces[0]


@pytest.mark.parametrize("text", ["", "many,112,112", "4,112", "0,112,112"])
def test_a_damaged_property(folder, text):
    (folder / "property").write_text(text)
    with pytest.raises(UsageError, match="property"):
        RecordFaces(folder)


def test_an_index_of_another_file(folder):
    lines = (folder / "train.idx").read_text().splitlines()
    (folder / "train.idx").write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    with pytest.raises(UsageError, match=r"announces 6 images, and train\.idx lists 5"):
        RecordFaces(folder)


def test_a_corrupt_jpeg_is_left_out_or_stops(tmp_path, encoded, caplog):
    good, cut = encoded(0), encoded(1)[:-20]
    path = write_record_faces(tmp_path, [(good, 0), (cut, 1), (b"", 1), (b"no jpeg", 1), (good, 2)])
    faces = RecordFaces(path)
    with pytest.raises(InputError, match=r"record 2 is damaged: (?i:.*truncated)"):
        faces[1]
    with pytest.raises(InputError, match="record 3 is empty"):
        faces[2]
    with pytest.raises(InputError, match="record 4 is not a JPEG"):
        faces[3]
    readable = Readable(faces)
    assert [(index, label) for index, _, label in readable] == [(0, 0), (4, 2)]
    assert readable.skipped == 3
    assert len(caplog.messages) == 3
    assert "Face 1 is left out" in caplog.messages[0]
    assert [index for index, _, _ in Readable(faces, [4, 0], strict=True)] == [4, 0]
    with pytest.raises(InputError, match="record 2"):
        list(Readable(faces, strict=True))


def test_faces_that_cannot_be_written(tmp_path, encoded):
    image = encoded(0)
    for faces, words in (
        ([(image, 0), (image, 1), (image, 0)], "sorted by label"),
        ([(image, -1)], "label -1"),
        ([(image, 1 << 24)], "float32"),
        ([], "No faces"),
        ([(np.zeros((4, 4), np.uint8), 0)], r"uint8 \(4, 4\)"),
    ):
        with pytest.raises(UsageError, match=words):
            write_record_faces(tmp_path / "set", faces)
    with pytest.raises(UsageError, match="5; the caller says that there are 5"):
        write_record_faces(tmp_path / "set", [(image, 5)], classes=5)
    assert not list((tmp_path / "set").iterdir())


def test_a_header_that_float32_cannot_hold(tmp_path, encoded):
    # one image and 2**24 identities: the end of the identities' keys is 2**24 + 2, which is exact; 2**24 + 3 is not
    from vitrail_recognition.readers.record_faces import _check_header

    _check_header(2, 1 << 24)
    with pytest.raises(UsageError, match="identities=False"):
        _check_header(3, 1 << 24)


def test_choosing_the_file(tmp_path, folder):
    with pytest.raises(UsageError, match=r"none; wanted is train\.rec"):
        RecordFaces(tmp_path)
    (folder / "train.rec").rename(folder / "a.rec")
    (folder / "train.idx").rename(folder / "a.idx")
    assert len(RecordFaces(folder)) == 6
    (folder / "b.rec").touch()
    with pytest.raises(UsageError, match=r"2 of them: a\.rec, b\.rec"):
        RecordFaces(folder)
    (folder / "c.idx").touch()
    (folder / "c.rec").touch()
    with pytest.raises(UsageError, match="no records"):
        RecordFaces(folder / "c.rec")
