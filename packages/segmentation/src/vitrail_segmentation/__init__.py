"""What segmentation methods share: scenes of any size, GeoTIFF, metrics, palettes, patches. No torch is needed.

The modules `losses`, `torch_segmenter`, `backbone`, `fitting`, `onnx_export` and `bench` need torch, and only they.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitrail_segmentation.evaluate import evaluate_raster
    from vitrail_segmentation.geotiff import read_labels, write_labels
    from vitrail_segmentation.metrics import ConfusionMatrix
    from vitrail_segmentation.palettes import Palette, get_palette
    from vitrail_segmentation.patches import cut_patches
    from vitrail_segmentation.segment import segment_array, segment_scene
    from vitrail_segmentation.vector import write_polygons

_HOMES = {
    "ConfusionMatrix": "metrics",
    "Palette": "palettes",
    "cut_patches": "patches",
    "evaluate_raster": "evaluate",
    "get_palette": "palettes",
    "read_labels": "geotiff",
    "segment_array": "segment",
    "segment_scene": "segment",
    "write_labels": "geotiff",
    "write_polygons": "vector",
}

__all__ = [
    "ConfusionMatrix",
    "Palette",
    "cut_patches",
    "evaluate_raster",
    "get_palette",
    "read_labels",
    "segment_array",
    "segment_scene",
    "write_labels",
    "write_polygons",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
