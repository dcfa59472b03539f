"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitrail.errors import UsageError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` on success, removed on failure.

    The temporary name keeps the suffix of `path`, since many writers choose their format by it.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder; the name of a file is wanted here.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=f".part{path.suffix}", dir=path.parent
        )
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """As `atomic_path`, for a whole folder. `folder` may exist only if it is empty."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists already and is not an empty folder. Choose another name, or remove it."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        yield temporary
        # Some writers, safetensors' among them, leave files to their owner alone.
        for file in temporary.rglob("*"):
            if file.is_file() and not file.is_symlink():
                os.chmod(file, file.stat().st_mode | 0o666 & ~_umask())
        os.chmod(temporary, 0o777 & ~_umask())
        if folder.exists():
            folder.rmdir()
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_text(path: Path | str, text: str) -> Path:
    """Write a text file under a temporary name, then rename it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def _cannot_write(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be written: {error.strerror or error}. Choose another place.")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
