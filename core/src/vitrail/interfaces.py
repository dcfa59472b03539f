"""The four kinds. A component need not inherit anything: matching one of these protocols is enough.

Images are uint8 RGB arrays (H, W, 3) unless `spec.inputs` says otherwise, then (H, W, bands). A batch is a
sequence of images; sizes may differ. Audio is float32 mono with its rate. No tensor crosses an interface:
whoever wants the network takes `component.module`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from vitrail.results import Audio, Clip, Embeddings, Generation, Segmentation
    from vitrail.specs import ComponentSpec

    Image: TypeAlias = NDArray[Any]


@runtime_checkable
class Component(Protocol):
    """What all kinds share. A component can be rebuilt anywhere from (id, weights); it is never pickled."""

    @property
    def spec(self) -> ComponentSpec: ...

    @property
    def device(self) -> str:
        """Where it computes: "cpu", "cuda", "cuda:1", "mps"."""

    def to(self, device: str) -> Self:
        """Move to a device, in place; returns itself. UsageError for a device that is not there."""

    @classmethod
    def from_config(cls, config: Any = None, *, spec: ComponentSpec, device: str | None = None) -> Self:
        """A new, untrained component; `config` None means the spec's default."""

    @classmethod
    def from_pretrained(cls, folder: Path | str, *, spec: ComponentSpec, device: str | None = None) -> Self:
        """The component that `save_pretrained` wrote to `folder`."""

    def save_pretrained(self, folder: Path | str) -> Path:
        """Write config and weights, each file under a temporary name first; returns the folder."""


@runtime_checkable
class Recognizer(Component, Protocol):
    """Faces to embeddings. `tokens` exists where `spec.capabilities.tokens` says so."""

    def embed(self, faces: Sequence[Image]) -> Embeddings:
        """Aligned crops of `spec.inputs.size` -> (B, D) float32, unit length."""


@runtime_checkable
class TokenRecognizer(Recognizer, Protocol):
    """A recognizer that also gives its patch tokens."""

    def tokens(self, faces: Sequence[Image]) -> NDArray[np.float32]:
        """Aligned crops -> (B, N, D) float32."""


@runtime_checkable
class Segmenter(Component, Protocol):
    """Images to labels."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def segment(self, images: Sequence[Image], *, scores: bool = False) -> list[Segmentation]:
        """Labels (H, W) at each image's own size; with `scores` also the logits, (K, H, W) float32."""


@runtime_checkable
class Generator(Component, Protocol):
    """Words and faces to pictures."""

    def generate(
        self,
        prompt: str,
        *,
        faces: Sequence[Image] = (),
        negative_prompt: str = "",
        count: int = 1,
        size: tuple[int, int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        strength: float = 0.6,
        init_image: Image | None = None,
        mask: Image | None = None,
        seed: int | None = None,
        options: Any = None,
    ) -> Generation:
        """`count` pictures of `size` (height, width). `faces` are any photographs of people; `strength` is
        how far `init_image` is changed (0 to 1), inside `mask` (H, W) bool where one is given."""


@runtime_checkable
class Animator(Component, Protocol):
    """Sound to a talking clip."""

    def animate(
        self,
        audio: Audio,
        *,
        portrait: Image | None = None,
        prompt: str = "",
        size: tuple[int, int] | None = None,
        fps: float = 25,
        seed: int | None = None,
        options: Any = None,
    ) -> Clip:
        """A clip as long as the sound. Its frames stream once."""


INTERFACES: dict[str, type] = {
    "recognizer": Recognizer,
    "segmenter": Segmenter,
    "generator": Generator,
    "animator": Animator,
}
