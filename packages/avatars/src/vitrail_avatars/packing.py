"""How `data/head.npz` is written and read: rounded to whole numbers, so that it stays small."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

STEP = 2e-4
"""Points are whole multiples of this many distances between the eyes: 0.012 mm on a face."""

ROUNDED = ("mean", "components", "texture", "expressions")


def pack(arrays: dict[str, Any]) -> bytes:
    """The bytes of the file; the same for the same arrays. Of expressions only vertices that move are kept."""
    packed = {name: np.asarray(value) for name, value in arrays.items() if name not in ROUNDED}
    packed |= {name: _rounded(arrays[name]) for name in ROUNDED}
    moved = (packed["expressions"] != 0).any(axis=2)
    packed["expression_counts"] = moved.sum(axis=1).astype(np.uint16)
    packed["expression_vertices"] = np.nonzero(moved)[1].astype(np.uint16)
    packed["expressions"] = packed["expressions"][moved]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in sorted(packed.items()):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def unpack(path: Path) -> dict[str, np.ndarray]:
    """The arrays that were packed, float32 where they were rounded."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for name in ROUNDED:
        arrays[name] = arrays[name].astype(np.float32) * np.float32(STEP)
    counts = arrays.pop("expression_counts").astype(int)
    points = len(arrays["mean"]) - len(arrays["joints"])
    expressions = np.zeros((len(counts), points, 3), np.float32)
    expressions[np.repeat(np.arange(len(counts)), counts), arrays.pop("expression_vertices")] = arrays[
        "expressions"
    ]
    return arrays | {"expressions": expressions}


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values / STEP).astype(np.int16)
