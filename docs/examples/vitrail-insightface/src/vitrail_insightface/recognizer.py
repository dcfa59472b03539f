"""An ONNX recogniser of insightface behind Vitrail's Recognizer interface."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from insightface.model_zoo import get_model

from vitrail.component import CONFIG_FILE, read_config, write_config
from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail.files import atomic_path
from vitrail.results import Embeddings

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
FILE = "recognition.onnx"


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """pack: folder of a model pack; where it is empty, $INSIGHTFACE_PACK, else ~/.insightface/models/buffalo_l."""

    pack: str = ""


class InsightFaceRecognizer:
    """Aligned RGB crops (112, 112, 3) uint8 -> unit vectors."""

    def __init__(self, file, spec, device="cpu"):
        name = device.partition(":")[0]
        if name not in PROVIDERS:
            raise UsageError(f"device is {device!r}; {spec.id} runs on {' or '.join(PROVIDERS)}.")
        self.file, self.spec, self.device = Path(file), spec, device
        self.model = get_model(str(file), providers=[PROVIDERS[name]])
        if PROVIDERS[name] not in self.model.session.get_providers():
            raise UsageError(f"{device} was asked for, and this onnxruntime cannot use it.")

    @classmethod
    def from_config(cls, config=None, *, spec, device=None):
        usual = os.environ.get("INSIGHTFACE_PACK") or Path.home() / ".insightface/models/buffalo_l"
        return cls(find_recogniser(Path((config or PackConfig()).pack or usual)), spec, device or "cpu")

    @classmethod
    def from_pretrained(cls, folder, *, spec, device=None):
        """A model pack as insightface unpacks it, or what save_pretrained wrote."""
        if (Path(folder) / CONFIG_FILE).is_file():
            read_config(folder, PackConfig, spec)
        return cls(find_recogniser(Path(folder)), spec, device or "cpu")

    def save_pretrained(self, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with atomic_path(Path(folder) / FILE) as temporary:
            shutil.copyfile(self.file, temporary)
        write_config(Path(folder), PackConfig(), self.spec)
        return Path(folder)

    def to(self, device):
        return self if device == self.device else type(self)(self.file, self.spec, device)

    def embed(self, faces):
        """(B, D) float32 of length 1. Raises InputError for anything but aligned uint8 crops."""
        for index, face in enumerate(faces):
            if not isinstance(face, np.ndarray) or face.shape != (112, 112, 3) or face.dtype != np.uint8:
                got = f"{face.dtype} {face.shape}" if isinstance(face, np.ndarray) else type(face).__name__
                raise InputError(f"Face {index} is {got}; wanted is an aligned uint8 RGB crop (112, 112, 3).")
        if not len(faces):
            return Embeddings(vectors=np.zeros((0, self.model.output_shape[1]), np.float32))
        vectors = self.model.get_feat([np.ascontiguousarray(face[..., ::-1]) for face in faces])  # takes BGR
        return Embeddings(vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def find_recogniser(pack):
    """The ONNX file of a pack that insightface itself takes for a recogniser."""
    if not pack.is_dir():
        raise NotInstalledError(f"{pack} does not exist; wanted is a folder of an insightface model pack.")
    for file in sorted(pack.glob("*.onnx")):
        model = get_model(str(file), providers=[PROVIDERS["cpu"]])
        if getattr(model, "taskname", "") == "recognition":
            return file
    raise UsageError(
        f"{pack} holds no recogniser that insightface knows; wanted is a folder with its .onnx file."
    )
