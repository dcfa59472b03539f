"""What the verbs share: which recogniser, how faces are found, and small habits of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from vitrail.cli import output
from vitrail.errors import UsageError

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer
    from vitrail_recognition.faces import FaceFinder
    from vitrail_recognition.verification.calibration import Calibration

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
FACES = "Faces are counted from 1, the largest first."

Picture = Annotated[bool, Parameter(show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")  # its fields are flags of the verb itself
@dataclass(frozen=True, kw_only=True)
class Using:
    """The recogniser, and how faces are found for it.

    Attributes:
        model: a recogniser as plugin/variant. [default: the first that is ready to use, or the gallery's]
        weights: a folder with weights; those of the package by default.
        device: cpu, cuda, cuda:1, mps.
        aligned: the photographs are aligned crops already.
        detector: mtcnn or scrfd.
        detector_weights: an ONNX file of SCRFD.
        min_face: side of the smallest face that is looked for, in pixels, from 10.
    """

    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None
    weights: str | None = None
    device: str | None = None
    aligned: Switch = False
    detector: Literal["mtcnn", "scrfd"] = "mtcnn"
    detector_weights: Path | None = None
    min_face: float | None = None

    def recognizer(self, model: str | None = None) -> Recognizer:
        """The one that was asked for, else `model`, else the first that is ready to use."""
        from vitrail_recognition.recognizers import load_recognizer

        return load_recognizer(self.model or model, weights=self.weights, device=self.device)

    def finder(self, recognizer: Recognizer) -> FaceFinder:
        from vitrail_recognition.faces import FaceFinder

        return FaceFinder.for_recognizer(
            recognizer,
            backend=self.detector,
            weights=self.detector_weights,
            min_size=self.min_face,
            device=recognizer.device if recognizer.device.startswith("cuda") else "cpu",
            aligned=self.aligned,
        )

    def caveat(self, recognizer: Recognizer) -> str:
        """Why these weights allow no verdict, or an empty string."""
        from vitrail_recognition.recognizers import weights_caveat

        return weights_caveat(recognizer.spec, self.weights)


USUAL = Using()


def make_app(name: str, usage: str, more: str) -> App:
    return App(
        name=name,
        usage=f"Usage: vitrail {usage}",
        help_format="plaintext",
        help_epilogue=more,
        result_action="return_value",
        version_flags=[],
    )


def open_calibration(path: Path | None, far: float | None) -> Calibration | None:
    if path is None:
        if far is not None:
            raise UsageError("--far chooses a rate of a calibration; give its file with --calibration.")
        return None
    from vitrail_recognition.verification.calibration import read_calibration

    calibration = read_calibration(path)
    if far is not None:
        calibration.at(far)
    return calibration


def say_model(recognizer: Recognizer, asked: str | None) -> None:
    if asked is None:
        output.say(f"The recogniser is {recognizer.spec.id}; --model takes another.")


def picture_path(out: Path | None, by_itself: str, wanted: bool) -> Path | None:
    """Where to draw to, or None. UsageError for an ending that is no picture's, before any work is done."""
    if out is None:
        return Path(by_itself) if wanted else None
    if out.suffix.lower() not in PICTURES:
        raise UsageError(f"--out is {out}; wanted is a name that ends in {' or '.join(PICTURES)}.")
    return out
