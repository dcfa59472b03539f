from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from vitrail.errors import InputError, UsageError
from vitrail_segmentation.metrics import ConfusionMatrix


def matrix_of(counts, classes="abc"):
    """A matrix that has seen counts[i][j] pixels of class i labelled j."""
    matrix = ConfusionMatrix(tuple(classes))
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            matrix.update(np.full(count, i), np.full(count, j))
    return matrix


def test_by_hand():
    matrix = matrix_of([[5, 1, 0], [2, 3, 1], [0, 0, 8]])
    np.testing.assert_array_equal(matrix.counts[:, :3], [[5, 1, 0], [2, 3, 1], [0, 0, 8]])
    np.testing.assert_allclose(matrix.iou, [5 / 8, 3 / 7, 8 / 9])
    np.testing.assert_allclose(matrix.f1, [10 / 13, 6 / 10, 16 / 17])
    np.testing.assert_allclose(matrix.precision, [5 / 7, 3 / 4, 8 / 9])
    np.testing.assert_allclose(matrix.recall, [5 / 6, 3 / 6, 1])
    assert matrix.oa == pytest.approx(16 / 20)
    assert matrix.miou() == pytest.approx(np.mean([5 / 8, 3 / 7, 8 / 9]))
    assert matrix.mf1() == pytest.approx(np.mean([10 / 13, 6 / 10, 16 / 17]))
    np.testing.assert_array_equal(matrix.support, [6, 6, 8])


def test_scikit_learn_agrees(rng):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, guess = rng.integers(0, 5, (2, 3000))
    matrix = ConfusionMatrix(tuple("abcde"))
    matrix.update(truth.reshape(50, 60), guess.reshape(50, 60))
    np.testing.assert_array_equal(matrix.counts[:, :5], metrics.confusion_matrix(truth, guess))
    np.testing.assert_allclose(matrix.iou, metrics.jaccard_score(truth, guess, average=None))
    np.testing.assert_allclose(matrix.f1, metrics.f1_score(truth, guess, average=None))
    assert matrix.oa == pytest.approx(metrics.accuracy_score(truth, guess))


def test_perfect_prediction():
    matrix = matrix_of([[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    assert matrix.miou() == matrix.mf1() == matrix.oa == 1


def test_absent_class_is_left_out_of_the_mean():
    matrix = matrix_of([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert np.isnan(matrix.iou[2])
    assert np.isnan(matrix.f1[2])
    assert matrix.miou() == pytest.approx(np.mean([3 / 4, 4 / 5]))


def test_class_that_is_only_predicted_counts_as_zero():
    matrix = matrix_of([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    assert matrix.iou[2] == 0
    assert matrix.f1[2] == 0
    assert np.isnan(matrix.recall[2])


def test_isprs_rule_drops_clutter_from_the_mean_only():
    counts = [[90, 0, 10], [0, 50, 0], [20, 0, 30]]
    matrix = matrix_of(counts)
    assert matrix.miou(over="ab") == pytest.approx(np.mean([90 / 120, 1]))
    assert matrix.mf1(over="ab") == pytest.approx(np.mean([180 / 210, 1]))
    assert matrix.oa == pytest.approx(170 / 200)
    without = ConfusionMatrix(("a", "b"))
    for i in (0, 1):
        for j in (0, 1):
            without.update(np.full(counts[i][j], i), np.full(counts[i][j], j))
    assert without.miou() > matrix.miou(over="ab")


def test_ignored_truth_counts_nowhere_and_missing_labels_are_misses():
    matrix = ConfusionMatrix(("a", "b"))
    matrix.update(np.array([0, 0, 1, 255, 255]), np.array([0, 255, 1, 0, 255]))
    assert matrix.counts.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert matrix.oa == pytest.approx(2 / 3)
    assert matrix.recall.tolist() == [0.5, 1]
    assert matrix.precision.tolist() == [1, 1]


def test_all_ignored_is_nan_everywhere_without_warnings(recwarn):
    matrix = ConfusionMatrix(("a", "b"))
    matrix.update(np.full((4, 4), 255), np.zeros((4, 4), int))
    assert np.isnan([matrix.miou(), matrix.mf1(), matrix.oa]).all()
    assert not recwarn.list
    assert matrix.as_dict()["miou"] is None


def test_order_of_updates_and_merging_make_no_difference(rng):
    truth, guess = rng.integers(0, 3, (2, 8, 100))
    whole, parts = ConfusionMatrix("abc"), ConfusionMatrix("abc")
    whole.update(truth, guess)
    for i in rng.permutation(8):
        one = ConfusionMatrix("abc")
        one.update(truth[i], guess[i])
        parts.merge(one)
    np.testing.assert_array_equal(whole.counts, parts.counts)


def test_classes_above():
    matrix = matrix_of([[2, 0, 0], [0, 3, 0], [0, 0, 4]])
    assert matrix.classes_above(2) == ("b", "c")
    assert matrix.miou(over=matrix.classes_above(2)) == 1
    assert np.isnan(matrix.miou(over=()))


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"\(2, 2\).*\(2, 3\)"),
        (np.full(3, 7), np.zeros(3, int), "labels hold 7; wanted are 0 to 1, or 255"),
        (np.zeros(3, int), np.full(3, 2), "predictions hold 2"),
        (np.full(3, -1), np.zeros(3, int), "hold -1"),
        (np.zeros(3), np.zeros(3, int), "float64; wanted are integers"),
    ],
)
def test_wrong_input_is_named(labels, predictions, said):
    matrix = ConfusionMatrix(("a", "b"))
    with pytest.raises(InputError, match=said):
        matrix.update(labels, predictions)
    assert matrix.counts.sum() == 0


def test_wrong_classes_are_named():
    with pytest.raises(UsageError, match="no class z; there are a, b"):
        ConfusionMatrix("ab").miou(over=("a", "z"))
    with pytest.raises(UsageError, match="cannot be added"):
        ConfusionMatrix("ab").merge(ConfusionMatrix("ac"))
    with pytest.raises(UsageError, match="distinct"):
        ConfusionMatrix("aa")
    with pytest.raises(UsageError, match="ignore is 1, which is also the label of 'b'"):
        ConfusionMatrix("ab", ignore=1)


def test_table_and_dict_tell_the_same():
    matrix = matrix_of([[5, 1, 0], [2, 3, 1], [0, 0, 8]])
    console = Console(file=io.StringIO(), width=100)
    console.print(matrix.table(over="ab", title="Test"))
    text = console.file.getvalue()
    for part in ("Test", "62.50", "42.86", "c (not in the mean)", "80.00", "52.68"):
        assert part in text
    values = json.loads(json.dumps(matrix.as_dict(over="ab")))
    assert values["miou"] == pytest.approx((5 / 8 + 3 / 7) / 2)
    assert values["mean_over"] == ["a", "b"]
    assert values["classes"]["c"] == {
        "pixels": 8,
        "iou": 8 / 9,
        "f1": 16 / 17,
        "precision": 8 / 9,
        "recall": 1.0,
    }
