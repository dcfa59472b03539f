"""Galleries: built, read, and brought up to date."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from made_up import ALIGNED, Counting, build, crop, save
from PIL import Image

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError, VitrailError
from vitrail_recognition import gallery_build as module
from vitrail_recognition.faces import FaceFinder
from vitrail_recognition.gallery import read_gallery
from vitrail_recognition.gallery_build import build_gallery
from vitrail_recognition.identify import identify


def test_a_gallery_is_built_and_read(recognizer, people, tmp_path):
    made, report = build(recognizer, people, tmp_path / "g.gallery")
    assert (report.embedded, report.kept, report.removed) == (9, 0, 0)
    assert {entry.file for entry in report.problems} == {"person0/broken.jpg", "person1/large.png"}
    assert recognizer.count == 7
    read = read_gallery(tmp_path / "g.gallery")
    assert read.settings == made.settings
    assert read.entries == made.entries
    np.testing.assert_array_equal(read.vectors, made.vectors)
    assert read.identities == ["Zoë", "person0", "person1", "person2"]
    assert len(read.rows) == 7
    for row in read.rows:
        entry = read.entries[row]
        pixels = np.asarray(Image.open(people / entry.file))
        np.testing.assert_allclose(read.vectors[row], recognizer.embed([pixels]).vectors[0], atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.gallery", "people"]


def test_unchanged_photographs_are_not_embedded_again(recognizer, people, tmp_path, monkeypatch):
    before, _ = build(recognizer, people, tmp_path / "g")
    monkeypatch.setattr(module, "open_photo", lambda path: pytest.fail(f"{path} was opened"))
    monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail(f"{path} was read"))
    after, report = build(recognizer, people, tmp_path / "g")
    assert (report.embedded, report.kept, recognizer.count) == (0, 9, 0)
    np.testing.assert_array_equal(after.vectors, before.vectors)


def test_a_touched_or_moved_photograph_is_not_embedded_again(recognizer, people, tmp_path):
    build(recognizer, people, tmp_path / "g")
    os.utime(people / "person0" / "0.png", (1, 1))
    (people / "person3").mkdir()
    (people / "person2" / "1.png").rename(people / "person3" / "other.png")
    after, report = build(recognizer, people, tmp_path / "g")
    assert (report.embedded, report.removed, recognizer.count) == (0, 1, 0)
    row = next(i for i, entry in enumerate(after.entries) if entry.file == "person3/other.png")
    assert after.entries[row].identity == "person3"
    np.testing.assert_allclose(after.vectors[row], recognizer.embed([crop(2, 1)]).vectors[0], atol=1e-6)
    assert {e.mtime for e in after.entries if e.file == "person0/0.png"} == {10**9}


def test_changed_new_and_removed_photographs(recognizer, people, tmp_path):
    build(recognizer, people, tmp_path / "g")
    save(people / "person0" / "0.png", crop(50))
    save(people / "person7" / "a.png", crop(7))
    (people / "person1" / "0.png").unlink()
    (people / "Zoë.png").unlink()
    after, report = build(recognizer, people, tmp_path / "g")
    assert (report.embedded, report.kept, report.removed, recognizer.count) == (2, 6, 2, 2)
    assert after.identities == ["person0", "person1", "person2", "person7"]
    fresh, _ = build(recognizer, people, tmp_path / "other")
    assert fresh.entries == after.entries
    np.testing.assert_array_equal(fresh.vectors, after.vectors)


def test_bytes_that_changed_behind_the_same_size_and_time(recognizer, people, tmp_path):
    path = people / "person0" / "0.bmp"
    save(path, crop(0))
    build(recognizer, people, tmp_path / "g")
    stat = path.stat()
    save(path, crop(60))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert build(recognizer, people, tmp_path / "g")[1].embedded == 0
    assert build(recognizer, people, tmp_path / "g", rehash=True)[1].embedded == 1


def test_fresh_embeds_everything(recognizer, people, tmp_path):
    build(recognizer, people, tmp_path / "g")
    assert build(recognizer, people, tmp_path / "g", fresh=True)[1].embedded == 9


def test_another_recogniser_is_refused_and_the_gallery_stays(recognizer, people, tmp_path):
    build(recognizer, people, tmp_path / "g")
    before = (tmp_path / "g").read_bytes()
    other = Counting(recognizer.inner)
    other.spec = replace(recognizer.spec, id="other/one")
    with pytest.raises(UsageError, match=r"holds embeddings of fake/recognizer, .* those of other/one"):
        build(other, people, tmp_path / "g")
    with pytest.raises(UsageError, match="holds embeddings of fake/recognizer"):
        identify(other, crop(0), read_gallery(tmp_path / "g"), finder=ALIGNED)
    assert (tmp_path / "g").read_bytes() == before
    build(other, people, tmp_path / "g", fresh=True)
    assert read_gallery(tmp_path / "g").settings.recognizer == "other/one"


def test_other_weights_and_another_detector_are_refused(recognizer, people, tmp_path, monkeypatch):
    made, _ = build(recognizer, people, tmp_path / "g")
    stale = replace(made, settings=replace(made.settings, weights_hash="0" * 64))
    stale.save(tmp_path / "stale")
    with pytest.raises(UsageError, match=r"stale was built with other weights of fake/recognizer \(0{12}"):
        build(recognizer, people, tmp_path / "stale")
    with pytest.raises(UsageError, match="other weights"):
        identify(recognizer, crop(0), stale, finder=ALIGNED)
    with pytest.raises(UsageError, match="built with the detector aligned, and this is mtcnn, smallest 30"):
        build_gallery(recognizer, people, tmp_path / "g", finder=FaceFinder(min_size=30))


def test_the_largest_face_is_taken(recognizer, tmp_path, astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    save(tmp_path / "p" / "eileen.png", np.hstack([np.vstack([small, small * 0]), astronaut]))
    save(tmp_path / "p" / "wall.png", np.full((60, 60, 3), 128, dtype=np.uint8))
    made, report = build_gallery(recognizer, tmp_path / "p", tmp_path / "g")
    (row,) = made.rows
    assert made.entries[row].faces == 2
    assert made.entries[row].width > 70
    assert [entry.problem for entry in report.problems] == ["no face was found in it."]


def test_nothing_to_build_from(recognizer, tmp_path):
    with pytest.raises(UsageError, match="is no folder"):
        build(recognizer, tmp_path / "none", tmp_path / "g")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no photographs"):
        build(recognizer, tmp_path / "empty", tmp_path / "g")
    (tmp_path / "empty" / "a.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"None of the 1 photographs in .* can be used; a\.jpg: "):
        build(recognizer, tmp_path / "empty", tmp_path / "g")
    assert not (tmp_path / "g").exists()


def test_a_file_that_is_no_gallery(recognizer, people, tmp_path):
    with pytest.raises(UsageError, match="vitrail gallery build FOLDER -o"):
        read_gallery(tmp_path / "g")
    (tmp_path / "g").write_bytes(b"something else")
    with pytest.raises(BrokenError, match="is no whole gallery"):
        read_gallery(tmp_path / "g")
    with pytest.raises(BrokenError, match="is no whole gallery"):
        build(recognizer, people, tmp_path / "g")
    made, _ = build(recognizer, people, tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    (tmp_path / "g").write_bytes(data[: len(data) - 100])
    with pytest.raises(BrokenError, match="is no whole gallery"):
        read_gallery(tmp_path / "g")
    replace(made, vectors=made.vectors[:-1]).save(tmp_path / "short")
    with pytest.raises(BrokenError, match="names 9 photographs"):
        read_gallery(tmp_path / "short")


def test_photographs_that_cannot_be_read_are_left_out_and_tried_again(
    recognizer, people, tmp_path, monkeypatch
):
    gone, locked, phone = (
        people / "person0" / "0.png",
        people / "person1" / "0.png",
        people / "person2" / "0.png",
    )
    whole = {name: getattr(module, name) for name in ("sha256_of", "open_photo", "find_photos")}

    def hashed(path):
        if path == locked:
            raise InputError(f"{path} cannot be read: Permission denied.")
        return whole["sha256_of"](path)

    def opened(path):
        if path == phone:
            raise NotInstalledError("it is a HEIC picture: pip install pillow-heif.")
        return whole["open_photo"](path)

    monkeypatch.setattr(module, "sha256_of", hashed)
    monkeypatch.setattr(module, "open_photo", opened)
    files = list(module.find_photos(people))
    saved = gone.read_bytes()
    gone.unlink()
    monkeypatch.setattr(module, "find_photos", lambda folder: files)
    made, report = build(recognizer, people, tmp_path / "g")
    problems = {entry.file: entry.problem for entry in report.problems}
    assert "No such file" in problems["person0/0.png"]
    assert "Permission denied" in problems["person1/0.png"]
    assert "pillow-heif" in problems["person2/0.png"]
    assert len(made.rows) == 4
    assert report.kept == 0

    gone.write_bytes(saved)
    for name, function in whole.items():
        monkeypatch.setattr(module, name, function)
    assert len(build(recognizer, people, tmp_path / "g")[0].rows) == 7


def test_fresh_ignores_what_a_killed_build_left(recognizer, people, tmp_path):
    made, _ = build(recognizer, people, tmp_path / "g")
    made.save(module.progress_file(tmp_path / "g"))
    recognizer.count = 0
    _, report = build(recognizer, people, tmp_path / "g", fresh=True)
    assert (report.embedded, recognizer.count) == (9, 7)


def test_a_detector_that_cannot_run_is_said_before_any_photograph(recognizer, people, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "open_photo", lambda path: pytest.fail(f"{path} was opened"))
    with pytest.raises(VitrailError, match=r"(?i)scrfd|insightface"):
        build_gallery(recognizer, people, tmp_path / "g", finder=FaceFinder(backend="scrfd"))
    assert not (tmp_path / "g").exists()
