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
    image: NDArray[np.uint8],
    *,
    min_size: float = 20,
    thresholds: Sequence[float] = (0.6, 0.7, 0.7),
    factor: float = FACTOR,
) -> list[Face]:
    """Faces of at least `min_size` pixels in uint8 RGB (H, W, 3), most certain first.

    thresholds: least probability of a face after each of the three networks.
    """
    device = next(nets.parameters()).device
    pixels = torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float()
    boxes = propose(nets, pixels, min_size, thresholds[0], factor)
    boxes = refine(nets, pixels, boxes, thresholds[1])
    boxes, scores, landmarks = finish(nets, pixels, boxes, thresholds[2])
    found = zip(boxes.cpu().numpy(), landmarks.cpu().numpy(), scores.tolist())
    return [Face(box=box, landmarks=points, score=score) for box, points, score in found]


def pyramid(height: int, width: int, min_size: float, factor: float = FACTOR) -> list[float]:
    """Scales at which faces of `min_size` and more fill PNet's window of 12 pixels."""
    scales, scale = [], WINDOW / min_size
    side = min(height, width) * scale
    while side >= WINDOW:
        scales.append(scale)
        scale, side = scale * factor, side * factor
    return scales


def propose(nets: MTCNN, pixels: Tensor, min_size: float, threshold: float, factor: float) -> Tensor:
    """Square boxes (N, 4) from PNet over the pyramid of pixels (1, 3, H, W)."""
    height, width = pixels.shape[2:]
    levels = [pixels.new_zeros(0, 9)]
    for scale in pyramid(height, width, min_size, factor):
        level = F.interpolate(pixels, (int(height * scale + 1), int(width * scale + 1)), mode="area")
        probability, correction = nets.pnet(_normalised(level))
        cells = (probability[0] >= threshold).nonzero()
        corner = STRIDE * cells.flip(1).float()
        candidates = torch.cat(
            [
                ((corner + 1) / scale).floor(),
                ((corner + WINDOW) / scale).floor(),
                probability[0, cells[:, 0], cells[:, 1]][:, None],
                correction[0, :, cells[:, 0], cells[:, 1]].T,
            ],
            dim=1,
        )
        levels.append(_keep(candidates, candidates[:, 4], 0.5))
    found = torch.cat(levels)
    found = _keep(found, found[:, 4], 0.7)
    boxes, correction = found[:, :4], found[:, 5:]
    size = boxes[:, 2:] - boxes[:, :2]
    return _square(boxes + correction * size.repeat(1, 2))


def refine(nets: MTCNN, pixels: Tensor, boxes: Tensor, threshold: float) -> Tensor:
    """Boxes (N, 4) -> fewer and better ones, square again, by RNet."""
    boxes, crops = _crops(pixels, boxes, 24)
    if len(boxes) == 0:
        return boxes
    scores, correction = _in_batches(nets.rnet, crops)
    passed = scores > threshold
    found = _keep(torch.cat([boxes, correction], dim=1)[passed], scores[passed], 0.7)
    return _square(_corrected(found[:, :4], found[:, 4:]))


def finish(nets: MTCNN, pixels: Tensor, boxes: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (N, 4) -> boxes (M, 4), scores (M,) and landmarks (M, 5, 2) by ONet, best first."""
    boxes, crops = _crops(pixels, boxes, 48)
    if len(boxes) == 0:
        return boxes, boxes.new_zeros(0), boxes.new_zeros(0, 5, 2)
    scores, correction, points = _in_batches(nets.onet, crops)
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
