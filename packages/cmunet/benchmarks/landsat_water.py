"""How large must water be for `cmunet/landsat` to see it? Recall by the size of real and of painted water.

    python packages/cmunet/benchmarks/landsat_water.py

Real: bodies of labelled water (connected pixels) on either half. Painted: discs in labelled forest of the half that the
network was trained on, every pixel drawn from the water pixels there, so that only the size is new. Writes
`benchmarks/results/cmunet_landsat_water.json`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label

import vitrail
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_training.kernels.timing import write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
SIZES = ((1, 16), (17, 64), (65, 256), (257, 10**9))
RADII, TIMES, SIDE = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 16.0), 24, 96


def bodies(net: vitrail.interfaces.Segmenter, part, water: int) -> list[dict]:
    """Recall by size; `part.labels` has water where it is `water`."""
    found = net.segment([part.image])[0].labels == water
    there = part.labels == water
    numbered, _ = label(there)
    size = np.bincount(numbered.ravel())[numbered]
    rows = []
    for low, high in SIZES:
        chosen = there & (size >= low) & (size <= high)
        if chosen.any():
            rows.append(
                {"from": low, "to": high, "pixels": int(chosen.sum()), "recall": float(found[chosen].mean())}
            )
    return rows


def discs(net: vitrail.interfaces.Segmenter, part, water: int, forest: int, radius: float) -> float:
    """Recall of painted water, the mean over discs."""
    rng, pixels = np.random.default_rng(0), part.image[part.labels == water]
    places, recalls = np.argwhere(part.labels == forest), []
    for row, column in places[rng.integers(len(places), size=TIMES)]:
        top, left = max(row - SIDE // 2, 0), max(column - SIDE // 2, 0)
        crop = part.image[top : top + SIDE, left : left + SIDE].copy()
        y, x = np.mgrid[: crop.shape[0], : crop.shape[1]]
        disc = (y + top - row) ** 2 + (x + left - column) ** 2 <= radius**2
        crop[disc] = pixels[rng.integers(len(pixels), size=disc.sum())]
        recalls.append((net.segment([crop])[0].labels[disc] == water).mean())
    return float(np.mean(recalls))


def main() -> None:
    torch.set_num_threads(1)
    scene, net = load_landsat(), vitrail.load("cmunet/landsat")
    water, forest = (scene.palette.classes.index(name) for name in ("water", "forest"))
    west, east = part_of(scene, "half", "forward"), part_of(scene, "test", "forward")
    record = {
        "west, trained on": bodies(net, west, water),
        "east": bodies(net, east, water),
        "painted": [
            {"radius": radius, "recall": discs(net, west, water, forest, radius)} for radius in RADII
        ],
    }
    for name, rows in record.items():
        for row in rows:
            print(f"{name:18s}", "  ".join(f"{key} {value:g}" for key, value in row.items()))
    write_record(RESULTS / "cmunet_landsat_water.json", record)


if __name__ == "__main__":
    main()
