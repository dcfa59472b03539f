"""The fake components and what their verbs run."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vitrail.component import PlainComponent
from vitrail.errors import InputError, UsageError
from vitrail.files import write_text
from vitrail.results import Audio, Clip, Embeddings, Generation, Segmentation
from vitrail.specs import ComponentSpec


def _require_rgb(image: NDArray[Any], size: tuple[int, int] | None = None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(f"an image is {image.dtype} {image.shape}; wanted is uint8 RGB (H, W, 3).")
    if size is not None and image.shape[:2] != size:
        raise InputError(f"a crop is {image.shape[0]}x{image.shape[1]}; wanted is {size[0]}x{size[1]}.")


class FakeRecognizer(PlainComponent):
    """Mean colours of 7 x 7 patches: tokens (B, 49, 3), embeddings (B, 147)."""

    def tokens(self, faces: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        for face in faces:
            _require_rgb(face, self.spec.inputs.size)
        if not faces:
            return np.zeros((0, 49, 3), dtype=np.float32)
        patches = np.stack(faces).reshape(len(faces), 7, 16, 7, 16, 3).astype(np.float32) / 255
        means: NDArray[np.float32] = patches.mean(axis=(2, 4)).reshape(len(faces), 49, 3)
        return means

    def embed(self, faces: Sequence[NDArray[Any]]) -> Embeddings:
        flat = self.tokens(faces).reshape(len(faces), 147) - 0.5
        lengths = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
        return Embeddings(vectors=(flat / lengths).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class FakeConfig:
    """thresholds: grey values below which a pixel is dark, and below which it is medium."""

    thresholds: tuple[int, int] = (85, 170)


class FakeSegmenter(PlainComponent):
    """Dark, medium, bright: the score of a class falls with the distance to its grey value."""

    config_class: ClassVar[type | None] = FakeConfig
    classes = ("dark", "medium", "bright")

    def segment(self, images: Sequence[NDArray[Any]], *, scores: bool = False) -> list[Segmentation]:
        results = []
        for image in images:
            _require_rgb(image)
            low, high = self.config.thresholds
            centres = np.array([0, (low + high) / 2, 255], dtype=np.float32)[:, None, None]
            distances = -np.abs(image.mean(axis=2, dtype=np.float32)[None] - centres)
            labels = distances.argmax(axis=0).astype(np.uint8)
            results.append(
                Segmentation(labels=labels, classes=self.classes, scores=distances if scores else None)
            )
        return results


@dataclass(frozen=True, kw_only=True)
class FakeOptions:
    """brightness: added to every pixel, -255 to 255."""

    brightness: int = 0


class FakeGenerator(PlainComponent):
    """Coloured noise from the prompt and the seed."""

    def generate(
        self,
        prompt: str,
        *,
        faces: Sequence[NDArray[Any]] = (),
        negative_prompt: str = "",
        count: int = 1,
        size: tuple[int, int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        strength: float = 0.6,
        init_image: NDArray[Any] | None = None,
        mask: NDArray[Any] | None = None,
        seed: int | None = None,
        options: FakeOptions | None = None,
    ) -> Generation:
        if count < 1:
            raise UsageError(f"count is {count}; wanted is 1 or more.")
        if not 0 <= strength <= 1:
            raise UsageError(f"strength is {strength}; wanted is 0 to 1.")
        if mask is not None and (init_image is None or mask.shape != init_image.shape[:2]):
            raise UsageError("the mask must come with an init_image of the same size.")
        height, width = size or (init_image.shape[:2] if init_image is not None else (32, 32))
        first = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        words = zlib.crc32(f"{prompt}|{negative_prompt}|{len(faces)}".encode())
        images = []
        for index in range(count):
            noise = np.random.default_rng([words, first + index]).integers(0, 256, (height, width, 3))
            shifted = np.clip(noise + (options.brightness if options else 0), 0, 255).astype(np.uint8)
            if mask is not None and init_image is not None:
                shifted = np.where(mask[..., None], shifted, init_image)
            images.append(shifted)
        return Generation(images=tuple(images), prompt=prompt, seeds=tuple(first + i for i in range(count)))


class FakeAnimator(PlainComponent):
    """A bar as high as the sound is loud."""

    def animate(
        self,
        audio: Audio,
        *,
        portrait: NDArray[Any] | None = None,
        prompt: str = "",
        size: tuple[int, int] | None = None,
        fps: float = 25,
        seed: int | None = None,
        options: Any = None,
    ) -> Clip:
        if fps <= 0 or len(audio.samples) == 0:
            raise UsageError("wanted are a sound of some length and more than 0 frames a second.")
        height, width = size or (portrait.shape[:2] if portrait is not None else (32, 48))

        def frames() -> Iterator[NDArray[np.uint8]]:
            for part in np.array_split(audio.samples, max(round(audio.seconds * fps), 1)):
                frame = np.zeros((height, width, 3), dtype=np.uint8)
                bar = round(height * min(1.0, 3 * float(np.abs(part).max(initial=0))))
                frame[height - bar :] = (60, 140, 220)
                yield frame

        return Clip(frames=frames(), fps=fps, size=(height, width), audio=audio)


@dataclass(frozen=True, kw_only=True)
class FakeTrainConfig:
    """steps: how often to do nothing. rate: how hard.

    model: the component to make.
    """

    steps: int = 5
    rate: float = 0.1
    data: Path | None = None
    model: FakeConfig = field(default_factory=FakeConfig)


def train(config: FakeTrainConfig, *, out: Path, resume: str | None = None) -> None:
    if out.exists() and resume is None:
        raise UsageError(f"{out} exists already; add --resume, or choose another --out.")
    _fake_segmenter(config.model).save_pretrained(out / "final")
    write_text(out / "log.json", json.dumps({"steps": config.steps, "rate": config.rate}))


@dataclass(frozen=True, kw_only=True)
class FakeEvalConfig:
    """size: height and width of the picture to measure on."""

    size: int = 32


def evaluate(component: FakeSegmenter, config: FakeEvalConfig, *, out: Path | None = None) -> dict[str, Any]:
    ramp = np.linspace(0, 255, config.size).astype(np.uint8)
    labels = component.segment([np.repeat(np.tile(ramp, (config.size, 1))[..., None], 3, axis=2)])[0]
    shares = labels.fractions()
    return {"pixels": config.size**2, "classes": {name: {"share": share} for name, share in shares.items()}}


def convert(path: Path, *, spec: ComponentSpec, strict: bool = True) -> FakeSegmenter:
    try:
        low, high = json.loads(path.read_text())["thresholds"]
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a checkpoint of {spec.id}: no thresholds were found.") from error
    return FakeSegmenter(FakeConfig(thresholds=(low, high)), spec)


def export(component: FakeSegmenter, path: Path, *, format: str, check: bool = False) -> dict[str, Any]:
    if format != "json":
        raise UsageError(f"{component.spec.id} is exported as json, not as {format}.")
    write_text(path, json.dumps({"thresholds": component.config.thresholds}))
    return {"checked": check}


def bench(component: FakeSegmenter, *, size: int = 64) -> dict[str, Any]:
    image = np.zeros((size, size, 3), dtype=np.uint8)
    start = perf_counter()
    component.segment([image])
    return {"size": size, "milliseconds": 1000 * (perf_counter() - start)}


def demo(*, out: Path) -> None:
    generated = FakeGenerator(None, _spec("fake/generator")).generate("a demo", count=4, seed=0)
    print(f"Wrote {generated.save(out / 'sheet.png')}.")


def hello() -> None:
    """Say hello."""
    print("hello")


def _spec(id: str) -> ComponentSpec:
    from vitrail.testing.fakes import vitrail_components

    return next(spec for spec in vitrail_components() if spec.id == id)


def _fake_segmenter(config: FakeConfig) -> FakeSegmenter:
    return FakeSegmenter(config, _spec("fake/segmenter"))
