"""Checkpoints of the authors' code, and of insightface's ViT -> a `TransFaceRecognizer`. Nothing in them is executed.

Known are a plain state dict, a dict that holds one as "state_dict" or "state_dict_backbone", and safetensors. Names may
begin with `module.`. The variant follows from the shapes; a file without the gate's two weights is insightface's plain
ViT, and becomes a network whose gates are all 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from vitrail.component import default_config
from vitrail.errors import InputError, UsageError
from vitrail.specs import ComponentSpec
from vitrail_training.foreign import fill, read_checkpoint
from vitrail_transface.config import PATCH, TOKENS, VARIANTS, TransFaceConfig
from vitrail_transface.recognizer import TransFaceRecognizer

BLOCK = re.compile(r"^blocks\.(\d+)\.")
NESTED = ("state_dict", "state_dict_backbone")
GATE = ("senet.0.weight", "senet.2.weight")
TELLING = {
    "pos_embed": 3,
    "patch_embed.proj.weight": 4,
    "blocks.0.attn.qkv.weight": 2,
    "feature.0.weight": 2,
    "feature.2.weight": 2,
}
"""Weights by which a checkpoint is known, and their number of dimensions."""


def convert(path: Path | str, *, spec: ComponentSpec) -> TransFaceRecognizer:
    """Read a checkpoint of the variant that `spec` names.

    Raises UsageError: no such file, or one of another variant; InputError: not a checkpoint, of another network, or
    with numbers that are not finite; BrokenError: a damaged safetensors file.
    """
    path = Path(path)
    tensors = read_checkpoint(path, within=NESTED)
    config = _config(path, tensors, spec)
    component = TransFaceRecognizer.from_config(config, spec=spec, seed=0)
    fill(component.module, tensors, where=path.name, wanted=f"a whole {spec.id}")
    return component


def _config(path: Path, tensors: Mapping[str, Tensor], spec: ComponentSpec) -> TransFaceConfig:
    """The config of the variant that the shapes tell, which must be the one that was asked for."""
    missing = [n for n, dims in TELLING.items() if n not in tensors or tensors[n].dim() != dims]
    if missing:
        raise InputError(
            f"{path.name} is not a checkpoint of TransFace or of insightface's ViT: it has no {', '.join(missing)}."
        )
    tokens, dim = tensors["pos_embed"].shape[1:]
    side = tensors["patch_embed.proj.weight"].shape[-1]
    if (tokens, side) != (TOKENS, PATCH):
        raise InputError(
            f"{path.name} has {tokens} tokens of {side} x {side} pixels; wanted are {TOKENS} of {PATCH} x {PATCH}, as "
            "in the networks for faces of 112 x 112."
        )
    depth = 1 + max(int(found[1]) for name in tensors if (found := BLOCK.match(name)))
    asked: TransFaceConfig = default_config(spec)
    if (dim, depth) != (asked.dim, asked.depth):
        fitting = [
            f"transface/{n}" for n, make in VARIANTS.items() if (make().dim, make().depth) == (dim, depth)
        ]
        advice = f"convert it as {fitting[0]}" if fitting else "no published TransFace has that size"
        raise UsageError(
            f"{path.name} is {dim} wide and has {depth} blocks, and {spec.id} is {asked.dim} wide and has "
            f"{asked.depth}: {advice}."
        )
    present = [name for name in GATE if name in tensors]
    if len(present) == 1:
        raise InputError(f"{path.name} has only half of the gate, {present[0]}; wanted are both or neither.")
    return replace(asked, gate=bool(present), embedding=tensors["feature.2.weight"].shape[0])
