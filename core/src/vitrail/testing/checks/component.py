"""What components of all kinds promise."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vitrail.errors import VitrailError
from vitrail.interfaces import INTERFACES
from vitrail.specs import resolve
from vitrail.testing.outcome import same, use
from vitrail.testing.registry import Skip, check, demand
from vitrail.testing.subject import Subject

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


@check("component")
def check_matches_the_interface(subject: Subject) -> None:
    """It has every method of its kind, and gives back the spec it was built from."""
    kind = subject.spec.kind
    demand(
        isinstance(subject.component, INTERFACES[kind]), f"{subject.id} lacks parts of the {kind} interface."
    )
    demand(subject.component.spec == subject.spec, f"{subject.id}: component.spec is another spec.")


@check("component")
def check_device_is_told_and_checked(subject: Subject) -> None:
    """It says where it computes, `to` returns itself, and an absent device is refused in a sentence."""
    demand(
        str(subject.component.device) == "cpu",
        f"device is {subject.component.device!r} after loading on the cpu.",
    )
    demand(subject.component.to("cpu") is subject.component, "to() must return the component itself.")
    try:
        subject.component.to("cuda:4096")
    except VitrailError:
        demand(
            str(subject.component.device) == "cpu",
            "after a refused move the component is not on its old device.",
        )
        return
    raise AssertionError('to("cuda:4096") raised no VitrailError.')


@check("component")
def check_saves_and_loads(subject: Subject) -> None:
    """What save_pretrained writes, from_pretrained reads, and the results are the same."""
    again = type(subject.component).from_pretrained(subject.saved, spec=subject.spec, device="cpu")
    demand(
        same(use(subject.component, subject), use(again, subject)), "results differ after saving and loading."
    )


@check("component")
def check_saved_folder_is_clean(subject: Subject) -> None:
    """The folder holds config.json, no pickle and no temporary file."""
    names = [path.name for path in subject.saved.rglob("*")]
    demand("config.json" in names, "save_pretrained wrote no config.json.")
    bad = [name for name in names if name.endswith(PICKLES) or ".part" in name]
    demand(not bad, f"save_pretrained wrote {', '.join(bad)}; use safetensors, and rename when whole.")


@check("component")
def check_wrong_folder_is_refused(subject: Subject) -> None:
    """Loading from an empty folder, or from one of another plugin, says so."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _demand_refusal(subject, folder, "an empty folder")
        (folder / "config.json").write_text(
            '{"format": 1, "id": "somebody-else/x", "api": "1.0", "config": {}}'
        )
        _demand_refusal(subject, folder, "another plugin's folder")
        (folder / "config.json").write_text("{")
        _demand_refusal(subject, folder, "a damaged config.json")


def _demand_refusal(subject: Subject, folder: Path, what: str) -> None:
    try:
        type(subject.component).from_pretrained(folder, spec=subject.spec, device="cpu")
    except VitrailError:
        return
    raise AssertionError(f"from_pretrained took {what} without a VitrailError.")


@check("component")
def check_builds_from_config(subject: Subject) -> None:
    """`from_config` without a config builds the spec's default."""
    built = resolve(subject.spec.target).from_config(spec=subject.spec, device="cpu")
    demand(isinstance(built, INTERFACES[subject.spec.kind]), "from_config gave something else.")


@check("component")
def check_inputs_stay_as_they_were(subject: Subject) -> None:
    """Arrays that are handed in are not written to."""
    image = subject.image()
    before = image.copy()
    image.setflags(write=False)
    use(subject.component, subject, image=image)
    demand(np.array_equal(image, before), "the input image was changed.")


@check("component")
def check_is_deterministic(subject: Subject) -> None:
    """The same input gives bit-equal results, unless the spec says otherwise."""
    if not subject.spec.capabilities.deterministic:
        raise Skip("the spec says that it is not")
    first, second = use(subject.component, subject), use(subject.component, subject)
    demand(same(first, second, exact=True), "two calls with the same input differ.")


@check("component")
def check_module_is_in_eval_mode(subject: Subject) -> None:
    """`component.module`, where promised, is a torch network in eval mode."""
    if not subject.spec.capabilities.module:
        raise Skip("the spec promises no module")
    import torch

    module = subject.component.module
    demand(isinstance(module, torch.nn.Module), f"module is a {type(module).__name__}.")
    demand(not any(part.training for part in module.modules()), "a part of the module is in training mode.")
