"""PRCL and its rivals on the Landsat scene with few labels: one harness, one search budget, paired seeds.

    python packages/prcl/benchmarks/landsat.py search      # trials, scored on the western fifth
    python packages/prcl/benchmarks/landsat.py final       # the chosen ones, on test ground
    python packages/prcl/benchmarks/landsat.py report      # the table, and benchmarks/results/prcl_landsat.json

Labels are kept on a share of the training pixels, as blocks of 8 x 8 pixels drawn stratified by class; all of the
training ground is there without labels. A seed decides the blocks, the first weights and the batches, so that methods
are compared pairwise. All have the same network, batches of labelled images and steps, and are judged by the average of
their weights.

- search: 5 % of the labels of the western half without its outer fifth, scored on that fifth by accuracy plus mean IoU
  over the classes present there, as for CM-UNet. First what all methods share is chosen, by training on labels alone;
  then each rival's own settings, eight trials; then what PRCL adds to the choice of the first four of them, four
  trials, so that a rival and PRCL on top of it have had as many. Seed 0 runs every trial, the two best have two more
  seeds, and the best mean of three is the choice. Nothing is chosen by any other ground.
- final: the whole western half, tested on the eastern one; 5 % with five seeds, 2 % and 10 % with three. The claim:
  PRCL on top of a rival has a mean IoU at least 0.01 above the better rival at 5 %, and the bootstrap 95 % interval of
  the paired difference lies above 0.

Every run is a line of benchmarks/results/prcl_landsat_runs.jsonl; runs that are there already are not repeated. With
OMP_NUM_THREADS=1 two processes can work side by side, each with `--methods` of its own.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
from scene_runs import METHODS, RESULTS, STARTS, row_of, train_and_score, with_values

from vitrail.files import write_text
from vitrail_prcl.presets import landsat
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.landsat import load_landsat, part_of
from vitrail_training.claims import Runs, judge
from vitrail_training.kernels.timing import machine

RUNS = Runs(RESULTS / "prcl_landsat_runs.jsonl")
SHARED = [
    {"fit.lr": lr, "strong.noise": noise, "augment.balance": balance, "fit.weight_decay": decay}
    for lr, noise, balance, decay in (
        (3e-3, 0.3, 0.5, 0.05), (3e-3, 0.3, 1.0, 0.2), (3e-3, 0.0, 0.5, 0.2),
        (1.5e-3, 0.3, 1.0, 0.05), (1.5e-3, 0.3, 0.5, 0.2), (6e-3, 0.3, 0.5, 0.2),
    )
]  # fmt: skip
OWN = [
    {"semi.threshold": threshold, "semi.mix": mix, "semi.decay": decay, "semi.weight": weight, "semi.trust": trust}
    for threshold, mix, decay, weight, trust in (
        (0.9, "cutmix", 0.98, 1.0, "pixel"), (0.95, "cutmix", 0.98, 1.0, "pixel"),
        (0.8, "cutmix", 0.98, 1.0, "pixel"), (0.9, "classmix", 0.98, 1.0, "pixel"),
        (0.9, "cutmix", 0.95, 1.0, "pixel"), (0.9, "cutmix", 0.98, 2.0, "pixel"),
        (0.9, "cutmix", 0.98, 1.0, "image"), (0.8, "classmix", 0.98, 1.0, "pixel"),
    )
]  # fmt: skip
FIRST = 4
"""So many of a rival's trials are chosen from for PRCL to go on top of."""

CONTRAST = [
    {"contrast.weight": weight, "contrast.temperature": temperature, "contrast.ramp": 1000}
    for weight, temperature in ((0.1, 0.2), (0.3, 0.2), (0.1, 0.1), (0.03, 1.0))
]
SEARCH_SHARE, SEARCH_SEEDS, FINALISTS = 0.05, (0, 1, 2), 2
FINAL_SEEDS = {0.05: range(5), 0.02: range(3), 0.1: range(3)}
SCORES = ("oa", "miou", "miou_over_500")
EFFECT = 0.01


def as_config(values: dict[str, Any], *, seed: int, share: float, final: bool) -> TrainConfig:
    config = with_values(landsat(), values)
    return replace(
        config,
        data=replace(config.data, share=share, blocks_seed=seed, whole_half=final),
        fit=replace(config.fit, seed=seed),
    )


def measure(config: TrainConfig, *, final: bool) -> dict[str, Any]:
    """Train and score: on the validation part, or where `final` on the test half."""
    return train_and_score(config, part_of(load_landsat(), "test" if final else "validation"))


def trials(method: str) -> list[dict[str, Any]]:
    """Settings to try, beside those of the preset."""
    rival, _, prcl = method.partition(" + ")
    start = STARTS[rival]
    if method == "supervised":
        return [start | shared for shared in SHARED]
    shared = trials("supervised")[choice("supervised")]
    if not prcl:
        return [shared | start | own for own in OWN]
    base = trials(rival)[choice(rival, FIRST)]
    return [base | contrast for contrast in CONTRAST]


def run(kind: str, method: str, values: dict[str, Any], *, seed: int, share: float) -> dict[str, Any]:
    """One run, or its line if it was done before."""
    key = {"kind": kind, "method": method, "values": values, "seed": seed, "share": share}
    config = as_config(values, seed=seed, share=share, final=kind == "final")
    line = RUNS.once(key, lambda: measure(config, final=kind == "final"))
    print(
        f"{kind} {method} seed {seed} {100 * share:g} %: oa {line['oa']:.4f}, mIoU {line['miou']:.4f}, present "
        f"{line['miou_present']:.4f}, {line['seconds']:.0f} s",
        flush=True,
    )
    return line


def score(line: dict[str, Any]) -> float:
    return float(line["oa"] + line["miou_present"])


@cache
def choice(method: str, among: int | None = None) -> int:
    """The number of the trial that is chosen; runs that are missing are done."""

    def mean(number: int, seeds: tuple[int, ...]) -> float:
        values = trials(method)[number]
        return float(
            np.mean([score(run("search", method, values, seed=seed, share=SEARCH_SHARE)) for seed in seeds])
        )

    first = {number: mean(number, SEARCH_SEEDS[:1]) for number in range(len(trials(method)[:among]))}
    finalists = sorted(first, key=lambda number: first[number], reverse=True)[:FINALISTS]
    return max(finalists, key=lambda number: mean(number, SEARCH_SEEDS))


def final(method: str, share: float, seed: int) -> dict[str, Any]:
    return run("final", method, trials(method)[choice(method)], seed=seed, share=share)


def report() -> None:
    rows: list[dict[str, Any]] = []
    lines: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for share, seeds in FINAL_SEEDS.items():
        for method in METHODS:
            found = [final(method, share, seed) for seed in seeds]
            lines[method, share] = found
            rows.append(
                {
                    "method": method,
                    "share": share,
                    **row_of(found, SCORES),
                    "values": trials(method)[choice(method)],
                }
            )
    paired = {}
    rivals = ("mean teacher", "consistency")
    better = max(rivals, key=lambda name: np.mean([line["miou"] for line in lines[name, SEARCH_SHARE]]))
    for method in METHODS[3:]:
        for rival in dict.fromkeys((better, method.partition(" + ")[0])):
            mine, theirs = ([line["miou"] for line in lines[name, SEARCH_SHARE]] for name in (method, rival))
            verdict = judge(mine, theirs, effect=0.0)
            paired[f"{method} beside {rival}"] = asdict(verdict)
            reached = verdict.mean >= EFFECT and verdict.low > 0
            print(
                f"{method} beside {rival}: {verdict}; the goal of +{EFFECT} is {'' if reached else 'not '}shown"
            )
    record = {"reported_on": machine(), "rows": rows, "paired": paired, "better_rival": better}
    write_text(RESULTS / "prcl_landsat.json", json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("search", "final", "report"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    arguments = parser.parse_args()
    if arguments.what == "report":
        report()
        return
    for method in arguments.methods:
        if arguments.what == "search":
            print(f"{method}: trial {choice(method)}", flush=True)
        else:
            for share, seeds in FINAL_SEEDS.items():
                for seed in seeds:
                    final(method, share, seed)


if __name__ == "__main__":
    main()
