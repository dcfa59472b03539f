"""Is a claim of a paper so? Paired runs with and without the thing it is about, and a verdict.

The metric, the least effect that counts and the number of seeds are written down before the first run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vitrail.files import write_text

FEWEST_SEEDS = 5


@dataclass(frozen=True)
class Verdict:
    """What the paired differences (with - without) say.

    mean: their mean. low, high: its bootstrap 95 % interval. effect: the least difference that counts.
    verdict: holds, where the whole interval is above `effect`; reversed, where it is below -`effect`; else undecided.
    """

    mean: float
    low: float
    high: float
    effect: float
    seeds: int
    verdict: Literal["holds", "reversed", "undecided"]

    def __str__(self) -> str:
        return (
            f"{self.verdict}: {self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f}, {self.seeds} seeds; "
            f"counts from {self.effect})"
        )


def judge(
    with_it: Sequence[float], without: Sequence[float], *, effect: float, draws: int = 10_000
) -> Verdict:
    """The verdict on two lists of scores, one pair a seed, larger is better.

    The interval is the percentile bootstrap over seeds (Efron 1979) of the mean difference. Raises ValueError for
    lists of different lengths, for fewer than five pairs and for scores that are not finite.
    """
    if len(with_it) != len(without):
        raise ValueError(f"{len(with_it)} scores with and {len(without)} without; wanted is one pair a seed.")
    if len(with_it) < FEWEST_SEEDS:
        raise ValueError(f"{len(with_it)} paired seeds; wanted are at least {FEWEST_SEEDS}.")
    differences = np.subtract(with_it, without, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("a score is not a finite number.")
    picks = np.random.default_rng(0).integers(len(differences), size=(draws, len(differences)))
    low, high = np.quantile(differences[picks].mean(axis=1), (0.025, 0.975))
    verdict: Literal["holds", "reversed", "undecided"] = "undecided"
    if low > effect:
        verdict = "holds"
    elif high < -effect:
        verdict = "reversed"
    return Verdict(float(differences.mean()), float(low), float(high), effect, len(differences), verdict)


class Runs:
    """Results of runs in a JSON-lines file: a run that is there already is not repeated."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __iter__(self) -> Any:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return iter([json.loads(line) for line in lines])

    def once(self, key: dict[str, Any], run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The line whose values of `key` are these, or `key` with what `run()` gives, which becomes a line."""
        for line in self:
            if all(name in line and line[name] == value for name, value in key.items()):
                return line
        line = key | run()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line


def write_verdicts(path: Path | str, verdicts: dict[str, Verdict], facts: dict[str, Any]) -> Path:
    """Write `facts` and the verdicts as JSON."""
    record = facts | {"verdicts": {name: asdict(verdict) for name, verdict in verdicts.items()}}
    return write_text(path, json.dumps(record, indent=1) + "\n")
