"""Phones, the engines' symbols, and text."""

from __future__ import annotations

import pytest

from vitrail.errors import BrokenError, InputError
from vitrail_avatars.speech import PHONES, Phone
from vitrail_avatars.speech.phones import CONSONANTS, VOWELS, from_flite, from_ipa
from vitrail_avatars.speech.text import clean, stretches


def test_there_are_39_phones():
    assert len(PHONES) == len(set(PHONES)) == 39
    assert len(VOWELS) == 15
    assert len(CONSONANTS) == 24


@pytest.mark.parametrize(
    ("ipa", "wanted"),
    [
        *(("oːɹ", ("ao", "r")), ("aɪɚ", ("ay", "er")), ("əl", ("ah", "l")), ("t͡ʃ", ("ch",)), ("ɾ", ("d",))),
        *(("iː", ("iy",)), ("oʊ", ("ow",)), ("əʊ", ("ow",)), ("", ()), ("ˈɜːˌ", ("er",)), ("ɡ", ("g",))),
    ],
)
def test_ipa(ipa, wanted):
    assert from_ipa(ipa) == wanted


def test_a_sound_that_english_lacks_is_named():
    with pytest.raises(BrokenError, match="'ʀ'"):
        from_ipa("aʀ")
    with pytest.raises(BrokenError, match="'rr'"):
        from_flite("rr")


def test_flite_says_more_vowels_than_there_are():
    assert [from_flite(symbol) for symbol in ("ax", "axr", "ae", "pau")] == ["ah", "er", "ae", "pau"]


@pytest.mark.parametrize(
    "wrong", [("qq", 0, 1), ("aa", 1, 1), ("aa", -1, 1), ("AA", 0, 1), ("aa", 0, float("nan"))]
)
def test_a_phone_is_checked(wrong):
    with pytest.raises(InputError):
        Phone(*wrong)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  The  café\n– “naïve” ", 'The cafe , "naive"'),
        ("It’s 5…", "It's 5."),
        ("Łódź, Øre, straße", "Lodz, Ore, strasse"),
        ("the ﬁfth — and last", "the fifth , and last"),
    ],
)
def test_text_is_made_plain(text, wanted):
    assert clean(text) == wanted


@pytest.mark.parametrize("text", ["", " \n", "...", "?!", "--", "'"])
def test_silence_is_refused(text):
    with pytest.raises(InputError, match="nothing to say"):
        clean(text)


@pytest.mark.parametrize("text", ["你好", "привет", "hello 🙂", "bell\x07", "null\0"])
def test_signs_that_english_lacks_are_named(text):
    with pytest.raises(InputError, match="wanted is English") as caught:
        clean(text)
    assert str(caught.value).isprintable()


def test_endless_words_are_refused():
    with pytest.raises(InputError, match="61 letters"):
        clean("a " + "b" * 61)


def test_stretches_are_bounded_and_lose_nothing():
    text = "One. Two, three! " + "and so on, " * 300 + "end? ... !"
    parts = stretches(clean(text))
    assert max(map(len, parts)) <= 600
    said = " ".join(parts).split()
    assert said == clean(text).split()[: len(said)]
    assert parts[-1].endswith("end?")
