"""Where pulled weights are kept: $VITRAIL_CACHE, or `vitrail` in the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vitrail.specs import ComponentSpec


def cache_folder() -> Path:
    """The folder; not created here."""
    if os.environ.get("VITRAIL_CACHE"):
        return Path(os.environ["VITRAIL_CACHE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vitrail"


def weights_folder(spec: ComponentSpec) -> Path:
    """Where `pull` puts the weights of this component; the hash keeps versions apart."""
    key = spec.weights.sha256[:16] if spec.weights else "none"
    return cache_folder() / "weights" / spec.id.replace("/", "--") / key


def cached_weights(spec: ComponentSpec) -> Path | None:
    """The folder of pulled weights, if they are there."""
    folder = weights_folder(spec)
    return folder if (folder / "config.json").is_file() else None
