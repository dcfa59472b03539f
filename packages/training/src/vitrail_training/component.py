"""A component around a torch network: what is the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vitrail.component import PlainComponent, default_config, read_config, read_record, write_config
from vitrail.errors import UsageError
from vitrail.specs import ComponentSpec
from vitrail_training.weights import WEIGHTS_FILE, Dtype, load_weights, read_weights, write_weights

C = TypeVar("C", bound="TorchComponent")


class TorchComponent(PlainComponent):
    """Subclass it, set `config_class`, and write `build(config)`.

    module: the network, in eval mode. trained_on: component id -> SHA-256 of its weights file, for every other
    component whose weights were used in training this one (see weights.check_trained_on).
    """

    module: nn.Module
    trained_on: Mapping[str, str]

    def __init__(self, config: Any, spec: ComponentSpec) -> None:
        super().__init__(config, spec)
        self.module = self.build(config).eval()
        self.trained_on = {}

    @classmethod
    def build(cls, config: Any) -> nn.Module:
        """The network that `config` describes, with fresh weights, on the CPU."""
        raise NotImplementedError(f"{cls.__name__} has no build().")

    @property
    def device(self) -> str:
        """Where the network is: "cpu", "cuda", "cuda:1", "mps"."""
        first = next(self.module.parameters(), None)
        first = next(self.module.buffers(), None) if first is None else first
        return "cpu" if first is None else str(first.device)

    def to(self: C, device: str) -> C:
        self.module.to(usable_device(device))
        return self

    @classmethod
    def from_config(
        cls: type[C],
        config: Any = None,
        *,
        spec: ComponentSpec,
        device: str | None = None,
        seed: int | None = None,
    ) -> C:
        """A new, untrained component. With a seed the weights are always the same, and torch's own generator
        is left as it was."""
        config = default_config(spec) if config is None else config
        if seed is None:
            return cls(config, spec).to(device or "cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            component = cls(config, spec)
        return component.to(device or "cpu")

    @classmethod
    def from_pretrained(
        cls: type[C], folder: Path | str, *, spec: ComponentSpec, device: str | None = None
    ) -> C:
        """What save_pretrained wrote. Weights stored in fp16 or bf16 become fp32.

        Raises BrokenError when names or shapes differ from the network of config.json.
        """
        config = read_config(folder, cls.config_class, spec)
        path = Path(folder) / WEIGHTS_FILE
        tensors = read_weights(path)
        component = cls.from_config(config, spec=spec, seed=0)
        load_weights(component.module, tensors, where=str(path))
        component.trained_on = dict(read_record(folder).get("trained_on", {}))
        return component.to(device or "cpu")

    def save_pretrained(self, folder: Path | str, *, dtype: Dtype | None = None) -> Path:
        """Write config.json and model.safetensors; `dtype` "fp16" or "bf16" stores the weights shorter."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(folder / WEIGHTS_FILE, self.module, dtype)
        more = {"trained_on": dict(self.trained_on)} if self.trained_on else {}
        write_config(folder, self.config, self.spec, **more)
        return folder


def usable_device(device: str) -> torch.device:
    """`device` as torch knows it. UsageError when it is none, or not on this machine."""
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"{device!r} is no device; wanted is cpu, cuda, cuda:1, mps or the like.") from error
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"{device!r} was asked for, and torch finds no CUDA device here; use cpu.")
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"{device!r} was asked for, and there are {torch.cuda.device_count()} CUDA devices, from cuda:0."
        )
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"{device!r} was asked for, and torch finds no Apple GPU here; use cpu.")
    return wanted
