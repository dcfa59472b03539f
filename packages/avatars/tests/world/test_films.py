"""Talking heads as films, and films that are read."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from vitrail.errors import InputError
from vitrail.results import Audio, Clip
from vitrail_avatars.arkit import ARKIT
from vitrail_avatars.cli import app
from vitrail_avatars.films import YEARS, film, open_film, speaker
from vitrail_avatars.scenes import scene
from vitrail_avatars.speech import utterance

SPEAKS = pytest.mark.skipif(
    shutil.which("flite") is None or shutil.which("espeak-ng") is None,
    reason="speech needs: apt-get install flite espeak-ng libespeak-ng1",
)


def clip(frames=10, fps=25.0, audio=None):
    """Frame t is grey, 20 t."""
    pictures = (np.full((32, 48, 3), 20 * t, np.uint8) for t in range(frames))
    return Clip(frames=pictures, fps=fps, size=(32, 48), audio=audio)


@SPEAKS
def test_a_film_has_the_sound_and_a_frame_for_each_of_the_curves():
    said = utterance(0, 0, text="Papa.", emotion="neutral", pose="still")
    somebody = speaker(0, 3, said)
    assert somebody.gender == said.voice.gender
    assert somebody.age == YEARS[said.voice.age]
    now = scene(0, 3)
    made = film(somebody, said, replace(now, angles=np.zeros(3)), 48)
    frames = list(made.frames)
    assert len(frames) == said.frames
    assert made.audio is said.audio
    assert frames[0].shape == (48, 48, 3)
    opened = said.curves[:, ARKIT.index("jawOpen")]
    still, loud = frames[int(opened.argmin())].astype(int), frames[int(opened.argmax())].astype(int)
    assert np.abs(loud - still)[24:].mean() > np.abs(loud - still)[:16].mean(), (
        "the mouth moves, the forehead does not"
    )


@SPEAKS
def test_speech_is_filmed_as_it_is_typed(tmp_path, capsys):
    words = ("speech", "Papa.", "-o", tmp_path / "a.wav", "--video", tmp_path / "a.mp4", "--size", "32")
    app([*map(str, words)], exit_on_error=False)
    found = open_film(tmp_path / "a.mp4")
    frames = list(found.frames)
    assert found.size == (32, 32)
    assert found.audio is not None
    assert found.audio.seconds == pytest.approx(len(frames) / 25, abs=0.1)
    assert found.audio.seconds == pytest.approx(Audio.open(tmp_path / "a.wav").seconds, abs=0.1)


def test_what_was_written_is_read(tmp_path):
    tone = np.sin(np.arange(16_000 * 10 // 25) / 10).astype(np.float32)
    clip(audio=Audio(samples=tone, rate=16_000)).save(tmp_path / "a.mp4")
    found = open_film(tmp_path / "a.mp4")
    frames = list(found.frames)
    assert [frame.mean() for frame in frames] == pytest.approx([20 * t for t in range(10)], abs=4)
    assert found.audio is not None
    heard = found.audio.samples[: len(tone)]
    assert np.corrcoef(heard[1600:4800], tone[1600:4800])[0, 1] > 0.95


def test_frames_are_left_out_or_held_for_another_rate(tmp_path):
    clip().save(tmp_path / "a.mp4")
    fewer = [frame.mean() for frame in open_film(tmp_path / "a.mp4", fps=12.5).frames]
    assert fewer[:5] == pytest.approx([0, 40, 80, 120, 160], abs=4)
    more = [frame.mean() for frame in open_film(tmp_path / "a.mp4", fps=50).frames]
    assert more[:6] == pytest.approx([0, 0, 20, 20, 40, 40], abs=4)
    assert open_film(tmp_path / "a.mp4").audio is None


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    Audio(samples=np.zeros(16_000, np.float32), rate=16_000).save(tmp_path / "sound.wav")
    for name, message in (
        ("none.mp4", "does not exist"),
        ("text.mp4", "can be read"),
        ("sound.wav", "no picture"),
    ):
        with pytest.raises(InputError, match=message):
            open_film(tmp_path / name)
