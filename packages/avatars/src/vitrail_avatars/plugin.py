"""What this package says to Vitrail's plugin manager. Imports nothing heavy."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping

from vitrail.hookspecs import hookimpl
from vitrail.specs import Command, DoctorLine


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {
        "avatars": Command(
            target="vitrail_avatars.cli:app", help="Draw people of a parametric world, and let them speak."
        )
    }


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_avatars.kernels.raster import doctor

    yield from doctor()
    for program in ("flite", "espeak-ng"):
        if shutil.which(program):
            yield DoctorLine(level="ok", text=f"speech by {program} can be made")
        else:
            yield DoctorLine(level="note", text=f"speech by {program} needs: apt-get install {program}")
