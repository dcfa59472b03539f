"""The network is the published one: names, shapes, initial numbers, and what it computes."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrail_transface.config import VARIANTS, TransFaceConfig, vit_b, vit_l, vit_s, vit_t
from vitrail_transface.model import Features, TrainingOutput, TransFaceViT

GOLDEN = Path(__file__).parents[1] / "golden"


def on_meta(config):
    with torch.device("meta"):
        return TransFaceViT(config)


@pytest.mark.parametrize(("letter", "config"), [("s", vit_s()), ("b", vit_b()), ("l", vit_l())])
def test_names_shapes_and_order_are_those_of_the_checkpoints(letter, config):
    wanted = json.loads((GOLDEN / f"transface_{letter}_keys.json").read_text())
    network = on_meta(config)
    found = {
        name: {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        for name, value in network.state_dict().items()
    }
    assert found == wanted["keys"]
    assert list(found) == list(wanted["keys"])
    assert sum(parameter.numel() for parameter in network.parameters()) == wanted["total_params"]
    buffers = sum(value.numel() for name, value in network.named_buffers())
    assert buffers == wanted["total_buffers"]


def test_the_smallest_published_variant():
    assert sum(parameter.numel() for parameter in on_meta(vit_t()).parameters()) == 24_466_944
    assert set(VARIANTS) == {"vit-t", "vit-s", "vit-b", "vit-l"}


def test_drop_path_grows_to_its_largest():
    for config in (vit_s(), vit_b()):
        rates = [block.drop_path.drop_prob for block in on_meta(config).blocks]
        np.testing.assert_allclose(rates, np.linspace(0, 0.05, config.depth), atol=1e-12)


def test_golden_numbers(published, golden, golden_images):
    wanted = golden["transface_s"]
    with torch.no_grad():
        features = published.forward_features(golden_images)
        embedding = published(golden_images)
    assert isinstance(features, Features)
    assert torch.equal(embedding, features.embedding)
    np.testing.assert_allclose(embedding.norm(dim=1), wanted["emb_norm"], atol=1e-4)
    np.testing.assert_allclose(embedding[0, :8], wanted["emb_first8"], atol=1e-4)
    np.testing.assert_allclose(embedding[1, :4], wanted["emb_row1_first4"], atol=1e-4)
    weights = features.gate.softmax(dim=1)[0]
    np.testing.assert_allclose(weights[:4], wanted["weight_first4"], atol=1e-6)
    assert weights.topk(7).indices.tolist() == wanted["weight_argtop7"]
    np.testing.assert_allclose(features.gated.std(dim=-1).mean(dim=1), wanted["std_mean"], atol=1e-5)


def test_seeded_numbers():
    """Made and initialised in the order of the authors' code, a seed gives its very numbers."""
    torch.manual_seed(0)
    network = TransFaceViT(vit_s()).eval()
    sums = {
        "pos_embed": 8.449636,
        "patch_embed.proj.weight": 8.355109,
        "feature.0.weight": 80.641085,
        "senet.0.weight": -18.333062,
    }
    for name, wanted in sums.items():
        assert network.state_dict()[name].double().sum().item() == pytest.approx(wanted, abs=1e-3), name
    torch.manual_seed(1)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        features = network.forward_features(images)
    embedding = features.embedding
    assert embedding.mean().item() == pytest.approx(-0.05172901, abs=1e-5)
    assert embedding.std().item() == pytest.approx(1.25665021, abs=1e-5)
    np.testing.assert_allclose(embedding[0, :3], [1.561288, 0.777942, -0.883967], atol=1e-4)
    assert embedding[0].norm().item() == pytest.approx(28.5115, abs=1e-3)
    assert features.gate.softmax(dim=1).std().item() == pytest.approx(3.542e-4, rel=1e-3)
    assert features.gated.std(dim=-1).mean().item() == pytest.approx(0.49726412, abs=1e-5)


OTHERS = {
    "D32-depth3-heads4": TransFaceConfig(dim=32, depth=3, heads=4, embedding=24, gate_dim=10),
    "D48-depth1-heads1": TransFaceConfig(dim=48, depth=1, heads=1, embedding=7, gate_dim=144),
    "D30-depth2-heads5-no-gate": TransFaceConfig(dim=30, depth=2, heads=5, embedding=33, gate=False),
    "T": vit_t(),
}


@pytest.mark.parametrize("values", ["sine_network", "random_network"])
@pytest.mark.parametrize("name", OTHERS)
def test_other_sizes_against_the_network_by_hand(name, values, request, by_hand, golden_images):
    config = OTHERS[name]
    network = request.getfixturevalue(values)(config)
    images = torch.cat(
        [golden_images[:1], torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(3))]
    )
    _holds(network, images, by_hand(network.state_dict(), images, config.heads))


@pytest.mark.slow
@pytest.mark.parametrize("config", [vit_s(), vit_b(), vit_l()], ids=["S", "B", "L"])
def test_published_sizes_against_the_network_by_hand(config, random_network, by_hand):
    network = random_network(config, seed=5)
    images = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(4))
    _holds(network, images, by_hand(network.state_dict(), images, config.heads))


def _holds(network, images, wanted):
    with torch.no_grad():
        features = network.forward_features(images)
        assert torch.equal(network(images), features.embedding)
    for name in Features._fields:
        np.testing.assert_allclose(getattr(features, name), wanted[name], atol=1e-4, err_msg=name)
    rows = features.embedding
    assert (rows[0] - rows[1]).norm() > 1e-3 * rows[0].norm(), "two images give one embedding"


def test_the_last_pixels_are_never_read(random_network):
    network = random_network()
    images = torch.randn(1, 3, 112, 112)
    other = images.clone()
    other[:, :, 108:] = 7
    other[:, :, :, 108:] = -7
    with torch.no_grad():
        assert torch.equal(network(images), network(other))
        other[:, :, 107, 107] += 1
        assert not torch.equal(network(images), network(other))


def test_training_gives_the_spread_and_every_parameter_a_gradient(small_config):
    network = TransFaceViT(replace(small_config, mask_ratio=0.1)).train()
    output = network(torch.randn(4, 3, 112, 112))
    assert isinstance(output, TrainingOutput)
    assert output.embedding.shape == (4, 24)
    assert output.gate.shape == output.spread.shape == (4, 144)
    (output.embedding.square().sum() + output.spread.sum()).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_the_spread_is_that_of_the_gated_tokens(random_network):
    network = random_network().train()  # masks nothing, drops little
    for block in network.blocks:
        block.drop_path.drop_prob = 0.0
    images = torch.randn(3, 3, 112, 112)
    output = network(images)
    features = network.forward_features(images)
    torch.testing.assert_close(output.spread, features.gated.std(dim=-1))
    torch.testing.assert_close(output.gate, features.gate)


def test_a_parameter_that_is_never_used_is_frozen(small_config):
    assert not TransFaceViT(small_config).mask_token.requires_grad
    assert TransFaceViT(replace(small_config, mask_ratio=0.1)).mask_token.requires_grad


@pytest.mark.parametrize(
    ("ratio", "kept"), [(0.1, 129), (0.05, 136), (0.0, 144), (0.5, 72)], ids=lambda value: str(value)
)
def test_masking_keeps_as_many_tokens_as_it_says(ratio, kept, small_config):
    network = TransFaceViT(replace(small_config, mask_ratio=ratio)).train()
    lengths = []
    network.blocks[0].register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    tokens = network.tokens(torch.randn(2, 3, 112, 112))
    assert lengths == [kept]
    assert tokens.shape == (2, 144, 32)
    gaps = (tokens == network.mask_token).all(dim=-1)
    assert gaps.sum(dim=1).tolist() == [144 - kept] * 2
    if ratio > 0:
        assert not torch.equal(gaps[0], gaps[1])
    lengths.clear()
    network.eval().tokens(torch.randn(2, 3, 112, 112))
    assert lengths == [144]


def test_tokens_that_stay_come_back_to_their_places(small_config):
    """Without blocks a token depends on its own patch alone, so those that stay equal those of no masking."""
    network = TransFaceViT(replace(small_config, mask_ratio=0.3)).train()
    network.blocks = torch.nn.ModuleList()
    images = torch.randn(2, 3, 112, 112)
    masked = network.tokens(images)
    whole = network.eval().tokens(images)
    gaps = (masked == network.mask_token).all(dim=-1)
    assert gaps.sum().item() == 2 * (144 - 100)
    torch.testing.assert_close(masked[~gaps], whole[~gaps])


def test_masks_differ_and_come_from_torchs_generator(small_config):
    network = TransFaceViT(replace(small_config, mask_ratio=0.2, drop_path=0.0)).train()
    images = torch.randn(1, 3, 112, 112)
    torch.manual_seed(0)
    first, second = network.tokens(images), network.tokens(images)
    torch.manual_seed(0)
    assert torch.equal(network.tokens(images), first)
    assert not torch.equal(first, second)


def test_checkpointing_changes_no_number(small_config):
    images = torch.randn(2, 3, 112, 112)
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        config = replace(small_config, checkpointing=checkpointing, mask_ratio=0.1, drop_path=0.3)
        network = TransFaceViT(config).train()
        torch.manual_seed(1)
        output = network(images)
        output.embedding.square().sum().backward()
        found.append([output.embedding, *(p.grad for p in network.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_attention_is_the_written_out_product(random_network):
    """To 1e-5: the fused attention replaces the authors' explicit one."""
    attention = random_network().blocks[0].attn
    x = 2 * torch.randn(3, 144, 32)
    with torch.no_grad():
        q, k, v = (part.unflatten(-1, (4, 8)).transpose(1, 2) for part in attention.qkv(x).chunk(3, dim=-1))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(8)).softmax(dim=-1)
        wanted = attention.proj((scores @ v).transpose(1, 2).reshape(3, 144, 32))
        torch.testing.assert_close(attention(x), wanted, atol=1e-5, rtol=0)


def test_gate_head_and_norms_stay_in_float32_under_autocast(random_network):
    network = random_network()
    images = torch.randn(2, 3, 112, 112)
    kinds = {}
    for name in ("norm", "senet.0", "feature.0", "blocks.0.norm1", "blocks.0.attn.qkv"):
        part = network.get_submodule(name)
        part.register_forward_hook(lambda m, i, output, name=name: kinds.update({name: output.dtype}))
    with torch.no_grad():
        plain = network(images)
        kinds.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = network(images)
    assert kinds.pop("blocks.0.attn.qkv") == torch.bfloat16
    assert set(kinds.values()) == {torch.float32}
    assert mixed.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(plain, mixed).min() > 0.99


def test_float64_and_bfloat16_networks_run(random_network):
    images = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        wanted = random_network()(images)
        exact = random_network().double()(images.double())
        short = random_network().bfloat16()(images.bfloat16())
    assert (exact.dtype, short.dtype) == (torch.float64, torch.bfloat16)
    torch.testing.assert_close(exact.float(), wanted, atol=1e-4, rtol=0)
    assert torch.nn.functional.cosine_similarity(short.float(), wanted).item() > 0.98


def test_shapes_without_numbers():
    """A network of any size can be tried on the meta device."""
    assert on_meta(vit_l()).eval()(torch.empty(2, 3, 112, 112, device="meta")).shape == (2, 512)


@pytest.mark.parametrize(
    "shape", [(1, 3, 112, 96), (1, 1, 112, 112), (3, 112, 112), (2, 3, 224, 224)], ids=str
)
def test_other_images_are_refused(shape, random_network):
    with pytest.raises(ValueError, match=r"wanted is \(B, 3, 112, 112\)"):
        random_network()(torch.zeros(shape))
