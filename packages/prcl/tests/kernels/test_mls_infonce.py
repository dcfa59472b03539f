"""The contrastive loss against its definition by check_op, what must hold for any input, and wrong arguments."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from vitrail.errors import VitrailError
from vitrail_prcl.kernels.mls_infonce import doctor, mls_infonce, pick
from vitrail_prcl.kernels.mls_infonce.reference import SMALLEST, mls_infonce_reference, mutual_likelihood
from vitrail_prcl.kernels.mls_infonce.sample import random_inputs
from vitrail_training.kernels.check import Case, check_op, error_ratio

SCALE = 0.1
BACKENDS = ("reference", "cpu")


def with_backend(name: str, *, scale: float = SCALE, shared: bool = False):
    def op(mean, variance, others):
        return mls_infonce(mean, variance, *others, scale=scale, shared=shared, backend=name)

    op.__name__ = f"mls_infonce[{name}, shared {shared}]"
    return op


def by_definition(shared: bool = False):
    def op(mean, variance, others):
        return mls_infonce_reference(mean, variance, *others, SCALE, shared)

    return op


def case(name: str, *size: int, **options) -> Case:
    """What has a gradient, and the other arguments as one plain value."""
    inputs = random_inputs(*size, **options)
    return Case(name, (inputs.mean, inputs.variance, inputs[2:]))


def cases(**options) -> list[Case]:
    return [
        case("A4-G2-P6-N3-D8-V2", 4, 2, 6, 3, 8, 2, **options),
        case("odd-A9-G4-P50-N63-D60-V5", 9, 4, 50, 63, 60, 5, **options),
        case("no-virtual-A5-D33", 5, 2, 9, 7, 33, **options),
        case("no-negatives-A4-D16-V3", 4, 2, 0, 0, 16, 3, **options),
        case("nothing-but-positives", 3, 2, 5, 0, 7, **options),
        case("no-anchors", 0, 2, 5, 3, 7, 2, **options),
    ]


def loss_and_gradients(inputs, scale=SCALE, **options):
    leaves = [x.detach().clone().requires_grad_() for x in inputs[:2]]
    loss = mls_infonce(*leaves, *inputs[2:], scale=scale, **options)
    loss.sum().backward()
    return loss.detach(), *(leaf.grad for leaf in leaves)


def assert_same(one, other, tolerance=1e-6) -> None:
    for name, a, b in zip(("loss", "gradient of mean", "gradient of variance"), one, other):
        assert error_ratio(a, b) < tolerance, name


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_op(backend, shared):
    found = with_backend(backend, shared=shared)
    check_op(found, by_definition(shared), cases(shared=shared), double=backend == "reference")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_op_in_short_dtypes(dtype):
    check_op(with_backend("cpu"), by_definition(), cases(dtype=dtype))


@pytest.mark.parametrize("scale", [1 / 256 / 100, 1 / 256 / 0.5, 1 / 256 / 0.1], ids=["T100", "T.5", "T.1"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_at_the_papers_width(backend, scale):
    """To float32's last digits, values and gradients, at the temperatures in use."""
    inputs = random_inputs(24, 3, 400, 64, 256, 20)
    wanted = loss_and_gradients([x.double() if x.is_floating_point() else x for x in inputs], scale)
    assert_same(loss_and_gradients(inputs, scale, backend=backend), wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("least", [1e-4, 1e-9])
def test_small_variances(backend, least):
    """Products of four 1e-9 still are float32; a variance below that counts as it."""
    inputs = random_inputs(5, 2, 30, 9, 40, 3)
    small = [least * (1 + torch.rand(x.shape)) for x in (inputs.variance, inputs.key_variance)]
    inputs = inputs._replace(variance=small[0], key_variance=small[1], positive_variance=0 * inputs[4])
    scale = least  # logits of order one
    wanted = loss_and_gradients([x.double() if x.is_floating_point() else x for x in inputs], scale)
    assert_same(loss_and_gradients(inputs, scale, backend=backend), wanted, 1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_variance_of_zero_is_finite(backend, dtype):
    inputs = random_inputs(5, 2, 30, 9, 40, 3, dtype=dtype)
    inputs = inputs._replace(variance=0 * inputs.variance, positive_variance=0 * inputs.positive_variance)
    least = torch.full(inputs.variance.shape, SMALLEST)
    smallest = inputs._replace(mean=inputs.mean.float(), variance=least)
    loss, by_mean, by_variance = loss_and_gradients(inputs, backend=backend)
    assert loss.isfinite().all()
    assert torch.equal(loss, loss_and_gradients(smallest, backend=backend)[0])
    assert not by_mean.isnan().any()  # some 1e9, which float16 does not hold
    assert by_variance.tolist() == torch.zeros_like(by_variance).tolist()


def test_the_score_is_that_of_two_gaussians():
    """Symmetric, and the log density of their difference at 0 up to a constant; scaled by 1 / D."""
    a, s, _, _, _, b, t, *_ = random_inputs(7, 1, 7, 0, 60, dtype=torch.float64)
    score = mutual_likelihood(a, s, b, t, 1 / 60)
    assert torch.equal(score, mutual_likelihood(b, t, a, s, 1 / 60))
    density = torch.distributions.Normal(a - b, (s + t).sqrt()).log_prob(torch.zeros_like(a))
    torch.testing.assert_close(score, density.mean(dim=1) + 0.5 * math.log(2 * math.pi))


def test_the_score_falls_with_distance_and_is_largest_where_the_variance_is_its_square():
    a, s, _, _, _, b, t, *_ = random_inputs(1, 1, 1, 0, 60, dtype=torch.float64)
    further = [mutual_likelihood(a, s, a + step * (b - a), t, 1.0).item() for step in (0, 0.5, 1, 2)]
    assert further == sorted(further, reverse=True)
    best = (a - b).square()
    at_best, below, above = (mutual_likelihood(a, f * best, b, 0 * t, 1.0).item() for f in (1, 0.9, 1.1))
    assert at_best > max(below, above)
    flat = mutual_likelihood(a, s + 1e6, b, t, 1.0) - mutual_likelihood(a, s + 1e6, a, t, 1.0)
    assert abs(flat.item()) < 1e-5  # distance no longer counts


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_order_of_the_negatives_does_not_count(backend):
    inputs = random_inputs(6, 3, 50, 40, 60, 6)
    virtual = inputs.virtual_mean[:, torch.randperm(6)]
    turned = inputs._replace(index=inputs.index[:, torch.randperm(40)], virtual_mean=virtual)
    assert_same(
        loss_and_gradients(turned, backend=backend), loss_and_gradients(inputs, backend=backend), 2e-6
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_twice_the_negatives_add_ln_2_to_their_log_sum(backend):
    inputs = random_inputs(6, 3, 50, 20, 60, 6)
    twice = inputs._replace(index=inputs.index.repeat(1, 2), virtual_mean=inputs.virtual_mean.repeat(1, 2, 1))
    once, again = (mls_infonce(*x, scale=SCALE, backend=backend) for x in (inputs, twice))
    log_sum = [loss.expm1().log() for loss in (once, again)]  # of the negatives, beyond the positive's logit
    torch.testing.assert_close(log_sum[1], log_sum[0] + math.log(2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_logits_and_a_perfect_separation(backend):
    inputs = random_inputs(4, 1, 1, 9, 33, 5)
    same = inputs._replace(key_mean=inputs.positive_mean, key_variance=inputs.positive_variance)
    same = same._replace(positive_variance=0 * same.key_variance, key_variance=0 * same.key_variance)
    same = same._replace(virtual_mean=same.positive_mean[:, None].expand(1, 5, 33))
    loss = mls_infonce(*same, scale=SCALE, backend=backend)
    torch.testing.assert_close(loss, torch.full((4,), math.log(15)))
    far = same._replace(key_mean=same.key_mean + 100, virtual_mean=same.virtual_mean - 100)
    loss, *slopes = loss_and_gradients(far, 1.0, backend=backend)
    assert loss.tolist() == [0.0] * 4
    assert all(slope.isfinite().all() and slope.abs().max() < 1e-20 for slope in slopes)


@pytest.mark.parametrize("close", [False, True], ids=["apart", "close"])
@pytest.mark.parametrize("least", [0.1, 1e-3, 1e-4])
def test_virtual_negatives_are_keys_of_variance_zero(least, close):
    """Their own path, with one reciprocal and one logarithm an anchor, is as exact as the general one."""
    inputs = random_inputs(6, 3, 50, 8, 256, 6)
    variance = least * (1 + torch.rand(inputs.variance.shape))
    virtual = inputs.virtual_mean
    if close:
        virtual = inputs.positive_mean[:, None] + 1e-3 * torch.randn(virtual.shape)
    inputs = inputs._replace(variance=variance, virtual_mean=virtual, mean=inputs.positive_mean[inputs.group])
    key_mean = torch.cat((inputs.key_mean, virtual.flatten(0, 1)))
    key_variance = torch.cat((inputs.key_variance, torch.zeros(18, 256)))
    more = 50 + 6 * inputs.group[:, None] + torch.arange(6)
    general = inputs._replace(
        key_mean=key_mean,
        key_variance=key_variance,
        index=torch.cat((inputs.index, more), 1),
        virtual_mean=virtual[:, :0],
    )
    scale = 1 / 256 / 0.5
    wanted = loss_and_gradients([x.double() if x.is_floating_point() else x for x in general], scale)
    for backend in BACKENDS:
        assert_same(loss_and_gradients(inputs, scale, backend=backend), wanted, 2e-5)
        assert_same(loss_and_gradients(general, scale, backend=backend), wanted, 2e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_virtual_negatives_are_a_matrix_product(backend):
    """sum (a - v)^2 / s = [a^2 / s, a / s, 1 / s] . [1, -2 v, v^2], here in float64, where it may cancel."""
    inputs = random_inputs(6, 3, 5, 0, 60, 7)
    a, s, group, p, r, *_, v = (x.double() if x.is_floating_point() else x for x in inputs)
    left = torch.cat((a * a / s, a / s, 1 / s), dim=1)
    right = torch.cat((torch.ones_like(v), -2 * v, v * v), dim=2)
    squares = torch.einsum("ad,akd->ak", left, right[group])
    logits = -0.5 * SCALE * (squares + s.log().sum(dim=1, keepdim=True))
    ahead = logits.logsumexp(dim=1) - mutual_likelihood(a, s, p[group], r[group], SCALE)
    found = mls_infonce(*inputs, scale=SCALE, backend=backend)
    torch.testing.assert_close(found.double(), torch.nn.functional.softplus(ahead), rtol=1e-6, atol=1e-7)


def test_zero_variance_is_the_limit_of_a_small_one():
    inputs = random_inputs(6, 1, 50, 8, 60, dtype=torch.float64)
    results = [
        loss_and_gradients(inputs._replace(key_variance=torch.full_like(inputs.key_variance, t)))
        for t in (0.0, 1e-8)
    ]
    assert_same(*results, 1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_variance_for_all_dimensions_is_a_cosine(backend):
    """-1/2 [(2 - 2 cos) / (D d) + ln d] with the mean over dimensions, for unit means."""
    inputs = random_inputs(6, 3, 50, 20, 64)
    flat = [x[:, :1].expand(-1, 64).contiguous() for x in (inputs[1], inputs[4], inputs[6])]
    inputs = inputs._replace(variance=flat[0], positive_variance=flat[1], key_variance=flat[2])
    a, s, group, p, r, k, t, index, _ = (x.double() if x.is_floating_point() else x for x in inputs)
    means = torch.cat((p[group][:, None], k[index]), dim=1)
    d = s[:, :1] + torch.cat((r[group][:, None, 0], t[index][..., 0]), dim=1)
    cosine = torch.einsum("ad,akd->ak", a, means)
    logits = -0.5 * ((2 - 2 * cosine) / (64 * d) + d.log()) / 0.5
    wanted = logits.logsumexp(dim=1) - logits[:, 0]
    torch.testing.assert_close(
        mls_infonce(*inputs, scale=1 / 64 / 0.5, backend=backend).double(), wanted, rtol=1e-5, atol=1e-6
    )


def test_the_sum_over_dimensions_is_the_mean_at_another_temperature():
    a, s, _, _, _, b, t, *_ = random_inputs(5, 1, 5, 0, 256, dtype=torch.float64)
    each = -0.5 * ((a - b).square() / (s + t) + (s + t).log())
    torch.testing.assert_close(mutual_likelihood(a, s, b, t, 1 / (256 * 0.5)), each.mean(dim=1) / 0.5)
    torch.testing.assert_close(mutual_likelihood(a, s, b, t, 1 / 128), each.sum(dim=1) / 128)


@pytest.mark.parametrize("backend", BACKENDS)
def test_shared_negatives_are_each_anchors_negatives(backend):
    inputs = random_inputs(7, 3, 50, 20, 60, 2, shared=True)
    own = inputs._replace(index=inputs.index[inputs.group])
    shared = loss_and_gradients(inputs, shared=True, backend=backend)
    for one, other in zip(shared, loss_and_gradients(own, backend=backend)):
        assert torch.equal(one, other)


@pytest.mark.parametrize("backend", BACKENDS)
def test_groups_without_anchors_and_anchors_in_any_order(backend):
    inputs = random_inputs(8, 5, 50, 20, 60, 4)
    inputs = inputs._replace(group=torch.tensor([4, 1, 1, 4, 3, 4, 1, 3]))
    together = loss_and_gradients(inputs, backend=backend)
    for i in range(8):
        one = [x[i : i + 1] if j in (0, 1, 2, 7) else x for j, x in enumerate(inputs)]
        for alone, all_ in zip(loss_and_gradients(one, backend=backend), together):
            torch.testing.assert_close(alone[0], all_[i], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_strides_and_dtypes_of_what_is_constant(backend):
    inputs = random_inputs(6, 3, 50, 20, 60, 2)
    wanted = mls_infonce(*inputs, scale=SCALE, backend=backend)

    def strided(x):
        spare = torch.full_like(x, torch.nan) if x.is_floating_point() else x * 0
        return torch.stack((x, spare), dim=-1)[..., 0]

    assert torch.equal(mls_infonce(*map(strided, inputs), scale=SCALE, backend=backend), wanted)
    doubles = inputs._replace(positive_mean=inputs[3].double(), positive_variance=inputs[4].double())
    assert torch.equal(mls_infonce(*doubles, scale=SCALE, backend=backend), wanted)
    halves = inputs._replace(key_mean=inputs.key_mean.half(), key_variance=inputs.key_variance.bfloat16())
    floats = halves._replace(key_mean=halves.key_mean.float(), key_variance=halves.key_variance.float())
    assert torch.equal(
        mls_infonce(*halves, scale=SCALE, backend=backend), mls_infonce(*floats, scale=SCALE, backend=backend)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_anchors_have_gradients(backend):
    inputs = [x.requires_grad_() if x.is_floating_point() else x for x in random_inputs(4, 2, 9, 5, 16, 3)]
    mls_infonce(*inputs, scale=SCALE, backend=backend).sum().backward()
    assert [x.grad is not None for x in inputs] == [True, True] + [False] * 7


def test_what_is_kept_for_the_backward_pass():
    inputs = random_inputs(8, 2, 50, 20, 32, 4)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        mls_infonce(inputs.mean.requires_grad_(), *inputs[1:], scale=SCALE)
    assert kept == [8 * 32] * 2


def test_the_definition_in_pieces(monkeypatch):
    from vitrail_prcl.kernels.mls_infonce import reference

    inputs = random_inputs(7, 3, 50, 20, 60, 2)
    wanted = loss_and_gradients(inputs, backend="reference")
    monkeypatch.setattr(reference, "ELEMENTS", 1)
    for one, other in zip(loss_and_gradients(inputs, backend="reference"), wanted):
        assert torch.equal(one, other)


def test_the_choice_of_a_backend(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert pick(torch.empty(1, 4)) == "cpu"
    assert pick(torch.empty(1, 4, dtype=torch.float64)) == "reference"
    assert next(iter(doctor())).level == "ok"
    inputs = random_inputs(2, 2, 5, 3, 4)
    for name, reason in [("triton", "needs a CUDA device"), ("fast", "unknown")]:
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        with pytest.raises(VitrailError, match=f"VITRAIL_KERNELS={name} .*{reason}"):
            mls_infonce(*inputs, scale=SCALE)
    for name in BACKENDS:
        monkeypatch.setenv("VITRAIL_KERNELS", name)
        assert mls_infonce(*inputs, scale=SCALE).shape == (2,)


def test_without_numba_auto_falls_back_and_doctor_says_so():
    program = """
import sys
sys.modules["numba"] = None
from vitrail_prcl.kernels.mls_infonce import doctor, mls_infonce, pick
from vitrail_prcl.kernels.mls_infonce.sample import random_inputs
inputs = random_inputs(2, 2, 5, 3, 4)
assert pick(inputs[0]) == "reference"
assert mls_infonce(*inputs, scale=1.0).isfinite().all()
print([(line.level, line.text) for line in doctor()][0])
"""
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "problem" in output
    assert "numba" in output


def test_wrong_arguments():
    inputs = random_inputs(3, 2, 9, 5, 16, 3)
    wrong = {
        r"mean is torch.int64": {"mean": inputs.mean.long()},
        r"variance is torch.float32 of shape \(3, 15\); wanted is torch.float32 \(3, 16\)": {
            "variance": inputs.variance[:, 1:]
        },
        r"variance is torch.float64": {"variance": inputs.variance.double()},
        r"group is torch.int32 of shape \(3,\); wanted is int64 \(3,\)": {"group": inputs.group.int()},
        r"positive_mean and positive_variance have shapes": {"positive_mean": inputs.positive_mean[:1]},
        r"key_mean and key_variance .* wanted is \(P, 16\)": {"key_variance": inputs.key_variance[:, 1:]},
        r"virtual_mean has shape \(1, 3, 16\); wanted is \(2, V, 16\)": {
            "virtual_mean": inputs.virtual_mean[:1]
        },
        r"index is torch.int64 of shape \(2, 5\); wanted is int64 \(3, N\), as shared is False": {
            "index": inputs.index[:2]
        },
        r"must be floats": {"key_mean": inputs.key_mean.int()},
    }
    for message, change in wrong.items():
        with pytest.raises(ValueError, match=message):
            mls_infonce(*inputs._replace(**change), scale=SCALE)
    with pytest.raises(ValueError, match=r"wanted is int64 \(2, N\), as shared is True"):
        mls_infonce(*inputs, scale=SCALE, shared=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_numbers_out_of_range_are_named_on_a_cpu(backend):
    inputs = random_inputs(3, 2, 9, 5, 16)
    for change, message in (
        ({"index": inputs.index + 9}, r"index has numbers from \d+ to \d+; wanted is 0 to 8"),
        ({"group": torch.tensor([0, -1, 1])}, r"group has numbers from -1 to 1; wanted is 0 to 1"),
    ):
        with pytest.raises(IndexError, match=message):
            mls_infonce(*inputs._replace(**change), scale=SCALE, backend=backend)


def test_torch_compile_sees_one_graph(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    inputs = random_inputs(4, 2, 9, 5, 16, 3)

    def loss(mean, variance):
        return mls_infonce(mean, variance, *inputs[2:], scale=SCALE).mean()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")  # a graph break would raise
    leaves, again = ([x.clone().requires_grad_() for x in inputs[:2]] for _ in range(2))
    loss(*leaves).backward()
    compiled(*again).backward()
    for one, other in zip(leaves, again):
        assert torch.equal(one.grad, other.grad)
