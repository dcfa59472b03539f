"""Galleries: built, brought up to date, killed while they are built, and searched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail_recognition import gallery as module
from vitrail_recognition.faces import FaceFinder
from vitrail_recognition.gallery import GalleryIndex, build_gallery, progress_file, read_gallery
from vitrail_recognition.identify import identify
from vitrail_recognition.recognizers import load_recognizer
from vitrail_recognition.verification.calibration import Calibration, Point, weights_hash

ALIGNED = FaceFinder(aligned=True)


def crop(seed: int, noise: int = 0) -> np.ndarray:
    """A person is a seed; noise makes another photograph of them."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(20, 236, (7, 7, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return (patches + np.random.default_rng(noise).integers(-15, 16, patches.shape)).astype(np.uint8)


class Counting:
    """A recogniser that counts the faces it embeds."""

    def __init__(self, inner):
        self.inner, self.spec, self.device, self.count = inner, inner.spec, inner.device, 0

    def embed(self, faces):
        self.count += len(faces)
        return self.inner.embed(faces)

    def save_pretrained(self, folder):
        return self.inner.save_pretrained(folder)


@pytest.fixture
def recognizer(fakes):
    return Counting(load_recognizer("fake/recognizer"))


@pytest.fixture
def people(tmp_path):
    """Three people in folders with two photographs each, one in a file of her own, and two that cannot be used."""
    folder = tmp_path / "people"
    for person in range(3):
        for shot in range(2):
            save(folder / f"person{person}" / f"{shot}.png", crop(person, shot))
    save(folder / "Zoë.png", crop(99))
    (folder / "person0" / "broken.jpg").write_bytes(b"no picture")
    save(folder / "person1" / "large.png", np.zeros((50, 60, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("not a photograph")
    save(folder / ".trash" / "x.png", crop(5))
    return folder


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def build(recognizer, people, out, **more):
    recognizer.count = 0
    return build_gallery(recognizer, people, out, finder=ALIGNED, **more)


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
    monkeypatch.setattr(module, "_sha256", lambda path: pytest.fail(f"{path} was read"))
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


# killed ------------------------------------------------------------------------------------------------------

SLOW_BUILD = """
import sys, time
from importlib.metadata import EntryPoint
from vitrail import manager
points = [EntryPoint(name="fake", value="vitrail.testing.fakes", group="vitrail.plugins")]
built = manager.Manager(points)
manager.current = lambda: built
from vitrail_recognition import gallery
from vitrail_recognition.faces import FaceFinder
from vitrail_recognition.recognizers import load_recognizer

people, out, where = sys.argv[1:]
recognizer = load_recognizer("fake/recognizer")
gallery.BATCH = 1
gallery.SECONDS_BETWEEN_SAVES = 0.0
reached = False

if where == "embedding":  # stands still after four photographs
    def progress(done, total):
        if done == 4:
            print("now", flush=True)
            time.sleep(600)
else:  # stands still with the new gallery half written under its temporary name
    import safetensors.numpy as safe
    whole = safe.save_file
    def save_file(tensors, path, metadata):
        if ".progress" in str(path):
            return whole(tensors, path, metadata)
        path.write_bytes(b"half")
        print("now", flush=True)
        time.sleep(600)
    safe.save_file = save_file
    def progress(done, total):
        pass

gallery.build_gallery(recognizer, people, out, finder=FaceFinder(aligned=True), progress=progress)
"""


def kill_a_build(people: Path, out: Path, where: str) -> None:
    command = [sys.executable, "-c", SLOW_BUILD, str(people), str(out), where]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("where", ["embedding", "writing"])
def test_a_killed_build_leaves_the_gallery_and_goes_on(recognizer, people, tmp_path, where):
    out = tmp_path / "made" / "g.gallery"
    build(recognizer, people, out)
    before = out.read_bytes()
    for person in (10, 11, 12, 13, 14, 15):
        save(people / "a" / f"{person}.png", crop(person))
    kill_a_build(people, out, where)
    assert out.read_bytes() == before
    read_gallery(out)
    made, report = build(recognizer, people, out)
    assert report.embedded == (3 if where == "embedding" else 0)
    assert recognizer.count == report.embedded
    fresh, _ = build(recognizer, people, tmp_path / "fresh")
    assert made.entries == fresh.entries
    np.testing.assert_array_equal(made.vectors, fresh.vectors)
    assert not progress_file(out).exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_first_build_that_is_killed_leaves_no_gallery(recognizer, people, tmp_path):
    out = tmp_path / "made" / "g.gallery"
    kill_a_build(people, out, "embedding")
    assert not out.exists()
    assert build(recognizer, people, out)[1].embedded == 5
    assert [path.name for path in out.parent.iterdir()] == ["g.gallery"]


def test_leftovers_of_killed_builds_go_when_they_are_old(recognizer, people, tmp_path):
    out = tmp_path / "made" / "g.gallery"
    build(recognizer, people, out)
    old, young = out.parent / ".g.abc.part.gallery", out.parent / ".g.xyz.part.gallery"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    build(recognizer, people, out)
    assert not old.exists()
    assert young.exists()


def test_progress_of_other_settings_is_not_used(recognizer, people, tmp_path):
    made, _ = build(recognizer, people, tmp_path / "g")
    replace(made, settings=replace(made.settings, weights_hash="1" * 64)).save(progress_file(tmp_path / "h"))
    assert build(recognizer, people, tmp_path / "h")[1].embedded == 9
    progress_file(tmp_path / "i").write_bytes(b"damaged")
    assert build(recognizer, people, tmp_path / "i")[1].embedded == 9


# identification ----------------------------------------------------------------------------------------------


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
