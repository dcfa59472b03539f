"""One confusion matrix, and every number that is derived from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import InputError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

Values = NDArray[np.float64]


class ConfusionMatrix:
    """Counts of (true class, predicted class) over all pixels seen so far.

    counts: (K, K + 1) int64; a row for each true class, a column for each predicted class, and a last column for
    pixels that were given no label. A pixel without a label is a miss of its true class: it lowers recall, IoU and
    accuracy, and counts against no other class.

    A score of a class that never occurs, neither in truth nor in the prediction, is nan; means leave nan out.
    """

    def __init__(self, classes: Sequence[str], *, ignore: int = 255) -> None:
        """`ignore` in the truth: the pixel is not counted. `ignore` in the prediction: no label was given."""
        self.classes = tuple(classes)
        self.ignore = ignore
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise UsageError(f"A confusion matrix wants distinct class names; {self.classes} were given.")
        if 0 <= ignore < len(self.classes):
            raise UsageError(f"ignore is {ignore}, which is also the label of {self.classes[ignore]!r}.")
        self.counts = np.zeros((len(self.classes), len(self.classes) + 1), dtype=np.int64)

    def update(self, labels: NDArray[Any], predictions: NDArray[Any]) -> None:
        """Count one more picture, or part of one: true `labels` and `predictions`, integers of one shape.

        Raises InputError for different shapes and for values that are neither a class nor `ignore`.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:
            raise InputError(
                f"The labels are {labels.shape} and the predictions {predictions.shape}; sizes must agree."
            )
        known = labels != self.ignore
        truth = self._checked(labels[known], "The labels")
        guess = self._checked(predictions[known], "The predictions")
        count = len(self.classes)
        guess[guess == self.ignore] = count
        pairs = np.bincount(truth * (count + 1) + guess, minlength=count * (count + 1))
        self.counts += pairs.reshape(count, count + 1)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another matrix of the same classes has counted."""
        if other.classes != self.classes:
            raise UsageError(f"Matrices of {other.classes} and {self.classes} cannot be added.")
        self.counts += other.counts

    @property
    def support(self) -> NDArray[np.int64]:
        """(K,) true pixels of each class."""
        return self.counts.sum(axis=1)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(K,) pixels to which each class was given."""
        return self.counts[:, :-1].sum(axis=0)

    @property
    def _hits(self) -> NDArray[np.int64]:
        return np.diagonal(self.counts)

    @property
    def iou(self) -> Values:
        """(K,) intersection over union, TP / (TP + FP + FN)."""
        return _ratio(self._hits, self.support + self.predicted - self._hits)

    @property
    def f1(self) -> Values:
        """(K,) F1 score, 2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self._hits, self.support + self.predicted)

    @property
    def precision(self) -> Values:
        """(K,) TP / (TP + FP)."""
        return _ratio(self._hits, self.predicted)

    @property
    def recall(self) -> Values:
        """(K,) TP / (TP + FN)."""
        return _ratio(self._hits, self.support)

    @property
    def oa(self) -> float:
        """Overall accuracy: the share of all counted pixels, of every class, whose label is right."""
        return float(_ratio(self._hits.sum(), self.counts.sum()))

    def miou(self, over: Sequence[str] | None = None) -> float:
        """Mean IoU over the classes that occur; `over` names the classes to average.

        Classes that are not in `over` still count as false positives and false negatives of the others, and in
        `oa`. That is the rule of the ISPRS benchmarks, which leave clutter out of the mean only.
        """
        return self._mean(self.iou, over)

    def mf1(self, over: Sequence[str] | None = None) -> float:
        """Mean F1; `over` as in `miou`."""
        return self._mean(self.f1, over)

    def classes_above(self, pixels: int) -> tuple[str, ...]:
        """The classes with more than this many true pixels, for `over`."""
        return tuple(name for name, count in zip(self.classes, self.support) if count > pixels)

    def as_dict(self, over: Sequence[str] | None = None) -> dict[str, Any]:
        """Plain numbers for JSON; nan becomes None."""
        columns = {"iou": self.iou, "f1": self.f1, "precision": self.precision, "recall": self.recall}
        return {
            "miou": _plain(self.miou(over)),
            "mf1": _plain(self.mf1(over)),
            "oa": _plain(self.oa),
            "mean_over": list(self.classes if over is None else over),
            "pixels": int(self.counts.sum()),
            "unlabelled": int(self.counts[:, -1].sum()),
            "classes": {
                name: {"pixels": int(self.support[k])}
                | {key: _plain(values[k]) for key, values in columns.items()}
                for k, name in enumerate(self.classes)
            },
            "counts": self.counts.tolist(),
        }

    def table(self, *, over: Sequence[str] | None = None, title: str = "") -> Table:
        """A rich table: a line for each class and the means, in percent."""
        from rich.table import Table

        table = Table(title=title or None)
        table.add_column("class")
        for name in ("pixels", "IoU", "F1", "precision", "recall"):
            table.add_column(name, justify="right")
        inside = set(self.classes if over is None else over)
        for k, name in enumerate(self.classes):
            values = (self.iou[k], self.f1[k], self.precision[k], self.recall[k])
            shown = name if name in inside else f"{name} (not in the mean)"
            table.add_row(shown, f"{self.support[k]:,}", *map(_percent, values))
        table.add_section()
        table.add_row("mean", "", _percent(self.miou(over)), _percent(self.mf1(over)), "", "")
        table.add_row("overall accuracy", f"{self.counts.sum():,}", _percent(self.oa), "", "", "")
        return table

    def _mean(self, values: Values, over: Sequence[str] | None) -> float:
        names = self.classes if over is None else tuple(over)
        unknown = [name for name in names if name not in self.classes]
        if unknown:
            raise UsageError(f"There is no class {', '.join(unknown)}; there are {', '.join(self.classes)}.")
        chosen = values[[self.classes.index(name) for name in names]]
        return float(np.nan) if np.isnan(chosen).all() else float(np.nanmean(chosen))

    def _checked(self, values: NDArray[Any], what: str) -> NDArray[np.intp]:
        if values.dtype.kind not in "iub":
            raise InputError(f"{what} are {values.dtype}; wanted are integers.")
        values = values.astype(np.intp)
        wrong = ((values < 0) | (values >= len(self.classes))) & (values != self.ignore)
        if wrong.any():
            found = ", ".join(map(str, np.unique(values[wrong])[:5]))
            raise InputError(
                f"{what} hold {found}; wanted are 0 to {len(self.classes) - 1}, or {self.ignore} for unlabelled pixels."
            )
        return values


def _ratio(part: Any, whole: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(part, dtype=np.float64) / np.asarray(whole, dtype=np.float64)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"
