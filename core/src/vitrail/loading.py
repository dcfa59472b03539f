"""From an id to a component."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vitrail import index, manager
from vitrail.cache import cached_weights
from vitrail.errors import BrokenError, NotInstalledError, UsageError, VitrailError
from vitrail.records import PluginRecord
from vitrail.specs import ComponentSpec, resolve


def find_component(id: str) -> ComponentSpec:
    """The spec of `id`, or an error that says what to do: install, repair, or spell it otherwise."""
    known = manager.current().components
    if id in known:
        return known[id]
    plugin = id.partition("/")[0]
    record = manager.current().record(plugin)
    if record is None:
        raise not_installed(id)
    if record.status != "ok":
        raise unusable(record, asked=id)
    offered = ", ".join(spec.id for spec in record.components) or "no components"
    raise UsageError(f"{record.origin} has no {id!r}; it offers {offered}.")


def find_plugin(name: str) -> PluginRecord:
    """The record of an installed and usable plugin."""
    record = manager.current().record(name)
    if record is None:
        raise not_installed(name)
    if record.status != "ok":
        raise unusable(record, asked=name)
    return record


def unusable(record: PluginRecord, *, asked: str) -> VitrailError:
    """The error for somebody who asked for what an installed plugin would bring, if it worked."""
    what = (
        f"the plugin {asked}" if asked == record.name else f"{asked} cannot be used: the plugin {record.name}"
    )
    kind = NotInstalledError if record.status == "disabled" else BrokenError
    return kind(f"{what} ({record.origin}) is {record.trouble}")


def not_installed(asked: str) -> VitrailError:
    """The error for a plugin or component of which nothing is installed: how to get it, or what is alike."""
    entry = index.plugins().get(asked.partition("/")[0])
    if entry is not None:
        return NotInstalledError(entry.how_to_get(asked))
    known = {*manager.current().components, *(record.name for record in manager.current().records)}
    listed = {c for entry in index.plugins().values() for c in (entry.name, *entry.components)}
    choices = sorted(known | listed)
    near = difflib.get_close_matches(asked, choices, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`vitrail plugins list` shows what there is."
    return UsageError(f"Nothing is known under the name {asked!r}. {hint}")


def load(id: str, *, weights: Path | str | None = None, device: str | None = None) -> Any:
    """Build the component `id`, ready to use.

    weights: a folder that `save_pretrained`, `vitrail train` or `vitrail convert` wrote; None for the weights that
        come with the package or were pulled; "random" for an untrained network.
    device: "cpu", "cuda", "cuda:1", "mps"; None lets the component choose.
    """
    spec = find_component(id)
    target = resolve(spec.target, wanted_by=id)
    if weights == "random":
        return target.from_config(spec=spec, device=device)
    folder = Path(weights) if weights is not None else default_weights(spec)
    if folder is None:
        return target.from_config(spec=spec, device=device)
    return target.from_pretrained(folder, spec=spec, device=device)


def default_weights(spec: ComponentSpec) -> Path | None:
    """Where the weights of a component lie by themselves; None for a component that needs none."""
    if spec.embedded:
        package, _, folder = spec.embedded.partition(":")
        try:
            found = find_spec(package)
        except ModuleNotFoundError:
            found = None
        if found is None or not found.submodule_search_locations:
            raise BrokenError(f"{spec.id} keeps its weights in the package {package}, which cannot be found.")
        path = Path(next(iter(found.submodule_search_locations))) / folder
        if not path.is_dir():
            raise BrokenError(
                f"{spec.id} should bring its weights in {path}, and they are not there. Reinstall it."
            )
        return path
    if spec.weights is None:
        return None
    cached = cached_weights(spec)
    if cached is not None:
        return cached
    if spec.weights.url:
        raise NotInstalledError(
            f"{spec.id} has no weights on this machine yet. Get them: vitrail pull {spec.id}"
        )
    where = f" The authors' page is {spec.weights.homepage}." if spec.weights.homepage else ""
    ways = [f"train it (vitrail train {spec.id})"] if spec.trainer else []
    ways += [f"convert a checkpoint (vitrail convert {spec.id} FILE -o DIR)"] if spec.converter else []
    advice = f" You can {' or '.join(ways)}; then give the folder as weights." if ways else ""
    raise NotInstalledError(f"No weights of {spec.id} are published for download.{where}{advice}")
