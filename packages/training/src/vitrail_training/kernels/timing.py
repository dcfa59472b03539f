"""Times of several rivals, taken in turns in one run so that a busy moment hits all of them, and a record of them."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vitrail.files import write_text


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one rival over all rounds."""

    median: float
    fastest: float
    slowest: float
    rounds: int


def compare(
    rivals: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 15,
    warmup: int = 2,
    pause: float = 0.02,
    device: torch.device | str = "cpu",
) -> dict[str, Timing]:
    """Call every rival `rounds` times, one after the other in each round; milliseconds by name.

    On a CUDA device the times are between events on the current stream. On a CPU there is a `pause` (seconds) before
    each call, in which the threads of the rival before it stop spinning.
    """
    cuda = torch.device(device).type == "cuda"
    for _ in range(warmup):
        for rival in rivals.values():
            rival()
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, rival in rivals.items():
            if not cuda:
                time.sleep(pause)
            times[name].append(_on_gpu(rival) if cuda else _on_cpu(rival))
    return {
        name: Timing(statistics.median(values), min(values), max(values), rounds)
        for name, values in times.items()
    }


def _on_cpu(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def _on_gpu(call: Callable[[], Any]) -> float:
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    before.record()
    call()
    after.record()
    torch.cuda.synchronize()
    return before.elapsed_time(after)


def ratios(timings: Mapping[str, Timing], base: str) -> dict[str, float]:
    """Median of each rival over the median of `base`."""
    return {name: timing.median / timings[base].median for name, timing in timings.items()}


def machine(device: torch.device | str = "cpu") -> dict[str, Any]:
    """What the numbers were taken on: device, driver, threads and versions."""
    packages = ("torch", "triton", "numba", "numpy", "mamba-ssm")
    facts: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages if _version(name)},
    }
    if torch.device(device).type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "device": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "driver": _driver(),
            "cuda": torch.version.cuda,
        }
    else:
        facts |= {"device": _processor(), "threads": torch.get_num_threads()}
    return facts


def write_record(path: Path | str, results: Mapping[str, Any], device: torch.device | str = "cpu") -> Path:
    """Write `results` (Timings allowed anywhere) with `machine(device)` as JSON, whole or not at all."""
    record = {"machine": machine(device), **results}
    return write_text(path, json.dumps(record, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Timing):
        return {name: round(number, 4) for name, number in asdict(value).items()}
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _driver() -> str:
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except OSError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
