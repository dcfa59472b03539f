"""`vitrail bench cmunet/...`: how fast this component segments on this machine, and with which scan."""

from __future__ import annotations

from typing import Any

import torch

from vitrail_cmunet.kernels.selective_scan import backends
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation.bench import DEFAULT, BenchOptions
from vitrail_segmentation.bench import bench as bench_segmenter


def bench(component: CMUNetSegmenter, *, options: BenchOptions = DEFAULT) -> dict[str, Any]:
    """See `vitrail_segmentation.bench.bench`."""
    scan = backends.pick(torch.empty(0, device=component.device))
    return {"scan": scan, **bench_segmenter(component, options=options)}
