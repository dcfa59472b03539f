"""One base class for everything that Vitrail reports to a person.

A message is one sentence or two: what was given, what was wanted, what to do. The command line
prints it without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class VitrailError(Exception):
    """Something a person can mend. `str(error)` is the whole message."""

    exit_code = 1


class UsageError(VitrailError):
    """The request itself is wrong: an unknown id, a bad value, a file that is not what was wanted."""

    exit_code = 2


class NotInstalledError(VitrailError):
    """A package, an extra, or a set of weights is not on this machine. The message says how to get it."""

    exit_code = 3


class BrokenError(VitrailError):
    """Something that is installed does not work: a plugin, a weights file, a checkpoint."""

    exit_code = 4


class InputError(UsageError):
    """Data that cannot be used: a truncated image, the wrong number of bands, a mask of another size."""
