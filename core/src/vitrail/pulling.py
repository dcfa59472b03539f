"""Downloading published weights: resumed where it broke off, checked by hash, converted, then kept."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from vitrail.cache import cached_weights, weights_folder
from vitrail.component import CONFIG_FILE
from vitrail.errors import BrokenError, NotInstalledError, UsageError
from vitrail.files import atomic_folder
from vitrail.specs import ComponentSpec, Weights, resolve_function

CHUNK = 1 << 20
ATTEMPTS = 4
PAUSE = 0.2
"""Seconds before the second attempt; doubled each time."""


def pull_weights(spec: ComponentSpec, *, accept_licence: bool = False) -> Path:
    """Download, check and convert the weights of a component; returns the folder that `load` will find.

    A download that breaks off is tried again from where it stopped, now and at the next call.
    Raises UsageError where nothing is published or the licence was not accepted, NotInstalledError when the
    server cannot be reached, BrokenError when what came is not what was promised.
    """
    weights = spec.weights
    if spec.embedded:
        raise UsageError(f"{spec.id} brings its weights in its own package; there is nothing to pull.")
    if weights is None:
        raise UsageError(f"{spec.id} needs no weights.")
    if not weights.url:
        where = f"; the authors' page is {weights.homepage}" if weights.homepage else ""
        raise UsageError(
            f"No address is known for weights of {spec.id}{where}. See `vitrail convert` for a file you have."
        )
    cached = cached_weights(spec)
    if cached is not None:
        return cached
    _require_licence(spec.id, weights, accept_licence)
    folder = weights_folder(spec)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder.parent} cannot be made ({error.strerror}). Set VITRAIL_CACHE.") from error
    # converters may choose their reader by the suffix
    part = folder.parent / f"{weights.sha256[:16]}.part{Path(urlsplit(weights.url).path).suffix}"
    _download(weights, part)
    with atomic_folder(folder) as temporary:
        _unpack(part, temporary, spec, weights)
    part.unlink()
    return folder


def _require_licence(id: str, weights: Weights, accepted: bool) -> None:
    if not weights.licence:
        return
    notice = f"The weights of {id} are under: {weights.licence}"
    if accepted:
        print(notice, file=sys.stderr)
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{notice}. If you agree, add --accept-license.")
    print(notice, file=sys.stderr)
    print("Do you agree? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("The licence was not accepted; nothing was downloaded.")


def _download(weights: Weights, part: Path) -> None:
    """Bring `part` to the promised size and hash."""
    for attempt in range(ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        if have >= weights.size:
            break
        try:
            _fetch(weights, part, have)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the file there ends before the byte that was asked for
                part.unlink()
                raise _not_the_promised(weights, f"it ends before byte {have}") from error
            if error.code < 500:
                raise NotInstalledError(
                    f"{weights.url} answered {error.code} {error.reason}. It may have moved: "
                    f"see {weights.homepage or 'the page of its authors'}."
                ) from error
            _wait_or_give_up(weights, attempt, error)
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise
            _wait_or_give_up(weights, attempt, error)
    have = part.stat().st_size
    if have < weights.size:
        raise NotInstalledError(
            f"{weights.url} broke off after {have} of {weights.size} bytes. What came is kept; try again later."
        )
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if have > weights.size or found != weights.sha256:
        part.unlink()
        raise _not_the_promised(weights, f"it has {have} bytes and SHA-256 {found}")


def _wait_or_give_up(weights: Weights, attempt: int, error: Exception) -> None:
    if attempt == ATTEMPTS - 1:
        raise NotInstalledError(
            f"{weights.url} cannot be reached ({getattr(error, 'reason', error)}). What came so far is kept; "
            "try again later."
        ) from error
    time.sleep(PAUSE * 2**attempt)


def _not_the_promised(weights: Weights, what: str) -> BrokenError:
    return BrokenError(
        f"{weights.url} is not the file that was promised: {what}; wanted are {weights.size} bytes and "
        f"SHA-256 {weights.sha256}. It was not kept. Do not use it; tell the plugin's authors."
    )


def _fetch(weights: Weights, part: Path, have: int) -> None:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from vitrail.cli.output import talk

    request = urllib.request.Request(weights.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        resumed = answer.status == 206
        promised = int(answer.headers.get("Content-Length") or 0) + (have if resumed else 0)
        if answer.headers.get("Content-Length") and promised != weights.size:
            part.unlink(missing_ok=True)
            raise _not_the_promised(weights, f"it has {promised} bytes")
        columns = (
            TextColumn("download"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with part.open("ab" if resumed else "wb") as file, Progress(*columns, console=talk()) as progress:
            bar = progress.add_task("", total=weights.size, completed=have if resumed else 0)
            while block := answer.read(CHUNK):
                file.write(block)
                progress.advance(bar, len(block))
            file.flush()
            os.fsync(file.fileno())


def _unpack(part: Path, folder: Path, spec: ComponentSpec, weights: Weights) -> None:
    if weights.converter:
        converter = resolve_function(weights.converter, wanted_by=spec.id)
        converter(part, spec=spec).save_pretrained(folder)
    else:  # a zip archive of a folder that save_pretrained wrote
        try:
            with zipfile.ZipFile(part) as archive:
                archive.extractall(folder)  # refuses absolute and parent paths by itself
        except zipfile.BadZipFile as error:
            raise BrokenError(
                f"{weights.url} is not a zip archive, which a spec without converter promises."
            ) from error
    if not (folder / CONFIG_FILE).is_file():
        raise BrokenError(
            f"the weights of {spec.id} unpacked to no {CONFIG_FILE}; tell the plugin's authors."
        )
