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

from dataclasses import replace

import torch
from dpap import RESULTS, loop
from torch import Tensor

from vitrail_recognition.step_timing import MadeUpClasses, steps_main
from vitrail_training.config import FitConfig
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


def make_tasks(network: str, classes: int, settings: FitConfig, device: str) -> dict[str, TransFaceTask]:
    model = getattr(networks, network)()
    component = TransFaceRecognizer.from_config(model, spec=VIT_S, device=device, seed=0)
    whole, people = TrainConfig(model=model, fit=settings), MadeUpClasses(classes)
    plain = replace(whole, mining=False, dpap=DPAPConfig(probability=0.0))
    return {
        "plain": TransFaceTask(component, people, plain),
        "ours": TransFaceTask(component, people, whole),
        "probe all": ProbeAll(component, people, whole),
        "upstream": Upstream(component, people, whole),
    }


if __name__ == "__main__":
    steps_main(
        __doc__,
        RESULTS / "transface_step.json",
        networks=("vit_s", "tiny", "vit_t", "vit_b", "vit_l"),
        lr=1e-4,
        weight_decay=0.1,
        make_tasks=make_tasks,
    )
