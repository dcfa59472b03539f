"""Pairs drawn from labelled faces: distinct, of the right kind, uniform, and the same for one seed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vitrail.errors import UsageError
from vitrail_recognition.verification import pairs as module
from vitrail_recognition.verification.pairs import make_pairs, unrank


def as_set(pairs, kind):
    return {frozenset((int(a), int(b))) for a, b, same in zip(*pairs, strict=True) if same == kind}


def all_pairs(labels):
    every = list(itertools.combinations(range(len(labels)), 2))
    return ({frozenset(p) for p in every if (labels[p[0]] == labels[p[1]]) == kind} for kind in (True, False))


LABELS = np.array([3, 0, 3, 1, 1, 3, 7, 0, 3, 5])


def test_all_of_them_where_so_many_are_wanted():
    pairs = make_pairs(LABELS, genuine=100, impostors=1000)
    genuine, impostors = all_pairs(LABELS)
    assert as_set(pairs, True) == genuine
    assert as_set(pairs, False) == impostors
    assert len(pairs.same) == len(genuine) + len(impostors)


@pytest.mark.parametrize("listed", [0, 10**9])
def test_some_of_them(monkeypatch, listed):
    """Both ways of drawing strangers."""
    monkeypatch.setattr(module, "LISTED", listed)
    labels = np.random.default_rng(1).integers(0, 40, 300)
    pairs = make_pairs(labels, genuine=70, impostors=90, seed=5)
    np.testing.assert_array_equal(labels[pairs.first] == labels[pairs.second], pairs.same)
    assert (len(as_set(pairs, True)), len(as_set(pairs, False))) == (70, 90)
    again, other = (make_pairs(labels, genuine=70, impostors=90, seed=s) for s in (5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(pairs, again, strict=True))
    assert as_set(pairs, True) != as_set(other, True)
    assert as_set(pairs, False) != as_set(other, False)


@pytest.mark.parametrize("listed", [0, 10**9])
def test_each_pair_is_as_likely(monkeypatch, listed):
    stats = pytest.importorskip("scipy.stats")
    monkeypatch.setattr(module, "LISTED", listed)
    counts: dict[bool, dict] = {True: {}, False: {}}
    for seed in range(500):
        pairs = make_pairs(LABELS, genuine=2, impostors=3, seed=seed)
        for kind in (True, False):
            for pair in as_set(pairs, kind):
                counts[kind][pair] = counts[kind].get(pair, 0) + 1
    for kind, there in zip((True, False), all_pairs(LABELS), strict=True):
        assert set(counts[kind]) == there
        assert stats.chisquare(list(counts[kind].values())).pvalue > 1e-4


def test_every_fold_has_both_kinds():
    labels = np.repeat(np.arange(50), 4)
    same = make_pairs(labels, genuine=200, impostors=400).same
    for fold in same.reshape(10, 60):
        assert (fold.sum(), (~fold).sum()) == (20, 40)


def test_ranks():
    assert unrank(np.arange(6)).tolist() == [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]
    for start in (10**6, 10**12, 10**14, 89_999_999_850_000):
        ranks = np.arange(start, start + 2000)
        first, second = unrank(ranks).T
        assert ((first >= 0) & (first < second)).all()
        np.testing.assert_array_equal(second * (second - 1) // 2 + first, ranks)


def test_many_faces():
    labels = np.random.default_rng(0).integers(0, 85_742, 1_000_000)
    pairs = make_pairs(labels, genuine=3000, impostors=3000)
    np.testing.assert_array_equal(labels[pairs.first] == labels[pairs.second], pairs.same)


def test_where_there_is_none():
    with pytest.raises(UsageError, match="Nobody has two pictures"):
        make_pairs([0, 1, 2], genuine=1, impostors=1)
    with pytest.raises(UsageError, match="one person only"):
        make_pairs([4, 4], genuine=1, impostors=1)
    with pytest.raises(UsageError, match="Nobody"):
        make_pairs([], genuine=1, impostors=1)
    with pytest.raises(UsageError, match="0 genuine"):
        make_pairs([1, 1, 2], genuine=0, impostors=1)
