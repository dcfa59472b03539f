"""Time and memory of the margin softmax, forward and backward, beside forms that a user could take instead.

    python packages/recognition/benchmarks/margin_loss.py            85,742 and 1,000,000 classes, B 512, D 512
    python packages/recognition/benchmarks/margin_loss.py --small    5,000 and 20,000 classes, B 128

ArcFace against plain torch, which stores the (B, C) logits; and, without a margin, against cut-cross-entropy and
Liger's fused linear cross entropy on a GPU where they are installed. Those take the same normalised centres, so that
all compute the same loss, and every gradient is compared with plain torch's first. All are timed in turns in one run.
Memory is the peak beyond the inputs and the two gradients. Writes `benchmarks/results/recognition_margin_loss_*.json`.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_recognition.kernels.class_softmax import class_softmax
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_recognition.margins import ArcFace, Margin
from vitrail_training.kernels.check import error_ratio
from vitrail_training.kernels.memory import peak_growth
from vitrail_training.kernels.timing import compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
MB = 1 << 20
RIVALS = ("liger-kernel", "cut-cross-entropy")
"""Distributions that are compared with on a GPU; a run without one of them ends with an error."""


def ours(margin: Margin, backend: str | None = None) -> Loss:
    def loss(embeddings: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
        rest, target, _ = class_softmax(embeddings, centres, labels, scale=margin.scale, backend=backend)
        return -F.logsigmoid(margin(target) - rest).mean()

    return loss


def plain(margin: Margin) -> Loss:
    """The usual training code: normalise, multiply, put the margin on the target, cross entropy."""

    def loss(embeddings: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
        cosines = embeddings @ F.normalize(centres).mT
        if torch.is_autocast_enabled(embeddings.device.type):
            cosines = cosines.float()
        rows = torch.arange(len(labels), device=labels.device)
        target = margin(cosines[rows, labels])
        return F.cross_entropy((margin.scale * cosines).index_put((rows, labels), target), labels)

    return loss


def liger(scale: float) -> Loss:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    fused = LigerFusedLinearCrossEntropyLoss()

    def loss(embeddings: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
        return fused(F.normalize(centres), scale * embeddings, labels)

    return loss


def cut_cross_entropy(scale: float) -> Loss:
    from cut_cross_entropy import linear_cross_entropy

    def loss(embeddings: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
        unit = F.normalize(centres)
        if torch.is_autocast_enabled("cuda"):
            embeddings, unit = embeddings.to(torch.bfloat16), unit.to(torch.bfloat16)
        return linear_cross_entropy(scale * embeddings, unit, labels)

    return loss


def rivals(device: str, margin: Margin) -> dict[str, Loss]:
    """With a margin only plain torch; at margin 0 also the fused cross entropies of language models."""
    found = {"ours": ours(margin), "plain": plain(margin)}
    if device == "cuda" and margin.margin == 0:
        for name, module, make in (
            ("cut-cross-entropy", "cut_cross_entropy", cut_cross_entropy),
            ("liger", "liger_kernel", liger),
        ):
            if find_spec(module):
                found[name] = make(margin.scale)
            else:
                print(f"without {name}: it is not installed", flush=True)
    return found


@contextmanager
def products(kind: str, device: str) -> Iterator[None]:
    """float32 in full, TF32, or bfloat16 by autocast."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind == "tf32"
    try:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=kind == "bfloat16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def step(loss: Loss, inputs: tuple[Tensor, ...]) -> Tensor:
    """Forward and backward; gradients are left in .grad."""
    inputs[0].grad = inputs[1].grad = None
    value = loss(*inputs)
    value.backward()
    return value.detach()


def gpu_memory(loss: Loss, inputs: tuple[Tensor, ...]) -> float:
    """Peak MB beyond what was there and the two gradients; the first call, which compiles, is not looked at."""
    step(loss, inputs)
    inputs[0].grad = inputs[1].grad = None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() + inputs[0].nbytes + inputs[1].nbytes
    step(loss, inputs)
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MB


def _cpu_child(name: str, margin: Margin, size: tuple[int, int, int], threads: int, answer) -> None:
    torch.set_num_threads(threads)
    loss, (embeddings, centres, labels) = rivals("cpu", margin)[name], random_inputs(*size)
    inputs = (embeddings.requires_grad_(), centres.requires_grad_(), labels)
    step(loss, (*(x.detach()[:64].requires_grad_() for x in inputs[:2]), labels[:64] % 64))  # loads libraries
    used = peak_growth(lambda: step(loss, inputs))
    answer.put(None if used is None else used - (embeddings.nbytes + centres.nbytes) / MB)


def cpu_memory(name: str, margin: Margin, size: tuple[int, int, int]) -> float | None:
    """Peak MB of one step beyond the gradients, by the resident size of a process of its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    child = context.Process(target=_cpu_child, args=(name, margin, size, torch.get_num_threads(), answer))
    child.start()
    used = answer.get(timeout=1800)
    child.join()
    return used


def run(device: str, size: tuple[int, int, int], margin: Margin, kind: str, rounds: int) -> dict:
    embeddings, centres, labels = random_inputs(*size, device=device)
    inputs = (embeddings.requires_grad_(), centres.requires_grad_(), labels)
    record: dict = {"batch": size[0], "width": size[1], "classes": size[2], "margin": margin.margin}
    record["products"] = kind
    with products(kind, device):
        losses, errors, used = rivals(device, margin), {}, {}
        wanted = step(losses["plain"], inputs), *(x.grad for x in inputs[:2])
        for name in [name for name in losses if name != "plain"]:
            try:
                found = step(losses[name], inputs), *(x.grad for x in inputs[:2])
            except Exception as error:  # a rival that does not run here must not end the run
                print(f"without {name}: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
                record.setdefault("failed", {})[name] = str(error)[:300]
                del losses[name]
                continue
            errors[name] = max(error_ratio(mine, theirs) for mine, theirs in zip(found, wanted))
            del found
        del wanted
        inputs[0].grad = inputs[1].grad = None
        for name, loss in losses.items():
            if device == "cuda":
                used[name] = gpu_memory(loss, inputs)
            elif (needed := cpu_memory(name, margin, size)) is not None:
                used[name] = needed
        calls = {name: lambda loss=loss: step(loss, inputs) for name, loss in losses.items()}
        timings = compare(calls, rounds=rounds, warmup=2 if device == "cuda" else 1, device=device)
    over = {name: ratio for name, ratio in ratios(timings, "ours").items() if name != "ours"}
    for name, timing in timings.items():
        told = f"{used[name]:9.1f} MB" if name in used else ""
        print(
            f"C={size[2]:9,d} m={margin.margin} {kind:9s} {name:18s} {timing.median:9.2f} ms {told}   "
            f"{over.get(name, 1.0):5.2f} x ours   differs from plain by {errors.get(name, 0):.1e}",
            flush=True,
        )
    return {
        **record,
        "milliseconds": timings,
        "over_ours": over,
        "megabytes_beyond_gradients": used,
        "error_ratio_to_plain": errors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="sizes for a small machine")
    parser.add_argument("--classes", type=int, nargs="+")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--threads", type=int, help="of the CPU; on a busy machine few are more honest than all"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = options.device
    if options.threads:
        torch.set_num_threads(options.threads)
    classes = options.classes or ([5_000, 20_000] if options.small else [85_742, 1_000_000])
    batch = options.batch or (128 if options.small else 512)
    rounds = options.rounds or (20 if device == "cuda" else 5)
    kinds = ("float32", "tf32", "bfloat16") if device == "cuda" else ("float32",)
    margins = (ArcFace(), ArcFace(margin=0.0)) if device == "cuda" else (ArcFace(),)
    runs = [
        run(device, (batch, 512, count), margin, kind, rounds)
        for count in classes
        for margin in margins
        for kind in kinds
    ]
    versions = {name: version(name) for name in RIVALS if _installed(name)}
    suffix = f"{'gpu' if device == 'cuda' else 'cpu'}{'_small' if options.small else ''}"
    path = options.out or RESULTS / f"recognition_margin_loss_{suffix}.json"
    missing = [name for name in RIVALS if device == "cuda" and name not in versions]
    write_record(path, {"rivals": versions, "rivals_missing": missing, "runs": runs}, device=device)
    print(f"written to {path}")
    if missing:
        raise SystemExit(f"This shows nothing about {' and '.join(missing)}: pip install {' '.join(missing)}")


def _installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except ImportError:
        return False


if __name__ == "__main__":
    main()
