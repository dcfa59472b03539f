"""Someone else's segmenter, in plain numpy, from wheels, in an environment without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio

UV = os.environ.get("UV") or shutil.which("uv")
SOURCES = {"vitrail": Path("core"), "vitrail_segmentation": Path("packages/segmentation")}


def call(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def first_party_wheel(name, folder):
    """The wheel in VITRAIL_WHEELS, or one built from the workspace."""
    given = os.environ.get("VITRAIL_WHEELS")
    if given:
        found = sorted(Path(given).glob(f"{name}-*.whl"))
        assert found, f"VITRAIL_WHEELS holds no wheel of {name}"
        return found[-1]
    above = [parent / SOURCES[name] for parent in Path(__file__).resolve().parents]
    source = next((path for path in above if (path / "pyproject.toml").exists()), None)
    if source is None:
        pytest.skip("neither the workspace nor VITRAIL_WHEELS, a folder with wheels, is here")
    call(UV, "build", "--wheel", "-o", folder, source)
    return next(folder.glob(f"{name}-*.whl"))


@pytest.fixture
def environment(tmp_path, thirdparty_folder):
    """The `bin` folder of a fresh environment with the three wheels and what they need."""
    if UV is None:
        pytest.skip("uv is not installed; set UV to its path")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    first = [first_party_wheel(name, wheels) for name in SOURCES]
    copy = shutil.copytree(thirdparty_folder, tmp_path / "thirdparty")
    call(UV, "build", "--wheel", "-o", wheels, copy)
    third = next(wheels.glob("vitrail_greenness-*.whl"))
    call(UV, "venv", tmp_path / "env")
    bin = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    call(UV, "pip", "install", "--python", bin / "python", *first, third)
    return bin


@pytest.mark.slow
def test_segments_a_scene_without_torch(environment, make_raster, tmp_path, rng, greenness):
    python, vitrail = environment / "python", environment / "vitrail"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("VITRAIL", "PYTHON"))}
    absent = "import importlib.util as u; assert not any(map(u.find_spec, ['torch', 'triton', 'vitrail_training']))"
    call(python, "-c", absent, env=clean)

    listed = call(vitrail, "plugins", "list", "--json", env=clean, cwd=tmp_path)
    assert "greenness/rgb" in listed.stdout

    pixels = rng.integers(1, 255, (90, 120, 3)).astype(np.uint8).repeat(7, axis=0).repeat(7, axis=1)
    pixels[:100, :100] = 0
    scene = make_raster(pixels, nodata=0)
    done = call(
        vitrail, "segment", scene, "-o", "out.tif", "-m", "greenness/rgb", "--tile", "256", "--vector", "p.geojson",
        "--overlay", "o.png", "--json", env=clean, cwd=tmp_path,
    )  # fmt: skip
    with rasterio.open(tmp_path / "out.tif") as dataset:
        labels = dataset.read(1)
        assert dataset.crs.to_epsg() == 32633
    expected = greenness.segment([pixels])[0].labels
    expected[:100, :100] = 255
    np.testing.assert_array_equal(labels, expected)
    (result,) = json.loads(done.stdout)
    assert [entry["name"] for entry in result["classes"]] == ["green", "blue", "other"]
    assert result["unlabelled"] == 100 * 100
    assert (tmp_path / "p.geojson").stat().st_size > 0
    assert (tmp_path / "o.png").stat().st_size > 0
