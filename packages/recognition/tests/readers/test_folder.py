"""One folder for each identity."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.folder import FolderFaces


def test_faces_come_in_order(identities, picture):
    faces = FolderFaces(identities)
    assert (len(faces), faces.classes, faces.names) == (6, 3, ("ada", "grace", "lise"))
    assert faces.labels.tolist() == [0, 0, 1, 1, 1, 2]
    for index in range(6):
        image, label = faces[index]
        assert label == faces.labels[index]
        assert np.abs(image.astype(int) - picture(index)).max() <= 3
    assert faces[-1][1] == 2
    assert faces.path(2) == identities / "grace" / "0.jpg"
    with pytest.raises(IndexError):
        faces[6]


def test_it_can_be_sent_to_a_process(identities):
    again = pickle.loads(pickle.dumps(FolderFaces(identities)))
    assert again.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert again[5][1] == 2


def test_names_in_any_script(identities):
    (identities / "lise").rename(identities / "Élise 李")
    assert FolderFaces(identities)[5][1] == 2


def test_damaged_and_missing_pictures(identities):
    faces = FolderFaces(identities)
    path = identities / "grace" / "1.jpg"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"grace/1\.jpg is damaged"):
        faces[3]
    path.unlink()
    with pytest.raises(InputError, match=r"grace/1\.jpg cannot be read: No such file"):
        faces[3]


def test_folders_that_are_none(identities, tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        FolderFaces(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is no folder"):
        FolderFaces(identities / "ada" / "0.jpg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="one folder for each identity"):
        FolderFaces(tmp_path / "empty")
    (identities / "nobody").mkdir()
    with pytest.raises(UsageError, match="nobody holds no picture"):
        FolderFaces(identities)
