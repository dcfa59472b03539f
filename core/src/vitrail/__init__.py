"""Vitrail: vision methods as plugins.

    import vitrail

    segmenter = vitrail.load("cmunet/landsat")
    result = segmenter.segment([image])[0]

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vitrail.version import __version__

if TYPE_CHECKING:
    from vitrail.loading import load as load
    from vitrail.records import PluginRecord
    from vitrail.specs import ComponentSpec

__all__ = ["__version__", "components", "load", "plugins"]


def components() -> dict[str, ComponentSpec]:
    """Every component that can be loaded, by id."""
    from vitrail.manager import current

    return current().components


def plugins() -> tuple[PluginRecord, ...]:
    """What became of every installed plugin."""
    from vitrail.manager import current

    return current().records


def __getattr__(name: str) -> Any:
    if name == "load":
        from vitrail.loading import load

        return load
    raise AttributeError(f"module 'vitrail' has no attribute {name!r}")
