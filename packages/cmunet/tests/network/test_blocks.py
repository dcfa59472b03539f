"""The parts, each against what it must do whatever its weights are."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vitrail_cmunet.attention import ChannelAttention, SpatialAttention
from vitrail_cmunet.blocks import MSAA, PatchExpand
from vitrail_cmunet.csmamba import SS2D, CSMambaBlock


@pytest.fixture
def seeded():
    torch.manual_seed(0)


@torch.no_grad()
def lively(module):
    """Weights large enough that a mistake shows: the initial ones of 0.02 hide much."""
    for name, parameter in module.named_parameters():
        if name.endswith(("weight", "bias")) and parameter.ndim > 1:
            parameter.copy_(torch.randn_like(parameter) / math.sqrt(parameter[0].numel()))
    return module.eval()


# --- attention ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_attentions_lie_between_0_and_1(seeded, scale):
    x = scale * torch.randn(2, 8, 5, 7)
    channel, spatial = ChannelAttention(8)(x), SpatialAttention()(x)
    assert channel.shape == (2, 8, 1, 1)
    assert spatial.shape == (2, 1, 5, 7)
    for attention in (channel, spatial):
        assert ((attention >= 0) & (attention <= 1)).all()
        assert attention.std() > 0


def test_channel_attention_does_not_see_where_and_spatial_attention_does_not_see_which(seeded):
    x = torch.randn(1, 8, 6, 6)
    shuffled = x.flatten(2)[..., torch.randperm(36)].view_as(x)
    channel, spatial = ChannelAttention(8), SpatialAttention()
    torch.testing.assert_close(channel(x), channel(shuffled))
    torch.testing.assert_close(spatial(x), spatial(x[:, torch.randperm(8)]))


# --- MSAA --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_msaa_without_its_large_kernels_is_the_small_one_and_the_two_attentions(seeded):
    msaa = MSAA(28, 16)
    fusion = msaa.fusion_conv
    for large in (fusion.conv_5x5, fusion.conv_7x7):
        large.weight.zero_()
        large.bias.zero_()
    maps = [torch.randn(2, channels, 6, 5) for channels in (4, 8, 16)]
    x = F.conv2d(torch.cat(maps, 1), fusion.down.weight, fusion.down.bias)
    s = F.conv2d(x, fusion.conv_3x3.weight, fusion.conv_3x3.bias, padding=1)
    place = torch.cat([s.mean(1, keepdim=True), s.max(1, keepdim=True)[0]], 1)
    place = F.conv2d(place, fusion.spatial_attention.conv1.weight, padding=3).sigmoid()
    hidden = [F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)]
    first, second = (fusion.channel_attention.fc[i].weight for i in (0, 2))
    channel = sum(F.conv2d(F.conv2d(h, first).relu(), second) for h in hidden).sigmoid()
    wanted = F.conv2d(s * place + x * channel, fusion.up.weight, fusion.up.bias)
    torch.testing.assert_close(msaa(*maps), wanted)


# --- CSMamba -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_block_with_a_zero_way_up_is_the_identity(seeded):
    block = CSMambaBlock(32).eval()
    block.up.weight.zero_()
    block.up.bias.zero_()
    x = torch.randn(2, 4, 6, 32)
    assert torch.equal(block(x), x)


@torch.no_grad()
def test_drop_path_leaves_out_the_scan_of_whole_images_in_training_only(seeded):
    block = lively(CSMambaBlock(32, drop_path=0.5))
    x = torch.randn(64, 2, 2, 32)
    t = block.down(x)
    scanned = block.self_attention(block.ln_1(t))
    torch.testing.assert_close(block.eval()(x), x + block.up(t + scanned))
    trained = block.train()(x)
    left_out = torch.isclose(trained, x + block.up(t), atol=1e-5).flatten(1).all(dim=1)
    doubled = torch.isclose(trained, x + block.up(t + 2 * scanned), atol=1e-4).flatten(1).all(dim=1)
    assert 16 < int(left_out.sum()) < 48
    assert (left_out ^ doubled).all()


@torch.no_grad()
def literal_ss2d(layer, x):
    """SS2D pixel by pixel and direction by direction, in double precision, straight from the equations."""
    layer = layer.double()
    x = x.double()
    batch, height, width, _ = x.shape
    scanned, z = (layer.in_proj.weight @ x.unsqueeze(-1)).squeeze(-1).chunk(2, dim=-1)
    scanned = F.silu(layer.conv2d(scanned.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
    inner, rank = layer.dt_projs_weight.shape[1:]
    state = layer.A_logs.shape[1]
    by_rows = [(i, j) for i in range(height) for j in range(width)]
    by_columns = [(i, j) for j in range(width) for i in range(height)]
    y = torch.zeros_like(scanned)
    for b in range(batch):
        for k, way in enumerate((by_rows, by_columns, by_rows[::-1], by_columns[::-1])):
            h = x.new_zeros(inner, state)
            A = -layer.A_logs[k * inner : (k + 1) * inner].exp()
            D = layer.Ds[k * inner : (k + 1) * inner]
            for i, j in way:
                u = scanned[b, i, j]
                dt, B, C = (layer.x_proj_weight[k] @ u).split([rank, state, state])
                delta = torch.log1p(torch.exp(layer.dt_projs_weight[k] @ dt + layer.dt_projs_bias[k]))
                h = torch.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B[None, :]
                y[b, i, j] += h @ C + D * u
    mean, var = y.mean(-1, keepdim=True), y.var(-1, keepdim=True, unbiased=False)
    y = (y - mean) / (var + 1e-5).sqrt() * layer.out_norm.weight + layer.out_norm.bias
    gate = z.permute(0, 3, 1, 2)
    gate = gate * layer.channel_attention(gate)
    gate = gate * layer.spatial_attention(gate)
    gate = (gate * gate.sigmoid()).permute(0, 2, 3, 1)
    out = (layer.out_proj.weight @ (y * gate).unsqueeze(-1)).squeeze(-1).float()
    layer.float()
    return out


@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 2), (1, 6)], ids=["H3-W5", "H4-W2", "H1-W6"])
def test_ss2d_equals_its_equations_on_oblong_images(seeded, height, width):
    layer = lively(SS2D(16, state=4))
    x = torch.randn(2, height, width, 16)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), literal_ss2d(layer, x), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def exchanged(layer, order):
    """A copy of the layer whose direction k is direction order[k] of the original."""
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    for name in ("x_proj_weight", "dt_projs_weight", "dt_projs_bias"):
        state[name] = state[name][list(order)]
    for name in ("A_logs", "Ds"):
        state[name] = state[name].unflatten(0, (4, -1))[list(order)].flatten(0, 1)
    other = SS2D(layer.in_proj.in_features, state=layer.A_logs.shape[1]).eval()
    other.load_state_dict(state)
    return other


@pytest.fixture
def four_ways(seeded):
    """A layer whose directions differ, and an image."""
    layer = lively(SS2D(16, state=4))
    with torch.no_grad():
        layer.A_logs.add_(torch.randn_like(layer.A_logs))
        layer.Ds.copy_(torch.randn_like(layer.Ds))
    return layer, torch.randn(1, 6, 4, 16)


@torch.no_grad()
def test_transposed_image_with_rows_and_columns_exchanged(four_ways):
    layer, x = four_ways
    other = exchanged(layer, (1, 0, 3, 2))
    for convolution in (other.conv2d, other.spatial_attention.conv1):
        convolution.weight.copy_(convolution.weight.transpose(2, 3).clone())
    torch.testing.assert_close(other(x.transpose(1, 2)), layer(x).transpose(1, 2), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(layer(x.transpose(1, 2)), layer(x).transpose(1, 2), atol=1e-2)


@torch.no_grad()
def test_image_upside_down_with_forwards_and_backwards_exchanged(four_ways):
    layer, x = four_ways
    other = exchanged(layer, (2, 3, 0, 1))
    for convolution in (other.conv2d, other.spatial_attention.conv1):
        convolution.weight.copy_(convolution.weight.flip(2, 3))
    torch.testing.assert_close(other(x.flip(1, 2)), layer(x).flip(1, 2), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(layer(x.flip(1, 2)), layer(x).flip(1, 2), atol=1e-2)


def test_every_pixel_sees_every_other_through_the_scan_alone(seeded):
    layer = lively(SS2D(16, state=4))
    for attention in (
        layer.channel_attention,
        layer.spatial_attention,
    ):  # global pooling and a 7x7 kernel see far too
        attention.forward = torch.ones_like
    x = torch.randn(1, 9, 11, 16, requires_grad=True)
    layer(x)[0, 8, 10].sum().backward()
    assert (x.grad[0].abs().sum(-1) > 0).all()
    x.grad = None
    layer.scan = lambda y, *parameters: y
    layer(x)[0, 8, 10].sum().backward()
    assert x.grad[0, :7].abs().sum() == 0


def test_first_values_of_the_scan(seeded):
    layer = SS2D(256)
    step = F.softplus(layer.dt_projs_bias)
    assert layer.x_proj_weight.shape == (4, 16 + 32, 128)
    assert step.min() >= 1e-3 * 0.999
    assert step.max() <= 1e-1 * 1.001
    torch.testing.assert_close(step.log().mean().exp().item(), 1e-2, rtol=0.2, atol=0)  # log-uniform
    torch.testing.assert_close(layer.A_logs.exp(), torch.arange(1.0, 17).expand(512, 16))
    assert (layer.Ds == 1).all()
    assert layer.dt_projs_weight.abs().max() <= 16**-0.5
    assert layer.dt_projs_weight.abs().max() > 0.9 * 16**-0.5


# --- PatchExpand -------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_patch_expand_moves_each_quarter_of_the_channels_to_its_place(seeded):
    expand = PatchExpand(16).eval()
    x = torch.randn(1, 3, 2, 16)
    y = expand(x)
    assert y.shape == (1, 6, 4, 8)
    for i in range(2):
        for j in range(2):
            part = x[..., 2 * i + j :: 4] @ expand.adjust_channels.weight[:, :, 0, 0].T
            torch.testing.assert_close(y[:, i::2, j::2], expand.norm(part))
