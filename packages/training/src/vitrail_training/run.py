"""The state of a run: its network, optimizer and counts, how they are judged, kept, and taken up again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from vitrail.errors import BrokenError, UsageError
from vitrail_training import checkpoint, distributed, folder, rng
from vitrail_training.config import FitConfig
from vitrail_training.ema import Ema
from vitrail_training.task import Task
from vitrail_training.tracking import Averages, Tracker
from vitrail_training.weights import check_fits


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What came of a run.

    weights: the folder that Task.save wrote: out/best where config.best_metric is set, else out/final.
    metrics: the last evaluation. best, best_step: the best value of config.best_metric, and when.
    skipped: samples that could not be read, each time counted.
    """

    out: Path
    weights: Path
    steps: int
    metrics: dict[str, float]
    best: float | None
    best_step: int
    skipped: int


@dataclass
class Counts:
    """Where a run is: `step` updates are done, and `evaluated` of them were when it was last evaluated."""

    step: int = 0
    skipped: int = 0
    evaluated: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int = 0


class Run:
    """`network` is the bare network, `model` the same as accelerate wrapped it."""

    def __init__(
        self, task: Task, config: FitConfig, out: Path, accelerator: Accelerator, tracker: Tracker
    ) -> None:
        self.task, self.config, self.out = task, config, out
        self.accelerator, self.tracker, self.device = accelerator, tracker, accelerator.device
        self.counts, self.averages = Counts(), Averages()
        self.first_step, self.saved_step = 0, -1
        self.known_bad: set[int] = set()
        if config.best_metric and type(task).evaluate is Task.evaluate:
            raise UsageError(
                f"best_metric is {config.best_metric}, and {type(task).__name__} has no evaluate()."
            )
        self.told = folder.resolved(config, task.settings, len(task.dataset))
        synchronise_norms(task, self.device)
        self.network = task.model.to(self.device)
        optimizer = task.optimizer(self.network, config)
        self.ema = Ema(self.network, config.ema) if config.ema else None
        self.model, self.optimizer = accelerator.prepare(
            self.network, optimizer, device_placement=[True, False]
        )
        self.parameters = [
            parameter for group in self.optimizer.param_groups for parameter in group["params"]
        ]
        rng.seed_all(config.seed, distributed.rank())

    def begin(self) -> None:
        """Open the logs at the present step, and put the network in training mode."""
        self.tracker.start(self.counts.step)
        if self.accelerator.is_main_process:
            folder.write_json(self.out / folder.CONFIG_FILE, {**self.told, "environment": self.environment()})
        self.task.train_mode()

    def unwrap(self) -> None:
        """Undo what accelerate did to the network."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)

    def log(self, numbers: Mapping[str, float], seconds: float) -> None:
        """Note what a step gave; every config.log_every steps, write down the means."""
        step, config = self.counts.step, self.config
        self.averages.add(numbers)
        self.tracker.advance(step, numbers["loss"], seconds)
        if step % config.log_every == 0 or step == config.steps:
            epoch = step * config.batch_size / len(self.task.dataset)
            self.tracker.training(
                step, {**self.averages.take(), "epoch": epoch, "skipped": self.counts.skipped}
            )

    def say(self, text: str) -> None:
        """A line for people, from one process."""
        if self.accelerator.is_main_process:
            self.tracker.say(text)

    # --- evaluation and results

    def evaluation_is_due(self) -> bool:
        step, every = self.counts.step, self.config.eval_every
        if not step or self.counts.evaluated == step or type(self.task).evaluate is Task.evaluate:
            return False
        return step == self.config.steps or bool(every and step % every == 0)

    def evaluate(self) -> None:
        """Evaluate the network as it would be handed over now; keep it if it is the best so far."""
        counts, config = self.counts, self.config
        with self.finished_weights(), rng.undisturbed():
            found = {name: float(value) for name, value in self.task.evaluate(self.network).items()}
            metrics = distributed.gather_objects(found)[0]
            if config.best_metric and config.best_metric not in metrics:
                raise UsageError(
                    f"best_metric is {config.best_metric}; evaluate() gives {', '.join(metrics)}."
                )
            counts.evaluated, counts.metrics = counts.step, metrics
            self.saved_step = -1  # a checkpoint of this step does not know it yet
            self.tracker.evaluation(counts.step, metrics)
            if not config.best_metric:
                return
            value, sign = metrics[config.best_metric], 1 if config.best_mode == "max" else -1
            if not math.isnan(value) and (counts.best is None or sign * value > sign * counts.best):
                counts.best, counts.best_step = value, counts.step
                self.save_weights("best")

    @contextmanager
    def finished_weights(self) -> Iterator[None]:
        """Inside the block the network is as it would be handed over: averaged, in eval mode, no gradients."""
        with self.ema.applied_to(self.network) if self.ema else nullcontext(), torch.no_grad():
            self.network.eval()
            yield
        self.task.train_mode()

    def save_weights(self, name: str) -> None:
        distributed.on_main(lambda: checkpoint.replace_folder(self.out / name, self.task.save))

    def finish(self) -> FitResult:
        """The last checkpoint, the finished weights, and a summary."""
        if self.saved_step != self.counts.step:
            self.save()
        with self.finished_weights():
            self.save_weights("final")
        self.network.eval()
        counts = self.counts
        weights = "final" if counts.best is None else "best"
        summary = {
            "steps": counts.step,
            "metrics": counts.metrics,
            "best": counts.best,
            "best_step": counts.best_step,
            "skipped": counts.skipped,
        }
        if self.accelerator.is_main_process:
            folder.write_json(self.out / folder.RESULT_FILE, {"weights": weights, **summary})
        return FitResult(out=self.out, weights=self.out / weights, **summary)

    # --- checkpoints

    def save(self) -> Path:
        """Write a checkpoint of the present step."""
        parts: dict[str, Any] = {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averages": self.averages.state_dict(),
            "task": self.task.state_dict(),
            "rng": distributed.gather_objects(rng.random_state()),
        }
        if self.ema:
            parts["ema"] = self.ema.state_dict()
        if self.accelerator.scaler is not None:
            parts["scaler"] = self.accelerator.scaler.state_dict()
        state = {"counts": asdict(self.counts), "environment": self.environment(), **self.told}
        self.saved_step = self.counts.step
        return distributed.on_main(
            lambda: checkpoint.write_checkpoint(
                self.out / folder.CHECKPOINTS,
                self.counts.step,
                state,
                parts,
                keep=self.config.keep_checkpoints,
            )
        )

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state, parts = checkpoint.read_checkpoint(path)
        folder.refuse_other_config(state, self.told, path)
        if state["step"] > self.config.steps:
            raise UsageError(f"{path} is beyond the {self.config.steps} steps asked for; ask for more.")
        check_fits(parts["model"], self.network.state_dict(), where=f"The checkpoint {path}")
        self.network.load_state_dict(parts["model"])
        if self.ema:
            self.ema.load_state_dict(parts["ema"])
        try:
            self.optimizer.load_state_dict(parts["optimizer"])
        except (ValueError, KeyError) as error:
            raise BrokenError(f"The checkpoint {path} is of another optimizer ({error}).") from error
        if self.accelerator.scaler is not None and "scaler" in parts:
            self.accelerator.scaler.load_state_dict(parts["scaler"])
        self.averages.load_state_dict(parts["averages"])
        self.task.load_state_dict(parts["task"])
        self.counts = Counts(**state["counts"])
        self.first_step = self.saved_step = self.counts.step
        self.restore_rng(parts["rng"])
        here, there = self.environment(), state["environment"]
        changed = [
            f"{name} {there.get(name)} -> {value}" for name, value in here.items() if there.get(name) != value
        ]
        self.say(
            f"Going on from {path}, after step {self.counts.step} of {self.config.steps}."
            + (f" Not bit for bit, since it has changed: {', '.join(changed)}." if changed else "")
        )
        own = (self.out / folder.CHECKPOINTS).resolve()
        if path.resolve().parent != own:
            self.counts.best, self.counts.best_step = None, 0  # those weights lie in the other run's folder
        elif self.accelerator.is_main_process:
            checkpoint.remove_later(own, self.counts.step)

    def restore_rng(self, states: list[dict[str, Any]]) -> None:
        """Each process takes up its own generators; with another number of processes they start anew."""
        if len(states) == distributed.world():
            rng.set_random_state(states[distributed.rank()])
        else:
            rng.seed_all(self.config.seed, distributed.rank(), self.counts.step)

    def environment(self) -> dict[str, Any]:
        """What the last bits of a result depend on, besides the config."""
        return {
            "torch": torch.__version__,
            "device": self.device.type,
            "processes": distributed.world(),
            "threads": torch.get_num_threads(),
        }


def synchronise_norms(task: Task, device: torch.device) -> None:
    """Let every BatchNorm normalise by all of a batch, where the task wants that and several GPUs share one."""
    if task.sync_batch_norm and distributed.world() > 1 and device.type == "cuda":
        task.model = nn.SyncBatchNorm.convert_sync_batchnorm(task.model)
