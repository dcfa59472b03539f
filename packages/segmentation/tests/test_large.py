"""A scene of 20,000 x 20,000 pixels: memory, time, and labels that are right. Minutes long."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

SIDE = 20_000
STRIP = 512
LIMIT_MB = 1500

MEASURED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import vitrail_greenness
from vitrail_segmentation.progress import Bar
from vitrail_segmentation.segment import segment_scene

segmenter = vitrail_greenness.Greenness.from_config(spec=vitrail_greenness.vitrail_components()[0])
with Bar() as bar:
    result = segment_scene(segmenter, sys.argv[2], sys.argv[3], format=sys.argv[4], report=bar)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"peak_mb": peak / 1024, "seconds": result.seconds, "pixels": result.pixels}))
"""


def strip_of(start):
    """Three bands of rows from `start` on: patches of one colour, shifted from strip to strip."""
    rng = np.random.default_rng(3)
    patches = rng.integers(0, 255, (STRIP // 32, SIDE // 32, 3)).astype(np.uint8)
    rows = patches.repeat(32, axis=0).repeat(32, axis=1)
    return np.roll(rows, start // 4, axis=1)[: min(STRIP, SIDE - start)]


@pytest.fixture
def huge_scene(tmp_path):
    path = tmp_path / "huge.tif"
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8", "crs": "EPSG:32633",
        "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 54e5), "tiled": True, "blockxsize": 512, "blockysize": 512,
        "interleave": "pixel", "compress": "deflate", "zlevel": 1, "photometric": "rgb",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        for start in range(0, SIDE, STRIP):
            rows = strip_of(start)
            dataset.write(rows.transpose(2, 0, 1), window=Window(0, start, SIDE, len(rows)))
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("format", ["gtiff", "cog"])
def test_memory_stays_small(huge_scene, tmp_path, thirdparty_folder, greenness, format):
    output = tmp_path / "labels.tif"
    command = [sys.executable, "-c", MEASURED, thirdparty_folder / "src", huge_scene, output, format]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    print(measured)
    assert measured["peak_mb"] < LIMIT_MB
    assert sum(measured["pixels"]) == SIDE * SIDE
    with rasterio.open(output) as dataset:
        for start in (0, 10_240, SIDE // STRIP * STRIP):
            expected = greenness.segment([strip_of(start)])[0].labels
            found = dataset.read(1, window=Window(0, start, SIDE, len(expected)))
            np.testing.assert_array_equal(found, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["huge.tif", "labels.tif"]
