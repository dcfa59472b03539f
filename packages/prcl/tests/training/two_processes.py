"""Steps of PRCL on labels that differ from image to image; run by test_two_processes.py, alone or under torchrun.

    python two_processes.py OUT [STEPS]

Each process writes what its global prototypes are, to OUT/prototypes-RANK.pt. BatchNorm stays in eval mode, and nothing
is drawn at random before the first forward pass, so that one process and two see the same pixels then.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.plugin import R50
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train_config import ContrastConfig, StrongConfig, TrainConfig, UnlabeledConfig
from vitrail_training import distributed
from vitrail_training.config import FitConfig
from vitrail_training.loop import fit
from vitrail_training.task import Task

CLASSES = 4
MODEL = PRCLConfig(classes=tuple("abcd"), backbone="test_resnet", width=8, low_width=4, embedding=6)


class Crops:
    """Noise; an image has two classes, so that a process may lack what the other one has."""

    model = MODEL

    def __len__(self) -> int:
        return 16

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        classes = (index % CLASSES, (index + 1) % CLASSES)
        labels = np.array(classes)[rng.integers(0, 2, (4, 4))].repeat(8, 0).repeat(8, 1)
        labels[: index % 13] = 255
        return {"image": rng.normal(size=(3, 32, 32)).astype(np.float32), "labels": labels}

    def cases(self, start: int = 0, step: int = 1):
        return iter(())


class Steps(PRCLTask):
    evaluate = Task.evaluate

    def train_mode(self) -> None:
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def main(out: str, steps: str = "1") -> None:
    torch.set_num_threads(1)
    still = StrongConfig(jitter_probability=0, blur_probability=0)
    config = TrainConfig(
        model=MODEL,
        strong=still,
        semi=UnlabeledConfig(method="none"),
        contrast=ContrastConfig(anchors=16, negatives=16, decay=1.0),
        fit=FitConfig(
            steps=int(steps), batch_size=4, lr=1e-2, schedule="constant", log_every=1, device="cpu"
        ),
    )
    component = PRCLSegmenter.from_config(MODEL, spec=R50, device="cpu", seed=0)
    task = Steps(component, Crops(), config)
    sums = {}

    def remember(step: int) -> None:
        PRCLTask.after_step(task, step)
        sums.update(task.contrast.memory.state_dict(), rank=torch.tensor(distributed.rank()))

    task.after_step = remember
    fit(task, config.fit, out=Path(out) / "run")
    save_file(sums, str(Path(out) / f"prototypes-{int(sums.pop('rank'))}.safetensors"))


if __name__ == "__main__":
    main(*sys.argv[1:])
