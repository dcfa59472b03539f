"""insightface's SCRFD (Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", ICLR 2022)
as a detector, with weights that the user has.

Its published weights are for non-commercial research; nothing is downloaded here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.results import Face

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT = (640, 640)
"""Width and height that a photograph is fitted into, where the file leaves it open: what the weights were made for."""


class Backend:
    """SCRFD as a backend of `vitrail_recognition.detect`.

    weights: an ONNX file of SCRFD with landmarks (det_500m.onnx, det_10g.onnx); None looks in insightface's own
        folder, ~/.insightface/models or $INSIGHTFACE_HOME/models.
    Raises NotInstalledError without the extra or without weights, BrokenError for a file that is no SCRFD.
    """

    threshold = 0.5

    def __init__(self, weights: Path | str | None = None, device: str = "cpu") -> None:
        try:
            from insightface.model_zoo.scrfd import SCRFD
        except ImportError as error:
            raise NotInstalledError(
                f'the detector scrfd needs insightface ({error}): pip install "vitrail-recognition[insightface]"'
            ) from error
        path = find_weights() if weights is None else Path(weights)
        if not path.is_file():
            raise UsageError(f"{path} does not exist; wanted is an ONNX file of SCRFD, such as det_10g.onnx.")
        session = _session(path, device)
        outputs = len(session.get_outputs())
        if outputs not in (9, 15):
            raise BrokenError(
                f"{path} has {outputs} outputs; an SCRFD with landmarks has 9 or 15. Wanted is a file such as "
                "det_10g.onnx."
            )
        self.network = SCRFD(model_file=str(path), session=session)

    def __call__(self, images: NDArray[np.uint8], *, min_size: float, threshold: float) -> list[list[Face]]:
        return [self._find(image, min_size, threshold) for image in images]  # its files take one at a time

    def _find(self, image: NDArray[np.uint8], min_size: float, threshold: float) -> list[Face]:
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        self.network.det_thresh = threshold
        boxes, landmarks = self.network.detect(bgr, input_size=self.network.input_size or INPUT)
        found = [
            Face(box=row[:4].astype(np.float32), landmarks=points.astype(np.float32), score=float(row[4]))
            for row, points in zip(boxes, landmarks)
        ]
        return [face for face in found if (face.box[2:] - face.box[:2]).max() >= min_size]


def find_weights() -> Path:
    """The one detector among insightface's downloaded packs; of several the largest file, which is the most exact."""
    home = Path(os.environ.get("INSIGHTFACE_HOME") or Path.home() / ".insightface") / "models"
    found = sorted([*home.glob("*/det_*.onnx"), *home.glob("*/scrfd_*.onnx"), *home.glob("scrfd_*.onnx")])
    if not found:
        raise NotInstalledError(
            f"the detector scrfd needs its weights, and {home} holds none: give an ONNX file that you have (such as "
            "det_10g.onnx of insightface's packs, licensed for non-commercial research), or use mtcnn."
        )
    return max(found, key=lambda path: path.stat().st_size)


def _session(path: Path, device: str) -> InferenceSession:
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise UsageError(f"{device!r} was asked for, and this onnxruntime has no CUDA; use cpu.")
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime raises several kinds of its own
        raise BrokenError(f"{path} cannot be read as ONNX ({error}). Get the file again.") from error
