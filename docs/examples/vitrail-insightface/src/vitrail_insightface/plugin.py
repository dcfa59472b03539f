"""What this package offers. It is imported to list plugins, so it imports nothing heavy."""

from vitrail.hookspecs import hookimpl
from vitrail.specs import Capabilities, ComponentSpec, Inputs, Weights

PACK = ComponentSpec(
    id="insightface/pack",
    kind="recognizer",
    target="vitrail_insightface.recognizer:InsightFaceRecognizer",
    summary="the recogniser of an insightface model pack that you have",
    config="vitrail_insightface.recognizer:PackConfig",
    inputs=Inputs(size=(112, 112), template="arcface"),
    capabilities=Capabilities(batched=True),
    weights=Weights(
        homepage="https://github.com/deepinsight/insightface/tree/master/model_zoo",
        licence="insightface's own packs: non-commercial research",
    ),
    licence="Apache-2.0",
)


@hookimpl
def vitrail_components():
    return [PACK]
