"""Imports the compiled loops, also from an install that cannot be written to.

numba caches what it compiled in `NUMBA_CACHE_DIR` if that is set, else beside the source, else in the user's
cache folder. Where none of these can be written it refuses to compile; the loops then are compiled anew in a
temporary folder.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from types import ModuleType

_KERNELS = f"{__name__.rpartition('.')[0]}.cpu_kernels"


def load() -> ModuleType:
    """The module with the compiled loops. Raises what numba raises where it is unusable."""
    try:
        return import_module(_KERNELS)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    from numba.core import config

    previous = config.CACHE_DIR
    with tempfile.TemporaryDirectory(prefix="vitrail-numba-") as folder:
        config.CACHE_DIR = folder
        try:
            return import_module(_KERNELS)
        finally:
            config.CACHE_DIR = previous
