"""Rendered people as other programs read them."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_avatars.cli import app
from vitrail_avatars.people_export import Crops, export_people
from vitrail_recognition.align import template
from vitrail_recognition.readers.folder import FolderFaces
from vitrail_recognition.readers.record_faces import RecordFaces


def test_folders_and_records_hold_the_same_people(tmp_path, capsys):
    app(["export", "people", str(tmp_path / "folders"), "--people", "2", "--views", "2", "--first", "5"])
    assert "2 people with 2 pictures each" in capsys.readouterr().err
    export_people(tmp_path / "records", people=2, views=2, first=5, layout="recordio", workers=2)
    folders, records = FolderFaces(tmp_path / "folders"), RecordFaces(tmp_path / "records")
    assert folders.names == ("0000000", "0000001")
    assert folders.classes == records.classes == 2
    for index in range(4):
        crop, label = folders[index]
        assert label == index // 2
        assert crop.shape == (112, 112, 3)
        again, as_record = records[index]
        assert as_record == label
        assert np.array_equal(again, crop), "and they do not depend on the number of workers"
    rows = list(csv.DictReader((tmp_path / "folders" / "people.csv").open()))
    assert [row["number"] for row in rows] == ["5", "6"]
    assert "man" in rows[0]["description"] or "woman" in rows[0]["description"]


def test_eyes_lie_where_recognisers_look_for_them():
    crops = Crops(1, 1, 0, 0, 112, False, 0.0, 95)
    example = crops.pictures[0]
    from vitrail_recognition.align import similarity

    points = example.picture.landmarks_5
    matrix = similarity(points, template())
    there = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(there - template()).max() < 12, "a similarity brings no face onto the points exactly"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 100}, "multiple of 112 or 128"),
        ({"jitter": -1.0}, "jitter is -1.0"),
        ({"quality": 0}, "quality is 0"),
        ({"people": 0}, "people is 0"),
        ({"layout": "zip"}, "layout is zip"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, given, message):
    with pytest.raises(UsageError, match=message):
        export_people(tmp_path / "out", **({"people": 1, "views": 1} | given))
    assert not list(tmp_path.iterdir())
