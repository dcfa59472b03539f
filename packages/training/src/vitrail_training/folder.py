"""The folder of a run: who may use it, and what is written beside the results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail_training import checkpoint
from vitrail_training.config import FitConfig

CONFIG_FILE = "fit.json"
RESULT_FILE = "result.json"
CHECKPOINTS = "checkpoints"

MAY_CHANGE = {
    *("steps", "accumulate", "workers", "eval_every", "checkpoint_every", "keep_checkpoints"),
    *("best_metric", "best_mode", "log_every", "tensorboard", "strict", "device", "deterministic"),
}
"""What a resumed run may be told differently; a change of any other value is refused. With other `steps` the
schedule is that of the new number."""


def claim(out: Path, resume: Path | str | None) -> Path | None:
    """Make sure that `out` may be this run's, and return the checkpoint to go on from, if any."""
    used = [name for name in (CONFIG_FILE, CHECKPOINTS, "best", "final") if (out / name).exists()]
    found: Path | None = None
    if resume is None:
        if used:
            raise UsageError(
                f"{out} holds a run already ({', '.join(used)}). Resume it, or choose another folder."
            )
    elif resume == "auto":
        found = checkpoint.find_checkpoint(out)
    else:
        found = checkpoint.find_checkpoint(Path(resume))
        if found is None:
            raise UsageError(f"{resume} holds no checkpoint to resume from.")
        if used and found.resolve().parent != (out / CHECKPOINTS).resolve():
            raise UsageError(f"{out} holds another run than {resume}; choose another folder.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; the name of a folder is wanted here.")
    for place in (out, out / CHECKPOINTS):
        checkpoint.remove_leftovers(place)
    return found


def resolved(config: FitConfig, settings: Mapping[str, Any], samples: int) -> dict[str, Any]:
    """Everything that the run was told, as JSON would give it back."""
    try:
        told = json.dumps({"fit": asdict(config), "settings": dict(settings), "samples": samples})
    except TypeError as error:
        raise UsageError(f"The task's settings are not plain data: {error}.") from error
    return json.loads(told)  # type: ignore[no-any-return]


def refuse_other_config(there: Mapping[str, Any], here: Mapping[str, Any], path: Path) -> None:
    """Raises UsageError that names the values by which a checkpoint's config differs from this run's."""
    before, now = (_fixed(told) for told in (there, here))
    changed = [
        f"{name} was {before.get(name)!r} and is now {now.get(name)!r}"
        for name in {**now, **before}
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise UsageError(
            f"The checkpoint {path} is of a run with another config: {'; '.join(changed)}. Use the same values, or "
            "start afresh in another folder."
        )


def _fixed(told: Mapping[str, Any]) -> dict[str, Any]:
    """The values that must stay, by a name for people."""
    fit = {name: value for name, value in told["fit"].items() if name not in MAY_CHANGE}
    return {**fit, **told["settings"], "samples in the dataset": told["samples"]}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(plain(values), indent=2) + "\n")


def plain(values: Any) -> Any:
    """`values` with None for nan and infinities, which JSON does not know."""
    if isinstance(values, Mapping):
        return {name: plain(value) for name, value in values.items()}
    return None if isinstance(values, float) and not math.isfinite(values) else values
