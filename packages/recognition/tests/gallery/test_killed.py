"""A build that is killed leaves the gallery as it was, and the next one goes on."""

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
from made_up import build, crop, save

from vitrail_recognition.gallery import read_gallery
from vitrail_recognition.gallery_build import progress_file

SLOW_BUILD = """
import sys, time
from importlib.metadata import EntryPoint
from vitrail import manager
points = [EntryPoint(name="fake", value="vitrail.testing.fakes", group="vitrail.plugins")]
built = manager.Manager(points)
manager.current = lambda: built
from vitrail_recognition import gallery_build as gallery
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
