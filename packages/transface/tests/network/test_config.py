"""Configs are checked when they are built."""

from __future__ import annotations

import pytest

from vitrail.errors import UsageError
from vitrail_transface.config import DPAPConfig, EHSMConfig, TransFaceConfig, vit_b, vit_l, vit_s, vit_t


def test_variants():
    sizes = {make: (make().dim, make().depth, make().heads) for make in (vit_t, vit_s, vit_b, vit_l)}
    assert sizes == {vit_t: (256, 12, 8), vit_s: (512, 12, 8), vit_b: (512, 24, 8), vit_l: (768, 24, 8)}
    assert [make().kept_tokens for make in sizes] == [144, 144, 129, 129]
    assert [make().checkpointing for make in sizes] == [False, False, True, True]


def test_defaults_of_the_training_tricks():
    assert (DPAPConfig().tokens, DPAPConfig().probability, DPAPConfig().alpha) == (7, 0.2, 1.0)
    assert DPAPConfig().fidelity == "paper"
    assert (EHSMConfig().entropy, EHSMConfig().gamma, EHSMConfig().detach) == ("std", 1.0, True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TransFaceConfig(dim=100), "dim 100 does not split into 8 heads"),
        (lambda: TransFaceConfig(dim=1, heads=1), "dim is 1"),
        (lambda: TransFaceConfig(depth=0), "depth is 0; wanted is a whole number from 1"),
        (lambda: TransFaceConfig(gate_dim=0), "gate_dim is 0"),
        (lambda: TransFaceConfig(mask_ratio=1.0), "mask_ratio is 1.0; wanted is a share"),
        (lambda: TransFaceConfig(mask_ratio=0.999), "no token would stay"),
        (lambda: TransFaceConfig(drop_path=-0.1), "drop_path is -0.1"),
        (lambda: DPAPConfig(tokens=145), "tokens is 145; wanted is a number of patches from 1 to 144"),
        (lambda: DPAPConfig(probability=2), "probability is 2; wanted is a number from 0 to 1"),
        (lambda: DPAPConfig(alpha=float("nan")), "alpha is nan"),
        (lambda: DPAPConfig(fidelity="exact"), "fidelity is 'exact'; wanted is one of paper, released"),
        (lambda: EHSMConfig(entropy="bits"), "entropy is 'bits'; wanted is one of std, gaussian"),
        (lambda: EHSMConfig(gamma=-1), "gamma is -1"),
    ],
)
def test_values_that_do_not_do(make, words):
    with pytest.raises(UsageError, match=words):
        make()
