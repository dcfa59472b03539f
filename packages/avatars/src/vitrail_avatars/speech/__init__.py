"""Synthetic speech with exact phone times, and what the face does with it.

    from vitrail_avatars.speech import utterance
    said = utterance(seed=0, index=3, gender="female", emotion="happy")
    said.audio.save("said.wav")  # 16 kHz
    said.curves                  # (T, 52): ARKit's units at 25 frames a second

It needs `flite` and `libespeak-ng1`, Debian packages: apt-get install flite espeak-ng libespeak-ng1.
"""

from __future__ import annotations

from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.speech.coarticulation import FPS, curves, opening
from vitrail_avatars.speech.emotion import EMOTIONS, LEVELS, Manner, expression, face, manner
from vitrail_avatars.speech.measure import loudness, pitch
from vitrail_avatars.speech.motion import blinks, eyes, head_pose
from vitrail_avatars.speech.phones import PAUSE, PHONES, RATE, Phone, Spoken
from vitrail_avatars.speech.sentences import sentence
from vitrail_avatars.speech.synthesis import speak
from vitrail_avatars.speech.utterances import Utterance, parallel, utterance
from vitrail_avatars.speech.voices import AGES, GENDERS, VOICES, Voice, choose_voice, get_voice, voices

__all__ = [
    "utterance", "Utterance", "parallel", "sentence", "speak", "Spoken", "Phone",
    "VOICES", "Voice", "voices", "choose_voice", "get_voice", "GENDERS", "AGES",
    "EMOTIONS", "LEVELS", "Manner", "manner", "face", "expression",
    "curves", "opening", "blinks", "eyes", "head_pose", "loudness", "pitch",
    "ARKIT", "PHONES", "PAUSE", "RATE", "FPS",
]  # fmt: skip
