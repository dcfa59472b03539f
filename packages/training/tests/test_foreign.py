"""Checkpoints of other code: what is found in them, and what is refused."""

import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_training.foreign import name_some, read_checkpoint, read_parts

TENSORS = {"a.weight": torch.arange(3.0), "b": torch.ones(2)}


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: {"state_dict": t, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
def test_tensors_by_name(tmp_path, wrap, prefix):
    torch.save(wrap({prefix + name: tensor for name, tensor in TENSORS.items()}), tmp_path / "x.pt")
    found = read_checkpoint(tmp_path / "x.pt")
    assert list(found) == list(TENSORS)
    assert all(found[name].equal(tensor) for name, tensor in TENSORS.items())


def test_prefixes_in_any_mixture_and_only_at_the_beginning(tmp_path):
    save_file({"net.module.net.a": torch.ones(1), "b.net.a": torch.ones(1)}, tmp_path / "x.safetensors")
    found = read_checkpoint(tmp_path / "x.safetensors", prefixes=("net", "module"))
    assert set(found) == {"a", "b.net.a"}


def test_what_is_no_tensor_is_left_out(tmp_path):
    torch.save({**TENSORS, "step": 7}, tmp_path / "x.pt")
    assert set(read_checkpoint(tmp_path / "x.pt")) == set(TENSORS)


def test_arrays_and_numbers_of_numpy_do_not_stand_in_the_way(tmp_path):
    arrays = {"centres": np.ones((3, 2), np.float32), "counts": np.arange(3), "best": np.float64(0.5)}
    torch.save({"state_dict": TENSORS, **arrays}, tmp_path / "x.pt")
    assert set(read_checkpoint(tmp_path / "x.pt")) == set(TENSORS)


@pytest.mark.parametrize("home", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_either_name_of_numpys_own_module(tmp_path, home):
    torch.save({"state_dict": TENSORS, "centres": np.ones(3)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as saved, zipfile.ZipFile(tmp_path / "y.pt", "w") as other:
        for name in saved.namelist():
            content = saved.read(name)
            if name.endswith("data.pkl"):
                assert b"core.multiarray\n" in content
                content = re.sub(rb"numpy\._?core\.multiarray", home, content)
            other.writestr(name, content)
    assert set(read_checkpoint(tmp_path / "y.pt")) == set(TENSORS)


def test_several_state_dicts_in_one_file(tmp_path):
    torch.save(
        {"model": {"module.a": torch.ones(1)}, "ema": {"a": torch.zeros(1)}, "epoch": 3}, tmp_path / "x.pt"
    )
    found = read_parts(tmp_path / "x.pt", ("ema", "model", "head"))
    assert {key: part["a"].item() for key, part in found.items()} == {"ema": 0, "model": 1}
    torch.save(TENSORS, tmp_path / "plain.pt")
    assert set(read_parts(tmp_path / "plain.pt", ("ema", "model"))[""]) == set(TENSORS)
    torch.save([1], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds a list"):
        read_parts(tmp_path / "list.pt", ("ema",))


class Payload:
    def __reduce__(self):
        import os

        return os.mkdir, ("executed",)


def test_nothing_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Payload()}, "x.pt")
    with pytest.raises(InputError, match=r"asks for \S*mkdir"):
        read_checkpoint("x.pt")
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(Payload()))  # what plain pickle does with it
    assert (tmp_path / "executed").exists()


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_checkpoint(tmp_path / "x.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match="is not a PyTorch checkpoint"):
        read_checkpoint(tmp_path / "text.pt")
    torch.save(TENSORS, tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
    with pytest.raises(InputError, match="is cut off or damaged"):
        read_checkpoint(tmp_path / "cut.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds a list"):
        read_checkpoint(tmp_path / "list.pt")
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(BrokenError):
        read_checkpoint(tmp_path / "x.safetensors")


def test_some_names():
    assert name_some(["a", "b"]) == "a, b"
    assert name_some(list("abcde")) == "a, b, c and 2 more"
