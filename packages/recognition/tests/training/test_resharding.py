"""Saving and taking up class centres in one process; several are in test_ranks.py."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from vitrail.errors import BrokenError, UsageError
from vitrail_recognition.resharding import full_state, load_full_state, read_centres, write_centres
from vitrail_recognition.sharded import ShardedClassifier


def test_a_state_with_other_classes_is_refused():
    state = full_state(ShardedClassifier(7, 4))
    with pytest.raises(UsageError, match=r"\(7, 4\), and this run has \(8, 4\)"):
        load_full_state(ShardedClassifier(8, 4), state)


def test_centres_go_through_a_file(tmp_path):
    path = tmp_path / "centres.safetensors"
    classifier, other = ShardedClassifier(7, 4, seed=1), ShardedClassifier(7, 4, seed=2)
    write_centres(path, classifier)
    read_centres(path, other)
    assert torch.equal(other.weight, classifier.weight)
    assert other.weight.requires_grad
    assert [file.name for file in tmp_path.iterdir()] == ["centres.safetensors"]


def test_only_the_rows_of_this_process_are_read(tmp_path):
    path = tmp_path / "centres.safetensors"
    classifier = ShardedClassifier(7, 4, seed=1)
    write_centres(path, classifier)
    half = ShardedClassifier(7, 4)
    half.rows, half.weight = slice(3, 6), torch.nn.Parameter(torch.zeros(3, 4))
    read_centres(path, half)
    assert torch.equal(half.weight, classifier.weight[3:6])


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    classifier = ShardedClassifier(7, 4)
    with pytest.raises(UsageError, match="does not exist"):
        read_centres(tmp_path / "none.safetensors", classifier)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(BrokenError, match="not a whole safetensors file"):
        read_centres(tmp_path / "cut.safetensors", classifier)
    save_file({"other": torch.zeros(7, 4)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match="holds no tensor 'weight'; it holds other"):
        read_centres(tmp_path / "other.safetensors", classifier)
    write_centres(tmp_path / "wide.safetensors", ShardedClassifier(7, 5))
    with pytest.raises(UsageError, match=r"\(7, 5\)"):
        read_centres(tmp_path / "wide.safetensors", classifier)
    assert load_file(tmp_path / "wide.safetensors")["weight"].shape == (7, 5)
