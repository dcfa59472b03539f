"""The task that methods subclass: its generators, its settings, its verification, what is left at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from vitrail.results import Embeddings
from vitrail.specs import Capabilities, ComponentSpec, Inputs
from vitrail_recognition import training
from vitrail_recognition.training import RecognizerTask, fit_recognizer
from vitrail_recognition.training_config import FaceDataConfig, MarginConfig
from vitrail_recognition.training_data import open_training_faces
from vitrail_training import draws
from vitrail_training.component import TorchComponent
from vitrail_training.config import FitConfig
from vitrail_training.testing import check_resume_is_bit_equal

FIT = FitConfig(steps=4, batch_size=4, lr=0.01, log_every=1, device="cpu")
SPEC = ComponentSpec(
    id="toy/colours",
    kind="recognizer",
    target="nowhere:Colours",
    summary="a linear map of the colours of a coarse picture",
    inputs=Inputs(size=(112, 112), template="arcface"),
    capabilities=Capabilities(batched=True, module=True),
)


@dataclass(frozen=True, kw_only=True)
class ColoursConfig:
    embedding: int = 5


class Colours(TorchComponent):
    config_class = ColoursConfig

    @classmethod
    def build(cls, config):
        return nn.Sequential(nn.AvgPool2d(28), nn.Flatten(), nn.Linear(48, config.embedding))

    @torch.inference_mode()
    def embed(self, faces):
        images = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float().sub(127.5).div(127.5)
        return Embeddings(vectors=nn.functional.normalize(self.module(images)).numpy())


class Noisy(RecognizerTask):
    """Its loss draws from the task's generator."""

    def loss(self, model, batch, step):
        noise = torch.randn(batch["image"].shape, generator=self.generator(step))
        with self.autocast(batch["image"].device):
            embeddings = model(batch["image"] + 0.1 * noise)
        return self.head(embeddings.float(), batch["label"])


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path):
    for person in range(3):
        (tmp_path / "people" / f"p{person}").mkdir(parents=True)
        for number in range(4):
            rng = np.random.default_rng((person, number))
            image = np.random.default_rng(person).integers(40, 216, 3) + rng.integers(-40, 41, (112, 112, 3))
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / "people" / f"p{person}" / f"{number}.png")
    return tmp_path / "people"


def make_task(folder, **more) -> Noisy:
    config = FaceDataConfig(data=str(folder), margin=MarginConfig(scale=16.0), fit=FIT, pairs=10, **more)
    component = Colours.from_config(ColoursConfig(), spec=SPEC, seed=0)
    return Noisy(component, open_training_faces(config), config, width=5)


def test_a_run(folder, tmp_path):
    task = make_task(folder, verify=(str(folder),))
    result = fit_recognizer(task, FIT, out=tmp_path / "run")
    assert result.metrics["accuracy"] == result.metrics["people/accuracy"] >= 0.5
    assert "people/genuine" not in result.metrics
    assert load_file(tmp_path / "run" / "centres.safetensors")["weight"].shape == (3, 5)
    assert sorted(path.name for path in result.weights.iterdir()) == ["config.json", "model.safetensors"]


def test_resume_is_bit_equal(folder, tmp_path):
    check_resume_is_bit_equal(lambda: make_task(folder), replace(FIT, accumulate=2), tmp_path)


def test_bf16_runs_on_a_cpu(folder, tmp_path):
    task = make_task(folder)
    fit_recognizer(task, replace(FIT, precision="bf16", steps=2), out=tmp_path / "run")
    with task.autocast(torch.device("cpu")):
        assert (torch.ones(1, 2) @ torch.ones(2, 1)).dtype == torch.bfloat16


def test_generators_follow_from_seed_process_step_and_part(folder, monkeypatch):
    def drawn(task, *steps):
        return [torch.rand(1, generator=task.generator(step)).item() for step in steps]

    def ready(seed=0):
        task = make_task(folder)
        task.optimizer(task.model, replace(FIT, seed=seed))
        return task

    first = drawn(ready(), 0, 0, 1, 2)
    assert len(set(first)) == 4
    assert drawn(ready(), 0, 0, 1, 2) == first
    assert drawn(ready(), 1, 2) == first[2:]
    assert drawn(ready(seed=1), 0)[0] not in first
    monkeypatch.setattr(draws, "rank", lambda: 1)
    assert drawn(ready(), 0)[0] not in first


def test_norms_stay_with_their_gpu_as_published():
    assert RecognizerTask.sync_batch_norm is False


def test_settings_say_what_must_stay_the_same(folder):
    settings = make_task(folder, verify=("a.bin",)).settings
    assert settings["classes"] == 3
    assert settings["margin"]["scale"] == 16.0
    assert not settings.keys() & {"data", "verify", "fit", "pairs"}


def test_processes_share_the_verification_sets(folder, tmp_path, monkeypatch):
    copies = []
    for name in ("a", "b", "c"):
        (tmp_path / name).symlink_to(folder)
        copies.append(str(tmp_path / name))
    task = make_task(folder, verify=tuple(copies))
    whole = task.evaluate(task.model)
    assert {name.partition("/")[0] for name in whole} == {"a", "b", "c", "accuracy"}
    seen = []
    monkeypatch.setattr(training, "world", lambda: 2)
    monkeypatch.setattr(training, "gather_objects", lambda found: seen.append(found) or [found])
    for number in (0, 1):
        monkeypatch.setattr(training, "rank", lambda number=number: number)
        task.evaluate(task.model)
    assert [{name.partition("/")[0] for name in part} for part in seen] == [{"a", "c"}, {"b"}]
    assert {**seen[0], **seen[1]} == {name: value for name, value in whole.items() if "/" in name}
