"""Checkpoints of every form give the network that they hold; everything else gives a sentence."""

from __future__ import annotations

import argparse
import pickle
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import vitrail
from vitrail.cli.main import run
from vitrail.errors import BrokenError, InputError, UsageError
from vitrail_transface.config import vit_b, vit_t
from vitrail_transface.convert import GATE, convert
from vitrail_transface.model import TransFaceViT
from vitrail_transface.plugin import VIT_L, VIT_S


@pytest.fixture
def spec(monkeypatch, small_config):
    """A variant that is small enough to be written and read in no time."""
    module = ModuleType("vitrail_transface_small")
    module.config = lambda: small_config
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return replace(VIT_S, config="vitrail_transface_small:config")


@pytest.fixture
def network(random_network):
    return random_network()


@pytest.fixture
def state(network):
    return dict(network.state_dict())


def hollow(config):
    """A state dict of the right names and shapes that takes no room on disk."""
    with torch.device("meta"):
        wanted = TransFaceViT(config).state_dict()
    return {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in wanted.items()}


def prefixed(state, prefix):
    return {prefix + name: tensor for name, tensor in state.items()}


def same(component, network):
    found, wanted = component.module.state_dict(), network.state_dict()
    return list(found) == list(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_prefixes(state, network, spec, prefix, suffix, tmp_path):
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(prefixed(state, prefix), file)
    component = convert(file, spec=spec)
    assert same(component, network)
    assert component.config.gate
    assert not component.module.training


@pytest.mark.parametrize("name", ["state_dict", "state_dict_backbone"])
def test_a_state_dict_inside_a_checkpoint(state, network, spec, name, tmp_path):
    torch.save({"epoch": 3, name: prefixed(state, "module."), "state_optimizer": {}}, tmp_path / "c.pt")
    assert same(convert(tmp_path / "c.pt", spec=spec), network)


def test_half_precision_and_missing_counters(state, network, spec, tmp_path):
    lean = {name: value.half() for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(lean, tmp_path / "lean.pt")
    found = convert(tmp_path / "lean.pt", spec=spec).module.state_dict()
    assert all(torch.equal(found[name], value.float()) for name, value in lean.items())


def test_insightfaces_vit_has_gates_of_one(state, small_config, spec, random_network, tmp_path, crops):
    for name in GATE:
        del state[name]
    torch.save(state, tmp_path / "vit.pt")
    component = convert(tmp_path / "vit.pt", spec=spec)
    assert not component.config.gate
    component.save_pretrained(tmp_path / "converted")
    again = vitrail.load("transface/vit-s", weights=tmp_path / "converted", device="cpu")
    with torch.no_grad():
        features = again.module.forward_features(again.prepare(crops(2)))
        whole = random_network().forward_features(again.prepare(crops(2)))
        ungated = random_network().head(whole.tokens)
    assert torch.equal(features.gate, torch.ones(2, 144))
    assert torch.equal(features.tokens, features.gated)
    torch.testing.assert_close(features.tokens, whole.tokens)
    torch.testing.assert_close(features.embedding, ungated)


def test_another_length_of_embedding_comes_from_the_file(small_config, spec, random_network, tmp_path):
    network = random_network(replace(small_config, embedding=40))
    torch.save(network.state_dict(), tmp_path / "own.pt")
    assert convert(tmp_path / "own.pt", spec=spec).config.embedding == 40


def test_on_the_command_line(random_network, crops, tmp_path):
    """A whole T: converted, loaded by its id, and the embeddings are those of the network it came from."""
    network = random_network(vit_t(), seed=2)
    torch.save(prefixed(network.state_dict(), "module."), tmp_path / "t.pt")
    assert run(["convert", "transface/vit-t", str(tmp_path / "t.pt"), "-o", str(tmp_path / "converted")]) == 0
    component = vitrail.load("transface/vit-t", weights=tmp_path / "converted", device="cpu")
    faces = crops(2)
    with torch.no_grad():
        wanted = network(component.prepare(faces))
    np.testing.assert_allclose(
        component.embed(faces).vectors, torch.nn.functional.normalize(wanted).numpy(), atol=1e-5
    )


@pytest.mark.slow
def test_the_published_s_gives_the_golden_numbers(published, golden, golden_images, tmp_path):
    torch.save(published.state_dict(), tmp_path / "ms1mv2_model_TransFace_S.pt")
    component = convert(tmp_path / "ms1mv2_model_TransFace_S.pt", spec=VIT_S)
    with torch.no_grad():
        embedding = component.module(golden_images)
    np.testing.assert_allclose(embedding[0, :8], golden["transface_s"]["emb_first8"], atol=1e-4)


def test_a_file_of_another_variant_says_which(tmp_path):
    torch.save(hollow(vit_b()), tmp_path / "b.pt")
    for spec in (VIT_S, VIT_L):
        with pytest.raises(UsageError, match=r"b\.pt is 512 wide and has 24 blocks.*as transface/vit-b"):
            convert(tmp_path / "b.pt", spec=spec)
    own = replace(vit_t(), dim=64, depth=2)
    torch.save(hollow(own), tmp_path / "own.pt")
    with pytest.raises(UsageError, match="no published TransFace has that size"):
        convert(tmp_path / "own.pt", spec=VIT_S)


class Malicious:
    def __reduce__(self):
        return exec, ("import sys; sys.modules['a_file_was_executed'] = sys",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(state, spec, tmp_path):
    torch.save({"state_dict": state, "extra": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match=r"bad\.pt asks for (\w+\.)?exec while it is read"):
        convert(tmp_path / "bad.pt", spec=spec)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        convert(tmp_path / "plain.pt", spec=spec)
    assert "a_file_was_executed" not in sys.modules
    pickle.loads(pickle.dumps(Malicious()))  # the trap is a real one
    assert sys.modules.pop("a_file_was_executed")


def test_a_checkpoint_with_foreign_objects_says_what_to_do(state, spec, tmp_path):
    torch.save({"state_dict_backbone": state, "args": argparse.Namespace(lr=1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"argparse\.Namespace.*save its state dict alone"):
        convert(tmp_path / "a.pt", spec=spec)


def test_other_files_are_refused_in_a_sentence(state, small_config, spec, tmp_path):
    def refused(name, write, error, words):
        write(tmp_path / name)
        with pytest.raises(error, match=words) as caught:
            convert(tmp_path / name, spec=spec)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

    def saved(change):
        changed = {**state}
        change(changed)
        return lambda file: torch.save(changed, file)

    with pytest.raises(UsageError, match="does not exist"):
        convert(tmp_path / "nothing.pt", spec=spec)
    refused("text.pt", lambda f: f.write_text("hello"), InputError, "not a PyTorch checkpoint")
    refused("empty.pt", lambda f: f.write_text(""), InputError, "not a PyTorch checkpoint")
    refused("short.safetensors", lambda f: f.write_bytes(b"123"), BrokenError, "not a whole safetensors file")
    refused("list.pt", lambda f: torch.save([torch.ones(1)], f), InputError, "holds a list")
    other = {"conv1.weight": torch.ones(1), "fc.weight": torch.ones(1)}
    refused(
        "iresnet.pt",
        lambda f: torch.save(other, f),
        InputError,
        "not a checkpoint of TransFace.*no pos_embed",
    )

    torch.save(state, tmp_path / "whole.pt")
    half = (tmp_path / "whole.pt").read_bytes()[:200_000]
    refused("half.pt", lambda f: f.write_bytes(half), InputError, "cut off or damaged")

    def larger_patches(s):
        s["patch_embed.proj.weight"] = torch.zeros(32, 3, 16, 16)
        s["pos_embed"] = torch.zeros(1, 49, 32)

    def not_a_number(s):
        s["blocks.1.norm2.bias"] = torch.full((32,), float("nan"))

    refused("patch16.pt", saved(larger_patches), InputError, "49 tokens of 16 x 16.*wanted are 144 of 9 x 9")
    refused(
        "hole.pt",
        saved(lambda s: s.pop("blocks.1.mlp.fc1.bias")),
        InputError,
        r"lacks blocks\.1\.mlp\.fc1\.bias",
    )
    refused(
        "half-gate.pt", saved(lambda s: s.pop(GATE[1])), InputError, "only half of the gate, senet.0.weight"
    )
    refused(
        "more.pt",
        saved(lambda s: s.update({"rel_pos": torch.ones(1)})),
        InputError,
        "has rel_pos, which are not of it",
    )
    refused(
        "wide.pt",
        saved(lambda s: s.update({"blocks.2.mlp.fc1.weight": torch.zeros(64, 32)})),
        InputError,
        r"\(64, 32\); wanted is \(128, 32\)",
    )
    refused(
        "nan.pt", saved(not_a_number), InputError, r"numbers in blocks\.1\.norm2\.bias that are not finite"
    )
