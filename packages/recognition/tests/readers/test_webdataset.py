"""Tar shards, written by the standard library and, in its naming, as webdataset writes them."""

from __future__ import annotations

import io
import json
import pickle
import tarfile

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.webdataset import TarFaces


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def shards(tmp_path, encoded):
    write_tar(
        tmp_path / "00000.tar",
        [
            ("a/000.jpg", encoded(0)),
            ("a/000.cls", b"2\n"),
            ("b/000.cls", b"0"),  # the label may come first, and keys may repeat in other folders
            ("b/000.jpg", encoded(1)),
        ],
    )
    write_tar(
        tmp_path / "00001.tar",
        [
            ("x.y.jpg", b"the ending of this name is y.jpg: no picture"),
            ("p.jpeg", encoded(2)),
            ("p.json", json.dumps({"label": 1, "source": "scan"}).encode()),
            ("q.JPG", encoded(3)),
            ("q.json", json.dumps({"source": "scan"}).encode()),
            ("q.cls", b"4"),
            ("readme.txt", b"hello"),
        ],
    )
    return tmp_path


def test_faces_come_in_order(shards, picture):
    faces = TarFaces(shards)
    assert faces.labels.tolist() == [2, 0, 1, 4]
    assert (len(faces), faces.classes, faces.names) == (4, 5, None)
    for index in (3, 1, 0, 2):
        image, label = faces[index]
        assert label == faces.labels[index]
        assert np.abs(image.astype(int) - picture(index)).max() <= 3
    with pytest.raises(IndexError):
        faces[4]


def test_one_shard_some_and_a_pickled_one(shards):
    one = TarFaces(shards / "00001.tar", classes=9)
    assert (one.labels.tolist(), one.classes) == ([1, 4], 9)
    turned = TarFaces([shards / "00001.tar", shards / "00000.tar"])
    assert turned.labels.tolist() == [1, 4, 2, 0]
    assert pickle.loads(pickle.dumps(turned))[2][1] == 2


def test_long_names(tmp_path, encoded):
    key = "i" * 180  # longer than a tar header holds, so it needs one of its own
    write_tar(tmp_path / "a.tar", [(f"{key}.jpg", encoded(5)), (f"{key}.cls", b"3")])
    assert TarFaces(tmp_path)[0][1] == 3


def test_truncated_shards(shards):
    path = shards / "00000.tar"
    data = path.read_bytes()
    for kept in (len(encodedless(data)) - 1, 700, 512):
        path.write_bytes(data[:kept])
        with pytest.raises(UsageError, match=r"00000\.tar (is truncated|has a/000\.jpg without a label)"):
            TarFaces(shards)


def encodedless(data):
    """The archive without the zeros at its end and the padding of its last member."""
    return data.rstrip(b"\0")


def test_damaged_pictures(tmp_path, encoded):
    write_tar(tmp_path / "a.tar", [("a.jpg", encoded(0)[:-20]), ("a.cls", b"0")])
    with pytest.raises(InputError, match=r"a\.tar, a\.jpg is damaged"):
        TarFaces(tmp_path)[0]


def test_shards_that_are_none(tmp_path, encoded):
    with pytest.raises(UsageError, match=r"no \.tar files"):
        TarFaces(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        TarFaces(tmp_path / "no.tar")
    path = write_tar(tmp_path / "a.tar", [("a.jpg", encoded(0)), ("a.cls", b"0")], "w:gz")
    with pytest.raises(UsageError, match=r"no uncompressed \.tar.*gunzip"):
        TarFaces(path)
    write_tar(path, [("a.cls", b"0")])
    with pytest.raises(UsageError, match="no pictures"):
        TarFaces(path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([("a.cls", b"ada")], r"a\.tar, a\.cls does not say a label"),
        ([("a.cls", b"1.5")], "does not say a label"),
        ([("a.json", b'{"label": "ada"}')], "does not say a label"),
        ([("a.json", b'{"label": true}')], "does not say a label"),
        ([("a.json", b"{")], "does not say a label"),
        ([("a.json", b"{}")], r"a\.jpg without a label"),
        ([("b.cls", b"0")], r"a\.jpg without a label.*a\.cls"),
        ([("a.cls", b"-1")], "label -1"),
        ([("a.cls", b"7")], "label 7; the caller says that there are 7 classes"),
        ([("a.cls", b"0"), ("a.png", b"")], r"two pictures of one key, a\.jpg and a\.png"),
    ],
)
def test_wrong_labels(tmp_path, encoded, files, words):
    write_tar(tmp_path / "a.tar", [("a.jpg", encoded(0)), *files])
    with pytest.raises(UsageError, match=words):
        TarFaces(tmp_path, classes=7)
