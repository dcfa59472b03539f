"""The whole command line: vitrail's own verbs and those of the plugins."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import cyclopts

from vitrail import index, manager
from vitrail.errors import NotInstalledError, UsageError
from vitrail.loading import unusable
from vitrail.specs import Command, resolve
from vitrail.version import __version__

VERBS = {
    "plugins": ("vitrail.cli.plugins:app", "List, describe, create and check plugins."),
    "demo": ("vitrail.cli.demo:demo", "See a method at work on data that is on this machine."),
    "train": ("vitrail.cli.train:app", "Train a method from a preset or a config file."),
    "eval": ("vitrail.cli.evaluate:app", "Measure a component on a data set."),
    "generate": ("vitrail.cli.generate:app", "Make pictures from words and faces."),
    "animate": ("vitrail.cli.animate:app", "Make a talking clip from sound."),
    "convert": ("vitrail.cli.convert:app", "Turn a foreign checkpoint into Vitrail's format."),
    "export": ("vitrail.cli.export:app", "Write a component in another format, such as ONNX."),
    "pull": ("vitrail.cli.pull:pull", "Download published weights."),
    "bench": ("vitrail.cli.bench:app", "Time a component on this machine."),
    "doctor": ("vitrail.cli.doctor:doctor", "Say what works on this machine and what does not."),
}

HELP = """Vision methods as plugins.

--no-plugin NAME          do not load this plugin; may be given several times
VITRAIL_PLUGINS           load only these plugins (names with commas between)
VITRAIL_DISABLE_PLUGINS   do not load these plugins
VITRAIL_STRICT=1          any plugin that cannot be used is an error
VITRAIL_CACHE             where pulled weights are kept
VITRAIL_KERNELS           auto, reference, triton or cpu

Exit codes: 0 done, 2 wrong usage or input, 3 not installed, 4 broken."""


def run_verb(tokens: Sequence[str]) -> None:
    """Run a verb. Raises VitrailError for anything that a person can mend."""
    commands = manager.current().commands
    _check_verb(next((token for token in tokens if not token.startswith("-")), ""), commands)
    try:
        build(commands)(list(tokens), exit_on_error=False, print_error=False)
    except cyclopts.UnusedCliTokensError as error:
        words = " ".join(error.unused_tokens or ())
        raise UsageError(f"{words!r} is too much; see --help.") from error
    except cyclopts.CycloptsError as error:
        text = " ".join(str(error).split())
        raise UsageError(text if text.endswith((".", "?", "!")) else f"{text}.") from error


def build(commands: Mapping[str, Command]) -> cyclopts.App:
    """The command line; a module is imported only when its verb is called, not for --help."""
    root = cyclopts.App(
        name="vitrail", help=HELP, help_format="plaintext", version=__version__, result_action="return_value"
    )
    for verb, (target, text) in VERBS.items():
        root.command(target, name=verb, help=text, group="Verbs")
    for verb, command in sorted(commands.items()):
        root.command(command.target, name=verb, help=command.help, group="Verbs of plugins")
    return root


def _check_verb(verb: str, commands: Mapping[str, Command]) -> None:
    """Say what to do about a verb that is unknown, not installed, or whose module is missing."""
    if verb in commands:
        resolve(commands[verb].target, wanted_by=f"the verb {verb!r}")
    if not verb or verb in VERBS or verb in commands:
        return
    asked = f"the verb {verb!r}"
    entry = index.verb_owner(verb)
    if entry is None:
        near = difflib.get_close_matches(verb, [*VERBS, *commands], n=1)
        hint = f"Did you mean {near[0]}?" if near else "`vitrail --help` lists them."
        raise UsageError(f"There is no verb {verb!r}. {hint}")
    record = manager.current().record(entry.name)
    if record is None:
        raise NotInstalledError(entry.how_to_get(asked))
    if record.status != "ok":
        raise unusable(record, asked=asked)
    raise NotInstalledError(
        f"{asked} does not come with the installed {record.origin}. Upgrade: {entry.install}"
    )
