"""Whether the small diffusion model draws what it is told.

    vitrail avatars base pictures -o judge.npz --people 900 --seed 21
    python packages/avatars/benchmarks/base_gates.py judge.npz
    python packages/avatars/benchmarks/base_gates.py judge.npz --model run/pipeline --samples 128     # a quick look

- The autoencoder brings pictures of other people back: PSNR, goal 28 dB.
- Pictures show what the prompt says: a network trained on judge.npz (its first people; the last 100 test it)
  reads where the head is turned (3 answers), the glasses (4), the colours of wall and shirt (11) off pictures whose
  prompts ask for each answer equally often. Goal: 80 % of three of them. Beside it, without a goal: the emotion (8),
  which it cannot read; how often the judge is right about rendered pictures (shirts are in their corners) and about
  what the autoencoder makes of them; and how often it is right about samples whose prompts are exchanged, which is
  chance as measured.
- MTCNN finds a face in the samples, enlarged to 256 pixels: goal 80 %.
- Frechet distance of the judge's own features between samples and rendered pictures, and between two sets of those.

Writes benchmarks/results/avatars_base.json with 512 samples or more, and with --sheet a picture of samples.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from base_judge import ATTRIBUTES, Judge, answers, frechet, read, train
from judges import RESULTS, sheet
from PIL import Image

from vitrail.files import write_text
from vitrail_avatars.base.autoencoder import as_input, psnr
from vitrail_avatars.base.drawing import draw, installed, load
from vitrail_avatars.base.picture_file import PictureFile
from vitrail_avatars.base.words import told
from vitrail_avatars.population import person
from vitrail_avatars.scenes import scene
from vitrail_recognition.detect import detect_batch
from vitrail_training.kernels.timing import machine

SEED, BATCH, TESTED = 31, 64, 500
YAWS = {"ahead": 0.0, "left": -0.6, "right": 0.6}


def prompts(number: int) -> list[str]:
    """Each answer of each attribute equally often; half of them say who it is as well."""
    rng = np.random.default_rng(SEED)
    columns = {
        name: rng.permutation(np.resize(np.arange(len(kinds)), number)) for name, kinds in ATTRIBUTES.items()
    }
    said = []
    for place in range(number):
        kind = {name: kinds[columns[name][place]] for name, kinds in ATTRIBUTES.items()}
        now = scene(SEED, place)
        now = replace(
            now,
            angles=np.array([now.angles[0], YAWS[kind["turned"]], now.angles[2]]),
            glasses=replace(now.glasses, kind=kind["glasses"]),
            wall=kind["wall"],
            shirt=kind["shirt"],
            emotion=kind["face"],
        )
        said.append(told(person(SEED, place), now, bool(place % 2)))
    return said


def right(judge: Judge, images: np.ndarray, captions: list[str]) -> dict[str, float]:
    found, wanted = answers(judge, images)[0], np.array([read(caption) for caption in captions])
    return dict(zip(ATTRIBUTES, (found == wanted).mean(axis=0).tolist(), strict=True))


@torch.no_grad()
def through(autoencoder: Any, images: np.ndarray) -> np.ndarray:
    back = [
        autoencoder.decode(autoencoder.encode(as_input(images[i : i + BATCH])).latent_dist.mean).sample
        for i in range(0, len(images), BATCH)
    ]
    return ((torch.cat(back).clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def faces(images: np.ndarray) -> float:
    large = [
        np.asarray(Image.fromarray(image).resize((256, 256), Image.Resampling.BICUBIC)) for image in images
    ]
    return float(np.mean([bool(found) for found in detect_batch(large)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, help="of other people than those of the training")
    parser.add_argument("--model", type=Path, help="a pipeline; else that of vitrail-avatars-base")
    parser.add_argument("--judge", type=Path, help="where the judge is kept between calls")
    parser.add_argument("--samples", type=int, default=528)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    folder = given.model or installed()
    rendered = PictureFile.open(given.pictures)
    images, captions = rendered.images, rendered.captions
    if given.judge and given.judge.is_file():
        judge = Judge().eval()
        judge.load_state_dict(torch.load(given.judge, weights_only=True))
    else:
        judge = train(images[:-TESTED], captions[:-TESTED])
        if given.judge:
            torch.save(judge.state_dict(), given.judge)
    tests, said = images[-TESTED:], captions[-TESTED:]
    autoencoder = load(folder).vae
    asked = prompts(given.samples)
    began = time.perf_counter()
    drawn = np.concatenate(
        [
            draw(folder, asked[at : at + BATCH], steps=given.steps, guidance=given.guidance, seed=at)
            for at in range(0, len(asked), BATCH)
        ]
    )
    seconds = (time.perf_counter() - began) / len(asked)
    features = answers(judge, drawn)[1]
    record = {
        "machine": machine(),
        "model": "vitrail-avatars-base" if given.model is None else given.model.name,
        "psnr": psnr(autoencoder, tests),
        "samples": len(drawn),
        "steps": given.steps,
        "guidance": given.guidance,
        "seconds_a_sample": seconds,
        "chance": {name: 1 / len(kinds) for name, kinds in ATTRIBUTES.items()},
        "follows": right(judge, drawn, asked),
        "follows_with_prompts_exchanged": right(judge, drawn, asked[1:] + asked[:1]),
        "judge_on_rendered": right(judge, tests, said),
        "judge_through_autoencoder": right(judge, through(autoencoder, tests), said),
        "faces_found": faces(drawn),
        "faces_found_rendered": faces(tests[: len(drawn)]),
        "frechet": frechet(features, answers(judge, images[: len(drawn)])[1]),
        "frechet_rendered": frechet(
            answers(judge, images[len(drawn) : 2 * len(drawn)])[1], answers(judge, images[: len(drawn)])[1]
        ),
    }
    print(json.dumps(record, indent=1))
    if given.sheet:
        sheet(list(drawn[:96]), 16, given.sheet)
    if given.samples >= 512:
        write_text(RESULTS / "avatars_base.json", json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
