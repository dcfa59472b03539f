"""`vitrail bench ID [flags]`: how fast a component is on this machine."""

from __future__ import annotations

from vitrail.cli import flags, output
from vitrail.cli.evaluate import show_report
from vitrail.errors import NotInstalledError, UsageError
from vitrail.loading import find_component, load
from vitrail.specs import resolve_function

app = flags.verb(
    "bench",
    usage="bench ID [FLAGS]",
    more="`vitrail bench ID --help` lists the flags of its benchmark.",
)


@app.default
def bench(
    id: flags.Word = "",
    /,
    *tokens: flags.Hidden,
    weights: str | None = None,
    device: str | None = None,
    json: flags.Switch = False,
) -> None:
    """Time a component on this machine.

    Args:
        id: a component as plugin/variant.
        weights: a folder with weights; without any, an untrained network is timed.
        device: cpu, cuda, cuda:1, mps.
        json: print JSON instead of tables.
    """
    if flags.asks_help(id):
        app.help_print([])
        return
    spec = find_component(id)
    if not spec.benchmarks:
        raise UsageError(f"{id} offers no benchmark: its authors have not written one.")
    benchmark = resolve_function(spec.benchmarks, wanted_by=id)
    summary = f"Time {id}. Beside the flags below: --weights, --device, --json."
    values = flags.parse(
        benchmark, tokens, prog=f"vitrail bench {id}", summary=summary, given={"component": None}
    )
    if values is None:
        return
    try:
        component = load(id, weights=weights, device=device)
    except NotInstalledError:
        output.say(f"{id} has no weights here; an untrained network is timed, which takes the same time.")
        component = load(id, weights="random", device=device)
    show_report(benchmark(component, **values), json=json)
