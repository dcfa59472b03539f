"""Which recogniser a verb runs, and what its weights may be used for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vitrail import manager
from vitrail.errors import BrokenError, NotInstalledError, UsageError, VitrailError
from vitrail.loading import default_weights, find_component, load

if TYPE_CHECKING:
    from vitrail.interfaces import Recognizer
    from vitrail.specs import ComponentSpec


def load_recognizer(
    model: str | None = None, *, weights: Path | str | None = None, device: str | None = None
) -> Recognizer:
    """The recogniser `model`, or by itself the first that is ready to use, see `usable_recognizer`.

    UsageError where `model` is no recogniser, BrokenError for one that does not say which crops it takes.
    """
    spec = usable_recognizer() if model is None else find_component(model)
    if spec.kind != "recognizer":
        raise UsageError(
            f"{spec.id} is a {spec.kind}; wanted is a recognizer. `vitrail plugins list` shows them."
        )
    if spec.inputs.size is None or not spec.inputs.template:
        raise BrokenError(
            f"{spec.id} does not say the size and template of its crops, so that no face can be aligned for it."
        )
    recognizer: Recognizer = load(spec.id, weights=weights, device=device)
    return recognizer


def usable_recognizer(specs: Iterable[ComponentSpec] | None = None) -> ComponentSpec:
    """Of the installed recognisers whose weights are on this machine the first by id, demonstrations last."""
    specs = manager.current().components.values() if specs is None else specs
    ready = [spec for spec in specs if spec.kind == "recognizer" and _has_weights(spec)]
    if not ready:
        raise NotInstalledError(
            "No recogniser with weights is on this machine. `vitrail plugins list` shows those there are; give one "
            "with --model ID and the folder of its weights with --weights."
        )
    return min(ready, key=lambda spec: (bool(weights_caveat(spec)), spec.id))


def weights_caveat(spec: ComponentSpec, weights: Path | str | None = None) -> str:
    """Why nothing may be concluded from these weights, or an empty string.

    A component says so in `spec.weights_caveat`, and only of the weights that come with it.
    """
    if weights == "random":
        return "random weights, not trained"
    caveat = spec.weights_caveat
    if not caveat or weights is None:
        return caveat
    own = default_weights(spec) if spec.embedded else None
    return caveat if own is not None and Path(weights).resolve() == own.resolve() else ""


def _has_weights(spec: ComponentSpec) -> bool:
    try:
        default_weights(spec)
    except VitrailError:
        return False
    return True
