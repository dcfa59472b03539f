"""Imports numba's compiled loops, also from an install that cannot be written to.

numba caches what it compiled in `NUMBA_CACHE_DIR` if that is set, else beside the source, else in the user's cache
folder. Where none of these can be written it refuses to compile; the loops then are compiled anew in a temporary
folder.
"""

from __future__ import annotations

import tempfile
from importlib import import_module
from types import ModuleType


def import_compiled(name: str) -> ModuleType:
    """The module `name`, whose functions are compiled when it is imported.

    Raises what numba raises where it is unusable.
    """
    try:
        return import_module(name)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    from numba.core import config

    previous = config.CACHE_DIR
    with tempfile.TemporaryDirectory(prefix="vitrail-numba-") as folder:
        config.CACHE_DIR = folder
        try:
            return import_module(name)
        finally:
            config.CACHE_DIR = previous
