"""The hooks of API 1.0."""

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, Command, ComponentSpec, DoctorLine, Inputs


@hookimpl
def vitrail_components():
    return [
        ComponentSpec(
            id="first/threshold",
            kind="segmenter",
            api="1.0",
            target="vitrail_first_segmenter:Threshold",
            summary="bright or dark",
            inputs=Inputs(bands=2, dtypes=("float32", "uint16")),
            capabilities=Capabilities(deterministic=True),
            licence="MIT",
        )
    ]


@hookimpl
def vitrail_commands():
    return {
        "first": Command(target="vitrail_first_segmenter:hello", help="Say hello."),
        "first-too": ("vitrail_first_segmenter:hello", "Again."),
    }


@hookimpl
def vitrail_doctor():
    return [DoctorLine(level="ok", text="all well")]
