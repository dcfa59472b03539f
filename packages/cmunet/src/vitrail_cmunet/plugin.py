"""What this package offers, for Vitrail's plugin manager. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, Command, ComponentSpec, DoctorLine, Inputs, Weights

RESNET18 = ComponentSpec(
    id="cmunet/resnet18",
    kind="segmenter",
    target="vitrail_cmunet.segmenter:CMUNetSegmenter",
    summary="CM-UNet with ResNet-18, exactly the published network, 13.1 M parameters",
    config="vitrail_cmunet.config:resnet18",
    inputs=Inputs(
        bands=None, dtypes=("uint8",)
    ),  # the weights' own config decides: `component.bands`, `.dtypes`
    capabilities=Capabilities(batched=True, module=True),
    weights=Weights(
        homepage="https://github.com/XiaoBuL/CM-UNet",
        licence="none published; a checkpoint of yours is yours",
    ),
    trainer="vitrail_cmunet.train:train",
    presets="vitrail_cmunet.presets",
    evaluator="vitrail_cmunet.evaluate:evaluate",
    converter="vitrail_cmunet.convert:convert",
    exporter="vitrail_cmunet.export:export",
    benchmarks="vitrail_cmunet.bench:bench",
    licence="Apache-2.0",
    paper="https://arxiv.org/abs/2405.10530",
)

LANDSAT = replace(
    RESNET18,
    id="cmunet/landsat",
    summary="a small CM-UNet for five Landsat-7 bands, 7 classes of land cover; preset landsat trains it",
    config="vitrail_cmunet.config:landsat",
    inputs=Inputs(bands=5, dtypes=("float32",)),
    embedded="vitrail_cmunet:weights/landsat",
    weights=None,
    weights_licence="Apache-2.0",
    demo="vitrail_cmunet.demo:demo",
    converter="",
)


@hookimpl
def vitrail_components() -> Iterable[ComponentSpec]:
    return [RESNET18, LANDSAT]


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {"cmunet": Command(target="vitrail_cmunet.cli:app", help="Prepare data for CM-UNet.")}


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_cmunet.kernels.selective_scan import doctor

    return doctor()
