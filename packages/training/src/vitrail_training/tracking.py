"""What a run tells: metrics.jsonl for programs, TensorBoard, and a progress bar for people."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitrail.errors import NotInstalledError
from vitrail.files import write_text
from vitrail_training.config import FitConfig
from vitrail_training.folder import plain

METRICS_FILE = "metrics.jsonl"
TIMES = ("seconds", "samples_per_second")
"""The values in metrics.jsonl that the clock gives (evaluation not counted); all others are repeatable."""

_SPARSE_SECONDS = 10.0


class Averages:
    """Means of named values since the last `take`."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        means = {name: self.sums[name] / self.counts[name] for name in self.sums}
        self.sums, self.counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums, "counts": self.counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sums, self.counts = dict(state["sums"]), dict(state["counts"])


class Tracker:
    """Writes and shows the course of a run, on process 0; the others only pass on warnings."""

    def __init__(self, out: Path, config: FitConfig, *, main: bool) -> None:
        self.out, self.config, self.main = out, config, main
        self._spoke = time.monotonic()
        self._seconds, self._steps = 0.0, 0
        self._file = self._board = self._bar = None

    def start(self, step: int) -> None:
        """Begin at `step`; lines about later ones, from a run that was killed, are removed."""
        if not self.main:
            return
        path = self.out / METRICS_FILE
        write_text(path, "".join(_lines_until(path, step)))
        self._file = path.open("a", encoding="utf-8")
        if self.config.tensorboard:
            self._board = _summary_writer(self.out / "tensorboard", step)
        console = Console(stderr=True)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=console,
            )
            self._job = self._bar.add_task("training", total=self.config.steps, completed=step, note="")
            self._bar.start()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        if self._file:
            self._file.close()
        if self._board:
            self._board.close()

    def advance(self, step: int, loss: float, seconds: float) -> None:
        """A step is done, and took so long."""
        self._seconds += seconds
        self._steps += 1
        if self._bar:
            self._bar.update(self._job, completed=step, note=f"loss {loss:.4g}")

    def training(self, step: int, values: Mapping[str, float]) -> None:
        """A line about the steps since the last one."""
        speed = self._steps * self.config.batch_size / max(self._seconds, 1e-9)
        times = dict(zip(TIMES, (self._seconds, speed), strict=True))
        self._seconds, self._steps = 0.0, 0
        self._write(step, {**values, **times})
        self._plot("train", step, {**values, **times})
        due = time.monotonic() - self._spoke >= _SPARSE_SECONDS or step == self.config.steps
        if self.main and not self._bar and due:
            self.say(
                f"step {step}/{self.config.steps}  loss {values['loss']:.4g}  lr {values['lr']:.3g}  "
                f"{speed:.3g} samples/s"
            )

    def evaluation(self, step: int, values: Mapping[str, float]) -> None:
        if not values:
            return
        self._write(step, {"evaluation": dict(values)})
        self._plot("evaluation", step, values)
        if self.main:
            self.say(f"step {step}: " + "  ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def say(self, text: str) -> None:
        """A line for people, on stderr, above the bar where there is one."""
        self._spoke = time.monotonic()
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _write(self, step: int, values: dict[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps({"step": step, **plain(values)}) + "\n")
            self._file.flush()

    def _plot(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)


def read_metrics(out: Path | str) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (Path(out) / METRICS_FILE).read_text(encoding="utf-8").splitlines()]


def _lines_until(path: Path, step: int) -> list[str]:
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else ():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            break  # the last line of a killed run may be half-written
    return kept if step else []


def _summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise NotInstalledError(
            "tensorboard is set, and TensorBoard is not installed. pip install 'vitrail-training[track]'"
        ) from error
    return SummaryWriter(str(folder), purge_step=step or None)
