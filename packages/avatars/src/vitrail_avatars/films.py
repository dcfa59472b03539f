"""Talking heads as moving pictures with sound, and films of others read as the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, NotInstalledError
from vitrail.results import Audio, Clip
from vitrail_avatars.appearance.look import look_of
from vitrail_avatars.head import load_head
from vitrail_avatars.pictures import atlas_for, take
from vitrail_avatars.population import Person, person
from vitrail_avatars.scenes import Scene
from vitrail_avatars.speech.utterances import Utterance

YEARS = {"child": 12.0, "young": 25.0, "middle": 45.0, "old": 70.0}
"""Of a person with a voice of that age."""

RATE = 16_000


def speaker(seed: int, number: int, said: Utterance) -> Person:
    """Person `number` of the population, with the gender and an age that the voice has."""
    return person(seed, number, gender=said.voice.gender, age=YEARS[said.voice.age])


def film(somebody: Person, said: Utterance, now: Scene, size: int) -> Clip:
    """A person says something: a clip of size x size pixels that draws its frames as they are asked for.

    Light, clothes and background are the scene's; its expression gives way to that of the utterance, and the head moves
    about the angles that the scene has.
    """
    neutral, look = look_of(load_head(), atlas_for(size), somebody)

    def frames() -> Iterator[NDArray[np.uint8]]:
        for expression, pose in zip(said.curves, said.pose, strict=True):
            nod, turn, lean, right, up, _ = pose
            moved = replace(
                now,
                expression=expression,
                angles=now.angles
                + np.array([-nod, turn, -lean]),  # `motion` counts pitch and roll the other way
                gaze=np.zeros((2, 2)),
                camera=replace(now.camera, centre=(now.camera.centre[0] - right, now.camera.centre[1] - up)),
            )
            yield take(neutral, look, moved, size).rgb

    return Clip(frames=frames(), fps=said.fps, size=(size, size), audio=said.audio)


def open_film(path: Path | str, *, fps: float = 25.0) -> Clip:
    """Any film that FFmpeg reads, its frames held or left out so that there are `fps` a second, sound as 16 kHz mono.

    The frames stream from the file; the sound is read at once. InputError for what is no film, NotInstalledError where
    PyAV is missing.
    """
    path = Path(path)
    try:
        import av
    except ModuleNotFoundError as error:
        raise NotInstalledError('Reading films needs PyAV: pip install "vitrail[video]"') from error
    if not path.is_file():
        raise InputError(f"{path} does not exist; wanted is a film.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path} has no picture; wanted is a film.")
            size = (container.streams.video[0].height, container.streams.video[0].width)
            sound = _sound(container) if container.streams.audio else None
    except av.FFmpegError as error:
        raise InputError(f"{path} is no film that can be read: {error}.") from error

    def frames() -> Iterator[NDArray[np.uint8]]:
        shown, last = 0, None
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                image = frame.to_ndarray(format="rgb24")
                # A time that lies between two frames of the file shows the earlier one.
                while last is not None and shown / fps < frame.time - 1e-6:
                    yield last
                    shown += 1
                last = image
        if last is not None:
            yield last

    return Clip(frames=frames(), fps=fps, size=size, audio=sound)


def _sound(container: object) -> Audio | None:
    """All of a film's sound, mono; None where its stream is empty."""
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts = [
        part.to_ndarray().reshape(-1)
        for frame in container.decode(audio=0)  # type: ignore[attr-defined]
        for part in resampler.resample(frame)
    ]
    parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    return Audio(samples=np.concatenate(parts).astype(np.float32), rate=RATE) if parts else None
