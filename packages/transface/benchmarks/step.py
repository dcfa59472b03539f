"""TransFace's tax: a training step over one of plain ArcFace with the same backbone.

    python packages/transface/benchmarks/step.py [--device cuda]

    plain     margin softmax alone
    ours      DPAP, whose probe pass sees only the images that will be perturbed, and EHSM
    probe all ours, with a probe pass over the whole batch
    upstream  the released code's way: a second forward pass of the whole batch in training mode, patches mixed one by
              one in numpy on the host (its wasted loss and its graph of that pass are left out, in its favour)

All are whole steps on one batch of noise: forward, backward, clipping and both optimizers. Prints medians and ratios
and writes `benchmarks/results/transface_step_cpu.json` (or _gpu.json).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from dpap import RESULTS, loop
from torch import Tensor

from vitrail_recognition.step_timing import MadeUpClasses, compare_steps, random_faces
from vitrail_training.config import FitConfig
from vitrail_training.kernels.timing import write_record
from vitrail_transface import config as networks
from vitrail_transface.config import TOKENS, DPAPConfig
from vitrail_transface.dpap import dominant, draw, perturb
from vitrail_transface.plugin import VIT_S
from vitrail_transface.probe import probe_gates
from vitrail_transface.recognizer import TransFaceRecognizer
from vitrail_transface.train import TransFaceTask
from vitrail_transface.train_config import TrainConfig


class ProbeAll(TransFaceTask):
    @torch.no_grad()
    def perturbed(self, images: Tensor, step: int) -> Tensor:
        with self.autocast(images.device):
            gates = probe_gates(self.model, images).float()
        return perturb(images, gates, config=self.options.dpap, generator=self.generator(step))


class Upstream(TransFaceTask):
    @torch.no_grad()
    def perturbed(self, images: Tensor, step: int) -> Tensor:
        config = self.options.dpap
        with self.autocast(images.device):
            gates = self.model(images).gate.float()
        draws = draw(len(images), config, self.generator(step))
        first = torch.arange(len(images), device=images.device) * TOKENS
        targets = first[:, None] + dominant(gates, config.tokens)
        active = draws.chosen[:, None].expand_as(targets)
        return loop(
            images, targets.flatten(), draws.donors.flatten(), draws.share.flatten(), active.flatten()
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--classes", type=int, default=85_742)
    parser.add_argument("--network", default="vit_s", choices=("tiny", "vit_t", "vit_s", "vit_b", "vit_l"))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--precision", choices=("fp32", "bf16"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    gpu = options.device.startswith("cuda")
    settings = FitConfig(
        lr=1e-4, weight_decay=0.1, clip_norm=5.0, precision=options.precision or ("bf16" if gpu else "fp32")
    )
    model = getattr(networks, options.network)()
    component = TransFaceRecognizer.from_config(model, spec=VIT_S, device=options.device, seed=0)
    whole = TrainConfig(model=model, fit=settings)
    without = replace(whole, mining=False, dpap=DPAPConfig(probability=0.0))
    people = MadeUpClasses(options.classes)

    results = compare_steps(
        {
            "plain": TransFaceTask(component, people, without),
            "ours": TransFaceTask(component, people, whole),
            "probe all": ProbeAll(component, people, whole),
            "upstream": Upstream(component, people, whole),
        },
        settings,
        random_faces(options.batch, options.classes, options.device),
        base="plain",
        rounds=options.rounds or (30 if gpu else 3),
        device=options.device,
    )
    for name, ratio in results["over_plain"].items():
        print(f"{name:9s} {results[name].median:10.1f} ms   {ratio:.3f} x plain")
    facts = {key: getattr(options, key) for key in ("network", "batch", "classes")}
    path = options.out or RESULTS / f"transface_step_{'gpu' if gpu else 'cpu'}.json"
    write_record(path, {**facts, "precision": settings.precision, **results}, device=options.device)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
