"""Checkpoints of the authors' code -> a `PRCLSegmenter`. Nothing in the file is executed.

Known are what their training saves, a dict with "ema" (the teacher, which is used at test time), "model" (the student)
and "uncer_head" (the head of the variances, which both share), and the state dict of a teacher or a student alone,
also as safetensors. Names may begin with `module.`. Optimizers, schedules and the prototypes of the later code
("prototype_mu", "prototype_sigma") may be there; they serve training only and are left out.

    in the file                                            here
    resnet_conv1, resnet_bn1, resnet_layer1..4             backbone.conv1, ...
    ASPP, project, classifier, representation              the same
    uncer_head: fc1, fc2, gamma, beta, bn1, bn2            variance.fc1, ...

Weights of a ResNet for ImageNet are no such checkpoint: training fetches them by `PRCLConfig.pretrained`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from vitrail.cli.output import say
from vitrail.component import default_config
from vitrail.errors import InputError, UsageError
from vitrail.specs import ComponentSpec
from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.segmenter import PRCLSegmenter
from vitrail_segmentation import conversion
from vitrail_segmentation.palettes import get_palette
from vitrail_training.foreign import fill, read_parts

KEYS = {"teacher": "ema", "student": "model"}
VARIANCE_KEY = "uncer_head"
TELLING = (
    "resnet_layer1.0.conv1.weight",
    "ASPP.convs.0.0.weight",
    "project.0.weight",
    "classifier.3.weight",
    "representation.3.weight",
)
DEEP_STEM = "resnet_conv1.0.weight"
BACKBONES = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}
"""Blocks of the four stages -> timm's name."""
LAST_LAYER, VARIANCE = "classifier.3.", "variance."
PUBLISHED = (get_palette("voc"), get_palette("cityscapes"))


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(conversion.ConvertOptions):
    """What the file does not say.

    which: the network to take, the teacher or the student.
    classes: their names; by default those of VOC for 21, of Cityscapes for 19, else "class 0", ...
    new_heads: start the classifier's last layer anew where `classes` has another count than the file, and the head of
        the variances where the file has none, instead of refusing.
    """

    which: Literal["teacher", "student"] = "teacher"


def convert(
    path: Path | str, *, spec: ComponentSpec, options: ConvertOptions = ConvertOptions()
) -> PRCLSegmenter:
    """Read a checkpoint of the network that `spec` names; counts of classes, bands and channels come from the file.

    Raises UsageError: no such file, of another variant than `spec`, or another count of classes; InputError: not a
    checkpoint, of another network, incomplete or with numbers that are not finite; BrokenError: a damaged safetensors
    file.
    """
    path = Path(path)
    network, variance = _read(path, options.which)
    config = _config_of(path, network, options)
    wanted = default_config(spec)
    if config.backbone != wanted.backbone:
        raise UsageError(
            f"{path.name} has {config.backbone} as its backbone, and {spec.id} has {wanted.backbone}; convert it as "
            f"prcl/{config.backbone.replace('resnet', 'r')}."
        )
    if not variance and not options.new_heads:
        raise UsageError(
            f"{path.name} holds no head of the variances ({VARIANCE_KEY!r}), so the network could not tell how "
            "uncertain it is; give new_heads to start that head anew, and train it."
        )
    component = PRCLSegmenter.from_config(config, spec=spec, seed=0)
    own = component.module.state_dict()
    tensors = {re.sub("^resnet_", "backbone.", name): value for name, value in network.items()}
    tensors |= {VARIANCE + name: value for name, value in variance.items()}
    anew = [] if variance else [VARIANCE]
    if len(config.classes) != len(network[LAST_LAYER + "weight"]):
        anew.append(LAST_LAYER)
    tensors |= {name: own[name] for name in own if name.startswith(tuple(anew))}
    fill(component.module, tensors, where=path.name, wanted=f"PRCL on {config.backbone}")
    started = f"; started anew: {', '.join(part.strip('.') for part in anew)}" if anew else ""
    say(f"{path.name}: the {options.which}, {config.backbone}, {len(config.classes)} classes{started}.")
    return component


def _read(path: Path, which: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the network that was asked for, and of the head of the variances, none where there is none."""
    parts = read_parts(path, (*KEYS.values(), VARIANCE_KEY))
    network = parts.get(KEYS[which], parts.get(""))
    if network is None:
        raise InputError(
            f"{path.name} holds {' and '.join(parts)} and no {which} ({KEYS[which]!r}); say which "
            "network to take, or give a checkpoint that has both."
        )
    if DEEP_STEM in network:
        raise InputError(
            f"{path.name} is of the ResNet-101 with a deep stem (three 3x3 convolutions, other dilations), which is "
            "not read here; wanted is PRCL on the usual ResNet-50 or ResNet-101."
        )
    missing = [name for name in TELLING if name not in network or network[name].ndim != 4]
    if missing:
        raise InputError(f"{path.name} is not a checkpoint of PRCL: it has no {', '.join(missing)}.")
    return network, parts.get(VARIANCE_KEY, {})


def _config_of(path: Path, network: Mapping[str, Tensor], options: ConvertOptions) -> PRCLConfig:
    """The network that the names and shapes of a file describe."""
    blocks = [0, 0, 0, 0]
    for place in filter(None, (re.match(r"resnet_layer([1-4])\.(\d+)\.", name) for name in network)):
        stage, number = int(place[1]) - 1, int(place[2])
        blocks[stage] = max(blocks[stage], number + 1)
    backbone = BACKBONES.get(tuple(blocks))
    if backbone is None or "resnet_conv1.weight" not in network:
        raise InputError(
            f"{path.name} has a backbone with {', '.join(map(str, blocks))} blocks; wanted is a whole ResNet-50 or "
            "ResNet-101."
        )
    images = conversion.image_fields(
        options,
        where=path.name,
        count=network["classifier.3.weight"].shape[0],
        bands=network["resnet_conv1.weight"].shape[1],
        published=PUBLISHED,
    )
    return PRCLConfig(
        **images,
        backbone=backbone,
        width=network["ASPP.convs.0.0.weight"].shape[0],
        low_width=network["project.0.weight"].shape[0],
        embedding=network["representation.3.weight"].shape[0],
    )
