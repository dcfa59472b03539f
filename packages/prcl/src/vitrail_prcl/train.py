"""Training: a config becomes data, a network and a task for `vitrail_training.fit`."""

from __future__ import annotations

from pathlib import Path

from vitrail.errors import UsageError
from vitrail.specs import ComponentSpec
from vitrail_prcl.data.training_set import open_training_set
from vitrail_prcl.plugin import R50, vitrail_components
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_prcl.task import PRCLTask
from vitrail_prcl.train_config import TrainConfig
from vitrail_training.checkpoint import find_checkpoint
from vitrail_training.loop import fit
from vitrail_training.run import FitResult
from vitrail_training.variants import saved_as


def train(
    config: TrainConfig,
    *,
    out: Path | str,
    resume: Path | str | None = None,
    spec: ComponentSpec | None = None,
) -> FitResult:
    """Train on labelled and unlabelled images; the finished component goes to `out`/final, the best one by validation
    to `out`/best. It holds the averaged weights.

    resume: "auto", or a checkpoint or folder of a run; see `vitrail_training.fit`. spec: the variant that is meant.
    """
    data = open_training_set(config)
    if config.fit.best_metric and data.validation is None:
        raise UsageError(
            f"the best weights cannot be kept by {config.fit.best_metric}, because there are no validation images; "
            'give some by --validation, or set fit.best_metric to "".'
        )
    chosen = saved_as(
        data.model,
        vitrail_components(),
        size=lambda of: of.backbone,
        asked=spec,
        otherwise=R50,
    )
    component = PRCLSegmenter.from_config(data.model, spec=chosen, seed=config.fit.seed)
    if config.model.pretrained and not (resume and find_checkpoint(Path(out))):
        component.module.load_pretrained_backbone()
    return fit(PRCLTask(component, data, config), config.fit, out=out, resume=resume)
