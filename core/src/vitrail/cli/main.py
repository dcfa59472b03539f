"""The entry: switches plugins off, runs a verb, and turns every error into one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from vitrail import manager
from vitrail.cli import output
from vitrail.errors import UsageError, VitrailError


def app(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; `tokens` defaults to sys.argv[1:]."""
    sys.exit(run(sys.argv[1:] if tokens is None else tokens))


def run(tokens: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        _dispatch(_switch_off(list(tokens)))
    except VitrailError as error:
        output.error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        output.error("interrupted.")
        return 130
    except BrokenPipeError:  # the reader of our output went away, as in `vitrail plugins list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        output.error(
            f"{error.filename or 'the disk'}: {error.strerror}. Make room, or write to another place."
        )
        return UsageError.exit_code
    except SystemExit as exit:
        if isinstance(exit.code, str):
            output.error(exit.code)
        return exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    return 0


def _dispatch(tokens: list[str]) -> None:
    # Scripts and shells ask for the list all the time; building the whole command line would double its time.
    if tokens in (["plugins", "list"], ["plugins", "list", "--json"]):
        from vitrail.cli.listing import list_plugins

        list_plugins(json="--json" in tokens)
        return
    from vitrail.cli.tree import run_verb

    run_verb(tokens)


def _switch_off(tokens: list[str]) -> list[str]:
    """Take every `--no-plugin NAME` out of the tokens and add the names to VITRAIL_DISABLE_PLUGINS."""
    names: list[str] = []
    rest: list[str] = []
    waiting = iter(tokens)
    for token in waiting:
        if token == "--":
            rest += [token, *waiting]
        elif token == "--no-plugin":
            name = next(waiting, "")
            if not name:
                raise UsageError("--no-plugin was given no name; write --no-plugin NAME.")
            names.append(name)
        elif token.startswith("--no-plugin="):
            names.append(token.partition("=")[2])
        else:
            rest.append(token)
    if names:
        before = os.environ.get("VITRAIL_DISABLE_PLUGINS", "")
        os.environ["VITRAIL_DISABLE_PLUGINS"] = ",".join([*filter(None, [before]), *names])
        manager.current.cache_clear()
    return rest
