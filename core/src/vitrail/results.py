"""What components return: frozen dataclasses of numpy arrays that draw and save themselves."""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, NotInstalledError, UsageError
from vitrail.files import atomic_folder, atomic_path
from vitrail.palettes import distinct_colours

if TYPE_CHECKING:
    from PIL import Image as PILImage


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _require_rgb(image: NDArray[Any], what: str) -> None:
    _require(
        image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8,
        f"{what} has shape {image.shape} and type {image.dtype}; wanted is a uint8 RGB image (H, W, 3).",
    )


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face found in a photograph.

    box: (4,) float32, left, top, right, bottom in pixels.
    landmarks: (5, 2) float32, x and y in pixels of the left eye, right eye, nose tip, left and right corner
        of the mouth, left and right as the viewer sees them.
    score: the detector's confidence, 0 to 1.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float

    def __post_init__(self) -> None:
        _require(self.box.shape == (4,), f"box has shape {self.box.shape}; wanted is (4,).")
        _require(
            self.landmarks.shape == (5, 2), f"landmarks have shape {self.landmarks.shape}; wanted is (5, 2)."
        )


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Unit vectors of faces. vectors: (B, D) float32, each of length 1."""

    vectors: NDArray[np.float32]

    def __post_init__(self) -> None:
        _require(self.vectors.ndim == 2, f"vectors have shape {self.vectors.shape}; wanted is (B, D).")
        _require(self.vectors.dtype == np.float32, f"vectors are {self.vectors.dtype}; wanted is float32.")
        lengths = np.linalg.norm(self.vectors, axis=1)
        _require(
            bool(np.all(np.abs(lengths - 1) < 1e-3)),
            "every vector must have length 1; divide by np.linalg.norm(vectors, axis=1, keepdims=True).",
        )

    def __len__(self) -> int:
        return len(self.vectors)

    def similarity(self, other: Embeddings) -> NDArray[np.float32]:
        """Cosine of every pair, (B, B') float32 in -1 to 1."""
        cosines: NDArray[np.float32] = np.clip(self.vectors @ other.vectors.T, -1, 1)
        return cosines

    def save(self, path: Path | str) -> Path:
        """Write the vectors as a .npy file."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, self.vectors, allow_pickle=False)
        return Path(path)


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """A label for every pixel.

    labels: (H, W) integers, the index of a class, or `ignore` where nothing is known.
    classes: K names. palette: (K, 3) uint8 RGB. scores: (K, H, W) float32 logits, where asked for.
    uncertainty: (H, W) float32, where the method has one.
    """

    labels: NDArray[Any]
    classes: tuple[str, ...]
    palette: NDArray[np.uint8] | None = None
    scores: NDArray[np.float32] | None = None
    uncertainty: NDArray[np.float32] | None = None
    ignore: int = 255

    def __post_init__(self) -> None:
        count = len(self.classes)
        _require(self.labels.ndim == 2, f"labels have shape {self.labels.shape}; wanted is (H, W).")
        _require(self.labels.dtype.kind in "iu", f"labels are {self.labels.dtype}; wanted are integers.")
        if self.palette is None:
            object.__setattr__(self, "palette", distinct_colours(count))
        _require(
            self.palette is not None and self.palette.shape == (count, 3) and self.palette.dtype == np.uint8,
            f"the palette must be uint8 of shape ({count}, 3).",
        )
        if self.scores is not None:
            wanted = (count, *self.labels.shape)
            _require(
                self.scores.shape == wanted, f"scores have shape {self.scores.shape}; wanted is {wanted}."
            )
        if self.uncertainty is not None:
            _require(self.uncertainty.shape == self.labels.shape, "uncertainty and labels differ in shape.")

    def fractions(self) -> dict[str, float]:
        """The share of each class among the labelled pixels."""
        counts = np.bincount(self.labels[self._known()].astype(np.int64), minlength=len(self.classes))
        total = max(int(counts.sum()), 1)
        return {name: float(count) / total for name, count in zip(self.classes, counts, strict=True)}

    def picture(self) -> NDArray[np.uint8]:
        """The labels in their colours, (H, W, 3) uint8; unlabelled pixels are black."""
        assert self.palette is not None
        drawn = np.zeros((*self.labels.shape, 3), dtype=np.uint8)
        known = self._known()
        drawn[known] = self.palette[self.labels[known]]
        return drawn

    def overlay(self, image: NDArray[np.uint8], *, alpha: float = 0.5) -> NDArray[np.uint8]:
        """The colours laid over an RGB image of the same size, (H, W, 3) uint8."""
        _require_rgb(image, "the image to draw on")
        _require(
            image.shape[:2] == self.labels.shape,
            f"the image is {image.shape[:2]} and the labels are {self.labels.shape}; sizes must agree.",
        )
        known = self._known()[..., None]
        mixed = (1 - alpha) * image.astype(np.float32) + alpha * self.picture().astype(np.float32)
        return np.where(known, np.rint(mixed), image).astype(np.uint8)

    def save(self, path: Path | str) -> Path:
        """Write the labels as a PNG with a colour table; pixel values are class indices."""
        from PIL import Image

        assert self.palette is not None
        _require(len(self.classes) <= 255, "a PNG with a colour table holds at most 255 classes.")
        table = np.zeros((256, 3), dtype=np.uint8)
        table[: len(self.palette)] = self.palette
        indices = np.where(self._known(), self.labels, 255).astype(np.uint8)
        picture = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
        picture.putpalette(table.tobytes())
        with atomic_path(path) as temporary:
            picture.save(temporary, format="PNG")
        return Path(path)

    def _known(self) -> NDArray[np.bool_]:
        known: NDArray[np.bool_] = (
            (self.labels != self.ignore) & (self.labels >= 0) & (self.labels < len(self.classes))
        )
        return known


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Generated pictures. images: uint8 RGB (H, W, 3) each; seeds: one an image, so that each can be had again."""

    images: tuple[NDArray[np.uint8], ...]
    prompt: str = ""
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require(len(self.images) > 0, "a generation holds at least one image.")
        for image in self.images:
            _require_rgb(image, "a generated image")
        _require(len(self.seeds) in (0, len(self.images)), "there must be one seed for each image, or none.")

    def sheet(self, *, columns: int | None = None, gap: int = 4) -> NDArray[np.uint8]:
        """All images on one contact sheet, (H, W, 3) uint8."""
        columns = columns or int(np.ceil(np.sqrt(len(self.images))))
        rows = -(-len(self.images) // columns)
        height = max(image.shape[0] for image in self.images)
        width = max(image.shape[1] for image in self.images)
        page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
        for index, image in enumerate(self.images):
            top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
            page[top : top + image.shape[0], left : left + image.shape[1]] = image
        return page

    def save(self, path: Path | str) -> Path:
        """Write one image, or the contact sheet if there are several."""
        return save_image(path, self.images[0] if len(self.images) == 1 else self.sheet())


@dataclass(frozen=True, kw_only=True)
class Audio:
    """Sound. samples: (N,) float32 mono in -1 to 1; rate: samples a second."""

    samples: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        _require(self.samples.ndim == 1, f"samples have shape {self.samples.shape}; wanted is mono, (N,).")
        _require(self.samples.dtype == np.float32, f"samples are {self.samples.dtype}; wanted is float32.")
        _require(self.rate > 0, f"the rate is {self.rate}; wanted are samples a second, above 0.")

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    @classmethod
    def open(cls, path: Path | str) -> Audio:
        """Read a PCM WAV file of 8, 16, 24 or 32 bits; several channels are averaged."""
        path = Path(path)
        try:
            with wave.open(str(path), "rb") as file:
                width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
                raw = file.readframes(file.getnframes())
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist; wanted is a WAV file.") from error
        except (wave.Error, EOFError, OSError) as error:
            raise InputError(
                f"{path} is not a PCM WAV file ({error}). Convert it first: ffmpeg -i {path.name} out.wav"
            ) from error
        frames = len(raw) // (width * channels)
        raw = raw[: frames * width * channels]
        values: NDArray[Any]
        if width == 1:
            values = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
        elif width == 3:
            bytes_ = np.frombuffer(raw, np.uint8).reshape(-1, 3).astype(np.int32)
            packed = (bytes_[:, 0] << 8) | (bytes_[:, 1] << 16) | (bytes_[:, 2] << 24)
            values = packed.astype(np.float32) / 2**31
        else:
            values = np.frombuffer(raw, f"<i{width}").astype(np.float32) / 2.0 ** (8 * width - 1)
        return cls(samples=values.reshape(-1, channels).mean(axis=1).astype(np.float32), rate=rate)

    def save(self, path: Path | str) -> Path:
        """Write a 16-bit PCM WAV file."""
        pcm = np.clip(np.rint(self.samples * 32768), -32768, 32767).astype("<i2")  # as `open` reads it
        with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            file.writeframes(pcm.tobytes())
        return Path(path)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A moving picture. frames: uint8 RGB (H, W, 3) each, an iterator that streams once; fps: frames a second."""

    frames: Iterator[NDArray[np.uint8]] = field(repr=False)
    fps: float
    size: tuple[int, int]
    audio: Audio | None = None

    def __post_init__(self) -> None:
        _require(
            self.fps > 0, f"a clip of {self.fps} frames a second cannot be shown; wanted is more than 0."
        )

    def checked_frames(self) -> Iterator[NDArray[np.uint8]]:
        """The frames; InputError for one of another shape or type than promised, and when there are none."""
        count = 0
        for count, frame in enumerate(self.frames, start=1):
            _require_rgb(frame, f"frame {count}")
            _require(
                frame.shape[:2] == self.size, f"frame {count} is {frame.shape[:2]}, the clip {self.size}."
            )
            yield frame
        _require(count > 0, "the clip has no frames left; frames stream once.")

    def save(self, path: Path | str) -> Path:
        """Write .mp4 (needs `pip install "vitrail[video]"`), .gif, or a folder of PNG files; uses the frames up."""
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".mp4":
            self._save_mp4(path)
        elif suffix == ".gif":
            self._save_gif(path)
        elif not suffix:
            with atomic_folder(path) as temporary:
                for index, frame in enumerate(self.checked_frames()):
                    save_image(temporary / f"{index:06d}.png", frame)
                if self.audio is not None:
                    self.audio.save(temporary / "audio.wav")
        else:
            raise UsageError(
                f"{path.name} ends in {path.suffix}; a clip is written as .mp4, .gif or a folder."
            )
        return path

    def _save_gif(self, path: Path) -> None:
        from PIL import Image

        pictures: list[PILImage.Image] = [Image.fromarray(frame) for frame in self.checked_frames()]
        with atomic_path(path) as temporary:
            pictures[0].save(
                temporary,
                format="GIF",
                save_all=True,
                append_images=pictures[1:],
                duration=1000 / self.fps,
                loop=0,
            )

    def _save_mp4(self, path: Path) -> None:
        try:
            from vitrail.video import write_mp4
        except ImportError as error:
            raise NotInstalledError(
                f'{path.name} needs the video extra: pip install "vitrail[video]" (or write a .gif).'
            ) from error
        write_mp4(path, self)


def save_image(path: Path | str, image: NDArray[np.uint8]) -> Path:
    """Write a uint8 RGB (H, W, 3) array as a picture; the format follows the name's ending."""
    from PIL import Image

    _require_rgb(image, "the image to save")
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"):
        raise UsageError(f"{path.name} ends in {path.suffix!r}; pictures are written as .png, .jpg or .webp.")
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)
    return path


def open_image(path: Path | str) -> NDArray[np.uint8]:
    """Read a picture as uint8 RGB (H, W, 3), turned upright by its EXIF orientation."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    try:
        with Image.open(path) as opened:
            _require(
                not opened.mode.startswith(("I", "F")),  # Pillow would clip them to white
                f"{path} holds more than 8 bits a band; wanted is an 8-bit picture.",
            )
            return np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; wanted is a picture.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; wanted is a picture.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture that can be read (PNG, JPEG, WebP, TIFF).") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from error
        raise InputError(f"{path} is damaged: {error}. Get the file again.") from error


def open_images(paths: Sequence[Path | str]) -> list[NDArray[np.uint8]]:
    """Read several pictures; see `open_image`."""
    return [open_image(path) for path in paths]
