"""The Triton kernels on a device."""

from __future__ import annotations

import pytest
import torch

from vitrail_prcl.kernels import mls_infonce as loss_package
from vitrail_prcl.kernels import prototypes as sums_package
from vitrail_prcl.kernels.mls_infonce import mls_infonce
from vitrail_prcl.kernels.mls_infonce.op import WIDEST
from vitrail_prcl.kernels.mls_infonce.reference import mls_infonce_reference
from vitrail_prcl.kernels.mls_infonce.sample import random_inputs
from vitrail_prcl.kernels.prototypes import class_sums
from vitrail_training.kernels.check import Case, check_op, error_ratio

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
SCALE = 0.1


def case(name: str, *size: int, **options) -> Case:
    inputs = random_inputs(*size, device="cuda", **options)
    return Case(name, (inputs.mean, inputs.variance, inputs[2:]))


def loss_and_gradients(inputs, scale=SCALE, **options):
    leaves = [x.detach().requires_grad_() for x in inputs[:2]]
    loss = mls_infonce(*leaves, *inputs[2:], scale=scale, **options)
    return loss.detach(), *torch.autograd.grad(loss.sum(), leaves)


def in_float64(inputs, scale=SCALE):
    leaves = [x.detach().double().requires_grad_() for x in inputs[:2]]
    losses = [  # some anchors at a time, for the definition holds all differences
        mls_infonce_reference(
            *(x[i : i + 64] for x in leaves), inputs[2][i : i + 64], *inputs[3:7], inputs[7][i : i + 64], inputs[8],
            scale,
        )
        for i in range(0, len(leaves[0]), 64)
    ]  # fmt: skip
    gradients = [torch.autograd.grad(loss.sum(), leaves) for loss in losses]
    return torch.cat(losses).detach(), *(sum(parts) for parts in zip(*gradients))


def test_are_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    for package in (loss_package, sums_package):
        assert package.pick(torch.zeros(1, 4, device="cuda")) == "triton"
        assert package.pick(torch.zeros(1, 4, device="cuda", dtype=torch.float64)) == "reference"
        assert all(line.level == "ok" for line in package.doctor())
    assert loss_package.pick(torch.zeros(1, WIDEST + 1, device="cuda")) == "reference"


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_op(dtype, shared):
    def by_triton(mean, variance, others):
        return mls_infonce(mean, variance, *others, scale=SCALE, shared=shared, backend="triton")

    def by_definition(mean, variance, others):
        return mls_infonce_reference(mean, variance, *others, SCALE, shared)

    options = {"dtype": dtype, "shared": shared}
    cases = [
        case("A4-G2-P6-N3-D8-V2", 4, 2, 6, 3, 8, 2, **options),
        case("odd-A9-G4-P50-N63-D60-V5", 9, 4, 50, 63, 60, 5, **options),
        case("A100-G21-P3000-N512-D256-V80", 100, 21, 3000, 512, 256, 80, **options),
        case("wide-A5-D2047", 5, 2, 9, 7, 2047, 3, **options),
        case("no-virtual-A5-D33", 5, 2, 9, 7, 33, **options),
        case("no-negatives-A4-D16-V3", 4, 2, 0, 0, 16, 3, **options),
        case("nothing-but-positives", 3, 2, 5, 0, 7, **options),
        case("no-anchors", 0, 2, 5, 3, 7, 2, **options),
    ]
    check_op(by_triton, by_definition, cases)


@pytest.mark.parametrize("temperature", [100, 0.5, 0.1])
def test_real_sizes(temperature):
    inputs = random_inputs(21 * 256, 21, 26_244, 512, 256, 80, device="cuda")
    scale = 1 / 256 / temperature
    wanted = in_float64(inputs, scale)
    for name, one, other in zip(("loss", "dmean", "dvariance"), loss_and_gradients(inputs, scale), wanted):
        assert error_ratio(one, other) < 2e-6, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_keys_in_half_precision_only_lose_their_own_digits(dtype):
    inputs = random_inputs(512, 21, 5000, 512, 256, 80, device="cuda")
    short = inputs._replace(key_mean=inputs.key_mean.to(dtype), key_variance=inputs.key_variance.to(dtype))
    scale = 1 / 256 / 0.1
    for one, other in zip(loss_and_gradients(short, scale), in_float64(short, scale)):
        assert error_ratio(one, other) < 2e-6
    for one, other in zip(loss_and_gradients(short, scale), in_float64(inputs, scale)):
        assert error_ratio(one, other) < 1e-2


@pytest.mark.parametrize("least", [1e-4, 1e-9, 0.0])
def test_small_variances(least):
    inputs = random_inputs(50, 3, 300, 63, 60, 5, device="cuda")
    small = [least * (1 + torch.rand_like(x)) for x in (inputs.variance, inputs.key_variance)]
    inputs = inputs._replace(variance=small[0], key_variance=small[1], positive_variance=0 * inputs[4])
    scale = max(least, 1e-9)  # logits of order one
    for one, other in zip(loss_and_gradients(inputs, scale), in_float64(inputs, scale)):
        assert error_ratio(one, other) < 1e-5


def test_memory_does_not_grow_with_the_negatives():
    """Loss, gradients and little else; the differences alone would be 2.8 GB."""
    inputs = random_inputs(21 * 256, 21, 26_244, 512, 256, 80, device="cuda")
    loss_and_gradients(inputs)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    loss_and_gradients(inputs)
    torch.cuda.synchronize()
    beyond = torch.cuda.max_memory_allocated() - before
    assert beyond <= 6 * inputs.mean.nbytes, f"{beyond / 2**20:.1f} MB"


def pixels(count: int, width: int, classes: int, dtype=torch.float32):
    generator = torch.Generator("cuda").manual_seed(count)
    mean = torch.randn(count, width, generator=generator, device="cuda").to(dtype)
    variance = (0.01 + torch.rand(count, width, generator=generator, device="cuda")).to(dtype)
    return mean, variance, torch.randint(-1, classes, (count,), generator=generator, device="cuda")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("size", [(26_244, 256, 21), (63, 7, 150), (1, 60, 2), (0, 7, 3)], ids=str)
def test_class_sums(size, dtype):
    mean, variance, labels = pixels(*size, dtype)
    found = class_sums(mean, variance, labels, size[2], backend="triton")
    wanted = class_sums(mean.cpu(), variance.cpu(), labels.cpu(), size[2], backend="reference")
    for one, other in zip(found, wanted):
        assert one.dtype == other.dtype
        assert error_ratio(one, other) < 1e-14
    strided = class_sums(mean.T.contiguous().T, variance, labels, size[2], backend="triton")
    assert all(torch.equal(one, other) for one, other in zip(strided, found))


def test_the_same_bits_from_run_to_run():
    inputs = random_inputs(512, 21, 5000, 512, 256, 80, device="cuda")
    given = pixels(26_244, 256, 21)

    def run():
        return *loss_and_gradients(inputs), *class_sums(*given, 21)

    first = run()
    for _ in range(5):
        assert all(torch.equal(one, again) for one, again in zip(first, run()))


def test_nothing_waits_for_the_device():
    inputs = random_inputs(64, 5, 300, 32, 64, 8, device="cuda")
    given = pixels(300, 64, 5)
    loss_and_gradients(inputs), class_sums(*given, 5)  # compiles
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss_and_gradients(inputs)
        class_sums(*given, 5)
    finally:
        torch.cuda.set_sync_debug_mode("default")
