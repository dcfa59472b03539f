"""The whole network: sizes, modes, precision, backbones, first weights, and that it learns."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F

from vitrail.errors import NotInstalledError, UsageError
from vitrail_cmunet.config import CMUNetConfig
from vitrail_cmunet.model import CMUNet, TrainingOutput, pad


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


# --- sizes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width"), [(48, 64), (33, 95), (17, 40), (16, 64), (5, 100), (1, 1)], ids=lambda n: str(n)
)
def test_other_sizes_equal_padding_before_and_cropping_after(small, height, width):
    image = torch.randn(1, 3, height, width)
    padded = pad(image)
    assert padded.shape[2] % 32 == padded.shape[3] % 32 == 0
    assert torch.equal(padded[..., :height, :width], image)
    with torch.no_grad():
        assert torch.equal(small(image), small(padded)[..., :height, :width])


def test_padding_mirrors_and_repeats_the_edge_where_the_image_is_too_short_to_mirror():
    column = torch.arange(20.0).view(1, 1, 20, 1)
    assert pad(column)[0, 0, :, 0].tolist() == [*range(20), *range(18, 6, -1)]
    assert pad(column)[0, 0, 0].tolist() == [0.0] * 32
    short = torch.arange(5.0).view(1, 1, 1, 5)
    assert pad(short)[0, 0, 0].tolist() == [0, 1, 2, 3, *[4] * 28]
    assert pad(torch.zeros(1, 1, 17, 16)).shape == (1, 1, 32, 32)
    assert torch.equal(pad(torch.ones(1, 1, 64, 32)), torch.ones(1, 1, 64, 32))


def test_training_sizes_must_be_multiples_of_32(small):
    network = CMUNet(CMUNetConfig(width=16)).train()
    with pytest.raises(ValueError, match=r"48x64.*multiples of 32"):
        network(torch.randn(2, 3, 48, 64))


@pytest.mark.parametrize("size", [(32, 64), (21, 50)], ids=str)
def test_zoom_enlarges_the_image_and_averages_the_logits(small, size):
    zoomed = CMUNet(CMUNetConfig(width=16, zoom=2)).eval()
    zoomed.load_state_dict(small.state_dict())
    image = torch.randn(2, 3, *size)
    enlarged = F.interpolate(image, size=(2 * size[0], 2 * size[1]), mode="bilinear", align_corners=False)
    with torch.no_grad():
        expected = F.interpolate(small(enlarged), scale_factor=0.5, mode="area")
        torch.testing.assert_close(zoomed(image), expected, atol=1e-6, rtol=1e-5)
    output = zoomed.train()(torch.randn(2, 3, 32, 32))
    assert output.logits.shape == (2, 6, 32, 32)
    assert [tuple(head.shape[2:]) for head in output.auxiliary] == [(16, 16), (16, 16), (8, 8)]


# --- modes -------------------------------------------------------------------------------------------------------


def test_training_gives_logits_and_three_auxiliary_heads():
    network = CMUNet(CMUNetConfig(width=16)).train()
    output = network(torch.randn(2, 3, 96, 64))
    assert isinstance(output, TrainingOutput)
    assert output.logits.shape == (2, 6, 96, 64)
    assert [tuple(head.shape) for head in output.auxiliary] == [(2, 6, 24, 16), (2, 6, 24, 16), (2, 6, 12, 8)]


def test_evaluation_is_bit_equal_and_has_no_drop_path():
    network = CMUNet(CMUNetConfig(width=16, drop_path=0.9)).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(image), network(image))
        calm = CMUNet(CMUNetConfig(width=16, drop_path=0.0)).eval()
        calm.load_state_dict(network.state_dict())
        assert torch.equal(network(image), calm(image))


def test_images_of_a_batch_do_not_touch(small):
    images = torch.randn(3, 3, 32, 64)
    with torch.no_grad():
        together = small(images)
        alone = torch.cat([small(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_drop_path_grows_from_stride_4_to_stride_32():
    network = CMUNet(CMUNetConfig(width=16, drop_path=0.7))
    stages = (*(network.layers_up[i] for i in (3, 2, 1)), network.layers_up[0][0])
    rates = [block.drop_path.drop_prob for stage in stages for block in stage.blocks]
    assert rates == pytest.approx([0.1 * step for step in range(8)])


def test_depths_count_from_stride_32():
    network = CMUNet(CMUNetConfig(width=16, depths=(1, 2, 3, 1)))
    first, *others = network.layers_up
    assert [len(stage.blocks) for stage in (first[0], *others)] == [1, 2, 3, 1]
    with torch.no_grad():
        assert network.eval()(torch.randn(1, 3, 32, 32)).shape == (1, 6, 32, 32)


# --- first weights -----------------------------------------------------------------------------------------------


def test_first_weights_of_the_decoder():
    network = CMUNet(CMUNetConfig(width=32))
    block = network.layers_up[0][0].blocks[0]
    for linear in (block.down, block.up, block.self_attention.in_proj, block.self_attention.out_proj):
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert linear.bias is None or not linear.bias.any()
    assert (block.ln_1.weight == 1).all()
    assert not block.ln_1.bias.any()
    assert network.concat_back_dim[1].weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert (
        block.self_attention.x_proj_weight.abs().max() > 0.05
    )  # a raw parameter: it keeps the uniform default


def test_first_weights_of_a_backbone_with_linear_layers_are_its_own():
    torch.manual_seed(3)
    network = CMUNet(CMUNetConfig(backbone="convnext_atto", width=16))
    torch.manual_seed(3)
    alone = timm.create_model("convnext_atto", features_only=True)
    for name, value in alone.state_dict().items():
        assert torch.equal(network.backbone.state_dict()[name], value), name


# --- precision and compilers -------------------------------------------------------------------------------------


def test_bfloat16_autocast_stays_close(published, golden_image):
    image = golden_image(64, 64)
    with torch.no_grad():
        exact = published(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = published(image)
    assert rough.isfinite().all()
    assert not torch.equal(rough.float(), exact)
    assert (rough.float() - exact).abs().mean() < 0.03 * exact.std()


def test_gradients_under_bfloat16_autocast_are_finite():
    network = CMUNet(CMUNetConfig(width=16)).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(torch.randn(2, 3, 64, 32))
        loss = F.cross_entropy(output.logits, torch.randint(6, (2, 64, 32)))
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


# --- configurations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["resnet18", "convnext_atto", "mobilenetv3_small_050", "mambaout_femto"])
@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (7, 9)])
def test_any_backbone_bands_and_classes(backbone, bands, classes):
    config = CMUNetConfig(
        backbone=backbone,
        width=32,
        bands=bands,
        mean=(0.0,) * bands,
        std=(1.0,) * bands,
        classes=tuple(f"c{k}" for k in range(classes)),
        palette=(),
    )
    network = CMUNet(config)
    matched = [type(layer) is torch.nn.Conv2d for layer in network.match]
    assert matched == [True] * 4
    with torch.no_grad():
        assert network.eval()(torch.randn(1, bands, 40, 64)).shape == (1, classes, 40, 64)


def test_resnet18_at_width_64_needs_no_matching(published):
    assert not list(published.match.parameters())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "no_such_net"}, "timm has no model 'no_such_net'"),
        ({"backbone": "vit_tiny_patch16_224"}, "strides 16, 16, 16; wanted .* 4, 8, 16 and 32"),
    ],
)
def test_backbones_that_do_not_do(changes, words):
    with pytest.raises(UsageError, match=words):
        CMUNet(CMUNetConfig(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": ("one",), "palette": ()}, "at least two"),
        ({"palette": ((0, 0, 0),)}, "1 colours for 6 classes"),
        ({"palette": ((0, 0, 256),) * 6}, "0 to 255"),
        ({"bands": 5}, "one a band, and bands is 5"),
        ({"bands": 0, "mean": (), "std": ()}, "at least 1"),
        ({"std": (1.0, 0.0, 1.0)}, "above 0"),
        ({"dtypes": ("complex64",)}, "wanted are some of uint8"),
        ({"width": 40}, "multiple of 16"),
        ({"depths": (2, 2, 0, 2)}, "four numbers from 1"),
        ({"drop_path": 1.0}, "below 1"),
        ({"state": 0}, "at least 1"),
    ],
)
def test_configs_that_do_not_do(changes, words):
    with pytest.raises(UsageError, match=words):
        CMUNetConfig(**changes)


def test_pretrained_weights_go_into_the_backbone_only(monkeypatch):
    torch.manual_seed(5)
    source = timm.create_model("resnet18", features_only=True, in_chans=4)
    asked = {}
    real = timm.create_model

    def create(name, *, pretrained=False, **options):
        if pretrained:
            asked.update(name=name, **options)
            return source
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", create)
    config = CMUNetConfig(
        width=16, pretrained="resnet18.fb_swsl_ig1b_ft_in1k", bands=4, mean=(0.0,) * 4, std=(1.0,) * 4
    )
    network = CMUNet(config)
    assert not asked, "building a network must not fetch anything"
    before = network.output.weight.clone()
    network.load_pretrained_backbone()
    assert asked == {"name": "resnet18.fb_swsl_ig1b_ft_in1k", "features_only": True, "in_chans": 4}
    assert torch.equal(network.backbone.conv1.weight, source.conv1.weight)
    assert torch.equal(network.output.weight, before)


def test_pretrained_weights_that_cannot_be_fetched(monkeypatch):
    network = CMUNet(CMUNetConfig(width=16, pretrained="resnet18.fb_swsl_ig1b_ft_in1k"))

    def unreachable(name, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(
        NotInstalledError, match=r"resnet18\.fb_swsl.* could not be fetched \(no route to host\)"
    ):
        network.load_pretrained_backbone()


# --- learning ----------------------------------------------------------------------------------------------------


def pictures_and_labels():
    """Two 64x64 images whose labels are hidden under noise: stripes and a disc."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    labels = torch.stack([(x // 16) % 3, ((x - 32) ** 2 + (y - 24) ** 2 < 300).long() + (y > 50) * 2])
    colours = torch.randn(4, 3)
    return colours[labels].permute(0, 3, 1, 2) + 0.3 * torch.randn(2, 3, 64, 64), labels


def steps_to_learn_by_heart(config, most):
    """Training steps on one batch until more than 99 % of its pixels are right."""
    images, labels = pictures_and_labels()
    network = CMUNet(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for step in range(most):
        logits, auxiliary = network(images)
        if (logits.argmax(1) == labels).float().mean() > 0.99:
            return step
        losses = [F.cross_entropy(F.interpolate(head, size=64), labels) for head in auxiliary]
        optimizer.zero_grad()
        (F.cross_entropy(logits, labels) + 0.4 * sum(losses)).backward()
        optimizer.step()
    pytest.fail(f"not learnt in {most} steps")


NAMES = ("a", "b", "c", "d")


def test_learns_one_batch_by_heart():
    config = CMUNetConfig(
        backbone="mobilenetv3_small_050", width=16, drop_path=0.0, classes=NAMES, palette=()
    )
    assert steps_to_learn_by_heart(config, most=200) > 1


@pytest.mark.slow
def test_the_published_network_learns_one_batch_by_heart():
    assert steps_to_learn_by_heart(CMUNetConfig(drop_path=0.0, classes=NAMES, palette=()), most=150) > 1
