"""One function for all layouts."""

from __future__ import annotations

import io
import tarfile

import pytest

from vitrail.errors import UsageError
from vitrail_recognition import readers
from vitrail_recognition.readers import (
    IJB,
    FolderFaces,
    PairBin,
    RecordFaces,
    TarFaces,
    open_faces,
    write_bin,
    write_record_faces,
)


@pytest.fixture
def layouts(tmp_path, identities, encoded):
    records = write_record_faces(tmp_path / "rec", [(encoded(0), 0), (encoded(1), 1)])
    (tmp_path / "tars").mkdir()
    tar = tmp_path / "tars" / "0.tar"
    with tarfile.open(tar, "w") as archive:
        for name, data in (("a.jpg", encoded(0)), ("a.cls", b"0")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    pairs = write_bin(tmp_path / "rec" / "lfw.bin", [encoded(0), encoded(1)], [False])
    meta = tmp_path / "ijb" / "meta"
    meta.mkdir(parents=True)
    (meta / "ijbb_face_tid_mid.txt").write_text("1.jpg 1 1\n2.jpg 2 1\n")
    (meta / "ijbb_name_5pts_score.txt").write_text(f"1.jpg {'1 ' * 10} 0.5\n2.jpg {'1 ' * 10} 0.5\n")
    (meta / "ijbb_template_pair_label.txt").write_text("1 2 0\n")
    return {
        records: RecordFaces,
        records.parent: RecordFaces,  # though verification sets lie there, as in the published folders
        tar: TarFaces,
        tar.parent: TarFaces,
        pairs: PairBin,
        identities: FolderFaces,
        meta.parent: IJB,
    }


def test_each_layout_is_known(layouts):
    for path, kind in layouts.items():
        assert type(open_faces(path)) is kind
        assert type(open_faces(str(path))) is kind


def test_classes(layouts, identities):
    for path, kind in layouts.items():
        if kind in (RecordFaces, TarFaces):
            assert open_faces(path, classes=9).classes == 9
    assert open_faces(identities, classes=3).classes == 3
    with pytest.raises(UsageError, match="holds 3 identities; 4 were asked for"):
        open_faces(identities, classes=4)


def test_what_is_none_of_them(tmp_path, layouts):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.idx").touch()
    for name, words in (
        ("nowhere", r"does not exist; wanted is a \.rec"),
        ("empty", "none of the layouts"),
        ("a.txt", "none of the layouts"),
        ("a.idx", r"give a\.rec itself"),
    ):
        with pytest.raises(UsageError, match=words):
            open_faces(tmp_path / name)


def test_names_are_there():
    for name in dir(readers):
        assert getattr(readers, name).__name__ == name
    with pytest.raises(AttributeError, match="'nothing'"):
        readers.nothing  # noqa: B018
