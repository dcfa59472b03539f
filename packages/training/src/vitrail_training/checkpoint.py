"""Checkpoints: folders that appear whole or not at all, without pickle.

out/checkpoints/step-000123/    a safetensors file for each part with tensors (model, ema, optimizer, rng, ...)
                 trees.json     the parts' structure, with everything in them that is no tensor
                 state.json     step, config, counts, versions: what a person may want to read
out/checkpoints/last            a line of text with the name of the newest one
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vitrail.errors import BrokenError, UsageError
from vitrail.files import atomic_folder, write_text
from vitrail_training.tree import flatten, unflatten

FORMAT = 1
_NAME = re.compile(r"step-(\d{6,})")


def write_checkpoint(
    folder: Path, step: int, state: Mapping[str, Any], parts: Mapping[str, Any], *, keep: int
) -> Path:
    """Write folder/step-..., point `last` to it, and remove all but the newest `keep`.

    state: plain data. parts: name -> nested state (see vitrail_training.tree).
    """
    path = folder / f"step-{step:06d}"

    def write(temporary: Path) -> None:
        trees: dict[str, Any] = {}
        for name, part in parts.items():
            trees[name], tensors = flatten(part, where=f"The state of {name!r}")
            if tensors:
                save_file(tensors, temporary / f"{name}.safetensors")
        record = {"format": FORMAT, "step": step, **state}
        (temporary / "trees.json").write_text(json.dumps(trees), encoding="utf-8")
        (temporary / "state.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    replace_folder(path, write)
    write_text(folder / "last", path.name + "\n")
    _sync(folder)
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return path


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(state, parts) as they were given to write_checkpoint. BrokenError when the files are damaged."""
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        if state.get("format") != FORMAT:
            raise BrokenError(f"{path} has format {state.get('format')}; this version reads format {FORMAT}.")
        trees = json.loads((path / "trees.json").read_text(encoding="utf-8"))
        tensors = {file.stem: load_file(file) for file in path.glob("*.safetensors")}
        parts = {name: unflatten(tree, tensors.get(name, {})) for name, tree in trees.items()}
    except (OSError, ValueError, SafetensorError) as error:
        others = [other.name for other in list_checkpoints(path.parent) if other != path]
        advice = f"resume from {path.parent / others[-1]} instead" if others else "start afresh"
        raise BrokenError(f"{path} cannot be read ({error}); {advice}.") from error
    return state, parts


def find_checkpoint(path: Path) -> Path | None:
    """The checkpoint that `path` means: one itself, its `last`, a folder of them, or a run's folder."""
    if path.name == "last" and path.is_file():
        path = path.parent
    for folder in (path, path / "checkpoints"):
        if (folder / "state.json").is_file():
            return folder
        if (folder / "last").is_file():
            named = folder / (folder / "last").read_text(encoding="utf-8").strip()
            if named.is_dir():
                return named
        if found := list_checkpoints(folder):
            return found[-1]
    return None


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, by step."""
    found = [(int(match[1]), path) for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def remove_later(folder: Path, step: int) -> None:
    """Remove the checkpoints of later steps: a run that goes on from `step` will write them anew."""
    for path in list_checkpoints(folder):
        if int(path.name.removeprefix("step-")) > step:
            shutil.rmtree(path)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half-written."""
    for path in folder.glob(".*.part*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def replace_folder(folder: Path, write: Callable[[Path], Any]) -> None:
    """Have `write` fill a temporary folder, flush it to the disk, and give it the name `folder`."""
    fresh, old = (folder.with_name(f".{folder.name}.{age}.part") for age in ("fresh", "old"))
    for path in (fresh, old):
        shutil.rmtree(path, ignore_errors=True)
    try:
        with atomic_folder(fresh) as temporary:
            write(temporary)
            for path in temporary.rglob("*"):
                _sync(path)
            _sync(temporary)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
        _sync(folder.parent)
    except (OSError, SafetensorError) as error:
        raise UsageError(f"{folder} cannot be written: {error}. Make room, and resume.") from error
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
