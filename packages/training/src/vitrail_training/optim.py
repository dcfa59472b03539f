"""Groups of parameters, and Lookahead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    no_decay: Iterable[str] = (),
    decay_vectors: bool = False,
    lr_scale: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """The trainable parameters, grouped by learning rate and weight decay.

    no_decay: names, or patterns such as "*.A_logs", of parameters without weight decay.
    decay_vectors: whether biases and the scales of normalisations (one dimension or none) decay too.
    lr_scale: pattern -> factor on the learning rate; the first pattern that fits a name counts.
    """
    patterns, scales = tuple(no_decay), dict(lr_scale or {})
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        spared = any(fnmatchcase(name, pattern) for pattern in patterns)
        decay = 0.0 if spared or (parameter.ndim < 2 and not decay_vectors) else weight_decay
        scale = next((factor for pattern, factor in scales.items() if fnmatchcase(name, pattern)), 1.0)
        groups.setdefault((lr * scale, decay), []).append(parameter)
    return [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()]


class Lookahead(torch.optim.Optimizer):
    """Lookahead (Zhang et al. 2019, arXiv 1907.08610, algorithm 1) around another optimizer.

    The inner optimizer takes `k` steps with the fast weights; then slow += alpha * (fast - slow), and the fast
    weights start again from the slow ones. The slow weights begin as the weights before the first step.
    """

    def __init__(self, inner: torch.optim.Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if k < 1 or not 0 < alpha <= 1:
            raise ValueError(
                f"Lookahead wants k >= 1 and 0 < alpha <= 1; given were k={k} and alpha={alpha}."
            )
        self.inner, self.k, self.alpha, self.count = inner, k, alpha, 0
        self.slow: list[Tensor] = []
        super().__init__(inner.param_groups, inner.defaults)
        self.param_groups = inner.param_groups  # one list: whoever sets a learning rate sets the inner one's

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # type: ignore[override]
        if not self.slow:
            self.slow = [parameter.detach().clone() for parameter in self._parameters()]
        loss = self.inner.step(closure)
        self.count += 1
        if self.count % self.k == 0:
            for slow, fast in zip(self.slow, self._parameters(), strict=True):
                slow.lerp_(fast, self.alpha)
                fast.copy_(slow)
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"inner": self.inner.state_dict(), "slow": list(self.slow), "count": self.count}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.inner.load_state_dict(state_dict["inner"])
        self.param_groups = self.inner.param_groups
        self.count = int(state_dict["count"])
        self.slow = [
            torch.empty_like(fast).copy_(slow) for slow, fast in zip(state_dict["slow"], self._parameters())
        ]
