"""What this package offers, for Vitrail's plugin manager. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, Command, ComponentSpec, DoctorLine, Inputs, Weights

R50 = ComponentSpec(
    id="topofr/r50",
    kind="recognizer",
    target="vitrail_topofr.recognizer:TopoFRRecognizer",
    summary="TopoFR with IResNet-50, exactly the published network, 43.6 M parameters",
    config="vitrail_topofr.config:r50",
    inputs=Inputs(size=(112, 112), template="arcface"),
    capabilities=Capabilities(batched=True, module=True),
    weights=Weights(
        homepage="https://github.com/DanJun6737/TopoFR",
        licence="none stated by the authors; the training sets are for non-commercial research",
    ),
    trainer="vitrail_topofr.train:train",
    presets="vitrail_topofr.presets",
    evaluator="vitrail_recognition.evaluate:evaluate",
    converter="vitrail_topofr.convert:convert",
    exporter="vitrail_topofr.export:export",
    benchmarks="vitrail_recognition.bench:bench",
    licence="Apache-2.0",
    paper="https://arxiv.org/abs/2410.10587",
)

R100 = replace(
    R50,
    id="topofr/r100",
    summary="TopoFR with IResNet-100, exactly the published network, 65.2 M parameters",
    config="vitrail_topofr.config:r100",
)

R200 = replace(
    R50,
    id="topofr/r200",
    summary="TopoFR with IResNet-200, exactly the published network, 118.8 M parameters",
    config="vitrail_topofr.config:r200",
)

R18 = replace(
    R50,
    id="topofr/r18",
    summary="TopoFR's method with IResNet-18, smaller than any network of the paper, 24.0 M parameters",
    config="vitrail_topofr.config:r18",
    weights=Weights(licence="none published; a checkpoint of yours is yours"),
)

TINY = replace(
    R50,
    id="topofr/tiny",
    summary="a narrow network with 128-d embeddings, smaller than any of the paper; not for real faces",
    config="vitrail_topofr.config:tiny",
    embedded="vitrail_topofr:weights/tiny",
    weights=None,
    weights_licence="Apache-2.0",
    weights_caveat="these are demo weights, trained on rendered people and not for real faces",
    converter="",
)


@hookimpl
def vitrail_components() -> Iterable[ComponentSpec]:
    return [R18, R50, R100, R200, TINY]


@hookimpl
def vitrail_commands() -> Mapping[str, Command]:
    return {"topofr": Command(target="vitrail_topofr.cli:app", help="Look at the topology of embeddings.")}


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_topofr.kernels.persistence import doctor

    return doctor()
