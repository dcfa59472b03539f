"""A smoke figure: does a recogniser tell real people apart at all?

    python packages/recognition/tools/photographs.py DIR
    python packages/recognition/benchmarks/photographs.py DIR transface/tiny topofr/tiny

All pairs of DIR, a folder of identities: cosines of genuine and of impostor pairs, and how often a genuine pair is
above an impostor one (AUC), over all pairs and as the mean over people, who have very different numbers of photographs.
There are some tens of genuine pairs, most of one man: this is a smoke figure, and no benchmark. It is written to
benchmarks/results/recognition_photographs.json, a component after the other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from margin_loss import RESULTS
from numpy.typing import NDArray

import vitrail
from vitrail.interfaces import Recognizer
from vitrail_recognition.readers.folder import FolderFaces
from vitrail_recognition.verification.roc import roc_curve
from vitrail_training.kernels.timing import write_record

OUT = RESULTS / "recognition_photographs.json"
QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}


def measure(recognizer: Recognizer, folder: Path) -> dict[str, Any]:
    """The scores of all pairs of the folder's pictures."""
    faces = FolderFaces(folder)
    vectors = recognizer.embed([faces[index][0] for index in range(len(faces))]).vectors
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
        "AUC, mean over people": float(np.mean(each)),
    }


def auc(genuine: NDArray[Any], impostor: NDArray[Any]) -> float:
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    return roc_curve(np.concatenate([genuine, impostor]), same).auc


def quantiles(scores: NDArray[Any]) -> dict[str, float]:
    return {name: round(float(np.quantile(scores, q)), 3) for name, q in QUANTILES.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("components", nargs="+")
    options = parser.parse_args()
    record = json.loads(OUT.read_text())["recognisers"] if OUT.exists() else {}
    for id in options.components:
        record[id] = measure(vitrail.load(id, device="cpu"), options.folder)
        print(f"{id}: a smoke figure, no benchmark")
        for name, value in record[id].items():
            print(f"  {name:22s} {value}")
    what = "a smoke figure, no benchmark: photographs out of five packages, by tools/photographs.py"
    write_record(OUT, {"what": what, "recognisers": dict(sorted(record.items()))})
