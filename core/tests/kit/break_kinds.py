"""Something wrong for every check of the four kinds."""

from dataclasses import replace

import numpy as np
from breaking import breaks, respec, wrap

from vitrail.results import Clip, Embeddings, Generation, Segmentation
from vitrail.specs import Capabilities, Inputs
from vitrail.testing import fake_components as fc


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
