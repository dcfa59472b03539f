"""Emotions are seen and heard."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_avatars.arkit import places
from vitrail_avatars.speech import (
    ARKIT,
    EMOTIONS,
    LEVELS,
    espeak,
    expression,
    face,
    flite,
    manner,
    pitch,
    speak,
)

needs_both = pytest.mark.skipif(
    not (flite.available() and espeak.available()),
    reason="flite or espeak-ng is missing: apt-get install flite espeak-ng libespeak-ng1",
)
TEXT = "We all wondered where the old man would row, and nobody knew."
UP, DOWN = ("happy", "angry", "fear", "surprised"), ("sad",)


def test_emotions_differ_and_grow_with_the_level():
    faces = np.stack([[face(emotion, level) for level in LEVELS] for emotion in EMOTIONS])
    assert not faces[0].any()
    assert (np.diff(faces, axis=1) >= 0).all()
    full = faces[:, 2]
    apart = np.linalg.norm(full[:, None] - full[None], axis=2) + np.eye(len(EMOTIONS))
    assert apart.min() > 0.5
    assert faces.max() <= 1


@pytest.mark.parametrize(
    ("emotion", "units"),
    [
        ("happy", ("cheekSquint", "mouthSmile")),
        ("sad", ("browInnerUp", "mouthFrown")),
        ("angry", ("browDown", "eyeSquint", "mouthPress")),
        ("fear", ("browInnerUp", "eyeWide", "mouthStretch")),
        ("disgust", ("noseSneer", "mouthUpperUp")),
        ("surprised", ("browInnerUp", "browOuterUp", "eyeWide", "jawOpen")),
        ("contempt", ("mouthDimpleLeft",)),
    ],
)
def test_the_action_units_of_each_emotion(emotion, units):
    for unit in units:
        assert face(emotion, 3)[places(unit)].min() >= 0.2


def test_a_mirror_image():
    one, other = face("contempt", 3), face("contempt", 3, mirrored=True)
    assert one[places("mouthSmileLeft")] == other[places("mouthSmileRight")] > 0
    for emotion in set(EMOTIONS) - {"contempt"}:
        np.testing.assert_array_equal(face(emotion, 2), face(emotion, 2, mirrored=True))


def test_expressions_grow_vary_and_last():
    draw = np.random.default_rng(3)
    found = expression("happy", 3, 200, fps=25, draw=draw)
    smile = found[:, places("mouthSmileLeft")[0]]
    assert found.shape == (200, 52)
    assert found.dtype == np.float32
    assert smile[0] < 0.75 * smile[15:].mean()
    assert 0.02 < smile[15:-15].std() / smile[15:-15].mean() < 0.3
    assert np.abs(np.diff(smile)).max() < 0.1
    assert (np.count_nonzero(found, axis=1) == np.count_nonzero(face("happy", 3))).all()
    assert expression("sad", 1, 1, fps=25, draw=draw).shape == (1, len(ARKIT))


@needs_both
@pytest.mark.parametrize("voice", ["anna", "ben"])
def test_emotions_are_heard(voice):
    heard = {}
    for emotion in EMOTIONS:
        spoken = speak(TEXT, voice, manner(emotion, 3))
        track = pitch(spoken.samples, fps=50)
        low, middle, high = np.log(np.percentile(track[track > 0], (10, 50, 90)))
        heard[emotion] = (middle, high - low, np.square(spoken.samples).mean(), spoken.duration)
    height, spread, energy, length = (
        {emotion: values[place] for emotion, values in heard.items()} for place in range(4)
    )
    for emotion in UP:
        assert height[emotion] > height["neutral"] + 0.08, emotion
        assert energy[emotion] > 1.1 * energy["neutral"], emotion
    for emotion in DOWN:
        assert height[emotion] < height["neutral"] - 0.08
        assert energy[emotion] < 0.5 * energy["neutral"]
        assert length[emotion] > 1.1 * length["neutral"]
    assert energy["angry"] == max(energy.values())
    assert height["fear"] == max(height.values())
    assert length["fear"] == min(length.values())
    assert spread["sad"] < spread["neutral"] < spread["surprised"]
    levels = [np.square(speak(TEXT, voice, manner("angry", level)).samples).mean() for level in LEVELS]
    assert levels == sorted(levels)


@pytest.mark.parametrize(
    ("emotion", "level", "said"), [("joy", 1, "'joy'"), ("happy", 4, "4"), ("happy", 0, "0")]
)
def test_unknown_ones_are_named(emotion, level, said):
    with pytest.raises(UsageError, match=said):
        face(emotion, level)
    with pytest.raises(UsageError, match=said):
        manner(emotion, level)
