"""The published runs, and a small one. Each is a function that returns a config.

The values are those of the paper, and of the authors' code where the paper has none, for four GPUs with 128 samples
each: `batch_size` is that of all of them together, and `torchrun --nproc-per-node 4 -m vitrail train ...` divides
it. The structure of a batch is that of one process's samples, so with fewer GPUs it is of more samples;
--fit.accumulate keeps it at 128. On purpose differ:

- bf16 instead of fp16. fp16 needs its loss scaled, and the class centres, which are shared out over the processes,
  would have to take part in that; bf16 has the range of fp32 and needs none. A GPU without it takes
  --fit.precision fp32.
- The gradient's norm is clipped at 5 for the network alone. In the authors' code the class centres are part of the
  network, and of that norm.
- --method.fidelity released computes the losses as their code does; alpha, clipping and precision stay as here.
  PAPER.md lists the differences.

The paper's models with CosFace take --margin.kind cosface (margin 0.4).
"""

from __future__ import annotations

from vitrail_recognition.training_config import MarginConfig
from vitrail_topofr import config as networks
from vitrail_topofr.config import MethodConfig, TopoFRConfig
from vitrail_topofr.train_config import TrainConfig
from vitrail_training.config import FitConfig

GPUS, EACH = 4, 128
MS1MV2_DECAY, GLINT360K_DECAY = 5e-4, 1e-4


def ms1mv2_r50() -> TrainConfig:
    """R50 on MS1MV2 (85,742 identities, 5,822,653 images): 30 epochs."""
    return _published(networks.r50(), epochs=30, weight_decay=MS1MV2_DECAY, alpha=0.1)


def ms1mv2_r100() -> TrainConfig:
    """R100 on MS1MV2: 25 epochs."""
    return _published(networks.r100(), epochs=25, weight_decay=MS1MV2_DECAY, alpha=0.05)


def ms1mv2_r200() -> TrainConfig:
    """R200 on MS1MV2: 30 epochs."""
    return _published(networks.r200(), epochs=30, weight_decay=MS1MV2_DECAY, alpha=0.05)


def glint360k_r50() -> TrainConfig:
    """R50 on Glint360K (360,232 identities, 17,091,657 images): 25 epochs."""
    return _published(networks.r50(), epochs=25, weight_decay=GLINT360K_DECAY, alpha=0.1)


def glint360k_r100() -> TrainConfig:
    """R100 on Glint360K: 25 epochs."""
    return _published(networks.r100(), epochs=25, weight_decay=GLINT360K_DECAY, alpha=0.05)


def glint360k_r200() -> TrainConfig:
    """R200 on Glint360K: 30 epochs."""
    return _published(networks.r200(), epochs=30, weight_decay=GLINT360K_DECAY, alpha=0.05)


def tiny() -> TrainConfig:
    """`topofr/tiny` on some hundred identities, on a CPU. Not of the paper: network, margin and rate are ours."""
    return TrainConfig(
        method=MethodConfig(alpha_warmup=400),
        margin=MarginConfig(margin=0.3, scale=32.0),
        model=networks.tiny(),
        fit=FitConfig(
            steps=2000,
            batch_size=64,
            lr=0.05,
            weight_decay=5e-4,
            schedule="cosine",
            warmup=100,
            clip_norm=5.0,
            eval_every=500,
        ),
    )


def _published(model: TopoFRConfig, *, epochs: int, weight_decay: float, alpha: float) -> TrainConfig:
    """What the six runs share. The steps follow from the epochs when training begins; there is no warm-up."""
    return TrainConfig(
        epochs=epochs,
        method=MethodConfig(alpha=alpha),
        model=model,
        fit=FitConfig(
            batch_size=GPUS * EACH,
            lr=0.1,
            weight_decay=weight_decay,
            schedule="poly",
            power=2.0,
            clip_norm=5.0,
            precision="bf16",
            workers=4,
        ),
    )
