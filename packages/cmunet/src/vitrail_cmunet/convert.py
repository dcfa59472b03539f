"""Checkpoints of the authors' code -> a `CMUNetSegmenter`. Nothing in the file is executed.

Known are a Lightning checkpoint (a dict with "state_dict"), a plain state dict, and safetensors. Names may begin with
`net.`, `mamba_unet.` and `module.` in any mixture. Parameters that the network never reads may be there or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vitrail.errors import InputError
from vitrail.specs import ComponentSpec
from vitrail_cmunet.config import ISPRS, LOVEDA, CMUNetConfig
from vitrail_cmunet.model import CMUNet
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_segmentation import conversion
from vitrail_training.foreign import name_some, read_checkpoint

PREFIXES = ("net", "mamba_unet", "module")
HEADS = ("output.weight", "conv4.weight", "conv3.weight", "conv2.weight")
TELLING = (
    "backbone.conv1.weight",
    "AFFs.0.fusion_conv.down.weight",
    "layers_up.0.0.blocks.0.down.weight",
    "output.weight",
)
UNUSED = re.compile(r"(?:norm|up)\..*|AFFs\.\d\.fusion_conv\.down_2\..*")


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(conversion.ConvertOptions):
    """What the file does not say.

    classes: their names; by default those of ISPRS for six, of LoveDA for seven, else "class 0", ...
    new_heads: where `classes` has another count than the file, start the four heads anew instead of refusing.
    """


def convert(
    path: Path | str, *, spec: ComponentSpec, options: ConvertOptions = ConvertOptions()
) -> CMUNetSegmenter:
    """Read a checkpoint of the published network; the counts of classes and bands come from the file.

    Raises UsageError: no such file, or another count of classes; InputError: not a checkpoint, or of another network;
    BrokenError: a damaged safetensors file.
    """
    path = Path(path)
    tensors = read_checkpoint(path, prefixes=PREFIXES)
    _check(path, tensors)
    count = tensors["output.weight"].shape[0]
    fields = conversion.image_fields(
        options,
        where=path.name,
        count=count,
        bands=tensors["backbone.conv1.weight"].shape[1],
        published=(ISPRS, LOVEDA),
    )
    if len(fields["classes"]) != count:
        tensors = {name: value for name, value in tensors.items() if name not in HEADS}
    config = CMUNetConfig(**fields)
    component = CMUNetSegmenter.from_config(config, spec=spec)
    _fill(component.module, tensors, path)
    return component


def _check(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Whether this is a CM-UNet at all, said by the parameters that tell it from other networks."""
    missing = [name for name in TELLING if name not in tensors or tensors[name].ndim < 2]
    if missing:
        raise InputError(
            f"{path.name} is not a checkpoint of CM-UNet with ResNet-18: it has no {', '.join(missing)}."
        )


def _fill(network: CMUNet, tensors: Mapping[str, Tensor], path: Path) -> None:
    wanted = network.state_dict()
    missing = [
        name
        for name in wanted
        if name not in tensors
        and name not in HEADS  # the auxiliary ones serve training only, and all of them may start anew
        and not UNUSED.fullmatch(name)
        and not name.endswith("num_batches_tracked")
    ]
    if missing:
        raise InputError(f"{path.name} lacks {name_some(missing)}; wanted is a whole CM-UNet with ResNet-18.")
    for name, tensor in wanted.items():
        found = tensors.get(name)
        if found is not None and found.shape != tensor.shape:
            raise InputError(
                f"{path.name} has {name} of shape {tuple(found.shape)}; wanted is {tuple(tensor.shape)}, as in the "
                "published network."
            )
    network.load_state_dict({name: tensors[name] for name in wanted if name in tensors}, strict=False)
