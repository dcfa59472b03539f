"""What this package offers, for Vitrail's plugin manager. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, Command, ComponentSpec, DoctorLine, Inputs, Weights

R101 = ComponentSpec(
    id="prcl/r101",
    kind="segmenter",
    target="vitrail_prcl.segmenter:PRCLSegmenter",
    summary="PRCL on DeepLabV3+ with ResNet-101, exactly the published network, 59.7 M parameters",
    config="vitrail_prcl.config:r101",
    inputs=Inputs(bands=None, dtypes=("uint8",)),  # the weights' own config decides
    capabilities=Capabilities(batched=True, module=True),
    weights=Weights(
        homepage="https://github.com/Haoyu-Xie/PRCL",
        licence="none published; a checkpoint of yours is yours",
    ),
    trainer="vitrail_prcl.train:train",
    presets="vitrail_prcl.presets",
    evaluator="vitrail_prcl.evaluate:evaluate",
    converter="vitrail_prcl.convert:convert",
    exporter="vitrail_prcl.export:export",
    benchmarks="vitrail_prcl.bench:bench",
    licence="Apache-2.0",
    paper="https://arxiv.org/abs/2402.18117",
)

R50 = replace(
    R101,
    id="prcl/r50",
    summary="PRCL on DeepLabV3+ with ResNet-50, 40.7 M parameters",
    config="vitrail_prcl.config:r50",
)


LANDSAT = replace(
    R101,
    id="prcl/landsat",
    summary="a small PRCL for five Landsat-7 bands, 7 classes of land cover; preset landsat trains it",
    config="vitrail_prcl.config:landsat",
    inputs=Inputs(bands=5, dtypes=("float32",)),
    embedded="vitrail_prcl:weights/landsat",
    weights=None,
    weights_licence="Apache-2.0",
    converter="",
)


@hookimpl
def vitrail_components() -> Iterable[ComponentSpec]:
    return [R101, R50, LANDSAT]


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {
        "prcl": Command(target="vitrail_prcl.cli:app", help="Split labels, rank and label images for PRCL.")
    }


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_prcl.kernels import mls_infonce, prototypes

    return [*mls_infonce.doctor(), *prototypes.doctor()]
