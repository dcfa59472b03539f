"""Writing MP4 with PyAV; imported only when the extra `video` is installed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from vitrail.files import atomic_path

if TYPE_CHECKING:
    from vitrail.results import Clip


def write_mp4(path: Path, clip: Clip) -> None:
    """H.264 video and AAC sound. Odd sizes are padded by one row or column, which H.264 wants."""
    height, width = clip.size
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(clip.fps).limit_denominator(1001))
        video.width, video.height = width + width % 2, height + height % 2
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=clip.audio.rate, layout="mono") if clip.audio else None
        for image in clip.checked_frames():
            padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(video.encode(av.VideoFrame.from_ndarray(padded, format="rgb24")))
        container.mux(video.encode())
        if sound is not None and clip.audio is not None:
            frame = av.AudioFrame.from_ndarray(clip.audio.samples[None], format="fltp", layout="mono")
            frame.sample_rate = clip.audio.rate
            frame.pts = 0
            container.mux(sound.encode(frame))
            container.mux(sound.encode())
