"""The precision of a run, for what a task computes outside the network's own forward pass."""

from __future__ import annotations

import torch

from vitrail_training.config import FitConfig


def autocast(config: FitConfig, device: torch.device) -> torch.autocast:
    """A block whose products are in the run's precision, as those of the network in `loss` are."""
    kind = torch.float16 if config.precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, kind, enabled=config.precision != "fp32")
