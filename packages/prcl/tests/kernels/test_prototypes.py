"""The sums by class: against a loop, in any order and division of the pixels, and wrong arguments."""

from __future__ import annotations

import pytest
import torch

from vitrail.errors import VitrailError
from vitrail_prcl.kernels.prototypes import class_sums, doctor, pick
from vitrail_prcl.kernels.prototypes.op import class_sums_op

BACKENDS = ("reference", "cpu")


def pixels(count: int, width: int, classes: int, dtype=torch.float32, seed: int = 0):
    """Means, variances from 0.01 to 1, and labels of which some are -1 and none is the last class."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(count, width, generator=generator)
    variance = 0.01 + 0.99 * torch.rand(count, width, generator=generator)
    labels = torch.randint(-1, max(classes - 1, 1), (count,), generator=generator)
    return mean.to(dtype), variance.to(dtype), labels


def by_loop(mean, variance, labels, classes):
    mean, variance = mean.double(), variance.double()
    members = [labels == c for c in range(classes)]
    precision = torch.stack([(1 / variance[m]).sum(0) for m in members])
    weighted = torch.stack([(mean[m] / variance[m]).sum(0) for m in members])
    return precision, weighted, torch.stack([m.sum() for m in members])


def assert_same(one, other, tolerance=1e-12) -> None:
    for a, b in zip(one[:2], other[:2]):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
    assert torch.equal(one[2], other[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("size", [(300, 60, 5), (63, 7, 21), (1, 256, 2), (9001, 33, 3)], ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_sums(backend, size, dtype):
    given = pixels(*size, dtype=dtype)
    found = class_sums(*given, size[2], backend=backend)
    assert [x.dtype for x in found] == [torch.float64, torch.float64, torch.int64]
    assert_same(found, by_loop(*given, size[2]))
    assert found[2][-1] == 0
    assert not found[0][-1].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_neither_the_order_nor_the_division_of_the_pixels_shows(backend):
    mean, variance, labels = pixels(10_000, 32, 6)
    whole = class_sums(mean, variance, labels, 6, backend=backend)
    turned = torch.randperm(10_000, generator=torch.Generator().manual_seed(1))
    assert_same(class_sums(mean[turned], variance[turned], labels[turned], 6, backend=backend), whole)
    ranks = [
        class_sums(*part, 6, backend=backend)
        for part in zip(*(x.split(3000) for x in (mean, variance, labels)))
    ]
    assert_same([sum(sums) for sums in zip(*ranks)], whole)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_prototype_must_be(backend):
    mean, variance, labels = pixels(500, 16, 4)
    precision, weighted, count = class_sums(mean, variance, labels, 4, backend=backend)
    for c in range(3):
        members = labels == c
        centre = weighted[c] / precision[c]
        assert (1 / precision[c] <= variance[members].amin(0)).all()
        assert (centre >= mean[members].amin(0)).all()
        assert (centre <= mean[members].amax(0)).all()
    single = class_sums(mean[:1], variance[:1], torch.tensor([2]), 4, backend=backend)
    torch.testing.assert_close(single[1][2] / single[0][2], mean[0].double())
    torch.testing.assert_close(1 / single[0][2], variance[0].double())
    equal = class_sums(mean, torch.full_like(variance, 0.3), labels, 4, backend=backend)
    torch.testing.assert_close(equal[1][0] / equal[0][0], mean[labels == 0].double().mean(0))
    assert count[:3].tolist() == [int((labels == c).sum()) for c in range(3)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_pixels_strides_and_mixed_dtypes(backend):
    precision, weighted, count = class_sums(*pixels(0, 7, 3), 3, backend=backend)
    assert precision.shape == weighted.shape == (3, 7)
    assert not precision.any() | weighted.any()
    assert count.tolist() == [0, 0, 0]
    mean, variance, labels = pixels(50, 7, 3)
    wanted = class_sums(mean, variance, labels, 3, backend=backend)
    strided = class_sums(mean.T.contiguous().T, variance.T.contiguous().T, labels, 3, backend=backend)
    assert_same(strided, wanted)
    assert_same(class_sums(mean.half().float(), variance, labels, 3, backend=backend),
                class_sums(mean.half(), variance, labels, 3, backend=backend))  # fmt: skip


def test_opcheck():
    for backend in BACKENDS:
        torch.library.opcheck(class_sums_op, (*pixels(9, 5, 3), 3, backend))


def test_there_is_no_gradient():
    mean, variance, labels = pixels(9, 5, 3)
    assert not any(x.requires_grad for x in class_sums(mean.requires_grad_(), variance, labels, 3))


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    given = pixels(40, 5, 3)
    compiled = torch.compile(lambda *x: class_sums(*x, 3), fullgraph=True, backend="aot_eager")
    assert_same(compiled(*given), class_sums(*given, 3))


def test_the_choice_of_a_backend(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert pick(torch.empty(1, 4)) == "cpu"
    assert next(iter(doctor())).level == "ok"
    doubles = pixels(5, 4, 3, torch.float64)
    assert_same(class_sums(*doubles, 3), by_loop(*doubles, 3))
    with pytest.raises(VitrailError, match="computes in float32"):
        class_sums(*doubles, 3, backend="cpu")
    with pytest.raises(VitrailError, match="needs a CUDA device"):
        class_sums(*pixels(5, 4, 3), 3, backend="triton")


def test_wrong_arguments():
    mean, variance, labels = pixels(5, 4, 3)
    for given, message in (
        ((mean, variance[:4], labels, 3), r"shapes \(5, 4\) and \(4, 4\); wanted is \(P, D\)"),
        ((mean.long(), variance, labels, 3), "mean is torch.int64 .* wanted are floats"),
        ((mean, variance, labels.int(), 3), r"labels are torch.int32 .* wanted is int64 \(5,\)"),
        ((mean, variance, labels, 0), "classes is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            class_sums(*given)
    for backend in BACKENDS:
        with pytest.raises(IndexError, match="labels go up to 3; wanted is at most 2"):
            class_sums(mean, variance, torch.full((5,), 3), 3, backend=backend)
