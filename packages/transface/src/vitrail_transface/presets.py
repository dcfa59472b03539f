"""The published runs, and a small one. Each is a function that returns a config.

The values are those of the authors' code, for eight GPUs: `batch_size` is that of all of them together, and
`torchrun --nproc-per-node 8 -m vitrail train ...` divides it. Three things differ on purpose:

- bf16 instead of fp16. fp16 needs its loss scaled, and the class centres, which are shared out over the processes,
  would have to take part in that; bf16 has the range of fp32 and needs none. A GPU without it takes
  --fit.precision fp32.
- The warm-up rises from its first step. In the published schedule the first two steps have a learning rate of 0.
- The probe pass of DPAP and what else PAPER.md lists.
"""

from __future__ import annotations

from vitrail_recognition.training_config import MarginConfig
from vitrail_training.config import FitConfig
from vitrail_transface import config as networks
from vitrail_transface.config import TransFaceConfig
from vitrail_transface.train_config import TrainConfig

GPUS = 8


def ms1mv2_vit_s() -> TrainConfig:
    """ViT-S on MS1MV2 (85,742 identities, 5,822,653 images): 35 epochs, 3 of warm-up, 512 a GPU."""
    return _published(networks.vit_s(), epochs=35, warmup_epochs=3, lr=1e-3, each=512)


def ms1mv2_vit_l() -> TrainConfig:
    """ViT-L on MS1MV2, alike."""
    return _published(networks.vit_l(), epochs=35, warmup_epochs=3, lr=1e-3, each=512)


def glint360k_vit_s() -> TrainConfig:
    """ViT-S on Glint360K (360,232 identities, 17,091,657 images): 40 epochs, 4 of warm-up, 128 a GPU."""
    return _published(networks.vit_s(), epochs=40, warmup_epochs=4, lr=1e-4, each=128)


def glint360k_vit_l() -> TrainConfig:
    """ViT-L on Glint360K: 35 epochs, 3 of warm-up, 128 a GPU."""
    return _published(networks.vit_l(), epochs=35, warmup_epochs=3, lr=1e-4, each=128)


def tiny() -> TrainConfig:
    """`transface/tiny` on some hundred identities, on a CPU. Not of the paper: network, margin and rate are ours."""
    return TrainConfig(
        margin=MarginConfig(margin=0.3, scale=32.0, gradient="straight_through"),
        model=networks.tiny(),
        fit=FitConfig(
            steps=3000,
            batch_size=64,
            lr=1e-3,
            weight_decay=0.05,
            schedule="cosine",
            warmup=150,
            clip_norm=5.0,
            seed=2048,
            eval_every=500,
        ),
    )


def _published(
    model: TransFaceConfig, *, epochs: int, warmup_epochs: int, lr: float, each: int
) -> TrainConfig:
    """What the four runs share. Steps and warm-up follow from the epochs when training begins."""
    return TrainConfig(
        epochs=epochs,
        warmup_epochs=warmup_epochs,
        model=model,
        fit=FitConfig(
            batch_size=GPUS * each,
            lr=lr,
            weight_decay=0.1,
            schedule="poly",
            power=2.0,
            clip_norm=5.0,
            precision="bf16",
            seed=2048,
            workers=4,
        ),
    )
