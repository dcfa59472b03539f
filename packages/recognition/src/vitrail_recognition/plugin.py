"""The hooks of this kit: four verbs and what the doctor says. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from vitrail.hookspecs import hookimpl
from vitrail.specs import Command, DoctorLine

CLI = "vitrail_recognition.cli"


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {
        "embed": Command(target=f"{CLI}.embed:app", help="Turn the faces in photographs into vectors."),
        "compare": Command(
            target=f"{CLI}.compare:app", help="Say how alike the faces in two photographs are."
        ),
        "identify": Command(
            target=f"{CLI}.identify:app", help="Find the faces in a photograph in a gallery."
        ),
        "gallery": Command(target=f"{CLI}.gallery:app", help="Build and describe galleries of known people."),
    }


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_recognition.detect.mtcnn import WEIGHTS

    if WEIGHTS.is_file():
        yield DoctorLine(level="ok", text="faces are found with mtcnn, whose weights are here")
    else:
        yield DoctorLine(
            level="problem", text=f"the weights of mtcnn are missing ({WEIGHTS}): reinstall this package"
        )
    from vitrail_recognition.kernels.class_softmax import doctor

    yield from doctor()
    yield _extra("insightface", "the detector scrfd", "insightface")
    yield _extra("faiss", "identify", "gallery")
    yield _extra("pillow_heif", "HEIC, the format of iPhones,", "heic")


def _extra(module: str, what: str, extra: str) -> DoctorLine:
    if find_spec(module) is None:
        return DoctorLine(level="note", text=f'{what} needs: pip install "vitrail-recognition[{extra}]"')
    return DoctorLine(level="ok", text=f"{what} can be used: {module} is installed")
