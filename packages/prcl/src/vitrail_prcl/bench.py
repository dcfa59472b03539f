"""`vitrail bench prcl/...`: how fast this component segments on this machine, and how fast it measures."""

from __future__ import annotations

from typing import Any

from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_segmentation.bench import DEFAULT, BenchOptions
from vitrail_segmentation.bench import bench as bench_segmenter


def bench(component: PRCLSegmenter, *, options: BenchOptions = DEFAULT) -> dict[str, Any]:
    """See `vitrail_segmentation.bench.bench`; `measure` gives confidence and uncertainty beside the labels."""
    return bench_segmenter(component, options=options, more={"measure": component.measure})
