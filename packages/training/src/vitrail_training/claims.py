"""Is a claim of a paper so? Paired runs with and without the thing it is about, and a verdict.

The metric, the least effect that counts and the number of seeds are written down before the first run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail_training.kernels.timing import machine

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


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Two groups of runs, and what is to be larger in the first.

    metric: name of the score in a run's line. with_it, without: the values that the lines of each group have, without
        the seed. effect: the least difference that counts.
    """

    metric: str
    with_it: Mapping[str, Any]
    without: Mapping[str, Any]
    effect: float


def hash_of(settings: Any) -> str:
    """Eight digits that tell two dataclasses, or other plain values, from each other."""
    plain = asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else settings
    return _short(json.dumps(plain, sort_keys=True, default=str))


def hash_of_folder(folder: Path | str) -> str:
    """Eight digits that tell two folders of files from each other, by the names and sizes in them.

    Raises UsageError where there are no files.
    """
    folder = Path(folder)
    found = sorted(
        (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
    )
    if not found:
        raise UsageError(f"{folder} holds no files; wanted is the folder of data.")
    return _short("".join(f"{name} {path.stat().st_size}\n" for name, path in found))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def judge_all(runs: Runs, claims: Mapping[str, Claim], seeds: Sequence[int]) -> dict[str, Verdict]:
    """Print the verdict on each claim, paired by the lines' "seed"; one whose runs are not all there is left out."""
    lines, verdicts = list(runs), {}

    def score(claim: Claim, group: Mapping[str, Any], seed: int) -> float | None:
        wanted = {**group, "seed": seed}
        found = (line for line in lines if all(line.get(name) == value for name, value in wanted.items()))
        return next((line[claim.metric] for line in found), None)

    width = max(map(len, claims), default=0)
    for name, claim in claims.items():
        one, other = ([score(claim, group, n) for n in seeds] for group in (claim.with_it, claim.without))
        if None in one or None in other:
            print(f"{name:{width}s}  is not run yet")
            continue
        verdicts[name] = judge(one, other, effect=claim.effect)
        print(f"{name:{width}s}  {verdicts[name]}")
    return verdicts


def write_verdicts(path: Path | str, verdicts: dict[str, Verdict], facts: dict[str, Any]) -> Path:
    """Write `facts` and the verdicts as JSON."""
    record = facts | {"verdicts": {name: asdict(verdict) for name, verdict in verdicts.items()}}
    return write_text(path, json.dumps(record, indent=1) + "\n")


def variants_main(
    doc: str | None,
    results: Path,
    *,
    variants: Sequence[str],
    seeds: Sequence[int],
    run: Callable[[str, int, Path], dict[str, Any]],
    claims: Callable[[Mapping[str, Mapping[str, Any]]], Mapping[str, Claim]],
    settings: Callable[[str], Any],
) -> None:
    """The command line of a script that trains variants on a folder of data: `run DATA`, resumable, and `report`.

    results: the verdicts' file. Beside `claims.json` lie the runs, `claims_runs.jsonl`; with `--name rendered` they are
        `claims_rendered.json` and `claims_rendered_runs.jsonl`, so that other data have files of their own.
    run: (variant, seed, data) -> the scores of a line, which also has "variant", "seed", "data" and "settings".
    settings: (variant) -> everything that decides a run but seed and data, as a dataclass or plain values. "data" and
        "settings" are short hashes, so that other pictures, or other settings, are other runs.
    claims: told what the lines of each variant have; without DATA those of the last run's.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("data", type=Path, nargs="?", help="the folder of data")
    parser.add_argument("--name", help="of the data, where the results are to lie in files of their own")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--variants", nargs="+", choices=list(variants), default=list(variants))
    arguments = parser.parse_args()
    if arguments.name:
        results = results.with_stem(f"{results.stem}_{arguments.name}")
    runs = Runs(results.with_name(f"{results.stem}_runs.jsonl"))
    if arguments.data is not None:
        data = hash_of_folder(arguments.data)
    elif arguments.what == "run":
        parser.error("run needs the folder of data.")
    else:
        data = next((line.get("data") for line in reversed(list(runs))), None)
    keys = {
        variant: {"variant": variant, "data": data, "settings": hash_of(settings(variant))}
        for variant in variants
    }
    if arguments.what == "report":
        verdicts = judge_all(runs, claims(keys), seeds)
        write_verdicts(results, verdicts, {"reported_on": machine(), "runs": list(runs)})
        return
    for seed in arguments.seeds:
        for variant in arguments.variants:
            key = {**keys[variant], "seed": seed}
            print(runs.once(key, lambda v=variant, n=seed: run(v, n, arguments.data)), flush=True)
