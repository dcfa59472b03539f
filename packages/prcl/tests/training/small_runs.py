"""Folders of small pictures that can be learnt, and settings with which a run takes seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.train_config import ContrastConfig, StrongConfig, TrainConfig, UnlabeledConfig
from vitrail_segmentation.augment_config import AugmentConfig
from vitrail_training.config import FitConfig

SIDE, CLASSES = 48, 3
MODEL = PRCLConfig(backbone="test_resnet", width=8, low_width=4, embedding=6)


def picture(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of three classes, each of its own colour, with noise."""
    labels = np.kron(rng.integers(0, CLASSES, (SIDE // 8, SIDE // 8)), np.ones((8, 8), int)).astype(np.uint8)
    colours = np.array([(60, 60, 60), (180, 60, 60), (60, 60, 180)])
    noisy = colours[labels] + rng.integers(-30, 31, (SIDE, SIDE, 3))
    return noisy.clip(0, 255).astype(np.uint8), labels


def write_labelled(folder: Path, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        image, labels = picture(rng)
        labels[:3, :3] = 255
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{number}.png")
    return folder


def settings(folders: Path, **changes) -> TrainConfig:
    usual = {
        "labeled": str(folders / "labeled"),
        "unlabeled": str(folders / "unlabeled"),
        "validation": str(folders / "validation"),
        "augment": AugmentConfig(crop=32, mosaic=0.0, scales=(1.0,), max_share=1.0, turns="horizontal"),
        "strong": StrongConfig(hue=0.0, brightness=0.1, contrast=0.1, saturation=0.1),
        "semi": UnlabeledConfig(ramp=0, threshold=0.5, decay=0.9),
        "contrast": ContrastConfig(anchors=8, negatives=12),
        "model": MODEL,
        "fit": FitConfig(steps=4, batch_size=4, lr=1e-2, schedule="constant", device="cpu", log_every=1),
    }
    return TrainConfig(**{**usual, **changes})
