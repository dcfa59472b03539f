"""Whole utterances: sound and face together."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from vitrail.errors import InputError, UsageError
from vitrail.results import Audio
from vitrail_avatars.arkit import places
from vitrail_avatars.speech import (
    EMOTIONS,
    LEVELS,
    espeak,
    flite,
    loudness,
    opening,
    parallel,
    utterance,
    voices,
)
from vitrail_avatars.speech.phones import BILABIALS

pytestmark = pytest.mark.skipif(
    not (flite.available() and espeak.available()),
    reason="flite or espeak-ng is missing: apt-get install flite espeak-ng libespeak-ng1",
)


def digest(said):
    whole = hashlib.sha256(
        f"{said.text} {said.voice.name} {said.emotion} {said.level} {said.phones}".encode()
    )
    for array in (said.audio.samples, said.curves, said.content, said.pose):
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


@pytest.fixture(scope="module")
def some():
    return [utterance(11, index) for index in range(18)]


def test_shapes_and_ranges(some):
    for said in some:
        count = said.frames
        assert said.audio.rate == 16_000
        assert said.audio.samples.shape == (count * 640,)
        assert said.audio.samples.dtype == np.float32
        assert said.curves.shape == said.content.shape == (count, 52)
        assert said.curves.dtype == said.content.dtype == said.pose.dtype == np.float32
        assert said.pose.shape == (count, 6)
        assert 0 <= said.curves.min() <= said.curves.max() <= 1
        assert said.duration == pytest.approx(said.audio.seconds)
        assert said.phones[-1].end == pytest.approx(said.duration, abs=1e-6)
        assert not said.voice.held_out


def test_lips_touch_at_every_bilabial(some):
    closures = [
        opening(said.curves)[int(phone.middle * 25)]
        for said in some
        for phone in said.phones
        if phone.symbol in BILABIALS
    ]
    assert len(closures) > 30
    assert max(closures) < 0.05


def test_the_mouth_is_open_when_it_is_loud(some):
    """Correlation of the lips' opening with the log of the loudness, by lag in frames."""
    by_lag = []
    for said in some:
        apart = opening(said.content)
        level = np.log(loudness(said.audio.samples) + 1e-3)
        assert len(level) == len(apart)
        by_lag.append(
            [np.corrcoef(apart[5 + lag : len(apart) - 5 + lag], level[5:-5])[0, 1] for lag in range(-5, 6)]
        )
    mean = np.mean(by_lag, axis=0)
    assert np.argmax(mean) == 5
    assert mean[5] > 0.4
    assert max(mean[0], mean[-1]) < 0.25


def test_everything_is_drawn(some):
    assert len({said.text for said in some}) == 18
    assert len({said.voice.name for said in some}) > 9
    assert {said.emotion for said in some} <= set(EMOTIONS)
    assert len({said.emotion for said in some}) > 5
    assert {said.level for said in some} == set(LEVELS)
    assert {said.voice.gender for said in some} == {"female", "male"}


def test_fixing_one_thing_changes_no_other():
    free = utterance(4, 9)
    same = utterance(4, 9, emotion=free.emotion, level=free.level, text=free.text, voice=free.voice)
    assert digest(free) == digest(same)
    other = utterance(4, 9, emotion="happy" if free.emotion != "happy" else "sad")
    assert (other.text, other.voice, other.level) == (free.text, free.voice, free.level)
    still = utterance(4, 9, pose="still")
    assert not still.pose.any()
    np.testing.assert_array_equal(still.curves, free.curves)
    child = utterance(4, 9, age="child")
    assert child.voice.age == "child"
    assert child.voice.gender == free.voice.gender
    assert child.text == free.text


def test_the_same_bits_in_any_order_and_process():
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_utterances import digest, utterance\n"
        "print([digest(utterance(2, index)) for index in (3, 0)])"
    )
    here = __file__.rsplit("/", 1)[0]
    done = subprocess.run(
        [sys.executable, "-c", script, here], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == str([digest(utterance(2, 0)), digest(utterance(2, 3))][::-1])


def test_parallel_utterances():
    speakers = ["anna", "ben", "edith", "leo"]
    text = "Please move the big blue boat."
    said = parallel(text, speakers, emotion="happy", level=3)
    assert [one.voice.name for one in said] == speakers
    assert {one.text for one in said} == {text}
    assert {one.emotion for one in said} == {"happy"}
    assert len({one.frames for one in said}) > 1
    # the same bilabials, each of which closes
    for one in said:
        closed = [phone for phone in one.phones if phone.symbol in BILABIALS]
        assert len(closed) >= 5
        assert max(opening(one.curves)[int(phone.middle * 25)] for phone in closed) < 0.05


def test_held_out_voices():
    kept = {voice.name for voice in voices(held_out=True)}
    assert {utterance(0, index, held_out=True).voice.name for index in range(3)} <= kept


def test_blinks_close_wide_eyes():
    said = utterance(1, 0, emotion="surprised", level=3, blink_rate=60)
    shut = said.curves[:, places("eyeBlinkLeft")[0]] > 0.99
    assert shut.any()
    assert said.curves[shut][:, places("eyeWideLeft")].max() < 0.05
    none = utterance(1, 0, emotion="surprised", blink_rate=0)
    assert not none.curves[:, places("eyeBlink")].any()


def test_content_is_without_emotion():
    happy, plain = (utterance(3, 1, emotion=name, level=1, voice="ben") for name in ("happy", "neutral"))
    assert not happy.content[:, places("cheekSquint")].any()
    assert happy.curves[:, places("cheekSquint")].max() > 0.15
    np.testing.assert_array_equal(plain.curves[:, 14:], plain.content[:, 14:])  # the first 14 are the eyes


def test_sound_is_written_and_read(tmp_path):
    said = utterance(0, 1)
    said.audio.save(tmp_path / "said.wav")
    back = Audio.open(tmp_path / "said.wav")
    assert back.rate == 16_000
    np.testing.assert_allclose(back.samples, said.audio.samples, atol=1 / 32_000)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"emotion": "joy"}, "'joy'"),
        ({"level": 9}, "9"),
        ({"voice": "nobody"}, "'nobody'"),
        ({"voice": "anna", "gender": "male"}, "either"),
        ({"gender": "robot"}, "'robot'"),
        ({"pose": "wild"}, "'wild'"),
        ({"blink_rate": -1}, "-1 blinks"),
    ],
)
def test_wrong_requests(options, wanted):
    with pytest.raises(UsageError, match=wanted):
        utterance(0, 0, **options)
    with pytest.raises(UsageError, match="-1"):
        utterance(-1, 0)


@pytest.mark.parametrize("text", ["", "...", "你好"])
def test_text_that_cannot_be_spoken(text):
    with pytest.raises(InputError):
        utterance(0, 0, text=text)
