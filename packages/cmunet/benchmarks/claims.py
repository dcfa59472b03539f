"""The claims of CM-UNet's abstract, tried at small scale.

    python packages/cmunet/benchmarks/claims.py run          # resumable; hours on two cores
    python packages/cmunet/benchmarks/claims.py report       # verdicts, and benchmarks/results/cmunet_claims.json

Fixed before the first run:

1. "The Mamba decoder models long-range dependencies." Three tasks whose labels can only be told from far away
   (`long_range.py`), a net of two SS2D layers at 32 x 32, with the scan and with its state kept at zero. Metric:
   pixel accuracy on 64 fresh pictures. Counts from 0.25. Seeds 0 to 4. Pictures of 64 x 64, and the trained net with C
   set to zero, are reported beside it, without a verdict.
2. "Channel and spatial attention as the gate of the scan help." `cmunet/landsat` as its preset trains it, for 400 steps
   on the western half, with its gate and with a plain SiLU gate. Metric: mean IoU over the classes with more than 500
   pixels on the eastern half. Counts from 0.005. Seeds 0 to 4, paired: same seed, crops and steps.
3. "Multi-scale attention aggregation helps." The same, MSAA against a 1x1 convolution of the level's own features.
4. Not in the abstract, but what it stands on: the same with the scan's state kept at zero everywhere.

Holds: the bootstrap 95 % interval of the paired difference lies above the effect that counts; reversed: below its
negative; else undecided. Every run is a line of benchmarks/results/cmunet_claims_runs.jsonl.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from long_range import TASKS, accuracy, train, without_state
from torch import Tensor, nn

from vitrail_cmunet.csmamba import SS2D
from vitrail_cmunet.data.opening import open_cases, open_training_data
from vitrail_cmunet.model import CMUNet
from vitrail_cmunet.plugin import LANDSAT
from vitrail_cmunet.presets import landsat
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_cmunet.train import SegmentationTask
from vitrail_segmentation.metrics import ConfusionMatrix
from vitrail_training.claims import Claim, Runs, judge_all, write_verdicts
from vitrail_training.kernels.timing import machine
from vitrail_training.loop import fit

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"
RUNS = Runs(RESULTS / "cmunet_claims_runs.jsonl")
SEEDS = range(5)
FAR_EFFECT, LANDSAT_EFFECT = 0.25, 0.005
FAR_STEPS, FAR_SIDE = 800, 32
LANDSAT_STEPS = 400


def plain_gate(net: CMUNet) -> None:
    for module in net.modules():
        if isinstance(module, SS2D):
            module.gate = F.silu


class OwnLevel(nn.Module):
    """In MSAA's place: a 1x1 convolution of the level's own features; those of the other levels are not read."""

    def __init__(self, own: int, out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(own, out, 1)

    def forward(self, own: Tensor, second: Tensor, third: Tensor) -> Tensor:
        return self.convolution(own)


def plain_skips(net: CMUNet) -> None:
    widths = [transfer.out_channels for transfer in net.transfer]
    net.AFFs = nn.ModuleList(OwnLevel(width, 4 * width) for width in widths)


def no_state(net: CMUNet) -> None:
    for module in net.modules():
        if isinstance(module, SS2D):
            module.scan = without_state


VARIANTS: dict[str, Callable[[CMUNet], None]] = {
    "whole": lambda net: None,
    "plain gate": plain_gate,
    "plain skips": plain_skips,
    "no scan state": no_state,
}
CLAIMS = {
    "attention in the gate, Landsat": "plain gate",
    "MSAA, Landsat": "plain skips",
    "scan state, Landsat": "no scan state",
}


def far(task: str, scan: bool, seed: int) -> dict[str, Any]:
    net = train(task, scan=scan, seed=seed, steps=FAR_STEPS, side=FAR_SIDE)
    scores = {
        "accuracy": accuracy(net, task, seed=seed, side=FAR_SIDE),
        "accuracy_double": accuracy(net, task, seed=seed, side=2 * FAR_SIDE),
    }
    if scan:
        with torch.no_grad():
            for layer in net.layers:
                layer.x_proj_weight[:, -16:] = 0  # C: the state is built up, and never read
        scores["accuracy_C_zero"] = accuracy(net, task, seed=seed, side=FAR_SIDE)
    return scores


def on_landsat(variant: str, seed: int) -> dict[str, Any]:
    config = landsat()
    shorter = {
        "seed": seed,
        "steps": LANDSAT_STEPS,
        "eval_every": 0,
        "checkpoint_every": 0,
        "best_metric": "",
    }
    config = replace(config, fit=replace(config.fit, **shorter), data=replace(config.data, whole_half=True))
    data = open_training_data(config.data, config.augment, config.model)
    component = CMUNetSegmenter.from_config(data.model, spec=LANDSAT, device="cpu", seed=seed)
    torch.manual_seed(seed)  # for the layers that a variant puts in
    VARIANTS[variant](component.module)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            SegmentationTask(component, data.train, data.validation, config),
            config.fit,
            out=Path(folder) / "run",
        )
    matrix = ConfusionMatrix(component.classes)
    for case in open_cases(config.data, "test", component.config).cases():
        matrix.update(case.labels, component.segment([case.image])[0].labels)
    return {
        "oa": matrix.oa,
        "miou": matrix.miou(),
        "miou_over_500": matrix.miou(matrix.classes_above(500)),
        "parameters": sum(parameter.numel() for parameter in component.module.parameters()),
    }


def run(parts: list[str]) -> None:
    for seed in SEEDS:
        for task in TASKS if "far" in parts else ():
            for scan in (True, False):
                key = {"part": "far", "task": task, "scan": scan, "seed": seed}
                print(RUNS.once(key, lambda t=task, s=scan, n=seed: far(t, s, n)), flush=True)
        for variant in VARIANTS if "landsat" in parts else ():
            key = {"part": "landsat", "variant": variant, "seed": seed}
            print(RUNS.once(key, lambda v=variant, n=seed: on_landsat(v, n)), flush=True)


def claims() -> dict[str, Claim]:
    found = {
        f"scan, task {task}": Claim(
            metric="accuracy",
            with_it={"part": "far", "task": task, "scan": True},
            without={"part": "far", "task": task, "scan": False},
            effect=FAR_EFFECT,
        )
        for task in TASKS
    }
    for name, variant in CLAIMS.items():
        found[name] = Claim(
            metric="miou_over_500",
            with_it={"part": "landsat", "variant": "whole"},
            without={"part": "landsat", "variant": variant},
            effect=LANDSAT_EFFECT,
        )
    return found


def report() -> None:
    verdicts = judge_all(RUNS, claims(), SEEDS)
    write_verdicts(RESULTS / "cmunet_claims.json", verdicts, {"reported_on": machine(), "runs": list(RUNS)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--parts", nargs="+", choices=("far", "landsat"), default=["far", "landsat"])
    arguments = parser.parse_args()
    if arguments.what == "run":
        run(arguments.parts)
    else:
        report()


if __name__ == "__main__":
    main()
