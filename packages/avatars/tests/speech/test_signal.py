"""Resampling, loudness and pitch."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail_avatars.speech import loudness, pitch
from vitrail_avatars.speech.resample import resample


@pytest.mark.parametrize(("up", "down"), [(320, 441), (100, 122), (100, 93), (2, 1), (1, 3), (50, 50)])
def test_a_tone_keeps_its_frequency(up, down):
    rate, seconds = 22_050, 0.2
    samples = np.sin(2 * np.pi * 1000 * np.arange(int(rate * seconds)) / rate).astype(np.float32)
    found = resample(samples, up, down)
    assert found.dtype == np.float32
    assert len(found) == -(-len(samples) * up // down)
    wanted = np.sin(2 * np.pi * 1000 * np.arange(len(found)) * down / up / rate)
    inner = slice(200, -200)
    np.testing.assert_allclose(found[inner], wanted[inner], atol=2e-4)


def test_it_equals_scipy_below_the_cut():
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(0)
    band = signal.firwin(401, 6000, fs=22_050)
    samples = signal.lfilter(band, 1, rng.normal(size=22_050)).astype(np.float32)
    wanted = signal.resample_poly(samples.astype(np.float64), 320, 441, window=("kaiser", 9.0))
    found = resample(samples, 320, 441)
    assert len(found) == len(wanted)
    inner = slice(500, -500)
    error = np.sqrt(np.mean((found - wanted)[inner] ** 2) / np.mean(wanted[inner] ** 2))
    assert error < 0.01


def test_what_would_be_aliased_is_removed():
    samples = np.sin(2 * np.pi * 9500 * np.arange(22_050) / 22_050).astype(np.float32)  # above 8 kHz
    assert np.abs(resample(samples, 320, 441)[500:-500]).max() < 1e-3


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_short_sounds(size):
    assert len(resample(np.ones(size, np.float32), 320, 441)) == -(-size * 320 // 441)


def test_loudness():
    samples = np.concatenate([np.zeros(640), np.full(640, 0.5), np.full(320, 0.5)]).astype(np.float32)
    np.testing.assert_allclose(loudness(samples), [0, 0.5, 0.5 * np.sqrt(0.5)], atol=1e-6)


@pytest.mark.parametrize("hertz", [75, 110, 220, 330, 440])
def test_pitch_of_a_voice_like_sound(hertz):
    moments = np.arange(8000) / 16_000
    samples = sum(np.sin(2 * np.pi * hertz * k * moments) / k for k in range(1, 7)).astype(np.float32)
    found = pitch(samples)
    assert len(found) == 50
    np.testing.assert_allclose(found[5:-5], hertz, rtol=0.02)


def test_silence_and_noise_have_no_pitch():
    assert not pitch(np.zeros(8000, np.float32)).any()
    noise = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    assert (pitch(noise) > 0).mean() < 0.1
