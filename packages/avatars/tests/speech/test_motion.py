"""Blinks, glances and nods."""

from __future__ import annotations

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_avatars.arkit import places
from vitrail_avatars.speech import blinks, eyes, head_pose


def draw(seed=0):
    return np.random.default_rng(seed)


def onsets(shut):
    return np.flatnonzero((shut[1:] >= 0.99) & (shut[:-1] < 0.99))


def test_blinks_come_17_times_a_minute_and_shut_the_eyes():
    shut = blinks(25 * 60 * 20, draw=draw())
    assert shut.min() == 0
    assert shut.max() == 1
    assert 14 <= len(onsets(shut)) / 20 <= 20


@pytest.mark.parametrize("fps", [25, 30, 100])
def test_lids_close_quicker_than_they_open(fps):
    shut = blinks(fps * 60, fps=fps, draw=draw(1))
    rising = np.count_nonzero(np.diff(shut) > 1e-6)
    falling = np.count_nonzero(np.diff(shut) < -1e-6)
    assert falling > 1.5 * rising
    assert len(onsets(shut)) > 5


def test_short_clips_blink_as_often():
    total = sum((blinks(75, draw=draw(seed)) >= 0.99).any() for seed in range(400))
    assert 0.4 < total / 400 < 0.75  # 17 a minute are 0.85 in three seconds


def test_no_blinks():
    assert not blinks(1000, draw=draw(), rate=0).any()
    with pytest.raises(UsageError, match="100 blinks"):
        blinks(10, draw=draw(), rate=100)


def test_both_eyes_look_the_same_way():
    rows = eyes(2000, draw=draw(2))
    np.testing.assert_array_equal(rows[:, places("eyeLookOutLeft")], rows[:, places("eyeLookInRight")])
    np.testing.assert_array_equal(rows[:, places("eyeLookInLeft")], rows[:, places("eyeLookOutRight")])
    assert not (rows[:, places("eyeLookOutLeft")] * rows[:, places("eyeLookInLeft")]).any()
    assert not (rows[:, places("eyeLookUp")] * rows[:, places("eyeLookDown")]).any()
    side = rows[:, places("eyeLookOutLeft")[0]] - rows[:, places("eyeLookInLeft")[0]]
    assert abs(side.mean()) < 0.06
    assert 0.05 < side.std() < 0.3
    assert 30 < np.count_nonzero(np.diff(side)) < 120  # in 80 s


def test_the_head_moves_smoothly_and_little():
    loud = np.abs(np.sin(np.arange(500) / 9)).astype(np.float32)
    pose = head_pose(loud, draw=draw(3))
    assert pose.shape == (500, 6)
    assert pose.dtype == np.float32
    assert 0.01 < pose[:, :3].std() < 0.08
    assert np.abs(pose).max() < 0.25
    assert np.abs(np.diff(pose, axis=0)).max() < 0.03


def test_loud_speech_nods():
    loud = np.zeros(2000, np.float32)
    loud[::50] = 1
    loud = np.convolve(loud, np.ones(8), "same").astype(np.float32)
    nod = np.mean([head_pose(loud, draw=draw(seed))[:, 0] for seed in range(8)], axis=0)
    assert np.corrcoef(nod, loud)[0, 1] > 0.3


def test_still_and_unknown():
    assert not head_pose(np.ones(10, np.float32), draw=draw(), pose="still").any()
    assert np.isfinite(head_pose(np.zeros(10, np.float32), draw=draw())).all()
    with pytest.raises(UsageError, match="'wild'"):
        head_pose(np.ones(10, np.float32), draw=draw(), pose="wild")
