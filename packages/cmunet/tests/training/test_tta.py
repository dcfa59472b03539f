"""Test-time augmentation: the published counts, and views that come back to where they were seen."""

import pytest
import torch

from vitrail.errors import UsageError
from vitrail_cmunet.tta import VIEWS, View, get_views, mean_logits


@pytest.mark.parametrize(("name", "count"), [("vaihingen", 40), ("potsdam", 16), ("loveda", 8), ("flips", 4)])
def test_the_published_sets(name, count):
    views = get_views(name)
    assert len(views) == len(set(views)) == count
    scales = {view.scale for view in views}
    wanted = {"vaihingen": {0.5, 0.75, 1, 1.25, 1.5}, "flips": {1}}.get(name, {0.75, 1, 1.25, 1.5})
    assert scales == wanted
    assert {view.turns for view in views} == ({0, 1} if name == "vaihingen" else {0})
    assert {view.vertical for view in views} == ({False} if name == "loveda" else {False, True})


def test_dihedral_views_are_the_eight_symmetries():
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    seen = []
    mean_logits(lambda x: seen.append(tuple(x.flatten().tolist())) or x, image, VIEWS["dihedral"])
    assert len(set(seen)) == 8


@pytest.mark.parametrize("name", ["none", "flips", "dihedral"])
def test_a_pointwise_network_gives_the_same_with_any_mirrors_and_turns(name):
    image = torch.randn(2, 3, 5, 8, dtype=torch.float64).float()
    network = torch.nn.Conv2d(3, 4, 1)
    torch.testing.assert_close(mean_logits(network, image, VIEWS[name]), network(image))


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_mark_stays_where_it_is(name):
    image = torch.zeros(1, 1, 40, 60)
    image[0, 0, 8:16, 40:56] = 1
    logits = mean_logits(lambda x: torch.cat([0.5 - x, x - 0.5], dim=1), image, VIEWS[name])
    assert logits.shape == (1, 2, 40, 60)
    wrong = logits.argmax(dim=1) != image[:, 0]
    assert wrong.float().mean() < 0.01
    if name in ("none", "flips", "dihedral"):
        assert not wrong.any()


def test_it_is_the_mean_of_logits_over_the_named_views():
    """An uneven network, so that each view counts: compared with mirrors and turns written out."""
    torch.manual_seed(0)
    network = torch.nn.Conv2d(2, 3, 3, padding=1)
    image = torch.randn(1, 2, 6, 6)
    views = [
        View(horizontal=True),
        View(vertical=True, turns=1),
        View(horizontal=True, vertical=True, turns=3),
    ]
    by_hand = [
        network(image.flip(-1)).flip(-1),
        torch.rot90(network(torch.rot90(image.flip(-2), 1, (-2, -1))), -1, (-2, -1)).flip(-2),
        torch.rot90(network(torch.rot90(image.flip(-1).flip(-2), 3, (-2, -1))), -3, (-2, -1))
        .flip(-2)
        .flip(-1),
    ]
    torch.testing.assert_close(mean_logits(network, image, views), sum(by_hand) / 3)


def test_sizes_that_the_network_sees():
    sizes = []
    views = [View(scale=0.75), View(turns=1, scale=1.5), View()]
    mean_logits(lambda x: sizes.append(tuple(x.shape[-2:])) or x, torch.zeros(1, 1, 10, 30), views)
    assert sizes == [(7, 22), (45, 15), (10, 30)]


def test_unknown_or_no_views():
    with pytest.raises(UsageError, match="there are none, flips, dihedral, vaihingen"):
        get_views("d4")
    with pytest.raises(UsageError, match="no views"):
        mean_logits(lambda x: x, torch.zeros(1, 1, 2, 2), [])
