"""A small network that reads off a picture of 64 x 64 pixels what its caption says, trained on rendered pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vitrail_avatars.base.autoencoder import as_input
from vitrail_avatars.scenes import COLOURS
from vitrail_avatars.speech.emotion import EMOTIONS

ATTRIBUTES = {
    "turned": ("ahead", "left", "right"),
    "glasses": ("none", "round", "square", "sun"),
    "wall": tuple(COLOURS),
    "shirt": tuple(COLOURS),
    "face": EMOTIONS,
}
SWAPPED = torch.tensor([0, 2, 1])
"""Of what is turned, in a mirror."""

_FACES = ("neutral", "happy", "sad", "angry", "frightened", "disgusted", "surprised", "scornful")
_NAMES = {"fear": "frightened", "disgust": "disgusted", "contempt": "scornful"}


def read(caption: str) -> tuple[int, ...]:
    """The number of each of `ATTRIBUTES` by what a caption says."""
    turned = re.search(r"turned to the (left|right)", caption)
    worn = re.search(r"wearing (round|square|sun) ?glasses", caption)
    wall = re.search(r"(\w+) (wall|gradient|room)", caption)
    shirt = re.search(r"in an? (\w+) shirt", caption)
    face = re.search(rf"({'|'.join(_FACES)}) face", caption)
    assert wall is not None
    assert shirt is not None
    assert face is not None
    words = (
        turned[1] if turned else "ahead",
        worn[1] if worn else "none",
        wall[1],
        shirt[1],
        next(name for name in EMOTIONS if _NAMES.get(name, name) == face[1]),
    )
    return tuple(ATTRIBUTES[name].index(word) for name, word in zip(ATTRIBUTES, words, strict=True))


class Judge(nn.Module):
    """Four resolutions of two convolutions each, from 32 x 32 to 4 x 4, and an answer for each attribute."""

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 192)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, stride=2, padding=2)]
        for before, width in zip((widths[0], *widths), widths, strict=False):
            for first in (before, width):
                layers += [
                    nn.Conv2d(first, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
            layers.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*layers[:-1])
        self.drop = nn.Dropout(0.4)
        self.heads = nn.ModuleList(nn.Linear(widths[-1] * 16, len(kinds)) for kinds in ATTRIBUTES.values())

    def features(self, image: Tensor) -> Tensor:
        """(B, 3, 64, 64), -1 to 1 -> (B, 192)."""
        return self.body(image).mean(dim=(2, 3))

    def forward(self, image: Tensor) -> list[Tensor]:
        spots = self.drop(self.body(image).flatten(1))
        return [head(spots) for head in self.heads]


def train(images: NDArray[np.uint8], captions: Sequence[str], *, epochs: int = 20, seed: int = 0) -> Judge:
    """With pictures moved by up to three pixels, brighter or darker, and half of them turned left to right."""
    torch.manual_seed(seed)
    judge = Judge()
    labels = torch.tensor([read(caption) for caption in captions])
    steps = epochs * (len(images) // 64)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for step in range(steps):
        if step % (len(images) // 64) == 0:
            order = rng.permutation(len(images))
        some = order[64 * (step % (len(images) // 64)) :][:64]
        image, wanted = as_input(images[some]), labels[some]
        if rng.random() < 0.5:  # what is turned to the left is turned to the right then
            image, wanted = image.flip(3), torch.cat([SWAPPED[wanted[:, :1]], wanted[:, 1:]], dim=1)
        image = F.pad(image, (3, 3, 3, 3), mode="replicate")
        down, across = rng.integers(7, size=2)
        image = image[:, :, down : down + 64, across : across + 64] * float(rng.uniform(0.85, 1.15))
        answers = judge.train()(image)
        loss = sum(F.cross_entropy(answer, wanted[:, i]) for i, answer in enumerate(answers))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval()


@torch.no_grad()
def answers(judge: Judge, images: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The number of each attribute (N, 5), and features (N, 192)."""
    found, features = [], []
    for start in range(0, len(images), 128):
        image = as_input(images[start : start + 128])
        found.append(torch.stack([answer.argmax(1) for answer in judge(image)], dim=1))
        features.append(judge.features(image))
    return torch.cat(found).numpy(), torch.cat(features).double().numpy()


def frechet(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Between normal distributions fitted to two sets of features (Heusel et al., NeurIPS 2017, eq. 6)."""
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    shared = np.linalg.eigvals(one @ other).real.clip(0)
    return float(apart + np.trace(one) + np.trace(other) - 2 * np.sqrt(shared).sum())
