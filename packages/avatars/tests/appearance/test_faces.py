"""What makes faces different: measures, lids, lashes, lines, brows, make-up, and hair that leaves the eyes free."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail_avatars.appearance.hair import Hair, grow
from vitrail_avatars.appearance.lids import Lids, above, below, grow_lashes, shade_lids
from vitrail_avatars.appearance.lines import Lines, shade_lines
from vitrail_avatars.appearance.makeup import NO_MAKE_UP, make_up
from vitrail_avatars.appearance.skin import Brows, brow_cover
from vitrail_avatars.landmarks import landmarks_68
from vitrail_avatars.population import person
from vitrail_avatars.shapes import USUAL, details, shape

LIDS = Lids(crease=0.5, fold=0.8, lashes=0.5, bags=0.5, hollow=0.3)


@pytest.mark.parametrize(
    ("of", "wanted"),
    # Farkas, "Anthropometry of the Head and Face" (1994), grown men and women of North America, mm, by the eyes' 61
    [((2, 14), 134.5), ((27, 8), 118.0), ((27, 33), 52.7), ((36, 45), 89.5), ((48, 54), 52.3)],
    ids=[
        "width at the cheekbones",
        "height of the face",
        "height of the nose",
        "outer corners",
        "width of the mouth",
    ],
)
def test_the_mean_of_many_faces_has_the_measures_of_people(head, of, wanted):
    grown = [person(3, number, age=30, ancestry="caucasian").identity for number in range(60)]
    points = landmarks_68(head.neutral(torch.from_numpy(np.stack(grown)))[:, : head.points])
    found = (points[:, of[0]] - points[:, of[1]]).norm(dim=1).mean().item()
    assert found == pytest.approx(wanted / 61, rel=0.08)


def test_a_detail_of_one_target_leads_away_from_it_too(head):
    def components(value):
        values = np.zeros(len(head.detail_names), np.float32)
        values[head.detail_names.index("head-oval")] = value
        return shape(head, "male", 30.0, np.array([0.0, 0.0, 1.0]), 0.5, 0.5, values)

    usual, less, more = components(0.0), components(-0.5), components(0.5)
    assert np.abs(more - usual).max() > 0.1
    assert less - usual == pytest.approx(usual - more, abs=1e-5)


def test_details_lie_about_what_is_usual(head):
    values = np.stack([details(head, np.random.default_rng(number)) for number in range(200)])
    means = dict(zip(head.detail_names, values.mean(axis=0), strict=True))
    assert means["chin-height"] == pytest.approx(USUAL["chin-height"], abs=0.08)
    assert means["nose-hump"] == pytest.approx(0, abs=0.08)


def test_lids_are_shaded_about_the_eyes_alone(atlas):
    shade = shade_lids(atlas.place, LIDS, 1)
    x, y, z = np.moveaxis(atlas.place, -1, 0)
    assert (shade >= 0).all()
    assert shade[np.hypot(np.abs(x) - 0.5, y) > 0.6].max() < 0.02
    on_fold = (np.abs(above(atlas.place) - 0.0925) < 0.012) & (np.abs(np.abs(x) - 0.5) < 0.1) & (z > 0)
    over = (np.abs(above(atlas.place) - 0.15) < 0.012) & (np.abs(np.abs(x) - 0.5) < 0.1) & (z > 0)
    assert shade[on_fold].mean() > 3 * shade[over].mean()
    single = shade_lids(atlas.place, replace(LIDS, fold=0.0), 1)
    assert single[on_fold].mean() < 0.5 * shade[on_fold].mean()


def test_lashes_stand_on_both_margins(face):
    lashes = grow_lashes(LIDS, face, 2)
    roots = lashes.points[:, 0]
    on_margin = np.minimum(np.abs(above(roots)), np.abs(below(roots)))
    assert on_margin.max() < 0.06
    assert {-1.0, 1.0} == set(np.sign(roots[:, 0]).tolist())
    assert (lashes.points[:, -1, 2] > roots[:, 2]).mean() > 0.95, "they stand out"
    assert len(grow_lashes(replace(LIDS, lashes=0.0), face, 2).points) < len(lashes.points)


def test_lines_are_where_they_belong(atlas):
    none = Lines(0, 0, 0, 0, 0)
    assert not shade_lines(atlas.place, none, 0).any()
    x, y, z = np.moveaxis(atlas.place, -1, 0)
    for name, at in (
        ("cheek", (0.44, -0.92)),
        ("forehead", (0.0, 0.7)),
        ("feet", (0.88, -0.03)),
        ("frown", (0.11, 0.24)),
    ):
        shade = shade_lines(atlas.place, replace(none, **{name: 1.0}), 0)
        near = (np.hypot(np.abs(x) - at[0], y - at[1]) < 0.2) & (z > -0.3)
        assert shade[near].max() > 0.2, name
        assert shade[(y < -1.6) & (z > 0)].max(initial=0) < 0.02, name


def test_make_up_covers_lips_and_lids(atlas):
    bare = np.full((*atlas.place.shape[:2], 3), 0.4, np.float32)
    assert make_up(bare, atlas.place, atlas.lips, NO_MAKE_UP) is bare
    red = replace(NO_MAKE_UP, lips=1.0, lip_colour=(0.5, 0.0, 0.0))
    painted = make_up(bare, atlas.place, atlas.lips, red)
    assert painted[atlas.lips > 0.8][:, 1].max() < 0.1
    assert (painted[atlas.lips < 0.1] == bare[0, 0]).all()
    lined = make_up(bare, atlas.place, atlas.lips, replace(NO_MAKE_UP, liner=1.0))
    assert lined.min() < 0.2
    assert (lined[atlas.place[..., 1] < -0.5] == bare[0, 0]).all()


def test_brows_differ_by_what_they_are_made_of(atlas):
    usual = Brows(0.5, 0.5, 0.7, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, (0.1, 0.1, 0.1))
    area = brow_cover(atlas, usual, 0).sum()
    assert brow_cover(atlas, replace(usual, thickness=1.0), 0).sum() > 1.2 * area
    assert brow_cover(atlas, replace(usual, density=0.2), 0).sum() < 0.8 * area

    def middle(brows):
        cover = brow_cover(atlas, brows, 0)
        return (cover * atlas.place[..., 1]).sum() / cover.sum()

    assert middle(replace(usual, height=1.0)) > middle(usual) + 0.02
    assert middle(replace(usual, slope=1.0)) > middle(usual) + 0.02


@pytest.mark.parametrize("style", ["fringe", "bob", "long", "swept", "curly"])
@pytest.mark.parametrize("part", [0.0, 0.6])
def test_no_hair_hangs_before_the_eyes(face, style, part):
    strands = grow(Hair(style, 0.8, 0.5, 0.5, 0.5, part, 0.0, (0.1, 0.1, 0.1), 4, strands=1500), face)
    x, y, z = np.moveaxis(strands.points, -1, 0)
    before = (np.abs(x) < 0.7) & (z > 0.1) & (np.abs(y) < 0.15)
    assert before.mean() < 0.002
