"""The grammar."""

from __future__ import annotations

from vitrail_avatars.speech import sentence
from vitrail_avatars.speech.sentences import PATTERNS, WORDS
from vitrail_avatars.speech.text import clean


def test_the_same_again_and_otherwise_different():
    assert sentence(1, 2) == sentence(1, 2)
    assert len({sentence(0, index) for index in range(500)}) > 490
    assert sentence(0, 0) != sentence(1, 0)


def test_sentences_are_whole():
    for index in range(500):
        text = sentence(7, index)
        assert clean(text) == text
        assert "{" not in text
        assert text[0].isupper()
        assert text[-1] in ".?!"
        assert 5 <= len(text.split()) <= 22
        assert " a apple" not in text
        assert " an useful" not in text


def test_every_list_is_used_and_has_no_word_twice():
    for kind, words in WORDS.items():
        assert any("{" + kind + "}" in pattern for pattern in PATTERNS)
        assert len(set(words)) == len(words)
