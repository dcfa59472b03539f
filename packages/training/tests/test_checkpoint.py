from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vitrail.errors import BrokenError, UsageError
from vitrail_training.checkpoint import (
    find_checkpoint,
    list_checkpoints,
    read_checkpoint,
    remove_leftovers,
    replace_folder,
    write_checkpoint,
)
from vitrail_training.tree import flatten, unflatten

shared = torch.arange(6.0)
TREE = {
    "weights": {
        "a.weight": torch.randn(2, 3, dtype=torch.bfloat16).t(),
        "empty": torch.zeros(0, 4),
        "one": torch.tensor(3),
    },
    "twice": [shared, shared[2:]],
    "optimizer": {0: {"step": torch.tensor(2.0)}, 1: {}, "$odd": True},
    "rng": (3, tuple(range(5)), None, np.array([1, 2**32 - 1], dtype=np.uint32)),
    "numbers": [1, 2**120, 0.1, float("inf"), np.float32(0.5), "text", False],
    "nothing": {},
}


def test_a_tree_comes_back_as_it_was():
    skeleton, tensors = flatten(TREE)
    back = unflatten(json.loads(json.dumps(skeleton)), tensors)
    assert list(back) == list(TREE)
    assert torch.equal(back["weights"]["a.weight"], TREE["weights"]["a.weight"])
    assert back["weights"]["a.weight"].dtype == torch.bfloat16
    assert back["weights"]["empty"].shape == (0, 4)
    assert back["weights"]["one"] == 3
    assert back["twice"][1].tolist() == [2, 3, 4, 5]
    assert back["optimizer"] == {0: {"step": torch.tensor(2.0)}, 1: {}, "$odd": True}
    assert back["rng"][:3] == (3, (0, 1, 2, 3, 4), None)
    assert back["rng"][3].dtype == np.uint32
    assert back["rng"][3].tolist() == [1, 2**32 - 1]
    assert back["numbers"] == [1, 2**120, 0.1, float("inf"), 0.5, "text", False]
    assert back["nothing"] == {}


def test_a_copy_is_taken():
    _, tensors = flatten({"a": shared})
    assert tensors["a"].data_ptr() != shared.data_ptr()


@pytest.mark.parametrize(
    ("tree", "where"), [({"a": [object()]}, "a/0"), ({"b": {1.5: 2}}, "b"), (b"x", "its root")]
)
def test_what_cannot_be_kept_is_named(tree, where):
    with pytest.raises(UsageError, match=f"The state of 'x' holds a .* at {where}, which"):
        flatten(tree, where="The state of 'x'")


def test_written_and_read(tmp_path):
    path = write_checkpoint(tmp_path, 7, {"counts": {"step": 7}}, TREE | {"none": {"a": 1}}, keep=2)
    assert path == tmp_path / "step-000007"
    state, parts = read_checkpoint(path)
    assert state == {"format": 1, "step": 7, "counts": {"step": 7}}
    assert parts["none"] == {"a": 1}
    assert torch.equal(parts["twice"][0], shared)
    tensors = {f"{name}.safetensors" for name in ("weights", "twice", "optimizer", "rng")}
    assert {file.name for file in path.iterdir()} == {"state.json", "trees.json", *tensors}


def test_the_newest_stay_and_last_names_the_newest(tmp_path):
    for step in (5, 10, 1_000_000, 15):
        write_checkpoint(tmp_path, step, {}, {}, keep=9)
    assert find_checkpoint(tmp_path).name == "step-000015"  # the last to be written
    write_checkpoint(tmp_path, 1_000_001, {}, {}, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-1000000", "step-1000001"]


def test_a_checkpoint_is_found_by_several_names(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    path = write_checkpoint(folder, 3, {}, {}, keep=2)
    for name in (tmp_path / "run", folder, folder / "last", path):
        assert find_checkpoint(name) == path
    (folder / "last").unlink()
    assert find_checkpoint(tmp_path / "run") == path
    assert find_checkpoint(tmp_path) is None


def test_a_damaged_checkpoint_names_the_one_before(tmp_path):
    write_checkpoint(tmp_path, 1, {}, {"a": {"x": shared}}, keep=2)
    path = write_checkpoint(tmp_path, 2, {}, {"a": {"x": shared}}, keep=2)
    whole = (path / "a.safetensors").read_bytes()
    (path / "a.safetensors").write_bytes(whole[:-5])
    with pytest.raises(
        BrokenError, match=r"step-000002 cannot be read .*; resume from .*step-000001 instead"
    ):
        read_checkpoint(path)
    (path / "a.safetensors").unlink()
    with pytest.raises(BrokenError, match="x is missing"):
        read_checkpoint(path)
    (path / "a.safetensors").write_bytes(whole)
    (path / "state.json").write_text('{"format": 99}')
    with pytest.raises(BrokenError, match="has format 99; this version reads format 1"):
        read_checkpoint(path)


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "best"
    replace_folder(folder, lambda path: (path / "a").write_text("old"))

    def fails(path):
        (path / "a").write_text("new")
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"best cannot be written: .*No space left on device"):
        replace_folder(folder, fails)
    assert (folder / "a").read_text() == "old"
    replace_folder(folder, lambda path: (path / "b").write_text("new"))
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_leftovers_are_removed(tmp_path):
    for name in (".step-000004.fresh.part", "..step-000004.fresh.part.abc.part"):
        (tmp_path / name).mkdir()
    (tmp_path / ".last.x1y2.part").touch()
    write_checkpoint(tmp_path, 3, {}, {}, keep=2)
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "step-000003"]
