"""Time and memory of the contrastive loss, forward and backward, beside forms that a user could take instead.

    python packages/prcl/benchmarks/mls_infonce.py            21 classes, 256 anchors each, 512 negatives, D 256, V 80
    python packages/prcl/benchmarks/mls_infonce.py --small    4 classes, 64 anchors each, 128 negatives, D 64, V 12

All get the same anchors, keys and indices, and give the mean loss and the gradients of the anchors' means and
variances:

    by class     the released code's form: for each class the (Q, 1 + N + V, D) tensors, and autograd through them
    compiled     all classes at once in torch.compile, with autograd: gather, arithmetic and reductions are its to fuse
    written out  the same with the gradients written out in the compiled function, so that nothing is kept between
                 the passes, and inductor told never to store what it can compute again

The compiled forms go through the anchors in pieces where a step would otherwise need more than --room gigabytes, each
piece forward and backward. Before anything is timed every form's loss and gradients are compared with the definition
in float64, on the anchors of three classes. Memory is the peak beyond the inputs: on a CPU what a process of its own
grew by, on a GPU what the allocator counted. Writes `benchmarks/results/prcl_mls_infonce_cpu.json` (or _gpu.json).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail_prcl.kernels.mls_infonce import mls_infonce
from vitrail_prcl.kernels.mls_infonce.reference import mls_infonce_reference
from vitrail_prcl.kernels.mls_infonce.sample import Inputs, random_inputs
from vitrail_training.kernels.check import error_ratio
from vitrail_training.kernels.memory import peak_growth
from vitrail_training.kernels.timing import compare, ratios, write_record

RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"
Step = Callable[
    [Inputs], tuple[Tensor, Tensor, Tensor]
]  # the mean loss, and its gradients by mean and variance
PIXELS = 26_244  # four images of 81 x 81
NEVER_STORE = {
    "realize_reads_threshold": 1000,
    "realize_opcount_threshold": 10_000,
    "realize_acc_reads_threshold": 1000,
}


def ours(inputs: Inputs, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    leaves = [x.detach().requires_grad_() for x in inputs[:2]]
    loss = mls_infonce(*leaves, *inputs[2:], scale=scale).mean()
    return loss.detach(), *torch.autograd.grad(loss, leaves)


def score(a: Tensor, s: Tensor, b: Tensor, t: Tensor, scale: float) -> Tensor:
    d = s + t
    return -0.5 * scale * ((a - b) ** 2 / d + torch.log(d)).sum(dim=-1)


def by_class(inputs: Inputs, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """A class at a time; its tensors stay until the backward pass, as autograd keeps them."""
    mean, variance = (x.detach().requires_grad_() for x in inputs[:2])
    total = mean.new_zeros(())
    counts = torch.bincount(inputs.group, minlength=len(inputs.positive_mean)).tolist()
    first = 0
    for c, count in enumerate(counts):
        part = slice(first, first + count)
        rows = inputs.index[part]
        virtual = inputs.virtual_mean[c].expand(count, -1, -1)
        positive = [x[c].expand(count, 1, -1) for x in (inputs.positive_mean, inputs.positive_variance)]
        b = torch.cat((positive[0], inputs.key_mean[rows], virtual), dim=1)
        t = torch.cat((positive[1], inputs.key_variance[rows], torch.zeros_like(virtual)), dim=1)
        logits = score(mean[part][:, None], variance[part][:, None], b, t, scale)
        target = torch.zeros(count, dtype=torch.int64, device=mean.device)
        total = total + F.cross_entropy(logits, target, reduction="sum")
        first += count
    loss = total / len(mean)
    return loss.detach(), *torch.autograd.grad(loss, (mean, variance))


def logits_of(mean, variance, group, inputs, index, scale):
    """The positive's (n, 1), the negatives' (n, N) and the virtual negatives' (n, V)."""
    a, s = mean[:, None], variance[:, None]
    _, _, _, p, r, k, t, _, v = inputs
    own = score(a, s, p[group][:, None], r[group][:, None], scale)
    virtual = -0.5 * scale * (((a - v[group]) ** 2 / s).sum(dim=-1) + torch.log(s).sum(dim=-1))
    return own, score(a, s, k[index], t[index], scale), virtual


def compiled_loss(mean, variance, group, inputs, index, scale):
    logits = torch.cat(logits_of(mean, variance, group, inputs, index, scale), dim=1)
    return (logits.logsumexp(dim=1) - logits[:, 0]).sum()


def compiled_step(mean, variance, group, inputs, index, scale):
    """Loss and gradients, written out; each sum is over n x N x D or n x V x D, none of which need be stored."""
    own, keys, virtual = logits_of(mean, variance, group, inputs, index, scale)
    _, _, _, p, r, k, t, _, v = inputs
    logits = torch.cat((own, keys, virtual), dim=1)
    total = logits.logsumexp(dim=1)
    weights = (logits - total[:, None]).exp()
    w_keys, w_virtual = weights[:, 1 : 1 + index.shape[1]], weights[:, 1 + index.shape[1] :]
    a, s = mean[:, None], variance[:, None]
    ratio = (a - k[index]) / (s + t[index])
    first = (w_keys[..., None] * ratio).sum(dim=1)
    second = (w_keys[..., None] * (ratio**2 - 1 / (s + t[index]))).sum(dim=1)
    ratio = (a - v[group]) / s
    first += (w_virtual[..., None] * ratio).sum(dim=1)
    second += (w_virtual[..., None] * (ratio**2 - 1 / s)).sum(dim=1)
    others = (w_keys.sum(dim=1) + w_virtual.sum(dim=1))[:, None]
    d = variance + r[group]
    ratio = (mean - p[group]) / d
    first -= others * ratio
    second -= others * (ratio**2 - 1 / d)
    return (total - own[:, 0]).sum(), -scale * first, 0.5 * scale * second


def in_pieces(inputs: Inputs, scale: float, step: Callable, pieces: int) -> tuple[Tensor, Tensor, Tensor]:
    """The sum over pieces of the anchors, each one forward and backward."""
    size = -(-len(inputs.mean) // pieces)
    cut = zip(*(x.split(size) for x in (*inputs[:3], inputs.index)))
    results = [step(*part[:3], inputs, part[3], scale) for part in cut]
    losses, first, second = zip(*results)
    count = len(inputs.mean)
    return sum(losses) / count, torch.cat(first) / count, torch.cat(second) / count


def through_autograd(loss: Callable) -> Callable:
    def step(mean, variance, *rest):
        leaves = [x.detach().requires_grad_() for x in (mean, variance)]
        value = loss(*leaves, *rest)
        return value.detach(), *torch.autograd.grad(value, leaves)

    return step


def forms(options: argparse.Namespace) -> dict[str, Step]:
    scale = 1 / options.width / options.temperature
    bytes_ = 4 * options.anchors * (1 + options.negatives + options.virtual) * options.width * options.classes
    pieces = 1
    while 3 * bytes_ / pieces > options.room * 1e9:  # were three such tensors stored
        pieces *= 2
    by_autograd = through_autograd(torch.compile(compiled_loss, dynamic=False))
    written_out = torch.compile(compiled_step, dynamic=False, options=NEVER_STORE)
    return {
        "ours": lambda inputs: ours(inputs, scale),
        "by class": lambda inputs: by_class(inputs, scale),
        "compiled": lambda inputs: in_pieces(inputs, scale, by_autograd, pieces),
        "written out": lambda inputs: in_pieces(inputs, scale, written_out, pieces),
        **(
            {"ours, bfloat16 keys": lambda inputs: ours(halved(inputs), scale)}
            if options.device == "cuda"
            else {}
        ),
    }


def halved(inputs: Inputs) -> Inputs:
    """Keys in bfloat16; the conversion counts."""
    return inputs._replace(key_mean=inputs.key_mean.bfloat16(), key_variance=inputs.key_variance.bfloat16())


def make_inputs(options: argparse.Namespace, classes: int) -> Inputs:
    anchors = options.anchors * classes
    size = anchors, classes, options.pixels, options.negatives, options.width, options.virtual
    return random_inputs(*size, device=options.device)


def in_float64(inputs: Inputs, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """By definition, some anchors at a time, for it holds all differences."""
    leaves = [x.double().requires_grad_() for x in inputs[:2]]
    total, gradients = 0.0, [torch.zeros_like(x) for x in leaves]
    for part in torch.arange(len(inputs.mean), device=inputs.mean.device).split(32):
        few = (*(x[part] for x in leaves), inputs.group[part], *inputs[3:7], inputs.index[part], inputs[8])
        loss = mls_infonce_reference(*few, scale).sum() / len(inputs.mean)
        total += loss.detach()
        for gradient, more in zip(gradients, torch.autograd.grad(loss, leaves)):
            gradient += more
    return total, *gradients


def errors(step: Step, inputs: Inputs, wanted: tuple[Tensor, Tensor, Tensor]) -> dict[str, float]:
    found = step(inputs)
    return {name: error_ratio(a, b) for name, a, b in zip(("loss", "dmean", "dvariance"), found, wanted)}


def peak(form: str) -> float | None:
    """Megabytes beyond the inputs, in a process of its own with the same options."""
    command = [sys.executable, __file__, *sys.argv[1:], "--peak", form]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_peak(form: str, options: argparse.Namespace) -> float | None:
    step, inputs = forms(options)[form], make_inputs(options, options.classes)
    step(inputs)  # compiles, and loads libraries
    if options.device == "cpu" and sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed is given back, or it would not count again
    return peak_growth(lambda: step(inputs), options.device)


def run(options: argparse.Namespace) -> dict:
    scale = 1 / options.width / options.temperature
    rivals = forms(options)
    few, inputs = make_inputs(options, min(3, options.classes)), make_inputs(options, options.classes)
    wanted = in_float64(few, scale)
    found, megabytes, failed = {}, {}, {}
    for name in list(rivals):
        try:
            found[name] = errors(rivals[name], few, wanted)
            megabytes[name] = peak(name)
        except Exception as error:  # a rival that does not run here must not end the run
            told = getattr(error, "stderr", None) or str(error)
            failed[name] = told[-300:]
            print(f"without {name}: {told.splitlines()[-1]}", flush=True)
            del rivals[name]
    if "ours" in failed:
        raise SystemExit("Ours does not run here.")
    calls = {name: lambda step=step: step(inputs) for name, step in rivals.items()}
    warmup = 2 if options.device == "cuda" else 1
    timings = compare(calls, rounds=options.rounds, warmup=warmup, device=options.device)
    over = ratios(timings, "ours")
    for name, timing in timings.items():
        used = f"{megabytes[name]:9.1f} MB" if megabytes[name] is not None else ""
        print(
            f"{name:20s} {timing.median:10.2f} ms  {used}  {over[name]:6.2f} x ours   "
            f"off float64 by {max(found[name].values()):.1e}",
            flush=True,
        )
    return {
        "milliseconds": timings,
        "over_ours": over,
        "peak_megabytes": megabytes,
        "error_ratio_to_float64": found,
        "failed": failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="sizes for a small machine")
    for name, told in (
        ("classes", "G"),
        ("anchors", "Q, of each class"),
        ("negatives", "N"),
        ("width", "D"),
        ("virtual", "V"),
        ("pixels", "P, the keys"),
    ):
        parser.add_argument(f"--{name}", type=int, help=told)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--rounds", type=int)
    parser.add_argument(
        "--room", type=float, default=8.0, help="gigabytes that a compiled form may be thought to need"
    )
    parser.add_argument(
        "--threads", type=int, help="of the CPU; on a busy machine few are more honest than all"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    small = {"classes": 4, "anchors": 64, "negatives": 128, "width": 64, "virtual": 12, "pixels": 2000}
    large = {"classes": 21, "anchors": 256, "negatives": 512, "width": 256, "virtual": 80, "pixels": PIXELS}
    sizes = small if options.small else large
    for name in sizes:
        if getattr(options, name) is None:
            setattr(options, name, sizes[name])
    options.rounds = options.rounds or (20 if options.device == "cuda" else 3)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.peak:
        print(json.dumps(measure_peak(options.peak, options)))
        return
    record = {"sizes": {name: getattr(options, name) for name in sizes}, "temperature": options.temperature}
    record |= run(options)
    suffix = f"{'gpu' if options.device == 'cuda' else 'cpu'}{'_small' if options.small else ''}"
    path = options.out or RESULTS / f"prcl_mls_infonce_{suffix}.json"
    write_record(path, record, device=options.device)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
