"""What a check looks at: one component, loaded once, with inputs that fit its spec."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrail import load
from vitrail.loading import find_component
from vitrail.results import Audio
from vitrail.specs import ComponentSpec


class Subject:
    """A component under test. weights: as for `vitrail.load`; "random" for an untrained network."""

    def __init__(self, id: str, *, weights: Path | str | None = None) -> None:
        self.id = id
        self.weights = weights

    @cached_property
    def spec(self) -> ComponentSpec:
        return find_component(self.id)

    @cached_property
    def component(self) -> Any:
        return load(self.id, weights=self.weights, device="cpu")

    @cached_property
    def saved(self) -> Path:
        """A folder that the component wrote itself to."""
        self._keep = tempfile.TemporaryDirectory(prefix="vitrail-kit-")
        return Path(self.component.save_pretrained(Path(self._keep.name) / "saved"))

    def image(self, height: int = 48, width: int = 64, *, seed: int = 0) -> NDArray[Any]:
        """A smooth picture with structure, of the size, bands and dtype that the spec wants."""
        inputs = self.spec.inputs
        if inputs.size is not None:
            height, width = inputs.size
        bands = inputs.bands if inputs.bands is not None else getattr(self.component, "bands", 3)
        return picture(height, width, bands=bands, dtype=inputs.dtypes[0], seed=seed)

    def images(self) -> list[NDArray[Any]]:
        """Three different pictures; of different sizes where the spec leaves the size open."""
        sizes = [(48, 64), (33, 47), (64, 48)]
        return [self.image(*size, seed=index) for index, size in enumerate(sizes)]


def picture(height: int, width: int, *, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Overlapping waves, (H, W, bands); uint8 fills 0 to 255, other integers 0 to 10,000, floats 0 to 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 16.0
    layers = []
    for _ in range(bands):
        a, b, phase = [*rng.uniform(0.3, 1.5, 2), rng.uniform(0, 6.28)]
        layers.append(0.5 + 0.25 * np.sin(a * x + phase) + 0.25 * np.cos(b * y - phase))
    values = np.stack(layers, axis=2)
    kind = np.dtype(dtype)
    full = 255 if kind == np.uint8 else 10_000 if kind.kind in "iu" else 1
    scaled: NDArray[Any] = np.asarray(values * full).astype(kind)
    return scaled


def sound(seconds: float = 0.4, rate: int = 16_000) -> Audio:
    """A tone whose loudness rises and falls like syllables."""
    t = np.arange(round(seconds * rate)) / rate
    samples = 0.3 * np.sin(2 * np.pi * 180 * t) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * t))
    return Audio(samples=samples.astype(np.float32), rate=rate)
