"""How much memory a call needs at its peak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MB = 1 << 20
PEAK_RESET = Path("/proc/self/clear_refs")


def peak_growth(call: Callable[[], Any], device: torch.device | str = "cpu") -> float | None:
    """Megabytes that `call` needs at its peak beyond what is held before it, its result among them.

    On a GPU what torch's allocator counted; on a CPU what the process grew by, so call it in a process that did not
    hold more before. None where the system does not tell (Linux does).
    """
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - held) / MB
    try:
        PEAK_RESET.write_text("5")  # the highest size starts again from the present one
        held = _resident("VmRSS")
    except OSError:
        return None
    call()
    return (_resident("VmHWM") - held) / MB


def _resident(field: str) -> int:
    """Bytes of memory this process holds (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
