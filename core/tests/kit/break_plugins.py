"""Something wrong for every check of plugins, configs, components, batches and training."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from breaking import breaks, respec, wrap

from vitrail.specs import Capabilities, Weights
from vitrail.testing import fake_components as fc
from vitrail.testing import fake_presets, fakes

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
