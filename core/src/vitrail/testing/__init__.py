"""The conformance kit: what every plugin can be checked against.

A plugin's tests subclass a suite, in about ten lines:

    from vitrail.testing import PluginSuite, SegmenterSuite

    class TestPlugin(PluginSuite):
        plugin = "water"

    class TestWater(SegmenterSuite):
        component = "water/index"

The checks are plain functions in `vitrail.testing.checks`; `vitrail plugins validate NAME` runs the same ones.
Needs `pip install "vitrail[testing]"`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "PluginSuite": "suites",
    "RecognizerSuite": "suites",
    "SegmenterSuite": "suites",
    "GeneratorSuite": "suites",
    "AnimatorSuite": "suites",
    "TrainSuite": "suites",
    "KernelSuite": "suites",
    "Subject": "subject",
    "validate": "validate",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vitrail.testing' has no attribute {name!r}")
    return getattr(import_module(f"vitrail.testing.{_HOMES[name]}"), name)
