"""Checkpoints of the authors' code or of insightface's iresnet -> a `TopoFRRecognizer`; nothing is executed.

Known are a plain state dict, a dict with one under "state_dict", "state_dict_backbone" (insightface's own
training) or "model", and safetensors. Names may begin with `module.`, `backbone.`, `model.` and `net.` in any
mixture. The centres of the training classes, `weight`, serve training only and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vitrail.cli.output import say
from vitrail.component import default_config
from vitrail.errors import InputError, UsageError
from vitrail.specs import ComponentSpec
from vitrail_topofr.config import SIZE, STRIDE, TopoFRConfig, r18, r50, r100, r200
from vitrail_topofr.recognizer import TopoFRRecognizer
from vitrail_training.foreign import fill, read_checkpoint

PREFIXES = ("module", "backbone", "model", "net")
WITHIN = ("state_dict_backbone", "state_dict", "model")
TELLING = ("conv1.weight", "layer1.0.bn1.weight", "layer4.0.prelu.weight", "fc.weight")
CENTRES = "weight"
GAIN = "features.weight"
VARIANTS = {"R18": r18, "R50": r50, "R100": r100, "R200": r200}


def convert(path: Path | str, *, spec: ComponentSpec) -> TopoFRRecognizer:
    """Read a checkpoint of the network that `spec` names; says how many classes it was trained on.

    Raises UsageError: no such file, or of another variant than `spec`; InputError: not a checkpoint, of
    another network, incomplete or with numbers that are not finite; BrokenError: a damaged safetensors file.
    """
    path = Path(path)
    tensors = read_checkpoint(path, within=WITHIN, prefixes=PREFIXES)
    _check_kind(path, tensors)
    config = _config_of(path, tensors)
    wanted = default_config(spec)
    if config != wanted:
        raise UsageError(
            f"{path.name} is {_describe(config)}, and {spec.id} is {_describe(wanted)}{_better(config)}."
        )
    centres = tensors.pop(CENTRES, None)
    gain = tensors.setdefault(GAIN, torch.ones(config.embedding))
    component = TopoFRRecognizer.from_config(config, spec=spec, seed=0)
    fill(component.module, tensors, where=path.name, wanted="a whole IResNet")
    say(f"{path.name}: {_describe(config)}, {_told(path, centres, gain, config)}.")
    return component


def _told(path: Path, centres: Tensor | None, gain: Tensor, config: TopoFRConfig) -> str:
    """What the file says about its training."""
    if centres is None:
        classes = "without class centres"
    elif centres.ndim == 2 and centres.shape[1] == config.embedding:
        classes = f"trained on {centres.shape[0]:,} classes, whose centres are left out"
    else:
        raise InputError(
            f"{path.name} has class centres of shape {tuple(centres.shape)}; wanted is (classes, {config.embedding})."
        )
    fixed = bool((gain == 1).all())
    return classes + (", the last gain fixed at 1 as in insightface" if fixed else ", the last gain trained")


def _check_kind(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Whether this is an IResNet at all, said by the parameters that tell it from other networks."""
    missing = [name for name in TELLING if name not in tensors]
    if missing:
        raise InputError(
            f"{path.name} is not a checkpoint of TopoFR or of an insightface iresnet: it has no {', '.join(missing)}."
        )


def _config_of(path: Path, tensors: Mapping[str, Tensor]) -> TopoFRConfig:
    """The network that the names and shapes of a file describe."""
    places = [re.match(r"layer([1-4])\.(\d+)\.", name) for name in tensors]
    blocks = [0, 0, 0, 0]
    for place in filter(None, places):
        stage, number = int(place[1]) - 1, int(place[2])
        blocks[stage] = max(blocks[stage], number + 1)
    widths = [tensors.get(f"layer{stage}.0.bn3.weight", torch.empty(0)).numel() for stage in (1, 2, 3, 4)]
    head = tensors["fc.weight"]
    area = (SIZE // STRIDE) ** 2
    if min(blocks) < 1 or min(widths) < 1:
        raise InputError(f"{path.name} lacks a whole stage; wanted are layer1 to layer4 of an IResNet.")
    if head.ndim != 2 or head.shape[1] != widths[-1] * area:
        raise InputError(
            f"{path.name} has fc.weight of shape {tuple(head.shape)}; wanted is (D, {widths[-1] * area}), that of a "
            f"network for images of {SIZE} x {SIZE}."
        )
    return TopoFRConfig(blocks=tuple(blocks), widths=tuple(widths), embedding=head.shape[0])


def _describe(config: TopoFRConfig) -> str:
    for name, make in VARIANTS.items():
        if config == make():
            return f"an {name}"
    return (
        f"an IResNet with blocks {config.blocks}, widths {config.widths} and {config.embedding}-d embeddings"
    )


def _better(config: TopoFRConfig) -> str:
    for name, make in VARIANTS.items():
        if config == make():
            return f"; convert it as topofr/{name.lower()}"
    return "; its code has no such variant"
