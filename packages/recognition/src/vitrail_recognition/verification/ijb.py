"""IJB 1:1: faces to templates, templates to pair scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitrail.errors import UsageError

PAIRS_AT_ONCE = 100_000


class Templates(NamedTuple):
    """ids: (T,) int64, rising. vectors: (T, D), each of length 1."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.floating[Any]]


def template_features(
    features: NDArray[np.floating[Any]],
    templates: ArrayLike,
    medias: ArrayLike,
    weights: ArrayLike | None = None,
) -> Templates:
    """A vector for each template: the mean within each media, the sum over medias, divided by its length.

    features: (N, D), not of length 1: their norms count. templates, medias: (N,) ids. weights: (N,), the
    detector's scores, which features are multiplied by.
    """
    features = np.asarray(features)
    templates, medias = np.asarray(templates, np.int64), np.asarray(medias, np.int64)
    if features.ndim != 2 or not len(features) or not len(features) == len(templates) == len(medias):
        raise UsageError(
            f"There are features {features.shape}, {len(templates)} template ids and {len(medias)} media ids; "
            "wanted is one each a face."
        )
    # one row a media of a template, then one a template
    order = np.lexsort((medias, templates))
    templates, medias = templates[order], medias[order]
    ordered = features[order]
    if weights is not None:
        ordered *= np.asarray(weights, ordered.dtype)[order, None]
    starts = _starts((templates[1:] != templates[:-1]) | (medias[1:] != medias[:-1]))
    counts = np.diff(np.append(starts, len(templates)))
    means = np.add.reduceat(ordered, starts, axis=0) / counts[:, None].astype(ordered.dtype)
    owners = templates[starts]
    firsts = _starts(owners[1:] != owners[:-1])
    sums = np.add.reduceat(means, firsts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    if not np.all(lengths > 0):  # nan included
        wrong = owners[firsts][~(lengths[:, 0] > 0)][0]
        raise UsageError(f"The features of template {wrong} sum to zero, or hold nan; it has no direction.")
    return Templates(owners[firsts], sums / lengths)


def pair_scores(
    templates: Templates, first: ArrayLike, second: ArrayLike, *, chunk: int = PAIRS_AT_ONCE
) -> NDArray[np.floating[Any]]:
    """Cosines of pairs of templates, (P,). first, second: (P,) template ids. Works on `chunk` pairs at once.

    Raises UsageError for a template that is not there.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if first.ndim != 1 or first.shape != second.shape:
        raise UsageError(f"There are template ids {first.shape} and {second.shape}; wanted are pairs.")
    scores = np.empty(len(first), templates.vectors.dtype)
    for start in range(0, len(first), chunk):
        part = slice(start, start + chunk)
        left, right = (templates.vectors[rows(templates.ids, ids[part])] for ids in (first, second))
        scores[part] = np.einsum("pd,pd->p", left, right)
    return scores


def rows(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted id stands in `ids`, which rise. UsageError for one that does not."""
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    if (missing := ids[places] != wanted).any():
        raise UsageError(f"There is no template {wanted[missing][0]}; a pair wants it.")
    return places


def _starts(changes: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.flatnonzero(changes) + 1])
