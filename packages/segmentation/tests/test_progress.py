from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from vitrail_segmentation import progress
from vitrail_segmentation.progress import Bar
from vitrail_segmentation.segment import segment_scene


def test_bar_with_rate_and_time_on_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False)
    with Bar(console) as bar:
        bar.start("scene.tif", 1_000_000_000, 200_000_000)
        for _ in range(4):
            bar.advance(100_000_000)
        bar.note("a note [with brackets]")
        bar._bar.refresh()
    text = console.file.getvalue()
    for part in ("scene.tif", "60%", "megapixels/s", "left", "a note [with brackets]"):
        assert part in text


def test_sparse_lines_elsewhere(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=100)
    with Bar(console) as bar:
        bar.start("scene.tif", 100_000_000, 40_000_000)
        for _ in range(30):
            now[0] += 1
            bar.advance(2_000_000)
    assert console.file.getvalue().splitlines() == [
        "scene.tif: 60%, 2.0 megapixels/s, 0:00:20 left",
        "scene.tif: 80%, 2.0 megapixels/s, 0:00:10 left",
        "scene.tif: 100%, 2.0 megapixels/s, 0:00:00 left",
    ]


def test_driver_reports_every_pixel_once(greenness, make_raster, tmp_path, rng):
    class Sum:
        total = done = 0

        def start(self, name, total, done=0):
            self.name, self.total = name, total

        def advance(self, pixels):
            assert pixels >= 0
            self.done += pixels

        def note(self, text):
            raise AssertionError(text)

    report = Sum()
    pixels = rng.integers(0, 255, (77, 131, 3)).astype(np.uint8)
    segment_scene(greenness, make_raster(pixels), tmp_path / "out.tif", tile=32, batch=3, report=report)
    assert report.name == "scene.tif"
    assert report.total == report.done == 77 * 131
