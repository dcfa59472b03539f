"""What the training of any recogniser has in common: the head, the verification sets, what is written at the end."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from vitrail.errors import UsageError
from vitrail_recognition.evaluate import EvalConfig, evaluate
from vitrail_recognition.loss import MarginSoftmax
from vitrail_recognition.margins import ArcFace, CosFace, Margin
from vitrail_recognition.readers.ijb import IJB
from vitrail_recognition.readers.opening import open_faces
from vitrail_recognition.resharding import write_centres
from vitrail_recognition.task import MarginTask
from vitrail_recognition.training_config import FaceDataConfig, MarginConfig
from vitrail_recognition.training_data import TrainingFaces
from vitrail_training.component import TorchComponent
from vitrail_training.config import FitConfig
from vitrail_training.distributed import gather_objects, rank, world
from vitrail_training.draws import StepDraws
from vitrail_training.loop import fit
from vitrail_training.precision import autocast
from vitrail_training.run import FitResult

CENTRES_FILE = "centres.safetensors"
DRAWS = 0xDA7A  # a stream of random numbers apart from those of the class centres


class RecognizerTask(MarginTask):
    """A method subclasses it and writes `loss`, from `self.head.scores` or `self.head`.

    component: is trained, by its `module`. width: of its embeddings. options: the run's config.
    """

    sync_batch_norm = (
        False  # as insightface's code and the authors', which has every GPU use its own statistics
    )

    def __init__(
        self, component: TorchComponent, dataset: TrainingFaces, options: FaceDataConfig, *, width: int
    ) -> None:
        def head() -> MarginSoftmax:
            return make_head(options.margin, dataset.classes, width, seed=options.fit.seed)

        super().__init__(component.module, dataset, head)
        self.component, self.options = component, options
        told = asdict(options)
        for name in ("fit", "data", "verify", "pairs"):  # a run may go on with data that were moved
            del told[name]
        self.settings = {**told, "classes": dataset.classes}
        self._draws = StepDraws(DRAWS)

    def generator(self, step: int) -> torch.Generator:
        """A CPU generator for what this part of this step draws; to be called once a part."""
        return self._draws(self.config.seed, step)

    def autocast(self, device: torch.device) -> torch.autocast:
        """The run's precision, for parts of the network that are called outside its forward pass."""
        return autocast(self.config, device)

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        """Verification by `vitrail_recognition.evaluate`: NAME/accuracy and the like for each set; "accuracy" is
        the mean over the sets of pairs. The processes share the sets out."""
        found: dict[str, float] = {}
        for number, path in enumerate(self.options.verify):
            if number % world() == rank():
                found |= self._verified(path)
        merged = {name: value for theirs in gather_objects(found) for name, value in theirs.items()}
        accuracies = [value for name, value in merged.items() if name.endswith("/accuracy")]
        if accuracies:
            merged["accuracy"] = sum(accuracies) / len(accuracies)
        return merged

    def _verified(self, path: str) -> dict[str, float]:
        config = EvalConfig(
            data=(Path(path),),
            genuine=self.options.pairs,
            impostors=self.options.pairs,
            workers=max(1, self.options.fit.workers),
        )
        report = evaluate(self.component, config)
        rows = {**report.get("pairs", {}), **report.get("templates", {})}
        return {
            f"{Path(name).stem}/{key}": float(value)
            for name, row in rows.items()
            for key, value in row.items()
            if value is not None and (key in ("accuracy", "std", "AUC") or key.startswith("TAR@"))
        }

    def save(self, folder: Path) -> None:
        """What inference needs; the class centres are no part of it, see `fit_recognizer`."""
        self.component.save_pretrained(folder)


def fit_recognizer(
    task: RecognizerTask, settings: FitConfig, *, out: Path | str, resume: Path | str | None = None
) -> FitResult:
    """`fit`, and the class centres of the last step beside the results, as `out`/centres.safetensors.

    They are written here since every process has a part of them, and `Task.save` is called by one.

    UsageError, before anything else, where a verification set cannot be opened or `fit.best_metric` is nothing that
    these sets give.
    """
    check_verification(task.options)
    result = fit(task, settings, out=out, resume=resume)
    write_centres(Path(out) / CENTRES_FILE, task.head.classifier)
    if rank() == 0:
        print(
            f"The recogniser is in {result.weights}, the class centres in {Path(out) / CENTRES_FILE}.",
            file=sys.stderr,
        )
    return result


def check_verification(options: FaceDataConfig) -> None:
    """Open the verification sets once, so that what is wrong with them is said before the first epoch."""
    names = [Path(path).stem for path in options.verify]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"{len(names)} verification sets were given, and several are called {twice[0]}: their results would have "
            "one name. Rename a file or folder."
        )
    pairs = [not isinstance(open_faces(path), IJB) for path in options.verify]
    best = options.fit.best_metric
    known = [*names, *(["accuracy"] if any(pairs) else [])]
    if best and best.partition("/")[0] not in known:
        wanted = f"it begins with {', '.join(known)}" if known else "it needs a set, by --verify"
        raise UsageError(f"fit.best_metric is {best}, which no verification set gives; {wanted}.")


def make_margin(config: MarginConfig) -> Margin:
    if config.kind == "cosface":
        return CosFace(margin=config.value, scale=config.scale)
    return ArcFace(margin=config.value, scale=config.scale, gradient=config.gradient)


def make_head(config: MarginConfig, classes: int, width: int, *, seed: int = 0) -> MarginSoftmax:
    """The margin softmax that `config` describes; made when the process group is there."""
    return MarginSoftmax(
        classes,
        width,
        margin=make_margin(config),
        sample_rate=config.sample_rate,
        sparse_update=config.sparse_update,
        threshold=config.threshold,
        seed=seed,
    )
