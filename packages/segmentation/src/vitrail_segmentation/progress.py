"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


class Reporter(Protocol):
    """What the driver tells about its work."""

    def start(self, name: str, total: int, done: int = 0) -> None:
        """A piece of work of `total` pixels begins, `done` of which were done before."""

    def advance(self, pixels: int) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Reports nothing: for use as a library."""

    def start(self, name: str, total: int, done: int = 0) -> None: ...

    def advance(self, pixels: int) -> None: ...

    def note(self, text: str) -> None: ...


class Bar:
    """A bar with rate and time left on a terminal; plain lines, ten seconds apart, where stderr is a file."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._name, self._total, self._done, self._before = "", 0, 0, 0
        self._began = self._last_line = 0.0
        self._bar: Progress | None = None
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                _Rate(),
                TimeRemainingColumn(),
                TextColumn("left"),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, name: str, total: int, done: int = 0) -> None:
        self._name, self._total, self._done, self._before = name, total, done, done
        self._began = self._last_line = time.monotonic()
        if self._bar is not None:
            for task in self._bar.task_ids:
                self._bar.remove_task(task)
            self._bar.add_task(name, total=total, completed=done)
            self._bar.start()

    def advance(self, pixels: int) -> None:
        self._done = min(self._done + pixels, self._total)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], completed=self._done)
            return
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self.console.print(self._line(now), soft_wrap=True, markup=False)

    def note(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)

    def _line(self, now: float) -> str:
        rate = (self._done - self._before) / (now - self._began)
        share = self._done / max(self._total, 1)
        left = (self._total - self._done) / rate if rate else float("inf")
        return f"{self._name}: {share:.0%}, {_megapixels(rate)}, {_duration(left)} left"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_megapixels(task.speed) if task.speed else "", style="progress.data.speed")


def _megapixels(rate: float) -> str:
    return f"{rate / 1e6:.1f} megapixels/s" if rate >= 1e5 else f"{rate / 1e3:.1f} kilopixels/s"


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
