"""What trainers promise. The subject is a TrainSubject: a spec with a config that trains in seconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vitrail.component import CONFIG_FILE
from vitrail.errors import VitrailError
from vitrail.specs import ComponentSpec, resolve, resolve_function
from vitrail.testing.registry import check, demand


@dataclass(frozen=True, kw_only=True)
class TrainSubject:
    """spec: the component to train; config: the trainer's config, small enough for seconds on a CPU."""

    spec: ComponentSpec
    config: Any

    def run(self, out: Path, resume: Any = None) -> Any:
        return resolve_function(self.spec.trainer, wanted_by=self.spec.id)(
            self.config, out=out, resume=resume
        )


def _finished(out: Path) -> Path:
    folders = sorted(path.parent for path in out.rglob(CONFIG_FILE))
    demand(bool(folders), f"training left no folder with {CONFIG_FILE} under its output folder.")
    return next((folder for folder in folders if folder.name == "final"), folders[0])


def _weights(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.safetensors"))}


@check("train")
def check_training_leaves_a_component(subject: TrainSubject) -> None:
    """What training leaves can be loaded, and two runs with one seed are bit-equal."""
    with TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        subject.run(first)
        subject.run(second)
        resolve(subject.spec.target).from_pretrained(_finished(first), spec=subject.spec, device="cpu")
        demand(_weights(_finished(first)) == _weights(_finished(second)), "two runs with one seed differ.")


@check("train")
def check_output_of_another_run_is_kept(subject: TrainSubject) -> None:
    """A folder that holds another run is refused; nothing in it changes."""
    with TemporaryDirectory() as name:
        out = Path(name, "run")
        subject.run(out)
        before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
        try:
            subject.run(out)
        except VitrailError:
            after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
            demand(before == after, "a refused run changed files of the other run.")
            return
        raise AssertionError("a second run wrote into the folder of the first.")


@check("train")
def check_finished_run_resumes_to_itself(subject: TrainSubject) -> None:
    """Resuming a finished run changes no weight."""
    with TemporaryDirectory() as name:
        out = Path(name, "run")
        subject.run(out)
        before = _weights(_finished(out))
        subject.run(out, resume="auto")
        demand(_weights(_finished(out)) == before, "resuming a finished run changed its weights.")
