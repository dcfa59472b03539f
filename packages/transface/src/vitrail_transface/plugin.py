"""What this package offers, for Vitrail's plugin manager. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, ComponentSpec, DoctorLine, Inputs, Weights

VIT_S = ComponentSpec(
    id="transface/vit-s",
    kind="recognizer",
    target="vitrail_transface.recognizer:TransFaceRecognizer",
    summary="TransFace ViT-S, exactly the published network, 86.7 M parameters",
    config="vitrail_transface.config:vit_s",
    inputs=Inputs(size=(112, 112), template="arcface"),
    capabilities=Capabilities(tokens=True, batched=True, module=True),
    weights=Weights(
        homepage="https://github.com/DanJun6737/TransFace",
        licence="none stated; trained on MS1MV2 or Glint360K, which are for non-commercial research",
    ),
    trainer="vitrail_transface.train:train",
    presets="vitrail_transface.presets",
    evaluator="vitrail_recognition.evaluate:evaluate",
    converter="vitrail_transface.convert:convert",
    exporter="vitrail_transface.export:export",
    benchmarks="vitrail_recognition.bench:bench",
    licence="Apache-2.0",
    paper="https://arxiv.org/abs/2308.10133",
)

VIT_T = replace(
    VIT_S,
    id="transface/vit-t",
    summary="TransFace ViT-T, half as wide as S, 24.5 M parameters; no weights were released",
    config="vitrail_transface.config:vit_t",
    weights=Weights(
        homepage="https://github.com/DanJun6737/TransFace",
        licence="none published; a checkpoint of yours is yours",
    ),
)

VIT_B = replace(
    VIT_S,
    id="transface/vit-b",
    summary="TransFace ViT-B, twice as deep as S, 124.5 M parameters",
    config="vitrail_transface.config:vit_b",
)

VIT_L = replace(
    VIT_S,
    id="transface/vit-l",
    summary="TransFace ViT-L, 271.6 M parameters",
    config="vitrail_transface.config:vit_l",
)

TINY = replace(
    VIT_S,
    id="transface/tiny",
    summary="a narrow ViT with 128-d embeddings, 1.4 M parameters, smaller than any of the paper; not for real faces",
    config="vitrail_transface.config:tiny",
    embedded="vitrail_transface:weights/tiny",
    weights=None,
    weights_licence="Apache-2.0",
    weights_caveat="these are demo weights, trained on rendered people and not for real faces",
    converter="",
)


@hookimpl
def vitrail_components() -> Iterable[ComponentSpec]:
    return [VIT_T, VIT_S, VIT_B, VIT_L, TINY]


@hookimpl
def vitrail_doctor() -> Iterable[DoctorLine]:
    from vitrail_transface.kernels import amplitude_mix, gate_spread

    for op in (amplitude_mix, gate_spread):
        yield from op.BACKENDS.doctor()
