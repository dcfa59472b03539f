"""MTCNN's cascade: proposals on an image pyramid, two rounds of correction, landmarks.

Box conventions (rounding, the +1 of a pixel's width, which overlap is measured) are those that the public weights
are used with in facenet-pytorch 2.6.0, so that boxes and landmarks agree with it inside the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitrail.results import Face
from vitrail_recognition.detect.base import suppress
from vitrail_recognition.detect.mtcnn.nets import MTCNN

FACTOR = 0.709
"""Size of a level of the pyramid in the level before: half the area."""

WINDOW, STRIDE = 12, 2
CROPS_AT_ONCE = 512


@torch.no_grad()
def run_cascade(
    nets: MTCNN,
    images: NDArray[np.uint8],
    *,
    min_size: float = 20,
    thresholds: Sequence[float] = (0.6, 0.7, 0.7),
    factor: float = FACTOR,
) -> list[list[Face]]:
    """Of each picture, uint8 RGB (B, H, W, 3), its faces of at least `min_size` pixels, most certain first.

    thresholds: least probability of a face after each of the three networks.
    """
    device = next(nets.parameters()).device
    pixels = torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float()
    boxes = propose(nets, pixels, min_size, thresholds[0], factor)
    boxes = refine(nets, pixels, boxes, thresholds[1])
    return [
        [
            Face(box=box, landmarks=points, score=score)
            for box, points, score in zip(found.cpu().numpy(), landmarks.cpu().numpy(), scores.tolist())
        ]
        for found, scores, landmarks in finish(nets, pixels, boxes, thresholds[2])
    ]


def pyramid(height: int, width: int, min_size: float, factor: float = FACTOR) -> list[float]:
    """Scales at which faces of `min_size` and more fill PNet's window of 12 pixels."""
    scales, scale = [], WINDOW / min_size
    side = min(height, width) * scale
    while side >= WINDOW:
        scales.append(scale)
        scale, side = scale * factor, side * factor
    return scales


def propose(nets: MTCNN, pixels: Tensor, min_size: float, threshold: float, factor: float) -> list[Tensor]:
    """Square boxes (N, 4) of each picture, from PNet over the pyramid of pixels (B, 3, H, W)."""
    height, width = pixels.shape[2:]
    levels = [[pixels.new_zeros(0, 9)] for _ in pixels]
    for scale in pyramid(height, width, min_size, factor):
        level = F.interpolate(pixels, (int(height * scale + 1), int(width * scale + 1)), mode="area")
        for found, probability, correction in zip(levels, *nets.pnet(_normalised(level)), strict=True):
            candidates = _candidates(probability, correction, scale, threshold)
            found.append(_keep(candidates, candidates[:, 4], 0.5))
    return [_proposed(torch.cat(found)) for found in levels]


def _candidates(probability: Tensor, correction: Tensor, scale: float, threshold: float) -> Tensor:
    """(N, 9) of one level of one picture: a box, its probability, and how to correct it."""
    cells = (probability >= threshold).nonzero()
    corner = STRIDE * cells.flip(1).float()
    return torch.cat(
        [
            ((corner + 1) / scale).floor(),
            ((corner + WINDOW) / scale).floor(),
            probability[cells[:, 0], cells[:, 1]][:, None],
            correction[:, cells[:, 0], cells[:, 1]].T,
        ],
        dim=1,
    )


def _proposed(found: Tensor) -> Tensor:
    found = _keep(found, found[:, 4], 0.7)
    boxes, correction = found[:, :4], found[:, 5:]
    size = boxes[:, 2:] - boxes[:, :2]
    return _square(boxes + correction * size.repeat(1, 2))


def refine(nets: MTCNN, pixels: Tensor, boxes: list[Tensor], threshold: float) -> list[Tensor]:
    """Boxes (N, 4) of each picture -> fewer and better ones, square again, by RNet."""
    boxes, seen = _seen_by(nets.rnet, pixels, boxes, 24)
    refined = []
    for box, scores, correction in zip(boxes, *seen, strict=True):
        passed = scores > threshold
        found = _keep(torch.cat([box, correction], dim=1)[passed], scores[passed], 0.7)
        refined.append(_square(_corrected(found[:, :4], found[:, 4:])))
    return refined


def finish(
    nets: MTCNN, pixels: Tensor, boxes: list[Tensor], threshold: float
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Boxes (N, 4) of each picture -> boxes (M, 4), scores (M,) and landmarks (M, 5, 2) by ONet, best first."""
    boxes, seen = _seen_by(nets.onet, pixels, boxes, 48)
    return [_finished(*of_one, threshold) for of_one in zip(boxes, *seen, strict=True)]


def _finished(
    boxes: Tensor, scores: Tensor, correction: Tensor, points: Tensor, threshold: float
) -> tuple[Tensor, Tensor, Tensor]:
    # Scores of a large face round to 1. Of equal ones the last box wins; in facenet-pytorch an unstable sort
    # decides, mostly for the last one too.
    passed = (scores > threshold).nonzero()[:, 0].flip(0)
    boxes, scores, correction, points = (part[passed] for part in (boxes, scores, correction, points))
    size = boxes[:, 2:] - boxes[:, :2] + 1
    landmarks = torch.stack([points[:, :5], points[:, 5:]], dim=2) * size[:, None] + boxes[:, None, :2] - 1
    boxes = _corrected(boxes, correction)
    order = suppress(boxes.cpu().numpy(), scores.cpu().numpy(), 0.7, of="smaller", pixel=1)
    kept = torch.from_numpy(order).to(boxes.device)
    return boxes[kept], scores[kept], landmarks[kept]


def _seen_by(
    net: torch.nn.Module, pixels: Tensor, boxes: list[Tensor], side: int
) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
    """Of each picture the boxes that hold pixels, and each of the network's outputs, parted by picture."""
    inside, crops = zip(*(_crops(one[None], box, side) for one, box in zip(pixels, boxes)), strict=True)
    counts = [len(box) for box in inside]
    return list(inside), [part.split(counts) for part in _in_batches(net, torch.cat(crops))]


def _normalised(pixels: Tensor) -> Tensor:
    return (pixels - 127.5) / 128


def _keep(rows: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The rows, whose first four columns are a box, that non-maximum suppression leaves."""
    order = suppress(rows[:, :4].cpu().numpy(), scores.cpu().numpy(), threshold)
    return rows[torch.from_numpy(order).to(rows.device)]


def _corrected(boxes: Tensor, correction: Tensor) -> Tensor:
    size = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + correction * size.repeat(1, 2)


def _square(boxes: Tensor) -> Tensor:
    """Around the same middle, with the longer side."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.amax(dim=1, keepdim=True)
    corner = boxes[:, :2] + size * 0.5 - side * 0.5
    return torch.cat([corner, corner + side], dim=1)


def _crops(pixels: Tensor, boxes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The boxes that hold pixels, (M, 4), and what lies in them, (M, 3, side, side), normalised.

    A box counts pixels from 1. What reaches beyond the picture is black, as in the authors' code; facenet-pytorch
    cuts it off and stretches the rest, which moves the landmarks of a face that fills its picture.
    """
    height, width = pixels.shape[2:]
    inside, crops = [], [pixels.new_zeros(0, 3, side, side)]
    for index, (left, top, right, bottom) in enumerate(boxes.trunc().int().tolist()):
        beyond = (max(1 - left, 0), max(right - width, 0), max(1 - top, 0), max(bottom - height, 0))
        left, top, right, bottom = max(left, 1) - 1, max(top, 1) - 1, min(right, width), min(bottom, height)
        if right > left and bottom > top:
            inside.append(index)
            crop = pixels[:, :, top:bottom, left:right]
            if any(beyond):
                crop = F.pad(crop, beyond)
            crops.append(F.interpolate(crop, (side, side), mode="area"))
    return boxes[inside], _normalised(torch.cat(crops))


def _in_batches(net: torch.nn.Module, crops: Tensor) -> tuple[Tensor, ...]:
    parts = [net(batch) for batch in crops.split(CROPS_AT_ONCE)]
    return tuple(torch.cat(part) for part in zip(*parts))
