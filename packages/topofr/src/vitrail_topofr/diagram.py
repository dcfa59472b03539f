"""The topology of a set of embeddings as a picture: persistence diagram and barcode, drawn by gudhi."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

import vitrail
from vitrail.errors import InputError, UsageError
from vitrail.files import atomic_path
from vitrail.loading import find_component
from vitrail_topofr.kernels.persistence import persistence
from vitrail_topofr.structure import distances

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = (".png", ".pdf", ".svg")
COLOURS = ((0.12, 0.37, 0.61), (0.85, 0.42, 0.10))
"""Of components and of loops."""

MOST_WITH_LOOPS = 1000
MOST = 20_000


@dataclass(frozen=True)
class Topology:
    """The persistence of n points with Euclidean distances.

    deaths: (n - 1,), where two components become one, ascending. loops: (m, 2), birth and death of each loop.
    """

    deaths: NDArray[np.float64]
    loops: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self.deaths) + 1

    def pairs(self) -> list[tuple[int, tuple[float, float]]]:
        """(dimension, (birth, death)), as gudhi takes them; the last component never dies."""
        components = [(0, (0.0, math.inf)), *((0, (0.0, float(death))) for death in self.deaths[::-1])]
        return components + [(1, (float(birth), float(death))) for birth, death in self.loops]


def topology(embeddings: NDArray[Any], *, loops: bool = True) -> Topology:
    """The persistence of embeddings (n, D): components (H0), and loops (H1) as well unless `loops` is False.

    Raises InputError: fewer than two embeddings, or numbers that are not finite; UsageError: too many.
    """
    _check(embeddings)
    count = len(embeddings)
    if count > (MOST_WITH_LOOPS if loops else MOST):
        how = "leave out the loops (--no-loops)" if count <= MOST else "take a part of them (--sample)"
        raise UsageError(
            f"{count} embeddings were given; at most {MOST_WITH_LOOPS} are taken with loops and {MOST} without: {how}."
        )
    matrix = distances(torch.from_numpy(np.ascontiguousarray(embeddings, np.float64)))
    _, deaths = persistence(matrix)
    found = _loops(matrix.numpy()) if loops else np.zeros((0, 2))
    return Topology(deaths.numpy(), found)


def _loops(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    import gudhi

    tree = gudhi.RipsComplex(distance_matrix=matrix).create_simplex_tree(max_dimension=1)
    tree.collapse_edges()  # the same persistence of far fewer edges
    tree.expansion(2)
    tree.compute_persistence()
    found = np.asarray(tree.persistence_intervals_in_dimension(1), dtype=np.float64).reshape(-1, 2)
    return found[np.isfinite(found).all(axis=1)]


def draw(found: Topology, path: Path | str, *, title: str = "") -> Path:
    """Write diagram and barcode side by side as .png, .pdf or .svg."""
    path = check_format(path)
    import matplotlib
    from gudhi import persistence_graphical_tools as graphical
    from matplotlib.figure import Figure

    graphical._gudhi_matplotlib_use_tex = False  # as gudhi's manual says, to do without LaTeX
    pairs, bars = found.pairs(), [pair for pair in found.pairs() if pair[0] == 0]
    with matplotlib.rc_context():
        figure = Figure(figsize=(11, 5), layout="constrained")
        left, right = figure.subplots(1, 2)
        graphical.plot_persistence_diagram(
            pairs, axes=left, colormap=COLOURS, legend=False, alpha=0.55, fontsize=12
        )
        graphical.plot_persistence_barcode(
            bars, axes=right, colormap=COLOURS, legend=False, alpha=1.0, fontsize=12
        )
        _label(left, right, found)
        if title:
            figure.suptitle(title, fontsize=13)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=130)
    return path


def check_format(path: Path | str) -> Path:
    """The path, or UsageError where its ending is none that is drawn."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{path.name} does not end with {', '.join(FORMATS)}; these are the formats that are drawn."
        )
    return path


def _label(left: Any, right: Any, found: Topology) -> None:
    """Words and axes that gudhi leaves out."""
    largest = float(max(found.deaths.max(initial=0), found.loops.max(initial=0))) or 1.0
    points = [("components (H0)", COLOURS[0])]
    if len(found.loops):
        points.append(("loops (H1)", COLOURS[1]))
    for name, colour in points:
        left.scatter([], [], color=colour, label=name)
    left.set_title("Persistence diagram", fontsize=12)
    left.set_xlabel("birth", fontsize=10)
    left.set_ylabel("death", fontsize=10)
    left.legend(loc="lower right", frameon=False)
    left.set_xlim(-0.06 * largest, 1.06 * largest)
    right.set_title("Barcode of the components: how long each stays apart", fontsize=12)
    right.set(
        xlabel="distance",
        ylabel=f"{found.count} components; the one at the top never ends",
        xlim=(0, 1.1 * largest),
    )
    median = float(np.median(found.deaths))
    right.axvline(median, color="0.2", linewidth=1, linestyle="--")
    beside = median < 0.6 * largest  # where there is room for words
    right.annotate(
        f"half have merged at {median:.3g}",
        (median, 0.5 if beside else 0.04),
        xycoords=("data", "axes fraction"),
        xytext=(6 if beside else -6, 0),
        textcoords="offset points",
        ha="left" if beside else "right",
        fontsize=10,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


def read_embeddings(
    path: Path | str, *, model: str = "", weights: str | None = None, sample: int = 0
) -> NDArray[np.float32]:
    """Embeddings (n, D) from a .npy file, a folder of them, or a folder of aligned crops that `model` embeds.

    model: a recognizer's id, for pictures; weights: as for `vitrail.load`. sample: take at most so many at
    random, always the same; 0 for all.

    Raises UsageError: nothing there, or pictures without a model; InputError: another kind of file.
    """
    path = Path(path)
    if path.is_file():
        found = _read_array(path)
    elif not path.is_dir():
        raise UsageError(f"{path} does not exist; wanted is a .npy file of embeddings (n, D), or a folder.")
    elif arrays := sorted(path.rglob("*.npy")):
        parts = [_read_array(file) for file in arrays]
        if len({part.shape[1] for part in parts}) > 1:
            raise InputError(
                f"{path} holds embeddings of {' and '.join(sorted({str(p.shape[1]) for p in parts}))} numbers each; "
                "wanted are those of one model."
            )
        found = np.concatenate(parts)
    elif pictures := sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES):
        if not model:
            raise UsageError(
                f"{path} holds pictures; name the recognizer that embeds them: --model topofr/r50"
            )
        found = _embed(_sampled(pictures, sample), model, weights)
    else:
        raise UsageError(f"{path} holds neither .npy files nor pictures ({', '.join(PICTURES)}).")
    chosen = _sampled(range(len(found)), sample)
    return found[list(chosen)]


def _sampled(items: Sequence[Any], most: int) -> Sequence[Any]:
    if not most or len(items) <= most:
        return items
    chosen = np.sort(np.random.default_rng(0).choice(len(items), most, replace=False))
    return [items[index] for index in chosen]


def _read_array(file: Path) -> NDArray[np.float32]:
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file} is not a .npy file of numbers ({error}).") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu" or found.ndim not in (1, 2):
        shape = getattr(found, "shape", "no shape")
        raise InputError(
            f"{file} holds {getattr(found, 'dtype', 'other data')} of {shape}; wanted are numbers (n, D)."
        )
    return np.atleast_2d(found).astype(np.float32)


def _embed(files: Sequence[Path], model: str, weights: str | None) -> NDArray[np.float32]:
    spec = find_component(model)
    if spec.kind != "recognizer":
        raise UsageError(f"{model} is a {spec.kind}; wanted is a recognizer.")
    recognizer = vitrail.load(model, weights=weights)
    pictures = [_read_picture(file) for file in files]
    size = recognizer.spec.inputs.size
    for file, picture in zip(files, pictures):
        if size is not None and picture.shape[:2] != size:
            raise InputError(
                f"{file} is {picture.shape[0]}x{picture.shape[1]}; wanted are aligned crops of {size[0]}x{size[1]}."
            )
    return recognizer.embed(pictures).vectors


def _read_picture(file: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(f"{file} is not a picture that can be read ({error}).") from error


def _check(embeddings: NDArray[Any]) -> None:
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise InputError(f"The embeddings have shape {embeddings.shape}; wanted are at least two, (n, D).")
    if bad := int((~np.isfinite(embeddings)).any(axis=1).sum()):
        raise InputError(f"{bad} of {len(embeddings)} embeddings hold numbers that are not finite.")
