"""Text that the engines can say: English in plain letters, in stretches of bounded length."""

from __future__ import annotations

import re
import unicodedata

from vitrail.errors import InputError

_LONGEST_WORD = 60
_LONGEST_STRETCH = 600
_PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": ", ", "—": ", ", "…": ". ", "ß": "ss", "æ": "ae", "Æ": "Ae"}
)
_PLAIN.update(str.maketrans({"ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L", "\u2212": "-"}))


def clean(text: str) -> str:
    """`text` with accents and typographic signs made plain and spaces made single.

    InputError where nothing can be spoken, where a sign has no plain form, and where a word has more
    than 60 letters.
    """
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = " ".join(plain.split())
    strange = sorted({sign for sign in plain if not " " <= sign <= "~"})
    if strange:
        shown = " ".join(ascii(sign)[1:-1] + f" ({sign})" * sign.isprintable() for sign in strange[:5])
        raise InputError(f"the text contains {shown}; wanted is English in Latin letters and digits.")
    if not re.search("[A-Za-z0-9]", plain):
        raise InputError(f"the text {text[:40]!r} has nothing to say; wanted are words.")
    longest = max(plain.split(), key=len)
    if len(longest) > _LONGEST_WORD:
        raise InputError(
            f"the word {longest[:20]}... has {len(longest)} letters; wanted are words of at most {_LONGEST_WORD}."
        )
    return plain


def stretches(text: str) -> list[str]:
    """Cleaned text cut after sentences, and within those of more than 600 letters after a comma or a word."""
    found: list[str] = []
    for sentence in re.split(r"(?<=[.!?;:])\s+", text):
        while len(sentence) > _LONGEST_STRETCH:
            head = sentence[:_LONGEST_STRETCH]
            cut = max(head.rfind(", ") + 1, 0) or head.rfind(" ")
            found.append(sentence[:cut])
            sentence = sentence[cut:].strip()
        found.append(sentence)
    return [stretch for stretch in found if re.search("[A-Za-z0-9]", stretch)]
