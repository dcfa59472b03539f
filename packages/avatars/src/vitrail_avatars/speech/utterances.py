"""A sentence said by somebody in some mood: its sound, and what the face does meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.results import Audio
from vitrail_avatars.arkit import places
from vitrail_avatars.seeds import stream
from vitrail_avatars.speech.coarticulation import FPS, curves, frame_count
from vitrail_avatars.speech.emotion import EMOTIONS, LEVELS, expression, manner
from vitrail_avatars.speech.measure import loudness
from vitrail_avatars.speech.motion import BLINKS, eyes, head_pose
from vitrail_avatars.speech.phones import PAUSE, RATE, Phone
from vitrail_avatars.speech.sentences import sentence
from vitrail_avatars.speech.synthesis import speak
from vitrail_avatars.speech.voices import AGES, GENDERS, Voice, get_voice, voices

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Speech and face, frame by frame.

    level: 1 to 3. audio: T * 640 samples, 16,000 a second.
    phones: from 0 to the end of the sound, without gaps.
    curves: (T, 52) float32 in 0 to 1, ARKit's units in the order of `ARKIT`: speech, emotion, blinks, glances.
    content: (T, 52) float32, what speech alone does: the same words without emotion, blinks and glances.
    pose: (T, 6) float32, see `motion.head_pose`. Frame t shows the face at (t + 0.5) / fps seconds.
    """

    text: str
    voice: Voice
    emotion: str
    level: int
    audio: Audio = field(repr=False)
    phones: tuple[Phone, ...] = field(repr=False)
    curves: NDArray[np.float32] = field(repr=False)
    content: NDArray[np.float32] = field(repr=False)
    pose: NDArray[np.float32] = field(repr=False)
    fps: int = FPS

    @property
    def frames(self) -> int:
        """T."""
        return len(self.curves)

    @property
    def duration(self) -> float:
        """Seconds, of sound and of picture alike."""
        return self.frames / self.fps


def utterance(
    seed: int,
    index: int,
    *,
    gender: str | None = None,
    age: str | None = None,
    emotion: str | None = None,
    level: int | None = None,
    voice: Voice | str | None = None,
    text: str | None = None,
    held_out: bool | None = False,
    pose: str = "natural",
    blink_rate: float = BLINKS,
) -> Utterance:
    """Utterance `index` of the data set `seed`. What is not given is drawn, each thing by itself.

    gender: "female" or "male". age: "child", "young", "middle" or "old". emotion: of `EMOTIONS`; level: 1
    to 3. voice: a name of the catalogue, in place of gender and age. text: English, of any length.
    held_out: False draws from the voices to train with, True from those kept for tests, None from all.
    pose: "natural" or "still". blink_rate: blinks a minute.

    The same arguments give the same bits, in any order and in any process. Takes about 0.2 s a sentence.
    UsageError for values out of range, InputError for text that cannot be spoken, NotInstalledError
    where the voice's program is missing.
    """
    if voice is None:
        gender = gender or _pick(seed, index, "gender", GENDERS)
        age = age or _pick(seed, index, "age", AGES)
        of_those = voices(gender=gender, age=age, held_out=held_out)
        voice = of_those[stream(seed, index, "voice").integers(len(of_those))]
    elif gender is not None or age is not None:
        raise UsageError("a voice has a gender and an age; give either the voice or those.")
    voice = get_voice(voice)
    emotion = emotion or _pick(seed, index, "emotion", EMOTIONS)
    level = _pick(seed, index, "level", LEVELS) if level is None else level
    text = sentence(seed, index) if text is None else text
    how = manner(emotion, level)

    spoken = speak(text, voice, how)
    count = frame_count(spoken.duration)
    size = count * RATE // FPS
    samples = np.pad(spoken.samples, (0, size - len(spoken.samples)))
    phones = _lasting(spoken.phones, size / RATE)
    mood = expression(emotion, level, count, fps=FPS, draw=stream(seed, index, "expression"))
    moved = curves(phones, articulation=how.articulation, expression=mood)
    glances = eyes(count, draw=stream(seed, index, "eyes"), rate=blink_rate)
    return Utterance(
        text=text,
        voice=voice,
        emotion=emotion,
        level=level,
        audio=Audio(samples=samples, rate=RATE),
        phones=phones,
        curves=_with_eyes(moved, glances),
        content=curves(phones),
        pose=head_pose(loudness(samples), draw=stream(seed, index, "pose"), pose=pose),
    )


def parallel(
    text: str,
    speakers: Sequence[Voice | str],
    *,
    seed: int = 0,
    emotion: str = "neutral",
    level: int = 2,
    pose: str = "natural",
) -> tuple[Utterance, ...]:
    """The same text by several speakers, who blink, glance and sway each in their own way."""
    return tuple(
        utterance(seed, place, text=text, voice=speaker, emotion=emotion, level=level, pose=pose)
        for place, speaker in enumerate(speakers)
    )


def _pick(seed: int, index: int, purpose: str, choices: Sequence[T]) -> T:
    return choices[int(stream(seed, index, purpose).integers(len(choices)))]


def _lasting(phones: tuple[Phone, ...], seconds: float) -> tuple[Phone, ...]:
    """The same phones, the last pause lengthened to `seconds`."""
    last = phones[-1]
    assert last.symbol == PAUSE
    return (*phones[:-1], Phone(PAUSE, last.start, max(seconds, last.end)))


def _with_eyes(moved: NDArray[np.float32], glances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lids of a face that may be wide-eyed or squinting also shut in a blink."""
    shut = glances[:, places("eyeBlink")]
    merged = moved + glances
    merged[:, places("eyeBlink")] = shut + (1 - shut) * moved[:, places("eyeBlink")]
    merged[:, places("eyeWide")] *= 1 - shut
    merged[:, places("eyeSquint")] *= 1 - 0.5 * shut
    return np.clip(merged, 0, 1)
