"""A signal asks a run to stop; the run stops after the step it is in, or the next (processes have to agree)."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Inside the block SIGTERM and Ctrl-C are noted in `received`; a Ctrl-C after another stops at once."""

    def __init__(self) -> None:
        self.received = 0
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():  # python sets handlers nowhere else
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        # torchrun passes on what the terminal has sent already, so two within a second are one
        if number == signal.SIGINT == self.received and time.monotonic() - self._since > 1:
            raise KeyboardInterrupt
        self.received = self.received or number
        self._since = time.monotonic()


def exit_code(number: int) -> int:
    """As a shell counts: 143 for SIGTERM, 130 for Ctrl-C."""
    return 128 + number


class Interrupted(SystemExit):
    """A signal stopped a run after its state was saved. `code` is the exit code, `checkpoint` the folder."""

    def __init__(self, code: int, checkpoint: Path) -> None:
        super().__init__(code)
        self.checkpoint = checkpoint
