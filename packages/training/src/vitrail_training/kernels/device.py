"""Where a Triton kernel is launched."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def device_of(x: Tensor) -> AbstractContextManager[object]:
    """Inside it the current device, on which Triton launches, is that of `x`; on a CPU, in the interpreter, nothing."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()
