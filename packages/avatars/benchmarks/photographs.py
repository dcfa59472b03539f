"""A smoke figure: does a recogniser that was trained on drawn people tell real ones apart at all?

    python packages/recognition/tools/photographs.py seen --of development
    python packages/recognition/tools/photographs.py report --of report
    uv run --with ai-edge-litert python packages/avatars/benchmarks/photographs.py report transface/tiny topofr/tiny

All pairs of a folder of identities: cosines of genuine and of impostor pairs, and how often a genuine pair is above an
impostor one (AUC), over all pairs and as the mean over people, who have very different numbers of photographs. The
interval holds 95 of 100 draws of as many people with replacement. MobileFaceNet, a network of others that was trained
on real faces, is measured beside.

What is in `development` may be looked at while something is made; `report` is for the end. There are a few genuine
pairs: this is a smoke figure, and no benchmark. It is written to benchmarks/results/recognition_photographs.json, below
the folder's name.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from judges import CACHE, EXPO, RESULTS, MobileFaceNet, fetch
from numpy.typing import NDArray

import vitrail
from vitrail_recognition.readers.folder import FolderFaces
from vitrail_recognition.verification.roc import roc_curve
from vitrail_training.kernels.timing import write_record

OUT = RESULTS / "recognition_photographs.json"
QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
DRAWS = 2000


def measure(embed: Callable[[Sequence[NDArray[np.uint8]]], NDArray[Any]], folder: Path) -> dict[str, Any]:
    """The scores of all pairs of the folder's pictures."""
    faces = FolderFaces(folder)
    vectors = embed([faces[index][0] for index in range(len(faces))])
    first, second = np.triu_indices(len(faces), 1)
    cosines = np.einsum("pd,pd->p", vectors[first], vectors[second])
    same = faces.labels[first] == faces.labels[second]
    people = faces.labels[first][same]
    each = [auc(cosines[same][people == person], cosines[~same]) for person in np.unique(people)]
    return {
        "photographs": len(faces),
        "people": faces.classes,
        "people with several": len(each),
        "genuine pairs": int(same.sum()),
        "impostor pairs": int((~same).sum()),
        "genuine": quantiles(cosines[same]),
        "impostor": quantiles(cosines[~same]),
        "AUC": auc(cosines[same], cosines[~same]),
        "AUC, 95 % interval": interval(cosines, faces.labels[first], faces.labels[second], faces.classes),
        "AUC, mean over people": float(np.mean(each)),
    }


def auc(genuine: NDArray[Any], impostor: NDArray[Any]) -> float:
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    return roc_curve(np.concatenate([genuine, impostor]), same).auc


def interval(cosines: NDArray[Any], first: NDArray[Any], second: NDArray[Any], people: int) -> list[float]:
    """Of the AUC, by drawing people: a pair counts as often as both of its people were drawn, a genuine one as often
    as its person. Draws without genuine pairs are left out."""
    rng, found, same = np.random.default_rng(0), [], first == second
    above = (cosines[same][:, None] > cosines[~same]) + 0.5 * (cosines[same][:, None] == cosines[~same])
    for _ in range(DRAWS):
        drawn = np.bincount(rng.integers(people, size=people), minlength=people)
        genuine, impostor = drawn[first[same]], drawn[first[~same]] * drawn[second[~same]]
        if genuine.sum():
            found.append(genuine @ above @ impostor / (genuine.sum() * impostor.sum()))
    return [round(float(value), 3) for value in np.quantile(found, (0.025, 0.975))]


def quantiles(scores: NDArray[Any]) -> dict[str, float]:
    return {name: round(float(np.quantile(scores, q)), 3) for name, q in QUANTILES.items()}


def embedding_of(component: str) -> Callable[[Sequence[NDArray[np.uint8]]], NDArray[Any]]:
    recognizer: Any = vitrail.load(component, device="cpu")
    return lambda crops: recognizer.embed(crops).vectors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("components", nargs="+")
    options = parser.parse_args()
    judge = MobileFaceNet(fetch(EXPO, CACHE))
    ways = {name: embedding_of(name) for name in options.components}
    ways["MobileFaceNet"] = lambda crops: judge.embed(np.stack(crops))
    what = "smoke figures, no benchmark: photographs out of packages, by recognition/tools/photographs.py"
    kept = {
        name: value
        for name, value in json.loads(OUT.read_text()).items()
        if name in ("report", "development")
    }
    found = kept.setdefault(options.folder.name, {})
    for name, embed in ways.items():
        found[name] = measure(embed, options.folder)
        print(f"{name}: a smoke figure, no benchmark")
        for key, value in found[name].items():
            print(f"  {key:22s} {value}")
    write_record(OUT, {"what": what, **dict(sorted(kept.items()))})
