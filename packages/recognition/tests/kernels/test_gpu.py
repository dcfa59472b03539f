"""The Triton kernels on a device."""

from __future__ import annotations

import math

import pytest
import torch

from vitrail_recognition.kernels.class_softmax import backends, class_softmax, doctor
from vitrail_recognition.kernels.class_softmax.reference import class_softmax_reference
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_training.kernels.check import Case, check_op, error_ratio

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
SCALE = 16.0


@pytest.fixture(autouse=True)
def exact_products():
    """Keep TF32 out of the comparison."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def on_gpu(*size, dtype=torch.float32, **options):
    return tuple(tensor.cuda() for tensor in random_inputs(*size, dtype=dtype, **options))


def by_triton(threshold=None, **options):
    def op(embeddings, centres, labels):
        return class_softmax(
            embeddings,
            centres,
            labels,
            scale=SCALE,
            threshold=threshold,
            want_mean=True,
            backend="triton",
            **options,
        )

    return op


def by_definition(threshold=None):
    def op(embeddings, centres, labels):
        return class_softmax_reference(embeddings, centres, labels, SCALE, threshold or math.inf)

    return op


def both(inputs, loss_scale=1.0, scale=64.0, **options):
    """Results and gradients of the kernels, and of the definition in float64."""
    results = []
    for double in (False, True):
        leaves = [(x.double() if double else x).detach().requires_grad_() for x in inputs[:2]]
        if double:
            found = class_softmax_reference(*leaves, inputs[2], scale)
        else:
            found = class_softmax(
                *leaves, inputs[2], scale=scale, want_mean=True, backend="triton", **options
            )
        # as the mean of a cross entropy arrives
        arriving = torch.sigmoid(found[0].detach() - scale * found[1].detach()) * (
            loss_scale / len(inputs[2])
        )
        torch.autograd.backward(found[:2], [arriving, -scale * arriving])
        results.append([*(value.detach() for value in found), *(leaf.grad for leaf in leaves)])
    return zip(("rest", "target", "mean", "dE", "dW"), *results)


def test_is_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    assert backends.pick(torch.zeros(1, device="cuda")) == "triton"
    assert backends.pick(torch.zeros(1, device="cuda", dtype=torch.float64)) == "cpu"
    assert all(line.level == "ok" for line in doctor())


@pytest.mark.parametrize("threshold", [None, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_op(dtype, threshold):
    cases = [
        Case("B8-D16-C64", on_gpu(8, 16, 64, dtype=dtype)),
        Case("odd-B5-D7-C33", on_gpu(5, 7, 33, dtype=dtype, absent=0.4)),
        Case("B150-D64-C5003", on_gpu(150, 64, 5003, dtype=dtype)),
        Case("tiny-B3-D2-C5", on_gpu(3, 2, 5, dtype=dtype)),
        Case(
            "no-samples", (torch.empty(0, 4, device="cuda", dtype=dtype), *on_gpu(0, 4, 6, dtype=dtype)[1:])
        ),
    ]
    if dtype != torch.float32 and threshold:
        pytest.skip("rounding decides which classes lie above a threshold")
    check_op(by_triton(threshold), by_definition(threshold), cases)


def test_several_blocks():
    cases = [
        Case("B19-D5-C301", on_gpu(19, 5, 301)),
        Case("no-samples", (torch.empty(0, 4, device="cuda"), *on_gpu(0, 4, 6)[1:])),
    ]
    check_op(by_triton(block=100), by_definition(), cases)


@pytest.mark.parametrize("size", [(512, 512, 85_742), (127, 512, 20_011)], ids=["B512-C85742", "B127-C20011"])
def test_real_sizes(size):
    for name, mine, wanted in both(on_gpu(*size)):
        assert error_ratio(mine, wanted) < 1e-4, name


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("loss_scale", [1.0, 65536.0])
def test_short_products_stay_near(precision, loss_scale):
    found = both(on_gpu(512, 512, 85_742), loss_scale, precision=precision)
    limits = {"rest": 1e-3, "target": 1e-6, "mean": 2e-2, "dE": 2e-2, "dW": 2e-2}
    for name, mine, wanted in found:
        assert error_ratio(mine, wanted) < limits[name], name


def test_autocast_gives_the_precision():
    inputs = on_gpu(64, 128, 3000)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        inside = class_softmax(*inputs)
    assert torch.equal(inside.rest, class_softmax(*inputs, precision="bfloat16").rest)
    assert not torch.equal(inside.rest, class_softmax(*inputs).rest)


def test_the_same_bits_from_run_to_run():
    embeddings, centres, labels = on_gpu(256, 128, 30_000)
    leaves = embeddings.requires_grad_(), centres.requires_grad_()

    def run():
        rest, target, _ = class_softmax(*leaves, labels, backend="triton")
        return [rest.detach(), *torch.autograd.grad((rest - 64 * target).sum(), leaves)]

    first = run()
    for _ in range(5):
        assert all(torch.equal(one, again) for one, again in zip(first, run()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_memory_beyond_the_centres_and_their_gradient(precision):
    """64 MB at a million classes; the logits alone would be 2 GB."""
    embeddings, centres, labels = on_gpu(512, 512, 1_000_000)
    leaves = embeddings.requires_grad_(), centres.requires_grad_()

    def run():
        rest, target, _ = class_softmax(*leaves, labels, precision=precision, backend="triton")
        (rest - 64 * target).mean().backward()

    small = [x.detach()[:512].requires_grad_() for x in leaves]
    class_softmax(*small, labels % 512, precision=precision, backend="triton").rest.sum().backward()  # cuBLAS
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    beyond = torch.cuda.max_memory_allocated() - before - centres.nbytes
    assert beyond <= 64 << 20, f"{beyond / 2**20:.1f} MB"
