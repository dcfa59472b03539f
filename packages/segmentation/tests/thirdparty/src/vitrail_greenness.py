"""A segmenter without a network: every pixel by its colour. Plugin entry and model in one module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitrail.component import PlainComponent
from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, ComponentSpec, Inputs

if TYPE_CHECKING:
    import numpy as np

    from vitrail.results import Segmentation


@hookimpl
def vitrail_components() -> list[ComponentSpec]:
    return [
        ComponentSpec(
            id="greenness/rgb",
            kind="segmenter",
            target="vitrail_greenness:Greenness",
            config="vitrail_greenness:Config",
            summary="Green, blue and other ground by colour.",
            inputs=Inputs(bands=3, dtypes=("uint8",)),
            capabilities=Capabilities(batched=True),
            licence="Apache-2.0",
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Config:
    """margin: by how many grey values a pixel must be greener or bluer than its other channels."""

    margin: float = 6.0


class Greenness(PlainComponent):
    config_class = Config
    classes = ("green", "blue", "other")

    def segment(self, images: Sequence[np.ndarray], *, scores: bool = False) -> list[Segmentation]:
        return [self._segment_one(image, scores) for image in images]

    def _segment_one(self, image: np.ndarray, scores: bool) -> Segmentation:
        import numpy as np

        from vitrail.results import Segmentation

        red, green, blue = np.moveaxis(image.astype(np.float32), 2, 0)
        greener = green - np.maximum(red, blue)
        bluer = blue - np.maximum(red, green)
        logits = np.stack([greener, bluer, np.full_like(red, self.config.margin)])
        palette = np.array([(60, 150, 60), (50, 110, 200), (190, 170, 140)], dtype=np.uint8)
        labels = logits.argmax(axis=0).astype(np.uint8)
        return Segmentation(
            labels=labels, classes=self.classes, palette=palette, scores=logits if scores else None
        )
