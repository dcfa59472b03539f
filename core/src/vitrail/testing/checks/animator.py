"""What animators promise."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from vitrail.errors import VitrailError
from vitrail.results import Audio
from vitrail.testing.registry import check, demand
from vitrail.testing.subject import Subject, sound


@check("animator")
def check_clip_is_as_long_as_the_sound(subject: Subject) -> None:
    """The number of frames is the sound's seconds times fps, give or take one."""
    audio = sound(0.48)
    clip = subject.component.animate(audio, fps=25, seed=1)
    frames = [frame.copy() for frame in clip.frames]
    demand(
        abs(len(frames) - audio.seconds * 25) <= 1, f"{audio.seconds} s at 25 fps gave {len(frames)} frames."
    )
    demand(clip.fps == 25, f"fps is {clip.fps}.")
    for frame in frames:
        demand(isinstance(frame, UInt8[np.ndarray, "h w 3"]), f"a frame is {frame.dtype} {frame.shape}.")
        demand(frame.shape[:2] == clip.size, f"a frame is {frame.shape[:2]} and the clip says {clip.size}.")


@check("animator")
def check_frames_stream_once(subject: Subject) -> None:
    """Frames come one by one from an iterator, which is empty afterwards."""
    clip = subject.component.animate(sound(), seed=1)
    demand(iter(clip.frames) is clip.frames, "frames are not an iterator.")
    demand(len(list(clip.frames)) > 0 and not list(clip.frames), "frames can be read twice, or not at all.")


@check("animator")
def check_same_seed_gives_the_same_clip(subject: Subject) -> None:
    """The same sound and seed give the same frames."""
    first, second = ([f.copy() for f in subject.component.animate(sound(), seed=5).frames] for _ in range(2))
    demand(all(map(np.array_equal, first, second)), "two clips with one seed differ.")


@check("animator")
def check_sound_moves_the_picture(subject: Subject) -> None:
    """The clip is not one still picture."""
    frames = [f.copy() for f in subject.component.animate(sound(0.6), seed=1).frames]
    demand(any(not np.array_equal(frames[0], frame) for frame in frames[1:]), "all frames are the same.")


@check("animator")
def check_bad_sound_is_refused(subject: Subject) -> None:
    """No sound at all, and fps 0, raise a VitrailError."""
    silent = Audio(samples=np.zeros(0, dtype=np.float32), rate=16_000)
    for what, audio, fps in (("an empty sound", silent, 25.0), ("fps=0", sound(), 0.0)):
        try:
            list(subject.component.animate(audio, fps=fps, seed=1).frames)
        except VitrailError:
            continue
        raise AssertionError(f"{what} raised no VitrailError.")
