"""What segmenters promise."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jaxtyping import Float32, Integer

from vitrail.testing.registry import check, demand
from vitrail.testing.subject import Subject


@check("segmenter")
def check_classes_are_named(subject: Subject) -> None:
    """At least two classes, all named, none twice."""
    classes = subject.component.classes
    demand(isinstance(classes, tuple) and len(classes) >= 2, f"classes are {classes!r}.")
    demand(
        all(classes) and len(set(classes)) == len(classes),
        f"classes {classes!r} are not all different names.",
    )


@check("segmenter")
def check_labels_have_the_input_size(subject: Subject) -> None:
    """Any size from 1x1 upwards gives labels of that size, each the index of a class."""

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(height=st.integers(1, 70), width=st.integers(1, 70))
    def holds(height: int, width: int) -> None:
        result = subject.component.segment([subject.image(height, width)])[0]
        demand(result.labels.shape == (height, width), f"{height}x{width} gave labels {result.labels.shape}.")
        known = result.labels[result.labels != result.ignore]
        demand(isinstance(result.labels, Integer[np.ndarray, "h w"]), f"labels are {result.labels.dtype}.")
        demand(not known.size or int(known.max()) < len(subject.component.classes), "a label has no class.")

    holds()


@check("segmenter")
def check_scores_decide_the_labels(subject: Subject) -> None:
    """Scores are (K, H, W) float32, their largest is the label, and none are made when not asked for."""
    image = subject.image()
    result = subject.component.segment([image], scores=True)[0]
    count = len(subject.component.classes)
    demand(isinstance(result.scores, Float32[np.ndarray, "k h w"]), "scores are not (K, H, W) float32.")
    demand(result.scores.shape == (count, *image.shape[:2]), f"scores have shape {result.scores.shape}.")
    known = result.labels != result.ignore
    demand(
        bool(np.array_equal(result.scores.argmax(0)[known], result.labels[known])),
        "labels are not the argmax.",
    )
    demand(subject.component.segment([image])[0].scores is None, "scores were made though not asked for.")


@check("segmenter")
def check_results_draw_and_save(subject: Subject) -> None:
    """The result carries the component's class names and can be drawn."""
    result = subject.component.segment([subject.image()])[0]
    demand(result.classes == subject.component.classes, "the result's classes are not the component's.")
    demand(result.picture().shape == (*result.labels.shape, 3), "picture() has another size.")
