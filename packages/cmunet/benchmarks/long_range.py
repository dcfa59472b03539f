"""Pictures whose labels can only be told from far away, and the smallest network that could learn them.

Each task gives (image (3 + colours, side, side) float32, labels (side, side) int64) with noise on every pixel.

corner  a mark in the top left corner has one of four colours; that is the label of every pixel.
rows    the first pixels of each row have a colour; that is the label of all the pixels of the row.
side    a line through the picture, and a seed on one side of it: label 1 on the seed's side, 0 on the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vitrail_cmunet.csmamba import SS2D

COLOURS, MARK, NOISE = 4, 3, 0.1
CHANNELS = COLOURS + 2  # four colours, the line, the seed

Sample = tuple[NDArray[np.float32], NDArray[np.int64]]


def corner(rng: np.random.Generator, side: int) -> Sample:
    image, colour = _noise(rng, side), int(rng.integers(COLOURS))
    image[colour, :MARK, :MARK] += 1
    return image, np.full((side, side), colour)


def rows(rng: np.random.Generator, side: int) -> Sample:
    image, colours = _noise(rng, side), rng.integers(COLOURS, size=side)
    image[colours, np.arange(side), :MARK] += 1
    return image, np.repeat(colours[:, None], side, axis=1)


def side_of_line(rng: np.random.Generator, side: int) -> Sample:
    image, angle = _noise(rng, side), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    distance = np.cos(angle) * x + np.sin(angle) * y + rng.uniform(-0.15, 0.15) * side
    image[COLOURS] += abs(distance) < 1
    labels = (distance > 0).astype(np.int64)
    if rng.random() < 0.5:
        labels = 1 - labels
    inside = np.argwhere((labels == 1) & (abs(distance) > MARK))
    top, left = inside[rng.integers(len(inside))]
    image[COLOURS + 1, max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2] += 1
    return image, labels


TASKS: dict[str, Callable[[np.random.Generator, int], Sample]] = {
    "corner": corner,
    "rows": rows,
    "side": side_of_line,
}


def _noise(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    return rng.normal(0, NOISE, (CHANNELS, side, side)).astype(np.float32)


def without_state(x: Tensor, *parameters: Tensor) -> Tensor:
    """What the scan gives when its state stays zero: D x, summed over the four directions. In `SS2D.scan`'s place."""
    D = parameters[-1]
    return x * D.view(4, -1).sum(dim=0)


class ScanNet(nn.Module):
    """A 3x3 convolution, `layers` of x + SS2D(norm(x)) with a plain gate, a 1x1 convolution.

    The gate's attentions are left out: the channel attention pools over the whole picture, which would tell
    every pixel about the corner by another way. Without the scan a pixel sees 1 + 2 (layers + 1) pixels across.
    """

    def __init__(self, *, scan: bool, layers: int = 2, channels: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(CHANNELS, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.layers = nn.ModuleList(SS2D(channels) for _ in range(layers))
        self.head = nn.Conv2d(channels, COLOURS, 1)
        for layer in self.layers:
            layer.gate = F.silu
            if not scan:
                layer.scan = without_state

    def forward(self, image: Tensor) -> Tensor:
        x = self.embed(image).permute(0, 2, 3, 1)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + layer(norm(x))
        return self.head(x.permute(0, 3, 1, 2))


def batch(task: str, seed: tuple[int, ...], size: int, side: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    samples = [TASKS[task](rng, side) for _ in range(size)]
    images, labels = (np.stack(part) for part in zip(*samples, strict=True))
    return torch.from_numpy(images), torch.from_numpy(labels)


def train(
    task: str, *, scan: bool, seed: int, steps: int, side: int, size: int = 8, lr: float = 3e-3
) -> ScanNet:
    """A ScanNet trained with AdamW, one cosine, on fresh pictures in every step."""
    torch.manual_seed(seed)
    net = ScanNet(scan=scan)
    optimizer = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        images, labels = batch(task, (seed, step), size, side)
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net


@torch.inference_mode()
def accuracy(net: ScanNet, task: str, *, seed: int, side: int, count: int = 64) -> float:
    """Share of the pixels of `count` fresh pictures that are right."""
    right = [
        (net(images).argmax(dim=1) == labels).float().mean().item()
        for images, labels in (batch(task, (10**6, seed, n), 8, side) for n in range(count // 8))
    ]
    return float(np.mean(right))
