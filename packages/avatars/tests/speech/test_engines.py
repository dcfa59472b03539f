"""Flite and espeak-ng: their phones, their times, and what is said when they are missing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from vitrail.errors import BrokenError, InputError, NotInstalledError, UsageError
from vitrail_avatars.speech import (
    PAUSE,
    PHONES,
    RATE,
    VOICES,
    Manner,
    espeak,
    espeak_process,
    flite,
    loudness,
    sentence,
    speak,
)
from vitrail_avatars.speech.phones import VOWELS
from vitrail_avatars.speech.sentences import WORDS

needs_flite = pytest.mark.skipif(not flite.available(), reason=f"flite is missing: {flite.INSTALL}")
needs_espeak = pytest.mark.skipif(not espeak.available(), reason=f"espeak-ng is missing: {espeak.INSTALL}")
ENGINES = [
    pytest.param("anna", marks=needs_flite, id="flite-slt"),
    pytest.param("eric", marks=needs_flite, id="flite-kal16"),
    pytest.param("dan", marks=needs_flite, id="flite-awb"),
    pytest.param("ruth", marks=needs_espeak, id="espeak-f2"),
    pytest.param("ben", marks=needs_espeak, id="espeak-m3"),
    pytest.param("leo", marks=needs_flite, id="flite-short-tract"),
]
TEXT = "Happy people caught a big pack of pipes, and two tall captains bought ten copper pots."


def check(spoken):
    assert spoken.samples.dtype == np.float32
    assert 0 < np.abs(spoken.samples).max() <= 1
    assert spoken.phones[0].symbol == spoken.phones[-1].symbol == PAUSE
    assert spoken.phones[0].start == 0
    assert spoken.phones[-1].end == pytest.approx(spoken.duration, abs=1 / RATE)
    for one, other in zip(spoken.phones, spoken.phones[1:]):
        assert one.end == pytest.approx(other.start, abs=1e-9)


@pytest.mark.parametrize("voice", ENGINES)
def test_phones_cover_the_sound(voice):
    check(speak(TEXT, voice))


@pytest.mark.parametrize("voice", ENGINES[1:4:2])
def test_every_word_is_said_with_known_phones_and_all_39_occur(voice):
    text = ", ".join(word for words in WORDS.values() for word in words)
    spoken = speak(text, voice)
    check(spoken)
    assert {phone.symbol for phone in spoken.phones} == {*PHONES, PAUSE}


@pytest.mark.parametrize("voice", ENGINES)
def test_vowels_are_loud_and_stops_silent_when_the_times_say_so(voice):
    """The contrast between the middles of vowels and of voiceless stops falls when the times are shifted."""
    spoken = speak(TEXT, voice)
    level = np.log(loudness(spoken.samples, fps=200) + 1e-4)

    def contrast(shift):
        def mean(symbols):
            places = [
                int((p.start + 0.4 * p.duration + shift) * 200)
                for p in spoken.phones[1:-1]
                if p.symbol in symbols and p.duration > 0.05
            ]
            return level[np.clip(places, 0, len(level) - 1)].mean()

        return mean(VOWELS) - mean(("p", "t", "k"))

    shifts = np.array((-0.1, -0.07, -0.04, -0.02, 0, 0.02, 0.04, 0.07, 0.1))
    found = [contrast(shift) for shift in shifts]
    assert abs(shifts[int(np.argmax(found))]) <= 0.02
    assert contrast(0) > 2.3  # a factor of ten


@pytest.mark.parametrize("voice", ENGINES[::3])
def test_pace_and_volume(voice):
    usual = speak(TEXT, voice)
    quick = speak(TEXT, voice, Manner(rate=1.3))
    assert quick.duration == pytest.approx(usual.duration / 1.3, rel=0.1)
    loud = speak(TEXT, voice, Manner(volume=1.5))
    assert np.square(loud.samples).mean() == pytest.approx(1.5**2 * np.square(usual.samples).mean(), rel=0.05)


@pytest.mark.parametrize("voice", ENGINES[::3])
@pytest.mark.parametrize(
    "text",
    [
        *("-hello", "--version", "<b>x</b> & $5, 50% of 3.14 @ #1 C++ a_b", "Dr. Smith's 1st café", "a", "I"),
        *("$(reboot) `ls` ; | > /tmp/x", "[[h@l'oU]]", '"', "\\n {}"),
    ],
)
def test_odd_text(voice, text):
    if not any(sign.isalnum() for sign in text):
        with pytest.raises(InputError, match="nothing to say"):
            speak(text, voice)
        return
    check(speak(text, voice))


@pytest.mark.parametrize("voice", ENGINES[1:4:2])
def test_long_text(voice):
    text = " ".join(sentence(0, index) for index in range(50))
    spoken = speak(text, voice)
    check(spoken)
    assert spoken.duration > 100


@pytest.mark.parametrize("voice", ENGINES[::3])
def test_the_same_bits_each_time(voice):
    one, other = speak(TEXT, voice), speak(TEXT, voice)
    assert one.samples.tobytes() == other.samples.tobytes()
    assert one.phones == other.phones


def test_missing_programs_are_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(flite.shutil, "which", lambda name: None)
    with pytest.raises(NotInstalledError, match="apt-get install flite"):
        speak("hello", "anna")
    monkeypatch.setattr(espeak_process, "LIBRARIES", ("libnothing.so.9",))
    assert espeak_process.main() == espeak_process.NO_LIBRARY
    monkeypatch.setattr(espeak, "_COMMAND", (sys.executable, "-c", f"exit({espeak_process.NO_LIBRARY})"))
    with pytest.raises(NotInstalledError, match="apt-get install espeak-ng libespeak-ng1"):
        speak("hello", "ruth")


@needs_espeak
def test_an_unknown_voice_of_espeak():
    with pytest.raises(NotInstalledError, match="no voice xx-nowhere"):
        espeak.speak("hello", "xx-nowhere", pitch=1, spread=0.1, stretch=1)


@needs_flite
def test_an_unknown_voice_of_flite():
    with pytest.raises(NotInstalledError, match="no voice nobody"):
        flite.speak("hello", "nobody", pitch=100, spread=0.1, stretch=1)


@needs_flite
def test_a_program_that_fails(monkeypatch):
    def fail(command, **options):
        raise subprocess.CalledProcessError(1, command)

    flite._voices()
    monkeypatch.setattr(flite.subprocess, "run", fail)
    with pytest.raises(BrokenError, match="flite does not work"):
        speak("hello", "anna")


@needs_espeak
def test_an_engine_that_dies(monkeypatch):
    monkeypatch.setattr(
        espeak.subprocess,
        "run",
        lambda command, **options: subprocess.CompletedProcess(command, -11, b"", b""),
    )
    with pytest.raises(BrokenError, match="exit status -11"):
        speak("hello", "ruth")


def test_every_voice_names_an_engine_that_is_here():
    assert {voice.engine for voice in VOICES.values()} == {"flite", "espeak"}


def test_manners_and_voices_are_checked():
    with pytest.raises(UsageError, match="rate of a manner is 0"):
        Manner(rate=0)
    strange = dataclasses.replace(VOICES["ruth"], base="en-us+x9")
    with pytest.raises(UsageError, match=r"en-us\+x9"):
        speak("hello", strange)
