"""How many people, pictures and seconds of speech a second come out of this world.

    python packages/avatars/benchmarks/throughput.py

People and pictures of 112 (an aligned crop, drawn at 192), 256 and 512 pixels, in one process of one thread; the
export of people with one and with two processes; speech by each program. Medians of five rounds, after one that warms
up. Writes benchmarks/results/avatars_throughput_cpu.json.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from vitrail.files import write_text
from vitrail_avatars.appearance.look import look_of
from vitrail_avatars.head import load_head
from vitrail_avatars.people_export import WIDE, export_people
from vitrail_avatars.pictures import atlas_for, maps_of, take
from vitrail_avatars.population import person
from vitrail_avatars.scenes import scene
from vitrail_avatars.speech import utterance
from vitrail_avatars.speech.voices import VOICES
from vitrail_training.kernels.timing import machine

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
ROUNDS, PEOPLE, VIEWS = 5, 6, 8


def seconds(deed: Callable[[int], Any]) -> float:
    """The median of the rounds; each gets its number, and the first one does not count."""
    taken = []
    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        deed(number)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken[1:]))


def exported(workers: int) -> float:
    """People a second, with `VIEWS` crops each, of a whole export."""
    people = 16
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        export_people(Path(folder) / "out", people=people, views=VIEWS, workers=workers)
        return people / (time.perf_counter() - began)


def said(engine: str) -> float:
    """Seconds of speech a second."""
    voice = next(voice.name for voice in VOICES.values() if voice.engine == engine)
    utterance(0, 0, voice=voice)
    began = time.perf_counter()
    heard = sum(utterance(0, index, voice=voice).duration for index in range(1, 21))
    return heard / (time.perf_counter() - began)


def main() -> None:
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    rows: dict[str, dict[str, float]] = {}
    for name, size in (("crop of 112", round(WIDE * 112)), ("256", 256), ("512", 512)):
        atlas = atlas_for(size)
        neutral, look = look_of(load_head(), atlas, person(0, 0))

        def paint(number: int, atlas: Any = atlas) -> None:
            for one in range(PEOPLE):
                look_of(load_head(), atlas, person(0, number * PEOPLE + one))

        def draw(number: int, size: int = size, who: Any = (neutral, look)) -> None:
            for view in range(VIEWS):
                take(*who, scene(0, number * VIEWS + view), size)

        def describe(number: int, size: int = size, who: Any = (neutral, look)) -> None:
            for view in range(VIEWS):
                maps_of(*who, scene(0, number * VIEWS + view), size, scene(0, number * VIEWS + view))

        rows[name] = {
            "person_ms": 1000 * seconds(paint) / PEOPLE,
            "picture_ms": 1000 * seconds(draw) / VIEWS,
            "maps_ms": 1000 * seconds(describe) / VIEWS,
        }
        print(name, {key: round(value, 1) for key, value in rows[name].items()}, flush=True)
    record = {
        "machine": machine(),
        "threads": 1,
        "drawn": rows,
        "people_exported_a_second": {
            f"{workers} process{'es' * (workers > 1)}": exported(workers) for workers in (1, 2)
        },
        "seconds_of_speech_a_second": {engine: said(engine) for engine in ("flite", "espeak")},
    }
    print(json.dumps(record, indent=1))
    write_text(RESULTS / "avatars_throughput_cpu.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
