"""The whole network: sizes, modes, precision, backbones, first weights, and that it learns."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F

from vitrail.errors import UsageError
from vitrail_prcl.config import PRCLConfig
from vitrail_prcl.model import PRCLNet, Representation
from vitrail_segmentation.fitting import enlarge, pad


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def patched(narrow, seen) -> PRCLNet:
    """A network that cuts images into patches, in eval mode. Not to be changed."""
    torch.manual_seed(0)
    return seen(PRCLNet(narrow(backbone="convnext_atto")))


# --- sizes -------------------------------------------------------------------------------------------------------

SIZES = [(1, 1), (33, 1), (1, 70), (70, 45), (5, 100), (64, 64)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size(small, size):
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        logits, uncertainty = small.measure(image)
        assert torch.equal(small(image), logits)
    assert logits.shape == (2, 2, *size)
    assert uncertainty.shape == (2, *size)
    assert logits.isfinite().all()
    assert ((uncertainty > 0) & (uncertainty < 1)).all()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_networks_of_patches_see_a_padded_image(small, patched, size):
    assert (small.multiple, patched.multiple) == (1, 16)
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        found = patched(image)
        assert found.shape == (2, 2, *size)
        torch.testing.assert_close(found, patched(pad(image, 16))[..., : size[0], : size[1]])


def test_what_a_network_of_patches_cannot_represent(patched):
    assert patched.represent(torch.randn(1, 3, 32, 48)).mean.shape == (1, 12, 8, 12)
    with pytest.raises(ValueError, match="sees 33x48 pixels; convnext_atto wants multiples of 16"):
        patched.represent(torch.randn(1, 3, 33, 48))


@pytest.mark.parametrize("size", [(32, 64), (21, 50)], ids=str)
def test_zoom_enlarges_the_image_and_averages_back(small, size, narrow):
    zoomed = PRCLNet(narrow(backbone="resnet18", zoom=2)).eval()
    zoomed.load_state_dict(small.state_dict())
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        logits, uncertainty = small.measure(enlarge(image, 2))
        torch.testing.assert_close(zoomed(image), F.interpolate(logits, scale_factor=0.5, mode="area"))
        mean = F.interpolate(uncertainty[:, None], scale_factor=0.5, mode="area")[:, 0]
        torch.testing.assert_close(zoomed.measure(image)[1], mean)
        quarter = (-(-2 * size[0] // 4), -(-2 * size[1] // 4))
        assert zoomed.represent(image).logits.shape[2:] == quarter


# --- modes -------------------------------------------------------------------------------------------------------


def test_training_gives_a_representation_at_a_quarter_of_the_image(narrow):
    network = PRCLNet(narrow(backbone="resnet18")).train()
    found = network(torch.randn(2, 3, 65, 96))
    assert isinstance(found, Representation)
    assert found.logits.shape == (2, 2, 17, 24)
    assert found.mean.shape == found.variance.shape == (2, 12, 17, 24)
    assert ((found.variance > 0) & (found.variance < 1)).all()
    assert not torch.allclose(found.mean.norm(dim=1), torch.ones(()))


def test_every_parameter_gets_a_gradient(narrow):
    network = PRCLNet(narrow(backbone="resnet18")).train()
    sum(part.square().mean() for part in network(torch.randn(2, 3, 64, 32))).backward()
    without = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert not without


def test_a_training_batch_of_one_image_is_refused_unless_nothing_depends_on_the_batch(narrow):
    network = PRCLNet(narrow(backbone="resnet18")).train()
    image = torch.randn(1, 3, 64, 64)
    with pytest.raises(ValueError, match=r"training batch of 1 image .* at least 2 images"):
        network(image)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    assert network(image).logits.shape == (1, 2, 16, 16)


def test_images_of_a_batch_do_not_touch(small):
    images = torch.randn(3, 3, 40, 64)
    with torch.no_grad():
        together = small.represent(images)
        for index in range(3):
            alone = small.represent(images[index : index + 1])
            for part, own in zip(together, alone):
                torch.testing.assert_close(part[index], own[0], rtol=1e-4, atol=1e-5)


# --- precision ---------------------------------------------------------------------------------------------------


def test_bfloat16_autocast_stays_close_and_variances_are_float32(small):
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        exact = small.represent(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = small.represent(image)
    assert rough.variance.dtype == torch.float32
    for one, other in zip(exact, rough):
        assert (one - other.float()).abs().mean() < 0.03 * one.std()


# --- configurations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "output_stride"),
    [("resnet18", 8), ("mobilenetv3_small_050", 16), ("convnext_atto", 32), ("mambaout_femto", 32)],
)
@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (7, 9)])
def test_any_backbone_bands_and_classes(backbone, output_stride, bands, classes, narrow):
    config = narrow(
        backbone=backbone,
        output_stride=output_stride,
        bands=bands,
        mean=(0.0,) * bands,
        std=(1.0,) * bands,
        classes=tuple(f"c{k}" for k in range(classes)),
    )
    network = PRCLNet(config)
    with torch.no_grad():
        assert network(torch.randn(2, bands, 64, 64)).logits.shape == (2, classes, 16, 16)
        assert network.eval()(torch.randn(1, bands, 40, 70)).shape == (1, classes, 40, 70)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "no_such_net"}, "timm has no model 'no_such_net'"),
        ({"backbone": "densenet121"}, "cannot be built with an output stride of 16"),
        ({"backbone": "vit_tiny_patch16_224", "output_stride": 32}, "strides 16, 16, 16; wanted .* 4 and 32"),
        ({"backbone": "swin_tiny_patch4_window7_224", "output_stride": 32}, "cannot take images of 64x64"),
    ],
)
def test_backbones_that_do_not_do(changes, words):
    with pytest.raises(UsageError, match=words):
        PRCLNet(PRCLConfig(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output_stride": 4}, "output_stride is 4; wanted is 8, 16 or 32"),
        ({"width": 0}, "width is 0; wanted is at least 1"),
        ({"embedding": 0}, "embedding is 0"),
        ({"zoom": 0}, "zoom is 0"),
        ({"classes": ("one",)}, "at least two"),
    ],
)
def test_configs_that_do_not_do(changes, words):
    with pytest.raises(UsageError, match=words):
        PRCLConfig(**changes)


def test_pretrained_weights_go_into_the_backbone_only(monkeypatch, narrow):
    source = timm.create_model("resnet18", features_only=True, in_chans=3)
    real, asked = timm.create_model, []

    def create(name, *, pretrained=False, **options):
        if not pretrained:
            return real(name, **options)
        asked.append(name)
        return source

    monkeypatch.setattr(timm, "create_model", create)
    network = PRCLNet(narrow(backbone="resnet18", pretrained="resnet18.tv_in1k"))
    assert not asked, "building a network must not fetch anything"
    before = network.classifier[3].weight.clone()
    network.load_pretrained_backbone()
    assert asked == ["resnet18.tv_in1k"]
    assert torch.equal(network.backbone.conv1.weight, source.conv1.weight)
    assert torch.equal(network.classifier[3].weight, before)


# --- learning ----------------------------------------------------------------------------------------------------


def test_learns_one_batch_by_heart(narrow):
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    labels = torch.stack([(x // 16) % 3, ((x - 32) ** 2 + (y - 24) ** 2 < 300).long() + (y > 50) * 2])
    colours = torch.randn(4, 3)
    images = colours[labels].permute(0, 3, 1, 2) + 0.3 * torch.randn(2, 3, 64, 64)
    config = narrow(backbone="mobilenetv3_small_050", classes=("a", "b", "c", "d"))
    network = PRCLNet(config).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(150):
        logits = F.interpolate(network(images).logits, size=64, mode="bilinear", align_corners=True)
        if (logits.argmax(1) == labels).float().mean() > 0.97:
            return
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
    pytest.fail("not learnt in 150 steps")
