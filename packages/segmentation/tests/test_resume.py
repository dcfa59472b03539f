"""Runs that are cut off: killed, interrupted, out of disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from vitrail.errors import UsageError, VitrailError
from vitrail_segmentation import partial as partial_module
from vitrail_segmentation.segment import segment_scene

KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
import vitrail_greenness
from vitrail_segmentation.segment import segment_scene

class Slow(vitrail_greenness.Greenness):
    def segment(self, images, *, scores=False):
        time.sleep(0.05)
        return super().segment(images, scores=scores)

segment_scene(Slow.from_config(spec=vitrail_greenness.vitrail_components()[0]), sys.argv[2], sys.argv[3], tile=64,
              overlap=float(sys.argv[4]))
"""


class Notes(list):
    """A reporter that remembers what it was told."""

    def start(self, name, total, done=0):
        self.done = done

    def advance(self, pixels):
        pass

    def note(self, text):
        self.append(text)


@pytest.fixture
def scene(make_raster, rng):
    """Smooth noise, 400 x 300, with a masked corner."""
    pixels = (
        rng.integers(0, 255, (50, 38, 3)).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)[:400, :300]
    )
    pixels[:70, :90] = 0
    return make_raster(pixels, nodata=0)


def counting(segmenter):
    """The segmenter, counting the images it is shown in `.seen`, and failing where `.fail_at` says."""

    class Counting(type(segmenter)):
        seen = 0
        fail_at = None
        error = KeyboardInterrupt

        def segment(self, images, *, scores=False):
            self.seen += len(images)
            if self.fail_at is not None and self.seen > self.fail_at:
                raise self.error
            return super().segment(images, scores=scores)

    return Counting(segmenter.config, segmenter.spec)


def tiles_of(scene, output, segmenter, **options):
    model = counting(segmenter)
    segment_scene(model, scene, output, **{"tile": 64, **options})
    return model.seen


@pytest.mark.parametrize(("overlap", "rows"), [(0.25, 3), (0.7, 6)])
def test_killed_run_continues_and_ends_byte_equal(
    scene, tmp_path, greenness, thirdparty_folder, read_back, overlap, rows
):
    whole, output = tmp_path / "whole.tif", tmp_path / "out.tif"
    tiles = tiles_of(scene, whole, greenness, overlap=overlap)
    command = [sys.executable, "-c", KILLED, thirdparty_folder / "src", scene, output, str(overlap)]
    run = subprocess.Popen(command, start_new_session=True)
    journal = tmp_path / ".out.tif.part" / "journal.json"
    try:
        deadline = time.monotonic() + 60
        while not (journal.exists() and json.loads(journal.read_text())["next_row"] >= rows):
            assert run.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert not output.exists()
    finished = json.loads(journal.read_text())

    notes, model = Notes(), counting(greenness)
    result = segment_scene(model, scene, output, tile=64, overlap=overlap, report=notes)
    assert notes == [f"Continuing {output} after row {finished['image_rows']} of 400."]
    assert notes.done == finished["image_rows"] * 300
    assert result.continued_at == finished["image_rows"] > 0
    assert model.seen < tiles
    np.testing.assert_array_equal(read_back(output), read_back(whole))
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out.tif", "scene.tif", "whole.tif"]


def interrupt(scene, output, segmenter, *, after, **options):
    model, notes = counting(segmenter), Notes()
    model.fail_at = after
    with pytest.raises(KeyboardInterrupt):
        segment_scene(model, scene, output, **{"tile": 64, **options}, report=notes)
    return notes


def test_interrupted_run_can_be_cut_off_anywhere(scene, tmp_path, greenness):
    whole, output = tmp_path / "whole.tif", tmp_path / "out.tif"
    tiles = tiles_of(scene, whole, greenness)
    for after in range(0, tiles, 5):
        notes = interrupt(scene, output, greenness, after=after)
        kept = (tmp_path / ".out.tif.part").exists()
        assert kept == any("finished rows are kept" in note for note in notes)
        again = tiles_of(scene, output, greenness)
        assert again <= tiles if kept else again == tiles
        assert output.read_bytes() == whole.read_bytes()
    assert again < tiles / 2


def test_cut_off_after_the_last_tile_does_not_need_the_model_again(scene, tmp_path, greenness, monkeypatch):
    whole, output = tmp_path / "whole.tif", tmp_path / "out.tif"
    tiles_of(scene, whole, greenness)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vitrail_segmentation.segment._write_output", killed)
        with pytest.raises(KeyboardInterrupt):
            tiles_of(scene, output, greenness)
    assert tiles_of(scene, output, greenness) == 0
    assert output.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tile": 48}, "tile"),
        ({"overlap": 0.5}, "overlap"),
        ({"weights": "other"}, "weights"),
        ({"bands": (3, 2, 1)}, "bands"),
    ],
)
def test_other_parameters_start_again_and_say_so(scene, tmp_path, greenness, change, named):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    notes, model = Notes(), counting(greenness)
    options = {"tile": 64, **change}
    segment_scene(model, scene, output, report=notes, **options)
    assert notes == [
        f"An earlier run left part of {output}, made with other values ({named}): starting again."
    ]
    assert model.seen == tiles_of(scene, tmp_path / "fresh.tif", greenness, **options)
    assert output.read_bytes() == (tmp_path / "fresh.tif").read_bytes()


def test_changed_input_starts_again(scene, tmp_path, greenness):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    stat = scene.stat()
    os.utime(scene, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    notes = Notes()
    result = segment_scene(greenness, scene, output, tile=64, report=notes)
    assert "(time of the input): starting again" in notes[0]
    assert result.continued_at == 0


def test_mistyped_command_does_not_cost_the_finished_rows(scene, tmp_path, greenness):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    for wrong in ({"batch": 0}, {"tile": 0}, {"overlap": 2}, {"vector": "x.shp"}, {"bands": (9, 9, 9)}):
        with pytest.raises(UsageError):
            segment_scene(greenness, scene, output, **{"tile": 64, **wrong})
    assert segment_scene(greenness, scene, output, tile=64).continued_at > 0


def test_no_resume_starts_again(scene, tmp_path, greenness):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    notes = Notes()
    assert segment_scene(greenness, scene, output, tile=64, resume=False, report=notes).continued_at == 0
    assert not notes


@pytest.mark.parametrize("damage", ["", "{", '{"format": 1}', "[]"])
def test_unreadable_journal_starts_again(scene, tmp_path, greenness, damage):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    (tmp_path / ".out.tif.part" / "journal.json").write_text(damage)
    notes = Notes()
    assert segment_scene(greenness, scene, output, tile=64, report=notes).continued_at == 0
    assert "cannot be read: starting again" in notes[0]


def test_lost_labels_start_again(scene, tmp_path, greenness):
    output = tmp_path / "out.tif"
    interrupt(scene, output, greenness, after=20)
    (tmp_path / ".out.tif.part" / "labels.raw").write_bytes(b"12")
    assert segment_scene(greenness, scene, output, tile=64).continued_at == 0


def test_earlier_output_stays_until_the_new_one_is_whole(scene, tmp_path, greenness):
    output = tmp_path / "out.tif"
    output.write_text("earlier")
    interrupt(scene, output, greenness, after=20)
    assert output.read_text() == "earlier"
    tiles_of(scene, output, greenness)
    assert output.read_bytes()[:2] == b"II"


def test_error_of_the_model_keeps_what_is_finished(scene, tmp_path, greenness):
    model = counting(greenness)
    model.fail_at, model.error = 20, RuntimeError
    with pytest.raises(RuntimeError):
        segment_scene(model, scene, tmp_path / "out.tif", tile=64)
    assert segment_scene(greenness, scene, tmp_path / "out.tif", tile=64).continued_at > 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_gives_one_sentence_and_leaves_nothing(scene, tmp_path, greenness, monkeypatch, number):
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(partial_module.os, "fsync", full)
    with pytest.raises(VitrailError) as caught:
        segment_scene(greenness, scene, tmp_path / "out.tif", tile=64)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'out.tif'} could not be written: the disk is full (")
    assert "\n" not in said
    assert os.listdir(tmp_path) == ["scene.tif"]


def test_too_little_room_is_said_before_the_work(scene, tmp_path, greenness, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(partial_module.shutil, "disk_usage", lambda folder: usage(0, 0, 100_000))
    model = counting(greenness)
    with pytest.raises(VitrailError, match=r"out.tif takes up to 240 kB while it is made; 100 kB are free"):
        segment_scene(model, scene, tmp_path / "out.tif", tile=64)
    assert model.seen == 0
    assert os.listdir(tmp_path) == ["scene.tif"]


def test_output_where_nothing_can_be_written(scene, tmp_path, greenness):
    (tmp_path / "file").write_text("")
    with pytest.raises(VitrailError, match="could not be written: Not a directory"):
        segment_scene(greenness, scene, tmp_path / "file" / "out.tif")


def test_two_runs_do_not_write_the_same_output(scene, tmp_path, greenness):
    pytest.importorskip("fcntl")
    output = tmp_path / "out.tif"
    first = partial_module.Partial(output, 300, {})
    first.start(height=400, resume=True, note=print)
    with pytest.raises(UsageError, match=r"Another run is writing .*out.tif right now"):
        segment_scene(greenness, scene, output)
    assert first.labels_path.exists()
    first.discard()
    segment_scene(greenness, scene, output)
    assert Path(output).exists()
