"""What a plugin's distribution must be, before any component is built. The subject is a PluginRecord."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution

from vitrail.loading import find_plugin
from vitrail.manager import current
from vitrail.records import PluginRecord
from vitrail.specs import DoctorLine, resolve
from vitrail.testing.registry import Skip, check, demand

HEAVY = ("torch", "numpy", "PIL", "triton", "diffusers", "cv2", "rasterio", "numba", "transformers", "timm")
REFERENCES = (
    "target",
    "config",
    "options",
    "trainer",
    "evaluator",
    "converter",
    "exporter",
    "benchmarks",
    "demo",
)


@check("packaging")
def check_plugin_is_usable(record: PluginRecord) -> None:
    """The manager loads it and finds nothing wrong."""
    demand(record.status == "ok", f"{record.origin} is {record.status}: {record.reason}")
    find_plugin(record.name)


@check("packaging")
def check_requirement_on_vitrail_is_declared(record: PluginRecord) -> None:
    """The distribution requires vitrail, with a bound below the next major version."""
    texts = [r for r in distribution(record.distribution).requires or () if re.match(r"vitrail(?![\w-])", r)]
    demand(bool(texts), f"{record.distribution} does not declare that it requires vitrail.")
    demand(
        any("<" in text or "~=" in text or "==" in text for text in texts),
        f"{record.distribution} requires {texts[0]!r} without an upper bound; write vitrail>=0.1,<1.",
    )


@check("packaging")
def check_metadata_is_complete(record: PluginRecord) -> None:
    """The distribution says in a line what it is, and under which licence."""
    metadata = distribution(record.distribution).metadata.json
    demand(bool(metadata.get("summary")), f"{record.distribution} has no description.")
    licensed = metadata.get("license_expression") or metadata.get("license")
    demand(bool(licensed), f"{record.distribution} names no licence.")


@check("packaging")
def check_plugin_module_is_light(record: PluginRecord) -> None:
    """Importing the module and calling its hooks imports nothing heavy, so that listing stays fast."""
    code = (
        f"import sys, importlib; m = importlib.import_module({record.module!r})\n"
        "for hook in ('vitrail_components', 'vitrail_commands'):\n"
        "    list(getattr(m, hook, list)())\n"
        f"print(*[n for n in {HEAVY!r} if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    demand(ran.returncode == 0, f"importing {record.module} alone failed:\n{ran.stderr}")
    demand(
        not ran.stdout.split(), f"importing {record.module} brings in {ran.stdout.strip()}; import it later."
    )


@check("packaging")
def check_references_resolve(record: PluginRecord) -> None:
    """Every "module:name" in the specs and every verb can be imported."""
    for spec in record.components:
        for name in REFERENCES:
            if reference := getattr(spec, name):
                demand(callable(resolve(reference, wanted_by=spec.id)), f"{reference} is not callable.")
    for verb, command in record.commands.items():
        demand(
            callable(resolve(command.target, wanted_by=f"the verb {verb}")),
            f"{command.target} is not callable.",
        )


@check("packaging")
def check_specs_are_complete(record: PluginRecord) -> None:
    """Each component has a one-line summary and a licence, and says whose its weights are."""
    for spec in record.components:
        demand(
            "\n" not in spec.summary and len(spec.summary) <= 120,
            f"{spec.id}: the summary is not one short line.",
        )
        demand(bool(spec.licence), f"{spec.id}: licence is empty.")
        if spec.embedded or spec.weights:
            stated = spec.weights_licence or (spec.weights and spec.weights.licence)
            demand(bool(stated), f"{spec.id}: the licence of the weights is not stated.")


@check("packaging")
def check_doctor_gives_lines(record: PluginRecord) -> None:
    """The doctor hook, where there is one, gives DoctorLine objects with a known level."""
    answer = current().call(record, "vitrail_doctor")
    if answer is None:
        raise Skip("it has no doctor hook")
    for line in answer:
        demand(isinstance(line, DoctorLine), f"vitrail_doctor gave a {type(line).__name__}.")
        demand(line.level in ("ok", "note", "problem"), f"vitrail_doctor gave the level {line.level!r}.")
