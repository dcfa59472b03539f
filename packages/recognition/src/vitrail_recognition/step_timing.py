"""What a method's training step costs beside a plain one: benchmarks use it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.operations import convert_outputs_to_fp32
from torch import Tensor

from vitrail_recognition.task import MarginTask
from vitrail_training.config import FitConfig
from vitrail_training.kernels.memory import peak_growth
from vitrail_training.kernels.timing import compare, ratios, write_record

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


class MadeUpClasses:
    """Stands where a data set does: only the number of its identities is asked for."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __len__(self) -> int:
        raise TypeError("there are no samples; the batch is made.")


def random_faces(count: int, classes: int, device: torch.device | str) -> dict[str, Tensor]:
    """A batch {"image": (count, 3, 112, 112) in -1 to 1, "label": (count,)} of noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 112, 112, generator=generator) * 2 - 1
    labels = torch.randint(classes, (count,), generator=generator)
    return {"image": images.to(device), "label": labels.to(device)}


def compare_steps(
    tasks: Mapping[str, MarginTask],
    config: FitConfig,
    batch: Mapping[str, Tensor],
    *,
    base: str,
    rounds: int,
    device: torch.device | str,
) -> dict[str, Any]:
    """Whole training steps of several tasks on one batch, in turns: forward, backward, clipping, both optimizers.

    Returns Timings by name, the medians over that of `base`, and on a GPU each step's peak of memory in megabytes
    (beyond what networks, centres and optimizer states of all tasks hold).
    """
    steps = {name: make_step(task, config, batch, torch.device(device)) for name, task in tasks.items()}
    timings = compare(steps, rounds=rounds, warmup=1, device=device)
    found: dict[str, Any] = {**timings, f"over_{base}": ratios(timings, base)}
    if torch.device(device).type == "cuda":
        found["peak_megabytes"] = {
            name: round(peak_growth(step, device) or 0, 1) for name, step in steps.items()
        }
    return found


def make_step(
    task: MarginTask, config: FitConfig, batch: Mapping[str, Tensor], device: torch.device
) -> Callable[[], None]:
    """A function that trains `task` by one step each time, as `fit` does, without its logs and checks."""
    module = task.model.to(device)
    optimizer = task.optimizer(module, config)
    task.train_mode()
    autocast = torch.autocast(device.type, PRECISIONS[config.precision], enabled=config.precision != "fp32")
    forward: Any = convert_outputs_to_fp32(autocast(module.forward))
    step = 0

    def once() -> None:
        nonlocal step
        optimizer.zero_grad(set_to_none=True)
        result = task.loss(forward, dict(batch), step)
        (result[0] if isinstance(result, tuple) else result).backward()
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
        optimizer.step()
        task.after_step(step)
        step += 1

    return once


def steps_main(
    doc: str | None,
    out: Path,
    *,
    networks: Sequence[str],
    lr: float,
    weight_decay: float,
    make_tasks: Callable[[str, int, FitConfig, str], Mapping[str, MarginTask]],
) -> None:
    """The command line of a benchmark of whole steps beside the task "plain", which prints ratios and writes a record.

    out: the record, whose name gets _cpu or _gpu. networks: what --network may be, the usual one first. make_tasks:
    (network, classes, config, device) -> tasks by name.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--classes", type=int, default=85_742)
    parser.add_argument("--network", default=networks[0], choices=networks)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--precision", choices=list(PRECISIONS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    gpu = options.device.startswith("cuda")
    precision = options.precision or ("bf16" if gpu else "fp32")
    config = FitConfig(lr=lr, weight_decay=weight_decay, clip_norm=5.0, precision=precision)
    results = compare_steps(
        make_tasks(options.network, options.classes, config, options.device),
        config,
        random_faces(options.batch, options.classes, options.device),
        base="plain",
        rounds=options.rounds or (30 if gpu else 3),
        device=options.device,
    )
    for name, ratio in results["over_plain"].items():
        print(f"{name:9s} {results[name].median:10.1f} ms   {ratio:.3f} x plain")
    facts = {key: getattr(options, key) for key in ("network", "batch", "classes")}
    path = options.out or out.with_name(f"{out.stem}_{'gpu' if gpu else 'cpu'}.json")
    write_record(path, {**facts, "precision": precision, **results}, device=options.device)
    print(f"written to {path}")
