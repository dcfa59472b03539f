"""The checks, one module a group. Each is a plain function that raises AssertionError with a sentence."""

from vitrail.testing.checks import (
    animator,
    batch,
    component,
    config,
    generator,
    kernel,
    packaging,
    recognizer,
    segmenter,
    train,
)

__all__ = [
    "animator",
    "batch",
    "component",
    "config",
    "generator",
    "kernel",
    "packaging",
    "recognizer",
    "segmenter",
    "train",
]
