"""What a recogniser is worth: `vitrail eval ID --data ...`, for any Recognizer.

Data are .bin verification sets, IJB-B or IJB-C, or identities (folder, RecordIO, tar), from which pairs are
drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import write_text
from vitrail.interfaces import Recognizer
from vitrail_recognition.decode import Pixels, fit_size
from vitrail_recognition.draw import draw_roc
from vitrail_recognition.readers.bins import PairBin
from vitrail_recognition.readers.faces import Faces
from vitrail_recognition.readers.ijb import IJB
from vitrail_recognition.readers.opening import open_faces
from vitrail_recognition.verification.calibration import calibrate, weights_hash
from vitrail_recognition.verification.embedding import Embedder, Features, embed_faces
from vitrail_recognition.verification.ijb import pair_scores, template_features
from vitrail_recognition.verification.pairs import Pairs, make_pairs
from vitrail_recognition.verification.roc import FARS, Roc, roc_curve
from vitrail_recognition.verification.tenfold import squared_distances, tar_at_far, tenfold_accuracy

MOST_SCORES = 200_000
"""Up to this many pairs scores.json lists each; beyond, it has histograms."""


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to measure on, and how.

    data: .bin verification sets, folders in the layout of IJB, or identities in a folder, a .rec or tars;
        several are several rows.
    genuine, impostors: of identities, how many pairs of each kind to draw, where there are as many.
    seed: of the pairs that are drawn.
    mirrored: add the mirrored view's feature, as the protocols do.
    batch: faces that go through the network together.
    workers: threads that read pictures.
    strict: stop at a picture that cannot be read; else its pairs are left out, and counted.
    far: the false-accept rate of the 10-fold true-accept rate.
    calibrate: write calibration.json, thresholds for comparing single pictures; for one data set of pairs or
        identities.
    data_name: what the calibration calls its data set; the file's name by default.
    """

    data: tuple[Path, ...] = ()
    genuine: int = 3000
    impostors: int = 3000
    seed: int = 0
    mirrored: bool = True
    batch: int = 64
    workers: int = 2
    strict: bool = False
    far: float = 1e-3
    calibrate: bool = False
    data_name: str = ""


class Measured(NamedTuple):
    """One data set's result. row: of the report's table. first, second: (P,) faces or templates of each pair.

    scores: (P,) cosines by the protocol. plain: (P,) cosines of `embed` alone; None for templates.
    """

    row: dict[str, Any]
    curve: Roc
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    scores: NDArray[np.floating[Any]]
    plain: NDArray[np.floating[Any]] | None


def evaluate(component: Recognizer, config: EvalConfig, *, out: Path | str | None = None) -> dict[str, Any]:
    """Verify pairs of faces of each data set.

    out: a folder for roc.png, scores.json and, where asked for, calibration.json. Returns the report: plain
        values, and the tables "pairs" (10-fold accuracy) and "templates" (IJB 1:1), a row for each data set.
        On IJB the embedding is weighted by the detector's score; see
        `vitrail_recognition.verification.embedding` for what is added up.

    Raises UsageError for data that are none of the layouts or do not fit the recogniser, before anything is
    written.
    """
    if not 0 < config.far < 1:
        raise UsageError(f"far is {config.far:g}; wanted is a false-accept rate between 0 and 1.")
    sources = _open(config, out)
    embedder = Embedder(component, mirrored=config.mirrored)
    size = _size(component)
    results: dict[str, Measured] = {}
    for name, source in sources.items():
        measure = _measure_templates if isinstance(source, IJB) else _measure_pairs
        results[name] = measure(name, source, embedder, size, config)
    report: dict[str, Any] = {"recogniser": component.spec.id, "embedding": embedder.description}
    for table, kind in (("pairs", False), ("templates", True)):
        rows = {
            name: results[name].row for name, source in sources.items() if isinstance(source, IJB) == kind
        }
        if rows:
            report[table] = rows
    if out is not None:
        _write(Path(out), component, config, report, results)
    return report


def _open(config: EvalConfig, out: Path | str | None) -> dict[str, Faces | PairBin | IJB]:
    if not config.data:
        raise UsageError(
            "No data was given; give --data a .bin verification set, an IJB folder, or a folder, .rec or "
            ".tar of identities."
        )
    if len(set(config.data)) < len(config.data):
        raise UsageError("A data set was given twice.")
    sources: dict[str, Faces | PairBin | IJB] = {}
    for path in config.data:
        name = Path(path).name
        sources[name if name not in sources else str(path)] = open_faces(path)
    if config.calibrate:
        if out is None:
            raise UsageError("A calibration is a file; give the folder to write it to (--out).")
        if len(sources) > 1 or isinstance(next(iter(sources.values())), IJB):
            raise UsageError(
                "A calibration is for comparing single pictures, from one data set: give one .bin, or one "
                "set of identities. IJB's scores are of templates."
            )
    return sources


def _size(component: Recognizer) -> tuple[int, int]:
    size = component.spec.inputs.size
    if component.spec.kind != "recognizer" or size is None:
        raise UsageError(
            f"{component.spec.id} is a {component.spec.kind}; wanted is a recogniser that declares its size "
            "of crops."
        )
    return size


def _measure_pairs(
    name: str, source: Any, embedder: Embedder, size: tuple[int, int], config: EvalConfig
) -> Measured:
    if isinstance(source, PairBin):
        faces = np.arange(2 * len(source))
        pairs = Pairs(faces[::2], faces[1::2], source.same)

        def read(index: int) -> Pixels:
            return fit_size(source.image(index), size, where=f"{name}, image {index}")
    else:
        pairs = make_pairs(
            source.labels, genuine=config.genuine, impostors=config.impostors, seed=config.seed
        )

        def read(index: int) -> Pixels:
            return fit_size(source[index][0], size, where=f"{name}, face {index}")

    used, places = np.unique(np.stack([pairs.first, pairs.second]), return_inverse=True)
    first, second = places.reshape(2, -1)
    features = _features(name, embedder, read, used, config)
    there = features.readable[first] & features.readable[second]
    first, second, same = first[there], second[there], pairs.same[there]
    units = _unit(features.sums)
    distances = squared_distances(units[first], units[second])
    scores = 1 - distances / 2
    curve, result = roc_curve(scores, same), tenfold_accuracy(distances, same)
    # on nine folds; below one pair no threshold can be found
    reachable = config.far * 0.9 * curve.impostors >= 1
    row = {
        "accuracy": result.accuracy,
        "std": result.std,
        "cosine": float(1 - result.thresholds.mean() / 2),
        f"TAR@FAR={config.far:g}": tar_at_far(distances, same, config.far).tar if reachable else None,
        "AUC": curve.auc,
        "genuine": curve.genuine,
        "impostors": curve.impostors,
        "pairs left out": int((~there).sum()),
        "pictures left out": len(features.reasons),
    }
    plain = np.einsum("pd,pd->p", features.plain[first], features.plain[second])
    return Measured(row, curve, used[first], used[second], same, scores, plain)


def _measure_templates(
    name: str, source: IJB, embedder: Embedder, size: tuple[int, int], config: EvalConfig
) -> Measured:
    from vitrail_recognition.align import align

    template = embedder.component.spec.inputs.template or "arcface"

    def read(index: int) -> Pixels:
        return align(source.image(index), source.landmarks[index], size=size, name=template)

    features = _features(name, embedder, read, np.arange(len(source)), config)
    kept = features.readable
    templates = template_features(
        features.sums[kept], source.templates[kept], source.medias[kept], source.scores[kept]
    )
    there = np.isin(source.first, templates.ids) & np.isin(source.second, templates.ids)
    first, second, same = source.first[there], source.second[there], source.same[there]
    scores = pair_scores(templates, first, second)
    curve = roc_curve(scores, same)
    fars = [far for far in FARS if far * curve.impostors >= 1]
    row = {
        **{f"TAR@FAR={far:g}": float(tar) for far, tar in zip(fars, curve.tar_at(fars), strict=True)},
        "AUC": curve.auc,
        "genuine": curve.genuine,
        "impostors": curve.impostors,
        "templates": len(templates.ids),
        "pairs left out": int((~there).sum()),
        "pictures left out": len(features.reasons),
    }
    return Measured(row, curve, first, second, same, scores, None)


def _features(
    name: str,
    embedder: Embedder,
    read: Callable[[int], Pixels],
    indices: NDArray[np.int64],
    config: EvalConfig,
) -> Features:
    with _progress(name, len(indices)) as (advance, note):
        features = embed_faces(
            embedder,
            read,
            indices,
            batch=config.batch,
            workers=config.workers,
            strict=config.strict,
            advance=advance,
        )
        for reason in features.reasons[:3]:
            note(f"left out: {reason}")
        if len(features.reasons) > 3:
            note(f"left out: {len(features.reasons) - 3} more pictures of {name}")
    return features


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _write(
    out: Path,
    component: Recognizer,
    config: EvalConfig,
    report: Mapping[str, Any],
    results: Mapping[str, Measured],
) -> None:
    calibration = None
    if config.calibrate:
        ((name, result),) = results.items()
        assert result.plain is not None
        calibration = calibrate(  # before anything is written: it may refuse
            result.plain,
            result.same,
            data=config.data_name or name,
            recogniser=component.spec.id,
            weights_hash=weights_hash(component),
        )
    draw_roc(
        {name: result.curve for name, result in results.items()}, out / "roc.png", title=component.spec.id
    )
    scores = {name: _scores(result) for name, result in results.items()}
    write_text(out / "scores.json", json.dumps({**report, "scores": scores}) + "\n")
    if calibration is not None:
        calibration.save(out / "calibration.json")


def _scores(result: Measured) -> dict[str, Any]:
    if len(result.scores) <= MOST_SCORES:
        return {
            "first": result.first.tolist(),
            "second": result.second.tolist(),
            "same": result.same.tolist(),
            "cosine": np.round(result.scores.astype(np.float64), 6).tolist(),
        }
    edges = np.linspace(-1, 1, 401)
    held = np.clip(result.scores, -1, 1)
    counts = {
        kind: np.histogram(held[which], edges)[0].tolist()
        for kind, which in (("genuine", result.same), ("impostors", ~result.same))
    }
    return {"edges": np.round(edges, 3).tolist(), **counts}


@contextmanager
def _progress(name: str, total: int) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A bar on a terminal's stderr, which is gone when the work is done; notes stay."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, highlight=False)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"embedding {name}", total=total)
        yield (
            lambda count: bar.advance(task, count),
            lambda text: console.print(text, soft_wrap=True, markup=False),
        )
