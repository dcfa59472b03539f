"""From phones to the face's curves."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import InputError
from vitrail_avatars.arkit import places, units
from vitrail_avatars.speech import ARKIT, PAUSE, PHONES, Phone, curves, face, opening
from vitrail_avatars.speech.coarticulation import frame_times
from vitrail_avatars.speech.phones import BILABIALS
from vitrail_avatars.speech.visemes import ARTICULATORS, GLIDES, VISEMES

JAW = ARKIT.index("jawOpen")


def said(text, durations):
    """Phones from symbols and durations in seconds; one duration serves all."""
    symbols = text.split()
    ends = np.cumsum(np.broadcast_to(durations, len(symbols)))
    return tuple(Phone(s, float(e - d), float(e)) for s, d, e in zip(symbols, np.diff(ends, prepend=0), ends))


def nearest(moment, fps=25):
    return int(moment * fps)


def random_phones(rng, count=60, shortest=0.02, longest=0.2):
    symbols = rng.choice([*PHONES, *BILABIALS * 3], count)
    return said(" ".join((PAUSE, *symbols, PAUSE)), rng.uniform(shortest, longest, count + 2))


def test_arkit_has_52_units_and_every_phone_a_shape():
    assert len(ARKIT) == len(set(ARKIT)) == 52
    assert ARKIT[0] == "eyeBlinkLeft"
    assert ARKIT[17] == "jawOpen"
    assert ARKIT[51] == "tongueOut"
    assert {*VISEMES, *GLIDES} == {*PHONES, PAUSE}
    for viseme in VISEMES.values():
        assert set(viseme.dominance) == set(ARTICULATORS)
        known = {name for names in ARTICULATORS.values() for name in names}
        assert set(viseme.targets) <= known
        assert units(**viseme.targets).max() <= 1


@pytest.mark.parametrize("fps", [25, 30, 60, 12])
@pytest.mark.parametrize("emotion", ["neutral", "surprised", "happy", "disgust", "angry"])
def test_lips_touch_at_every_bilabial_however_quick(fps, emotion):
    rng = np.random.default_rng(0)
    for longest in (0.2, 0.05):
        phones = random_phones(rng, longest=longest)
        count = len(curves(phones, fps=fps))
        mood = np.tile(face(emotion, 3), (count, 1))
        found = curves(phones, fps=fps, articulation=1.3, expression=mood)
        apart = opening(found)
        assert found.dtype == np.float32
        assert found.shape == (count, 52)
        assert found.min() >= 0
        assert found.max() <= 1
        assert apart.min() >= -1e-6
        for phone in phones:
            at = nearest(phone.middle, fps)
            if phone.symbol in BILABIALS:
                assert apart[at] < 0.05
                for name in ("mouthLowerDown", "mouthUpperUp", "mouthFunnel", "tongueOut"):
                    assert found[at, places(name)].max() < 0.05
            elif phone.symbol in ("f", "v"):
                assert apart[at] <= 0.0601
                assert found[at, places("mouthRollLower")] >= 0.349
                assert found[at, places("mouthLowerDown")].max() < 0.05


def test_the_mouth_opens_between_two_quick_bilabials():
    phones = said("pau b aa b pau", (0.2, 0.05, 0.1, 0.05, 0.2))
    apart = opening(curves(phones))
    assert apart[nearest(0.3)] > 0.2


def test_lower_vowels_open_the_jaw_further():
    def jaw(phone):
        return curves(said(f"pau t {phone} t pau", (0.2, 0.08, 0.2, 0.08, 0.2)))[nearest(0.38), JAW]

    assert jaw("aa") > jaw("ae") > jaw("eh") > jaw("ih") > jaw("iy")
    assert jaw("ih") > jaw("s")
    assert jaw("ao") > jaw("uh") > jaw("uw")


def test_round_spread_and_tongue():
    def at_middle(phone, name):
        found = curves(said(f"pau k {phone} k pau", (0.2, 0.08, 0.2, 0.08, 0.2)))
        return found[nearest(0.38), places(name)].mean()

    assert at_middle("w", "mouthPucker") > at_middle("uw", "mouthPucker") > at_middle("r", "mouthPucker")
    assert at_middle("r", "mouthPucker") > at_middle("iy", "mouthPucker") + 0.1
    assert at_middle("iy", "mouthStretch") > at_middle("ih", "mouthStretch") > at_middle("uw", "mouthStretch")
    assert at_middle("sh", "mouthFunnel") > at_middle("s", "mouthFunnel") + 0.2
    assert at_middle("th", "tongueOut") > at_middle("t", "tongueOut") + 0.1


def test_a_diphthong_moves():
    found = curves(said("pau aw pau", (0.2, 0.3, 0.2)))
    start, end = nearest(0.27), nearest(0.47)
    assert found[start, JAW] > found[end, JAW] + 0.1
    assert found[end, places("mouthPucker")[0]] > found[start, places("mouthPucker")[0]] + 0.1


def test_lips_round_before_the_round_vowel():
    """Look-ahead: in "s t uw" the lips move while the s is said, and not in "s t iy"."""
    pucker = places("mouthPucker")[0]
    with_round = curves(said("pau iy s t uw pau", (0.2, 0.1, 0.1, 0.05, 0.2, 0.2)))[:, pucker]
    without = curves(said("pau iy s t iy pau", (0.2, 0.1, 0.1, 0.05, 0.2, 0.2)))[:, pucker]
    assert with_round[nearest(0.37)] > without[nearest(0.37)] + 0.1
    assert abs(with_round[nearest(0.2)] - without[nearest(0.2)]) < 0.02


def test_a_vowel_takes_from_its_neighbours():
    sides = {}
    for consonant in ("t", "w"):
        found = curves(said(f"pau {consonant} ih {consonant} pau", (0.2, 0.08, 0.08, 0.08, 0.2)))
        sides[consonant] = found[nearest(0.32), places("mouthPucker")[0]]
    assert sides["w"] > sides["t"] + 0.1


def test_the_face_rests_in_silence():
    assert not curves((Phone(PAUSE, 0, 1),)).any()
    found = curves(said("pau aa pau", (1, 0.3, 1)))
    assert found[:15].max() < 0.02
    assert found[-15:].max() < 0.02


def test_movements_are_bounded():
    rng = np.random.default_rng(1)
    phones = random_phones(rng, count=300, shortest=0.05)
    found = curves(phones, fps=100)
    speed = np.abs(np.diff(found, axis=0)) * 100  # of the whole movement a second
    assert speed[:, JAW].max() < 12
    assert speed.max() < 25


def test_length_and_times():
    phones = said("pau aa pau", (0.2, 0.3, 0.21))
    assert len(curves(phones)) == 18
    assert len(curves(phones, duration=2)) == 50
    np.testing.assert_array_equal(curves(phones, duration=2)[:15], curves(phones)[:15])
    np.testing.assert_allclose(frame_times(3), (0.02, 0.06, 0.10))


def test_articulation_scales_the_movement():
    phones = said("pau t aa t pau", (0.2, 0.1, 0.2, 0.1, 0.2))
    np.testing.assert_allclose(curves(phones, articulation=0.5), curves(phones) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: curves(()), "no phones"),
        (lambda: curves((Phone("aa", 1, 2), Phone("b", 0, 1))), "order"),
        (lambda: curves((Phone("aa", 0, 1),), fps=0), "0 frames"),
        (lambda: curves((Phone("aa", 0, 1),), expression=np.zeros((25, 51))), r"\(25, 52\)"),
    ],
)
def test_wrong_requests(call, wanted):
    with pytest.raises(InputError, match=wanted):
        call()
