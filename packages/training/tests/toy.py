"""A small task with everything in it that a checkpoint has to keep. The tests load it, and run it as a script:

python toy.py OUT '{"fit": {...}, "task": {...}, "resume": "auto"}' ...
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback

import numpy as np
import torch
from torch import nn

from vitrail.errors import InputError, VitrailError
from vitrail_training import FitConfig, Task, distributed, fit
from vitrail_training.optim import Lookahead


class Rings:
    """Points in the plane; the class is whether they lie in a ring. Moved a little on every visit."""

    def __init__(self, count=61, noise=0.02, bad=(), poisoned=()):
        points = np.random.default_rng(7).uniform(-1, 1, (count, 2))
        self.points = points.astype(np.float32)
        self.labels = (np.abs(np.hypot(*points.T) - 0.6) < 0.25).astype(np.float32)
        self.noise, self.bad, self.poisoned = noise, bad, poisoned

    def __len__(self):
        return len(self.points)

    def sample(self, index, rng):
        if index in self.bad:
            raise InputError(f"points/{index}.txt is cut off.")
        moved = self.points[index] + rng.normal(0, self.noise, 2).astype(np.float32)
        if index in self.poisoned:
            moved[:] = np.nan
        return {"x": moved, "y": self.labels[index], "index": index}


def network(dropout=0.2, batchnorm=False, width=16):
    torch.manual_seed(1)
    norm = [nn.BatchNorm1d(width)] if batchnorm else []
    return nn.Sequential(nn.Linear(2, width), *norm, nn.GELU(), nn.Dropout(dropout), nn.Linear(width, 1))


class RingTask(Task):
    """Its own state is a running centre of each class, as methods with prototypes have."""

    def __init__(
        self,
        loss="mean",
        dropout=0.2,
        batchnorm=False,
        frozen=False,
        lookahead=False,
        unused=False,
        sleep=0.0,
        kill_at=None,
        **dataset,
    ):
        super().__init__(network(dropout, batchnorm), Rings(**dataset))
        self.kind, self.frozen, self.lookahead = loss, frozen, lookahead
        self.sleep, self.kill_at = sleep, kill_at
        self.settings = {"loss": loss}
        if unused:  # a weight without a gradient, as networks with parts for inference only have
            self.model.register_parameter("unused", nn.Parameter(torch.ones(2)))
            self.find_unused_parameters = True
        self.centres = torch.zeros(2, 2)

    def loss(self, model, batch, step):
        x, y = batch["x"], batch["y"]
        out = model(x)[:, 0]
        self.centres = self.centres.to(x.device)
        for k in (0, 1):
            if (y == k).any():
                self.centres[k].lerp_(x[y == k].mean(0), 0.1)
        each = nn.functional.binary_cross_entropy_with_logits(out, y, reduction="none")
        if self.kind == "mean":
            return each.mean(), {"accuracy": ((out > 0) == (y > 0)).float().mean()}
        p = out.sigmoid()
        if self.kind == "dice":
            inter, total = distributed.sum_across(torch.stack([(p * y).sum(), (p + y).sum()]))
            return 1 - (2 * inter + 0.05) / (total + 0.05) + each.mean()
        if self.kind == "counted":  # a mean over those that count, of which each process has another number
            counts = x[:, 0] > 0
            top, below = distributed.sum_across(torch.stack([(each * counts).sum(), counts.sum().float()]))
            return top / below
        raise ValueError(self.kind)

    def optimizer(self, model, config):
        inner = super().optimizer(model, config)
        return Lookahead(inner) if self.lookahead else inner

    def train_mode(self):
        self.model.train()
        if self.frozen:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm1d):
                    module.eval()

    def after_step(self, step):
        time.sleep(self.sleep)
        if step == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def evaluate(self, model):
        data = self.dataset
        out = model(torch.from_numpy(data.points).to(model[0].weight.device))[:, 0].cpu()
        noise = torch.randn(()).item()  # must not disturb the run
        return {"accuracy": ((out > 0).numpy() == (data.labels > 0)).mean(), "noise": noise * 0}

    def state_dict(self):
        return {"centres": self.centres}

    def load_state_dict(self, state):
        self.centres = state["centres"]


def check_sums():
    """On two processes: gradients through sum_across and DistributedDataParallel are those of one process."""
    from torch.nn.parallel import DistributedDataParallel

    x = torch.arange(12, dtype=torch.float64).reshape(6, 2).sin()
    rank = distributed.rank()

    def loss(net, rows, total):  # nonlinear in the sums, with a mean of its own
        out = net(rows)
        sums = total(torch.stack([out.sum(), (out**2).sum()]))
        return sums[0] ** 2 / (sums[1] + 3) + out.mean()

    def net():
        torch.manual_seed(0)
        return nn.Linear(2, 1, dtype=torch.float64)

    whole, shared = net(), net()
    wrapped = DistributedDataParallel(shared)
    loss(whole, x, lambda sums: sums).backward()
    loss(wrapped, x[3 * rank : 3 * rank + 3], distributed.sum_across).backward()
    for one, other in zip(whole.parameters(), shared.parameters()):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-12, atol=1e-12)
    # and by hand: d/dw_r of (sum_r w_r^3)^2, summed over the two processes that compute it
    w = torch.tensor(0.5 + rank, dtype=torch.float64, requires_grad=True)
    (distributed.sum_across(w**3) ** 2).backward()
    torch.testing.assert_close(w.grad, 2 * 2 * (0.5**3 + 1.5**3) * 3 * w.detach() ** 2)
    assert distributed.gather_objects(rank) == [0, 1]
    assert distributed.mean_across({"a": rank, "b": 4.0}) == {"a": 0.5, "b": 4.0}
    assert distributed.on_main(distributed.rank) == 0
    print("sum_across is right")


def check_errors():
    def fails():
        raise InputError("a.tif is cut off.")

    distributed.on_main(fails)


def main(arguments):
    """Runs one after the other, each in its folder and as it is told."""
    torch.set_num_threads(1)
    for out, told in zip(arguments[::2], arguments[1::2]):
        told = json.loads(told)
        if "die_in_rename" in told:  # between the writing of a checkpoint and its appearance
            _die_in_rename(told["die_in_rename"])
        try:
            if "check" in told:
                globals()[told["check"]]()
                continue
            fit(
                RingTask(**told.get("task", {})), FitConfig(**told["fit"]), out=out, resume=told.get("resume")
            )
        except VitrailError as error:
            if "may_fail" not in told:
                raise
            print(f"{type(error).__name__}: {error}")


def _die_in_rename(name):
    replace = os.replace

    def dying(source, target):
        if str(target).endswith(name):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = dying


def serve():
    """For each line of arguments on stdin fork a process that runs them; saves importing torch each time."""
    import torch._dynamo  # else each child would do it at its first optimizer

    assert torch._dynamo
    for line in sys.stdin:
        arguments, log = json.loads(line)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
            code = 0
            try:
                main(arguments)
            except BaseException as error:
                code = error.code if isinstance(error, SystemExit) else 1
                traceback.print_exc()
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main(sys.argv[1:])
