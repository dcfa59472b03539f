"""`vitrail convert ID FILE -o DIR`: the only place where a foreign checkpoint is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vitrail.cli import flags, output
from vitrail.errors import InputError, UsageError
from vitrail.files import atomic_folder
from vitrail.loading import find_component
from vitrail.specs import resolve_function

app = flags.verb(
    "convert",
    usage="convert ID FILE -o DIR [FLAGS]",
    more="`vitrail convert ID --help` lists the flags of its converter.",
)


@app.default
def convert(
    id: flags.Word = "",
    file: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Turn a foreign checkpoint into a folder that --weights takes everywhere.

    Args:
        id: the component that the checkpoint belongs to, as plugin/variant.
        file: the checkpoint.
        out: folder to write; it must not exist yet, or be empty.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    spec = find_component(id)
    if not spec.converter:
        raise UsageError(f"{id} offers no converter: its authors have not written one.")
    converter = resolve_function(spec.converter, wanted_by=id)
    asked = flags.after(file, tokens, "the checkpoint")
    summary = f"Convert a checkpoint for {id}: vitrail convert {id} FILE -o DIR, and the flags below."
    values = flags.parse(
        converter, asked, prog=f"vitrail convert {id}", summary=summary, given={"path": 0, "spec": 0}
    )
    if values is None:
        return
    if not file:
        raise UsageError(f"No checkpoint was given. Write: vitrail convert {id} FILE -o DIR")
    if out is None:
        raise UsageError(f"No place to write was given. Write: vitrail convert {id} {file} -o DIR")
    if not Path(file).is_file():
        raise InputError(f"{file} is not a file; wanted is the checkpoint to convert.")
    component = converter(Path(file), spec=spec, **values)
    with atomic_folder(out) as temporary:
        component.save_pretrained(temporary)
    output.say(f"Wrote {out}. Use it as --weights {out}.")
