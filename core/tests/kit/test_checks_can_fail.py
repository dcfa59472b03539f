"""Every check is shown something wrong, and must object: a check that cannot fail checks nothing."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from vitrail import manager
from vitrail.results import Clip, Embeddings, Generation, Segmentation
from vitrail.specs import Capabilities, Inputs, Weights
from vitrail.testing import fake_components as fc
from vitrail.testing import fake_presets, fakes
from vitrail.testing.checks.train import TrainSubject
from vitrail.testing.registry import CHECKS, Skip, checks_of
from vitrail.testing.subject import Subject

GROUPS = (
    "packaging",
    "config",
    "component",
    "batch",
    "recognizer",
    "segmenter",
    "generator",
    "animator",
    "train",
    "kernel",
)
MUTATIONS = {}


def breaks(check, id="fake/segmenter"):
    """Register a mutation that the named check must object to."""

    def register(function):
        MUTATIONS.setdefault(check, []).append((function, id))
        return function

    return register


def respec(mp, id, **changes):
    """Change the spec of one fake, as its plugin gives it."""
    before = fakes.vitrail_components()
    changed = [replace(spec, **changes) if spec.id == id else spec for spec in before]
    mp.setattr(fakes, "vitrail_components", _hook(lambda: changed))


def _hook(function):
    from vitrail.hookspecs import hookimpl

    function.__name__ = "vitrail_components"
    return hookimpl(function)


def wrap(mp, owner, method, change):
    """Pass the result of a method through `change(self, result, args, kwargs)`."""
    old = getattr(owner, method)
    mp.setattr(owner, method, lambda self, *a, **k: change(self, old(self, *a, **k), a, k))


# packaging ------------------------------------------------------------------------------------------------


@breaks("plugin_is_usable")
def _(mp):
    respec(mp, "fake/segmenter", api="99.0")


def site():
    """The folder that the `fakes` fixture put on sys.path."""
    return Path(next(p for p in sys.path if p.endswith("site")))


def metadata(mp, old, new):
    path = site() / "vitrail_fakes-1.0.dist-info" / "METADATA"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@breaks("requirement_on_vitrail_is_declared")
def _(mp):
    metadata(mp, "vitrail>=0.1,<1", "vitrail>=0.1")


@breaks("requirement_on_vitrail_is_declared")
def _(mp):
    metadata(mp, "Requires-Dist: vitrail>=0.1,<1", "Requires-Dist: vitrail-training")


@breaks("metadata_is_complete")
def _(mp):
    metadata(mp, "License-Expression: Apache-2.0\n", "")


@breaks("metadata_is_complete")
def _(mp):
    metadata(mp, "Summary: fakes\n", "")


@breaks("plugin_module_is_light")
def _(mp):
    folder = site()
    (folder / "vitrail_heavy.py").write_text("import numpy\n")
    points = folder / "vitrail_fakes-1.0.dist-info" / "entry_points.txt"
    points.write_text("[vitrail.plugins]\nfake = vitrail_heavy\n")


@breaks("references_resolve")
def _(mp):
    respec(mp, "fake/segmenter", trainer="vitrail.testing.fake_components:no_such")


@breaks("references_resolve")
def _(mp):
    mp.setattr(fc, "hello", "not callable")


@breaks("specs_are_complete")
def _(mp):
    respec(mp, "fake/segmenter", licence="")


@breaks("specs_are_complete")
def _(mp):
    respec(mp, "fake/segmenter", weights=Weights(homepage="https://example.org"))


@breaks("doctor_gives_lines")
def _(mp):
    mp.setattr(fakes, "vitrail_doctor", _named("vitrail_doctor", lambda: ["all well"]))


def _named(name, function):
    from vitrail.hookspecs import hookimpl

    function.__name__ = name
    return hookimpl(function)


# config ---------------------------------------------------------------------------------------------------


@dataclass
class Loose:
    x: int = 1


@breaks("config_is_plain_data")
def _(mp):
    mp.setattr(fc, "FakeConfig", Loose)


@breaks("presets_are_plain_data")
def _(mp):
    def quick():
        return fc.FakeConfig()

    quick.__module__ = fake_presets.__name__
    mp.setattr(fake_presets, "quick", quick)


@breaks("options_are_plain_data", "fake/generator")
def _(mp):
    mp.setattr(fc, "FakeOptions", Loose)


# component ------------------------------------------------------------------------------------------------


@breaks("matches_the_interface")
def _(mp):
    mp.delattr(fc.FakeSegmenter, "segment")


@breaks("device_is_told_and_checked")
def _(mp):
    mp.setattr(fc.FakeSegmenter, "to", lambda self, device: self)


@breaks("saves_and_loads")
def _(mp):
    mp.setattr(
        fc.FakeSegmenter,
        "from_pretrained",
        classmethod(lambda cls, folder, *, spec, device=None: cls(fc.FakeConfig(thresholds=(1, 2)), spec)),
    )


@breaks("saved_folder_is_clean")
def _(mp):
    wrap(mp, fc.FakeSegmenter, "save_pretrained", lambda s, r, a, k: (Path(r, "w.pt").write_text("x"), r)[1])


@breaks("wrong_folder_is_refused")
def _(mp):
    mp.setattr(
        fc.FakeSegmenter,
        "from_pretrained",
        classmethod(lambda cls, folder, *, spec, device=None: cls(fc.FakeConfig(), spec)),
    )


@breaks("builds_from_config")
def _(mp):
    mp.setattr(
        fc.FakeSegmenter, "from_config", classmethod(lambda cls, config=None, *, spec, device=None: object())
    )


@breaks("inputs_stay_as_they_were")
def _(mp):
    def scribble(self, result, args, kwargs):
        args[0][0].setflags(write=True)
        args[0][0][0] = 0
        return result

    wrap(mp, fc.FakeSegmenter, "segment", scribble)


@breaks("is_deterministic")
def _(mp):
    dice = np.random.default_rng(0)

    def shake(self, result, args, kwargs):
        return [replace(r, scores=r.scores + dice.random(dtype=np.float32)) for r in result]

    wrap(mp, fc.FakeSegmenter, "segment", shake)


@breaks("module_is_in_eval_mode")
def _(mp):
    respec(mp, "fake/segmenter", capabilities=Capabilities(module=True))


# batch ----------------------------------------------------------------------------------------------------


@breaks("batch_equals_one_by_one")
def _(mp):
    wrap(mp, fc.FakeSegmenter, "segment", lambda s, r, a, k: r[::-1])


@breaks("empty_batch_is_empty")
def _(mp):
    old = fc.FakeSegmenter.segment
    one = np.zeros((4, 4, 3), dtype=np.uint8)
    mp.setattr(
        fc.FakeSegmenter, "segment", lambda s, images, scores=False: old(s, images or [one], scores=scores)
    )


@breaks("wrong_images_are_refused")
def _(mp):
    mp.setattr(fc, "_require_rgb", lambda image, size=None: None)


# kinds ----------------------------------------------------------------------------------------------------


@breaks("input_size_is_declared", "fake/recognizer")
def _(mp):
    respec(mp, "fake/recognizer", inputs=Inputs())


@breaks("embeddings_are_unit_vectors", "fake/recognizer")
def _(mp):
    one = np.eye(1, 147, dtype=np.float32)
    mp.setattr(fc.FakeRecognizer, "embed", lambda s, faces: Embeddings(vectors=one.repeat(len(faces), 0)))


@breaks("tokens_fit_the_capability", "fake/recognizer")
def _(mp):
    respec(mp, "fake/recognizer", capabilities=Capabilities(tokens=False))


@breaks("tokens_fit_the_capability", "fake/recognizer")
def _(mp):
    wrap(mp, fc.FakeRecognizer, "tokens", lambda s, r, a, k: r.astype(np.float64))


@breaks("classes_are_named")
def _(mp):
    mp.setattr(fc.FakeSegmenter, "classes", ("a", "a", "b"))


@breaks("labels_have_the_input_size")
def _(mp):
    wrap(
        mp,
        fc.FakeSegmenter,
        "segment",
        lambda s, r, a, k: [Segmentation(labels=x.labels.repeat(2, 0), classes=x.classes) for x in r],
    )


@breaks("scores_decide_the_labels")
def _(mp):
    wrap(
        mp,
        fc.FakeSegmenter,
        "segment",
        lambda s, r, a, k: [replace(x, scores=None if x.scores is None else -x.scores) for x in r],
    )


@breaks("results_draw_and_save")
def _(mp):
    wrap(mp, fc.FakeSegmenter, "segment", lambda s, r, a, k: [replace(x, classes=("x", "y", "z")) for x in r])


@breaks("count_and_seeds", "fake/generator")
def _(mp):
    wrap(
        mp,
        fc.FakeGenerator,
        "generate",
        lambda s, r, a, k: Generation(images=r.images[:1] * len(r.images), seeds=r.seeds),
    )


@breaks("another_seed_gives_another_picture", "fake/generator")
def _(mp):
    old = fc.FakeGenerator.generate
    mp.setattr(fc.FakeGenerator, "generate", lambda s, p, seed=None, **k: old(s, p, seed=4, **k))


@breaks("size_is_kept_or_refused", "fake/generator")
def _(mp):
    old = fc.FakeGenerator.generate
    mp.setattr(fc.FakeGenerator, "generate", lambda s, p, size=None, **k: old(s, p, **k))


@breaks("bad_requests_are_refused", "fake/generator")
def _(mp):
    old = fc.FakeGenerator.generate
    mp.setattr(fc.FakeGenerator, "generate", lambda s, p, mask=None, **k: old(s, p, **k))


@breaks("clip_is_as_long_as_the_sound", "fake/animator")
def _(mp):
    old = fc.FakeAnimator.animate
    mp.setattr(
        fc.FakeAnimator, "animate", lambda s, audio, fps=25, **k: replace(old(s, audio, fps=9, **k), fps=fps)
    )


@breaks("frames_stream_once", "fake/animator")
def _(mp):
    wrap(mp, fc.FakeAnimator, "animate", lambda s, r, a, k: replace(r, frames=list(r.frames)))


@breaks("same_seed_gives_the_same_clip", "fake/animator")
def _(mp):
    dice = np.random.default_rng(0)

    def shake(self, result, args, kwargs):
        frames = (np.bitwise_xor(f, np.uint8(dice.integers(1, 255))) for f in result.frames)
        return replace(result, frames=frames)

    wrap(mp, fc.FakeAnimator, "animate", shake)


@breaks("sound_moves_the_picture", "fake/animator")
def _(mp):
    wrap(mp, fc.FakeAnimator, "animate", lambda s, r, a, k: replace(r, frames=(f * 0 for f in r.frames)))


@breaks("bad_sound_is_refused", "fake/animator")
def _(mp):
    mp.setattr(
        fc.FakeAnimator,
        "animate",
        lambda s, audio, **k: Clip(frames=iter(()), fps=25, size=(2, 2), audio=audio),
    )


# train ----------------------------------------------------------------------------------------------------


def weights(mp, text):
    old = fc.train

    def train(config: fc.FakeTrainConfig, *, out, resume=None):
        old(config, out=out, resume=resume)
        (out / "final" / "w.safetensors").write_text(text(out))

    mp.setattr(fc, "train", train)


@breaks("training_leaves_a_component")
def _(mp):
    weights(mp, lambda out: out.name)


@breaks("training_leaves_a_component")
def _(mp):
    mp.setattr(fc, "train", lambda config, *, out, resume=None: out.mkdir())


@breaks("output_of_another_run_is_kept")
def _(mp):
    def train(config: fc.FakeTrainConfig, *, out, resume=None):
        (out / "final").mkdir(parents=True, exist_ok=True)
        (out / "final" / "config.json").write_text(json.dumps({}))

    mp.setattr(fc, "train", train)


@breaks("finished_run_resumes_to_itself")
def _(mp):
    calls = []
    weights(mp, lambda out: calls.append(out) or str(len(calls)))


@breaks("op_equals_its_reference")
def _(mp):
    pytest.importorskip("vitrail_training", reason="kernel checks need vitrail-training")


def wrong_kernel():
    """An "op" that no compiler can see, since it is no torch.library op."""
    import torch

    from vitrail.testing.checks.kernel import KernelSubject
    from vitrail_training.kernels import Case

    cases = [Case(str(shape), (torch.randn(shape),)) for shape in ((3, 5), (0, 2))]
    return KernelSubject(op=lambda x: x.sin(), reference=lambda x: x.sin(), cases=cases)


CASES = [(name, m, id) for name, mutations in MUTATIONS.items() for m, id in mutations]


def test_every_check_has_a_mutation():
    assert set(MUTATIONS) == set(checks_of(*GROUPS))
    assert set(CHECKS) == set(GROUPS)


@pytest.mark.parametrize(("name", "mutate", "id"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_check_objects(name, mutate, id, fakes, monkeypatch):
    mutate(monkeypatch)
    manager.current.cache_clear()
    group = next(g for g in GROUPS if name in CHECKS[g])
    if group == "packaging":
        subject = manager.current().record("fake")
    elif group == "train":
        spec = next(s for s in fakes_specs() if s.id == id)
        subject = TrainSubject(spec=spec, config=fc.FakeTrainConfig())
    elif group == "kernel":
        subject = wrong_kernel()
    else:
        subject = Subject(id)
    with pytest.raises(Exception) as caught:
        CHECKS[group][name](subject)
    assert not isinstance(caught.value, Skip), f"{name} skipped instead of objecting"


def fakes_specs():
    return fakes.vitrail_components()
