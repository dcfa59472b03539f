"""PRCL and its rivals on Indian Pines, 200 bands and 16 classes, with labels on a tenth of its labelled pixels.

    python packages/prcl/benchmarks/indian_pines.py run       # resumable
    python packages/prcl/benchmarks/indian_pines.py report    # benchmarks/results/prcl_indian_pines.json

The labels are blocks of 4 x 4 pixels (of 8 x 8 one for each class is already 7 %), drawn as for Landsat; all other
labelled pixels of the scene are for testing, and the whole scene is seen without labels, also where it is tested. So
the numbers say which way of training is better on one scene, and nothing of another scene. Nothing is searched here:
the settings are those that were chosen on Landsat's western half. Three seeds.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import landsat as chosen
import numpy as np
from scene_runs import METHODS, RESULTS, row_of, train_and_score, with_values

from vitrail.files import write_text
from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.data.indian_pines import load_indian_pines
from vitrail_prcl.data.sparse import keep_blocks
from vitrail_prcl.presets import landsat
from vitrail_prcl.train_config import TrainConfig
from vitrail_segmentation.palettes import IGNORE
from vitrail_training.claims import Runs
from vitrail_training.kernels.timing import machine

RUNS = Runs(RESULTS / "prcl_indian_pines_runs.jsonl")
SEEDS, SHARE, BLOCK = range(3), 0.1, 4
SCORES = ("oa", "miou")


def config_of(values: dict[str, Any], seed: int) -> TrainConfig:
    config = with_values(landsat(), values)
    data = replace(
        config.data, dataset="indian-pines", share=SHARE, block=BLOCK, blocks_seed=seed, whole_half=False
    )
    # classes and bands are taken from the data
    usual = PRCLConfig()
    model = replace(config.model, classes=usual.classes, palette=usual.palette)
    return replace(config, data=data, model=model, fit=replace(config.fit, seed=seed))


def measure(config: TrainConfig) -> dict[str, Any]:
    scene = load_indian_pines()
    kept = keep_blocks(scene, SHARE, seed=config.data.blocks_seed, block=BLOCK).labels != IGNORE
    test = replace(scene, labels=np.where(kept, np.uint8(IGNORE), scene.labels))
    return train_and_score(config, test)


def run(method: str, seed: int) -> dict[str, Any]:
    """One run, or its line if it was done before."""
    values = chosen.trials(method)[chosen.choice(method)]
    key = {"method": method, "values": values, "seed": seed, "share": SHARE, "block": BLOCK}
    line = RUNS.once(key, lambda: measure(config_of(values, seed)))
    print(
        f"{method} seed {seed}: oa {line['oa']:.4f}, mIoU {line['miou']:.4f}, {line['seconds']:.0f} s",
        flush=True,
    )
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    arguments = parser.parse_args()
    found = {method: [run(method, seed) for seed in SEEDS] for method in arguments.methods}
    if arguments.what == "report":
        rows = [
            {"method": method, "share": SHARE, **row_of(lines, SCORES)} for method, lines in found.items()
        ]
        record = {"reported_on": machine(), "rows": rows}
        write_text(RESULTS / "prcl_indian_pines.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
