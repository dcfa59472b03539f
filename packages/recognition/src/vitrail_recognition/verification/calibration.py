"""From a false-accept rate to the cosine that gives it, and what a calibrated cosine may then be taken for.

A rate is measured by the impostor pairs that pass, so a rate below 10 / pairs would rest on fewer than ten of
them: it is never stated. A calibration holds for one recogniser with one set of weights, and for people like
those of its data set.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.configs import from_dict
from vitrail.errors import BrokenError, UsageError
from vitrail.files import write_text

PASSED = 10
"""Impostor pairs that must stand behind a false-accept rate."""
FORMAT = 1
RATES = tuple(factor * 10.0**power for power in range(-1, -8, -1) for factor in (1.0, 0.3))


@dataclass(frozen=True, kw_only=True)
class Point:
    """far: the false-accept rate. cosine: pairs are accepted from there on. tar: the share of genuine pairs
    that are."""

    far: float
    cosine: float
    tar: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a calibration says of one cosine. `str(verdict)` is a sentence for people."""

    same: bool
    cosine: float
    point: Point
    data: str

    def __str__(self) -> str:
        point = self.point
        said = "the same person" if self.same else "not the same person"
        side = "at or above" if self.same else "below"
        return (
            f"{said}: cosine {self.cosine:.3f} is {side} {point.cosine:.3f}, where one in "
            f"{round(1 / point.far):,} pairs of strangers and {point.tar:.1%} of the pairs of one person pass "
            f"on {self.data}"
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a calibration file holds.

    data: the name of the data set. recogniser: a component id. weights_hash: of its weights, see
    `weights_hash`. genuine, impostors: how many pairs of each kind the rates come from. points: rates from
    the largest to the smallest.
    """

    data: str
    recogniser: str
    weights_hash: str
    genuine: int
    impostors: int
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.data.strip() or not self.recogniser.strip():
            raise UsageError("A calibration names its data set and its recogniser; one of them is empty.")
        if not re.fullmatch(r"[0-9a-f]{64}", self.weights_hash):
            raise UsageError(
                f"{self.weights_hash!r} is no SHA-256; a calibration names the weights by theirs."
            )
        if self.genuine < 1 or self.impostors < 1 or not self.points:
            raise UsageError(
                f"A calibration from {self.genuine} genuine and {self.impostors} impostor pairs at "
                f"{len(self.points)} rates says nothing; wanted are some of each."
            )
        for point in self.points:
            numbers = (point.far, point.cosine, point.tar)
            if not (all(map(math.isfinite, numbers)) and 0 < point.far < 1 and 0 <= point.tar <= 1):
                raise UsageError(f"{point} is no point of a calibration; rates lie between 0 and 1.")
            if not supported(point.far, self.impostors):
                raise UsageError(
                    f"A false-accept rate of {point.far:g} is stated from {self.impostors} impostor pairs, "
                    f"which allow no less than {PASSED / self.impostors:.3g}, {PASSED} over their number."
                )
        for larger, smaller in zip(self.points, self.points[1:], strict=False):
            if not (
                larger.far > smaller.far and larger.cosine <= smaller.cosine and larger.tar >= smaller.tar
            ):
                raise UsageError(
                    "The points of a calibration go from large rates to small ones; a smaller rate needs a "
                    "cosine that is no smaller, and accepts no more genuine pairs."
                )

    def at(self, far: float) -> Point:
        """The point of one of the rates. UsageError, with the rates there are, for another."""
        for point in self.points:
            if math.isclose(point.far, far, rel_tol=1e-9):
                return point
        reason = ""
        if not supported(far, self.impostors):
            reason = f" {self.impostors} impostor pairs allow no less than {PASSED / self.impostors:.3g}."
        known = ", ".join(f"{point.far:g}" for point in self.points)
        raise UsageError(f"This calibration has no false-accept rate of {far:g}; it has {known}.{reason}")

    def verdict(self, cosine: float, *, far: float | None = None) -> Verdict:
        """Whether a cosine means one person, at one of the rates; by default 1e-3 or, where there is no such,
        the smallest above it."""
        if not -1.001 <= cosine <= 1.001:  # nan included
            raise UsageError(f"A cosine of {cosine} was given; wanted is one between -1 and 1.")
        point = self._usual() if far is None else self.at(far)
        return Verdict(same=cosine >= point.cosine, cosine=float(cosine), point=point, data=self.data)

    def require(self, recogniser: str, weights_hash: str) -> None:
        """Raises UsageError unless this calibration was made with that recogniser and those weights."""
        if recogniser != self.recogniser:
            raise UsageError(
                f"The calibration was made with {self.recogniser}, and its cosines say nothing about those of "
                f"{recogniser}. Calibrate {recogniser}, or compare with {self.recogniser}."
            )
        if weights_hash != self.weights_hash:
            raise UsageError(
                f"The calibration was made with other weights of {recogniser} ({self.weights_hash[:12]}..., "
                f"and these are {weights_hash[:12]}...). Calibrate these weights."
            )

    def save(self, path: Path | str) -> Path:
        """Write it as JSON."""
        return write_text(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n")

    def _usual(self) -> Point:
        enough = [point for point in self.points if point.far >= 1e-3 * (1 - 1e-9)]
        return enough[-1] if enough else self.points[0]


def calibrate(
    cosines: ArrayLike,
    same: ArrayLike,
    *,
    data: str,
    recogniser: str,
    weights_hash: str,
    fars: Sequence[float] = RATES,
) -> Calibration:
    """Thresholds for false-accept rates; those that the number of impostor pairs does not support are left
    out.

    A threshold is the smallest cosine of these pairs at which at most the share `far` of the impostor pairs
    pass. cosines: (P,), of what `embed` gives, as `compare` uses it; same: (P,) bool. Raises UsageError where
    no rate is supported.
    """
    cosines, same = np.asarray(cosines, np.float64), np.asarray(same, bool)
    if cosines.ndim != 1 or cosines.shape != same.shape or not np.isfinite(cosines).all():
        raise UsageError("Wanted is a finite cosine and a truth for each pair.")
    genuine, impostors = cosines[same], np.sort(cosines[~same])[::-1]
    stated = sorted({far for far in fars if supported(far, len(impostors)) and far < 1}, reverse=True)
    if not len(genuine) or not stated:
        raise UsageError(
            f"There are {len(genuine)} genuine and {len(impostors)} impostor pairs; a false-accept rate of "
            f"{max(fars):g}, the largest asked for, needs {math.ceil(PASSED / max(fars))} impostor pairs, and "
            "some genuine ones. Give more data."
        )
    points = [_point(far, genuine, impostors) for far in stated]
    return Calibration(
        data=data,
        recogniser=recogniser,
        weights_hash=weights_hash,
        genuine=len(genuine),
        impostors=len(impostors),
        points=tuple(points),
    )


def read_calibration(path: Path | str) -> Calibration:
    """Read a calibration file. UsageError where there is none, or it says what it cannot know; BrokenError:
    unreadable."""
    path = Path(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} does not exist; wanted is a calibration that `vitrail eval ... --calibrate` wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise BrokenError(f"{path} cannot be read ({error}). Calibrate again.") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise UsageError(f"{path} is not a calibration of format {FORMAT}; calibrate again.")
    try:
        return from_dict(Calibration, values, where=str(path))  # type: ignore[no-any-return]
    except UsageError as error:
        raise UsageError(f"{path} is not used: {error}") from error


def weights_hash(component: Any) -> str:
    """SHA-256 of a component's weights, wherever they came from: the same on every machine and device.

    Over names, shapes and float32 values of the network in `component.module`; of a component without one,
    over the files that `save_pretrained` writes.
    """
    digest = hashlib.sha256()
    module = getattr(component, "module", None)
    if hasattr(module, "state_dict"):
        for name, tensor in sorted(module.state_dict().items()):
            values = tensor.detach().cpu()
            array: NDArray[Any] = (values.float() if values.is_floating_point() else values).numpy()
            digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
    with tempfile.TemporaryDirectory() as folder:
        component.save_pretrained(folder)
        for path in sorted(each for each in Path(folder).rglob("*") if each.is_file()):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def supported(far: float, impostors: int) -> bool:
    """Whether at least ten impostor pairs stand behind a false-accept rate."""
    return far * impostors >= PASSED * (1 - 1e-9)


def _point(far: float, genuine: NDArray[np.float64], impostors: NDArray[np.float64]) -> Point:
    allowed = math.floor(far * len(impostors) * (1 + 1e-9))
    # above the first impostor pair that may not pass; equal cosines pass or fail together
    first_refused = impostors[allowed] if allowed < len(impostors) else -np.inf
    above = np.concatenate([impostors[impostors > first_refused], genuine[genuine > first_refused]])
    cosine = float(above.min()) if len(above) else float(np.nextafter(first_refused, np.inf))
    return Point(far=far, cosine=cosine, tar=float((genuine >= cosine).mean()))
