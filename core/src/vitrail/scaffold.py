"""Writes a new plugin package from the template in this distribution (copier, extra `new`)."""

from __future__ import annotations

import re
from pathlib import Path

from copier import run_copy

from vitrail.errors import UsageError
from vitrail.files import atomic_folder
from vitrail.specs import API_VERSION, KINDS
from vitrail.version import __version__

TEMPLATE = Path(__file__).parent / "template"


def render(kind: str, name: str, *, out: Path | None = None, author: str = "") -> Path:
    """Write the package and return its folder.

    kind: recognizer, segmenter, generator or animator. name: plugin name, "water" or "flood-map".
    out: folder to write, vitrail-NAME by default; it must not exist yet, or be empty.
    """
    if kind not in KINDS:
        raise UsageError(
            f"There is no kind {kind!r}; a plugin gives a {', a '.join(KINDS[:-1])} or an {KINDS[-1]}."
        )
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} cannot name a plugin; wanted are lower-case letters, digits and hyphens: flood-map."
        )
    folder = out or Path(f"vitrail-{name}")
    words = [part.capitalize() for part in name.split("-")]
    answers = {
        "kind": kind,
        "name": name,
        "module": "vitrail_" + name.replace("-", "_"),
        "distribution": f"vitrail-{name}",
        "class_name": "".join(words) + kind.capitalize(),
        "title": " ".join(words),
        "author": author,
        "api": API_VERSION,
        "vitrail": ".".join(__version__.split(".")[:2]),
    }
    with atomic_folder(folder) as temporary:
        run_copy(str(TEMPLATE), temporary, data=answers, defaults=True, overwrite=True, quiet=True)
    return folder
