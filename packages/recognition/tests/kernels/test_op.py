"""The op against its definition by check_op, the choice of a backend, and wrong arguments."""

from __future__ import annotations

import math

import pytest
import torch

from vitrail.errors import VitrailError
from vitrail_recognition.kernels.class_softmax import backends, chunked, class_softmax, doctor
from vitrail_recognition.kernels.class_softmax.reference import class_softmax_reference
from vitrail_recognition.kernels.class_softmax.sample import random_inputs
from vitrail_training.kernels.check import Case, check_op, error_ratio

SCALE = 16.0


def defined(threshold):
    def by_definition(embeddings, centres, labels):
        return class_softmax_reference(embeddings, centres, labels, SCALE, threshold or math.inf)

    return by_definition


def with_backend(name, threshold=None, block=0):
    def op(embeddings, centres, labels):
        return class_softmax(
            embeddings,
            centres,
            labels,
            scale=SCALE,
            threshold=threshold,
            want_mean=True,
            block=block,
            backend=name,
        )

    op.__name__ = f"class_softmax[{name}, threshold {threshold}, block {block}]"
    return op


CASES = [
    Case("B8-D16-C64", random_inputs(8, 16, 64)),
    Case("odd-B5-D7-C33", random_inputs(5, 7, 33, absent=0.4)),
    Case("one-sample-B1-D3-C2", random_inputs(1, 3, 2)),
    Case("tiny-B3-D2-C5", random_inputs(3, 2, 5)),
    Case("no-samples", (torch.empty(0, 4), torch.randn(6, 4), torch.empty(0, dtype=torch.long))),
]


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_reference_op(threshold):
    check_op(with_backend("reference", threshold), defined(threshold), CASES[1:], double=True)


@pytest.mark.parametrize("threshold", [None, 0.3])
@pytest.mark.parametrize("block", [0, 7])
def test_chunked_op(threshold, block):
    check_op(with_backend("cpu", threshold, block), defined(threshold), CASES, double=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_chunked_op_in_short_dtypes(dtype):
    inputs = random_inputs(5, 8, 33, dtype=dtype)
    check_op(with_backend("cpu", None, 16), defined(None), [Case("B5-D8-C33", inputs), CASES[-1]])


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_filtered_class_counts_as_cosine_zero(backend):
    """Two other classes, one of them at cosine 0.9 above the threshold; the target is above it too and stays."""
    centres = torch.tensor([[1.0, 0.0], [0.9, math.sqrt(0.19)], [0.1, math.sqrt(0.99)]], requires_grad=True)
    rest, target, _ = class_softmax(
        torch.tensor([[1.0, 0.0]]), centres, torch.tensor([0]), scale=8.0, threshold=0.4, backend=backend
    )
    assert target.item() == pytest.approx(1.0)
    assert rest.item() == pytest.approx(math.log(math.exp(0.0) + math.exp(0.8)), abs=1e-6)
    rest.sum().backward()
    assert centres.grad[1].abs().max() == 0
    assert centres.grad[2].abs().max() > 0


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_without_other_classes(backend):
    embeddings, centres, labels = random_inputs(3, 4, 1)
    rest, target, mean = class_softmax(embeddings, centres, labels, want_mean=True, backend=backend)
    assert rest.tolist() == [-math.inf] * 3
    assert mean.isfinite().all() or backend == "reference"
    torch.testing.assert_close(target, embeddings @ torch.nn.functional.normalize(centres)[0])
    rest, target, _ = class_softmax(embeddings, centres[:0], torch.full((3,), -1), backend=backend)
    assert rest.tolist() == [-math.inf] * 3
    assert target.tolist() == [0.0] * 3


def test_large_logits_do_not_overflow():
    embeddings = torch.eye(4)[:3].requires_grad_()
    centres = torch.eye(4).requires_grad_()
    rest, target, _ = class_softmax(embeddings, centres, torch.arange(3), scale=1000.0)
    (rest - target).sum().backward()
    assert rest.tolist() == pytest.approx([math.log(3)] * 3)
    assert embeddings.grad.isfinite().all()
    assert centres.grad.isfinite().all()


def test_the_mean_logit_is_only_computed_when_asked_for():
    inputs = random_inputs(4, 8, 20)
    assert class_softmax(*inputs).mean.tolist() == [0.0] * 4
    wanted = class_softmax_reference(*(x.double() for x in inputs[:2]), inputs[2], 64.0)[2]
    assert error_ratio(class_softmax(*inputs, want_mean=True).mean, wanted) < 1e-5


def test_the_choice_of_a_backend(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert backends.pick(torch.empty(0)) == "cpu"
    assert backends.pick(torch.empty(0, dtype=torch.float64)) == "cpu"
    assert next(iter(doctor())).level == "ok"
    inputs = random_inputs(2, 4, 5)
    for name, reason in [("triton", "needs a CUDA device"), ("fast", "unknown")]:
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        with pytest.raises(VitrailError, match=f"VITRAIL_KERNELS={name} .*{reason}"):
            class_softmax(*inputs)
    for name in ("cpu", "reference"):
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        assert class_softmax(*inputs).rest.shape == (2,)


def test_wrong_arguments():
    embeddings, centres, labels = random_inputs(2, 4, 5)
    with pytest.raises(ValueError, match=r"\(B, D\) and \(C, D\)"):
        class_softmax(embeddings[:, :3], centres, labels)
    with pytest.raises(ValueError, match="labels must be integers"):
        class_softmax(embeddings, centres, labels[:1])
    with pytest.raises(ValueError, match="labels must be integers"):
        class_softmax(embeddings, centres, labels.float())
    with pytest.raises(ValueError, match="float dtypes"):
        class_softmax(embeddings.long(), centres, labels)
    with pytest.raises(ValueError, match="precision"):
        class_softmax(embeddings, centres, labels, precision="int8")


def test_autocast_does_not_reach_the_cpu_path():
    inputs = random_inputs(3, 16, 40)
    wanted = class_softmax(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = class_softmax(*inputs)
    torch.testing.assert_close(found.rest, wanted.rest, rtol=0, atol=0)


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    embeddings, centres, labels = random_inputs(3, 4, 9)

    def loss(embeddings, centres):
        rest, target, _ = class_softmax(embeddings, centres, labels)
        return (rest - target).sum()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")  # a graph break would raise
    leaves = [embeddings.clone().requires_grad_(), centres.clone().requires_grad_()]
    again = [embeddings.clone().requires_grad_(), centres.clone().requires_grad_()]
    loss(*leaves).backward()
    compiled(*again).backward()
    for one, other in zip(leaves, again):
        torch.testing.assert_close(one.grad, other.grad)


def test_the_gradient_of_the_centres_is_not_copied(monkeypatch):
    """What the op returns becomes W.grad itself: there is no room for a third matrix of W's size."""
    found = []

    def recorded(*arguments):
        gradients = backward(*arguments)
        found.append(gradients[1].data_ptr())
        return gradients

    backward = chunked.backward
    monkeypatch.setattr(chunked, "backward", recorded)
    embeddings, centres, labels = random_inputs(4, 8, 1000)
    centres.requires_grad_()
    rest, target, _ = class_softmax(embeddings, centres, labels, backend="cpu")
    (rest - target).sum().backward()
    assert found == [centres.grad.data_ptr()]
