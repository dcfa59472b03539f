"""The op against the formula in numpy, the numbers of the authors' code, and what must hold for any input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vitrail.errors import UsageError
from vitrail_training.kernels.check import error_ratio
from vitrail_transface.kernels import amplitude_mix as package
from vitrail_transface.kernels.amplitude_mix import amplitude_mix
from vitrail_transface.kernels.amplitude_mix.op import amplitude_mix_op
from vitrail_transface.kernels.amplitude_mix.reference import amplitude_mix_reference
from vitrail_transface.kernels.amplitude_mix.sample import random_inputs

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "transface_golden.json").read_text())["fft_mix"]


def by_formula(images, targets, donors, share, active, patch=9, floor=False):
    """Amplitude and angle taken apart and put together, patch by patch, in numpy's full complex FFT of float64."""
    clean = images.double().numpy()
    mixed = clean.copy()
    columns = clean.shape[3] // patch
    cells = (clean.shape[2] // patch) * columns

    def cut(array, number):
        image, cell = divmod(int(number), cells)
        row, column = divmod(cell, columns)
        return array[image, :, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]

    for p in np.flatnonzero(active.numpy()):
        source = np.fft.fft2(cut(clean, targets[p]) * 127.5 + 127.5)
        donor = np.fft.fft2(cut(clean, donors[p]) * 127.5 + 127.5)
        s = float(share[p])
        amplitude = (1 - s) * np.abs(source) + s * np.abs(donor)
        y = np.fft.ifft2(amplitude * np.exp(1j * np.angle(source))).real.clip(0, 255)
        y = np.floor(y) if floor else y
        cut(mixed, targets[p])[:] = (y - 127.5) / 127.5
    return mixed


SIZES = {
    "B4": {"batch": 4, "probability": 0.7},
    "B3-one-channel-31x45": {"batch": 3, "channels": 1, "size": (31, 45), "probability": 0.7},
    "B2-patch5": {"batch": 2, "size": (17, 23), "patch": 5, "patches": 3, "probability": 1.0},
    "B2-patch8": {"batch": 2, "size": (40, 24), "patch": 8, "patches": 4, "probability": 1.0},
    "B2-patch16": {"batch": 2, "size": (33, 33), "patch": 16, "patches": 2, "probability": 1.0},
    "one-patch": {"batch": 1, "size": (9, 9), "patches": 1, "probability": 1.0},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("size", SIZES)
def test_is_the_formula(size, dtype):
    inputs = random_inputs(**SIZES[size], dtype=dtype)
    patch = SIZES[size].get("patch", 9)
    mixed = amplitude_mix(*inputs, patch=patch)
    wanted = by_formula(*inputs, patch=patch)
    assert mixed.dtype == dtype
    np.testing.assert_allclose(mixed, wanted, atol=1e-12 if dtype == torch.float64 else 2e-5)
    assert not torch.equal(mixed, inputs[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("share", [0.5488135039, 0.5])
def test_golden_patch(share, dtype):
    wanted = GOLDEN["lam_0.5488135039" if share > 0.5 else "lam_0.5"]
    random = np.random.RandomState(0)
    pair = np.stack([random.randint(0, 256, (9, 9, 3)) for _ in range(2)]).transpose(0, 3, 1, 2)
    assert pair.sum(axis=(1, 2, 3)).tolist() == [GOLDEN["sum_a"], GOLDEN["sum_b"]]
    images = torch.from_numpy(pair).to(dtype)
    one = (torch.tensor([0]), torch.tensor([1]), torch.tensor([share], dtype=dtype), torch.tensor([True]))
    levels = amplitude_mix(images, *one, scale=1.0, shift=0.0, floor=True)[0]
    assert levels.sum().item() == pytest.approx(wanted["sum"], abs=0 if dtype == torch.float64 else 1)
    assert levels[0, 0].tolist() == wanted["row0_ch0"]
    if "preclip_min" in wanted:
        free = amplitude_mix(images, *one, scale=1.0, shift=0.0, low=-1e9, high=1e9)[0]
        assert free.min().item() == pytest.approx(wanted["preclip_min"], abs=1e-3)
        assert free.max().item() == pytest.approx(wanted["preclip_max"], abs=1e-3)
        outside = ((free < 0) | (free > 255)).double().mean().item()
        assert outside == pytest.approx(wanted["clip_fraction"], abs=1e-4)


def test_without_a_share_nothing_changes_but_by_rounding():
    images, targets, donors, share, _ = random_inputs(3)
    everywhere = torch.ones_like(targets, dtype=torch.bool)
    mixed = amplitude_mix(images, targets, donors, 0 * share, everywhere)
    assert (mixed - images).abs().max() < 1e-5
    whole = amplitude_mix(images, targets, donors, 0 * share, everywhere, floor=True)
    levels, before = (x * 127.5 + 127.5 for x in (whole, images))
    assert (before - levels).round().unique().tolist() == [0.0, 1.0], "floor takes at most one grey level"


def test_phase_stays_and_the_mean_is_mixed():
    images, targets, donors, share, _ = random_inputs(4, dtype=torch.float64)
    everywhere = torch.ones_like(targets, dtype=torch.bool)
    mixed = amplitude_mix(images, targets, donors, share, everywhere, low=-1e9, high=1e9)
    grid = lambda x, number: (  # noqa: E731
        (127.5 * x + 127.5).unfold(2, 9, 9).unfold(3, 9, 9)[number // 144, :, number % 144 // 12, number % 12]
    )
    before, after, donor = (
        torch.fft.fft2(grid(*pair)) for pair in ((images, targets), (mixed, targets), (images, donors))
    )
    large = before.abs() > 1
    turned = (after / before).angle().abs()[large]
    assert turned.max() < 1e-8
    s = share.double()[:, None]
    wanted = (1 - s) * before[..., 0, 0].real + s * donor[..., 0, 0].real
    torch.testing.assert_close(after[..., 0, 0].real, wanted)


def test_only_the_active_patches_change_and_the_input_stays():
    images, targets, donors, share, active = random_inputs(6, probability=0.5)
    assert 0 < active.sum() < len(active)
    before = images.clone()
    mixed = amplitude_mix(images, targets, donors, share, active)
    assert torch.equal(images, before)
    changed = (mixed != images).any(dim=1)
    cells = changed[:, :108, :108].unflatten(1, (12, 9)).unflatten(3, (12, 9)).any(dim=(2, 4)).flatten()
    assert torch.equal(cells.nonzero().squeeze(1), targets[active].sort().values)
    assert not changed[:, 108:].any()
    assert not changed[:, :, 108:].any()
    nothing = amplitude_mix(images, targets, donors, share, torch.zeros_like(active))
    assert torch.equal(nothing, images)
    assert nothing.data_ptr() != images.data_ptr()


def test_donors_are_the_clean_patches():
    """A patch that takes all amplitude of one that is itself perturbed gets the clean one's."""
    images, *_ = random_inputs(2, dtype=torch.float64)
    both, crossed = torch.tensor([0, 144]), torch.tensor([144, 0])
    one, yes = torch.ones(2), torch.ones(2, dtype=torch.bool)
    together = amplitude_mix(images, both, crossed, one, yes)
    alone = amplitude_mix(images, both[1:], crossed[1:], one[1:], yes[1:])
    assert torch.equal(together[1], alone[1])


@pytest.mark.parametrize("level", [0, 255, 200], ids=lambda level: f"level{level}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flat_patch_has_no_phase_of_its_own(level, dtype):
    """Phase 0 for all but the mean: the result is the inverse of the donor's amplitude alone, in any precision."""
    images = random_inputs(2, size=(9, 9), patches=1)[0].to(dtype)
    images[0] = level / 127.5 - 1
    one = (torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25]), torch.tensor([True]))
    mixed = 127.5 * amplitude_mix(images, *one)[0].double() + 127.5
    amplitude = np.abs(np.fft.fft2(images[1].double().numpy() * 127.5 + 127.5)) * 0.25
    amplitude[:, 0, 0] += 0.75 * level * 81
    np.testing.assert_allclose(mixed, np.fft.ifft2(amplitude).real.clip(0, 255), atol=2e-3)


def test_images_with_strides_empty_batches_and_no_patches():
    inputs = random_inputs(2, probability=1.0)
    wanted = amplitude_mix(*inputs)
    strided = torch.stack([inputs[0], torch.full_like(inputs[0], float("nan"))], dim=-1)[..., 0]
    assert torch.equal(amplitude_mix(strided, *inputs[1:]), wanted)
    channels_last = inputs[0].to(memory_format=torch.channels_last)
    assert torch.equal(amplitude_mix(channels_last, *inputs[1:]), wanted)
    empty = random_inputs(0)
    assert amplitude_mix(*empty).shape == (0, 3, 112, 112)
    assert torch.equal(amplitude_mix(inputs[0], *(x[:0] for x in inputs[1:])), inputs[0])


def test_short_floats_are_mixed_in_float32():
    inputs = random_inputs(2, probability=1.0, dtype=torch.bfloat16)
    mixed = amplitude_mix(*inputs)
    assert mixed.dtype == torch.bfloat16
    assert error_ratio(mixed, amplitude_mix_reference(inputs[0].float(), *inputs[1:])) < 5e-3


def test_the_result_is_a_constant():
    images, *rest = random_inputs(1, probability=1.0)
    assert not amplitude_mix(images.requires_grad_(), *rest).requires_grad


def test_is_registered_as_torch_wants_it():
    inputs = random_inputs(1, size=(20, 20), patches=2, probability=1.0)
    plain = (9, 127.5, 127.5, 0.0, 255.0, False, "reference")
    torch.library.opcheck(amplitude_mix_op, (*inputs, *plain))
    compiled = torch.compile(amplitude_mix, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs), amplitude_mix(*inputs))


def test_choice(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    inputs = random_inputs(1)
    assert package.pick(inputs[0]) == "reference"
    with pytest.raises(UsageError, match=r"backend=triton was asked for.*needs a CUDA device"):
        amplitude_mix(*inputs, backend="triton")


def test_wrong_arguments_are_named():
    images, targets, donors, share, active = random_inputs(1)
    for change, words in [
        ((images[0], targets, donors, share, active), r"wanted are floats \(B, C, H, W\)"),
        ((images.byte(), targets, donors, share, active), "torch.uint8"),
        ((images, targets, donors[1:], share, active), r"donors has shape \(6,\)"),
        ((images, targets.float(), donors, share, active), "targets are torch.float32"),
        ((images, targets, donors, share, active.long()), "active torch.int64; wanted are floats and bools"),
        ((images[:, :, :5], targets, donors, share, active), "hold no patch of 9 pixels"),
    ]:
        with pytest.raises(ValueError, match=words):
            amplitude_mix(*change)
    with pytest.raises(ValueError, match="patch is 17"):
        amplitude_mix(images, targets, donors, share, active, patch=17)
    with pytest.raises(IndexError):
        amplitude_mix(images, targets + 144, donors, share, torch.ones_like(active))
