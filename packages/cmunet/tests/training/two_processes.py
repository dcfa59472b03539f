"""A few steps of CM-UNet on made-up crops; run by test_two_processes.py, alone or under torchrun.

BatchNorm stays in eval mode unless "live" is given: with live statistics two processes normalise by their own
halves of the batch, and differ from one (on GPUs `fit` uses SyncBatchNorm, which torch has not for CPUs).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.plugin import RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_cmunet.train import SegmentationTask
from vitrail_cmunet.train_config import TrainConfig
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit
from vitrail_training.task import Task

FIT = FitConfig(
    steps=3, batch_size=4, lr=0.05, schedule="constant", log_every=1, checkpoint_every=0, device="cpu"
)


class Crops:
    """Noise in three bands; uneven numbers of labelled pixels, so that sums and means over ranks differ."""

    def __len__(self):
        return 16

    def sample(self, index, rng):
        labels = rng.integers(0, 6, (4, 4)).repeat(8, 0).repeat(8, 1)
        labels[: 2 * (index % 13)] = 255
        return {"image": rng.normal(size=(3, 32, 32)).astype(np.float32), "labels": labels}

    def class_counts(self):
        return [1] * 6


class Steps(SegmentationTask):
    live = False

    def train_mode(self):
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d) and not self.live:
                module.eval()

    def optimizer(self, model, config):
        # Adam divides by the gradient's own size and so turns rounding of tiny gradients into whole steps
        return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=config.lr)

    evaluate = Task.evaluate


def main(out, live=False):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = CMUNetConfig(backbone="test_resnet", width=16, depths=(1, 1, 1, 1), state=4, drop_path=0.0)
    component = CMUNetSegmenter.from_config(config, spec=RESNET18, device="cpu", seed=0)
    task = Steps(component, Crops(), Crops(), TrainConfig(model=config, fit=FIT))
    task.live = live
    return fit(task, FIT, out=Path(out))


if __name__ == "__main__":
    main(sys.argv[1], live="live" in sys.argv[2:])
