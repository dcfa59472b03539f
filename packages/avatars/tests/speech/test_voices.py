"""The catalogue of speakers, and whether they sound as they should."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_avatars.speech import (
    AGES,
    GENDERS,
    VOICES,
    choose_voice,
    espeak,
    flite,
    get_voice,
    pitch,
    speak,
    voices,
)

needs_both = pytest.mark.skipif(
    not (flite.available() and espeak.available()),
    reason="flite or espeak-ng is missing: apt-get install flite espeak-ng libespeak-ng1",
)


def test_every_gender_and_age_has_voices_to_train_and_to_test_with():
    assert len(VOICES) == 32
    for gender in GENDERS:
        for age in AGES:
            assert len(voices(gender=gender, age=age)) == 3
            assert len(voices(gender=gender, age=age, held_out=True)) == 1


def test_no_base_is_both_trained_with_and_held_out():
    bases = {voice.base for voice in voices()}
    assert not bases & {voice.base for voice in voices(held_out=True)}
    assert len(voices(held_out=None)) == 32


def test_no_two_voices_are_alike():
    sounds = {(v.base, v.pitch, v.tract) for v in VOICES.values()}
    assert len(sounds) == 32
    for one in VOICES.values():
        for other in VOICES.values():
            if one.name < other.name and one.base == other.base:
                assert (
                    abs(np.log(one.pitch / other.pitch)) > 0.05 or abs(np.log(one.tract / other.tract)) > 0.04
                )


def test_choosing():
    chosen = {choose_voice("female", "old", seed=seed).name for seed in range(40)}
    assert chosen == {voice.name for voice in voices(gender="female", age="old")}
    assert choose_voice("male", seed=3) == choose_voice("male", seed=3)
    assert all(choose_voice(seed=seed, held_out=True).held_out for seed in range(10))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: choose_voice("woman"), "'woman'"),
        (lambda: choose_voice("female", "baby"), "'baby'"),
        (lambda: get_voice("nobody"), "ivy, mia"),
        (lambda: choose_voice(seed=-1), "-1"),
    ],
)
def test_unknown_ones_are_named(call, said):
    with pytest.raises(UsageError, match=said):
        call()


@pytest.fixture(scope="module")
def heard():
    """Mean pitch of every voice, hertz."""
    text = "We all wondered where the old man would row."
    found = {}
    for voice in VOICES.values():
        track = pitch(speak(text, voice).samples, fps=40)
        found[voice.name] = float(np.exp(np.log(np.sort(track[track > 0])[3:-3]).mean()))
    return found


@needs_both
def test_voices_have_the_pitch_that_they_should(heard):
    for name, hertz in heard.items():
        assert hertz == pytest.approx(VOICES[name].pitch, rel=0.15), name


@needs_both
def test_pitch_follows_gender_and_age(heard):
    def ages(gender):
        return [[heard[v.name] for v in voices(gender=gender, age=age, held_out=None)] for age in AGES]

    for gender in GENDERS:
        child, young, middle, old = ages(gender)
        assert min(child) > max(young)
        assert np.mean(young) > np.mean(middle) > np.mean(old)
        assert min(young) > max(old)
    grown = [value for group in ages("female")[1:] for value in group]
    assert min(grown) > max(value for group in ages("male")[1:] for value in group)
