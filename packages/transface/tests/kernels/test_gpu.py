"""The Triton kernels on a device."""

from __future__ import annotations

import pytest
import torch

from vitrail_training.kernels.check import Case, check_op, error_ratio
from vitrail_transface.config import TOKENS, DPAPConfig
from vitrail_transface.dpap import perturb
from vitrail_transface.kernels import amplitude_mix as mix_package
from vitrail_transface.kernels import gate_spread as gate_package
from vitrail_transface.kernels.amplitude_mix import amplitude_mix
from vitrail_transface.kernels.amplitude_mix.sample import random_inputs as patches
from vitrail_transface.kernels.gate_spread import gate_spread
from vitrail_transface.kernels.gate_spread.reference import gate_spread_reference
from vitrail_transface.kernels.gate_spread.sample import random_inputs as tokens
from vitrail_transface.plugin import vitrail_doctor

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


def test_are_the_choice_on_a_gpu(monkeypatch):
    monkeypatch.delenv("VITRAIL_KERNELS", raising=False)
    for package in (mix_package, gate_package):
        assert package.pick(torch.zeros(1, device="cuda")) == "triton"
        assert package.pick(torch.zeros(1, device="cuda", dtype=torch.float64)) == "reference"
    assert [line.level for line in vitrail_doctor()] == ["ok", "ok"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_gate_spread(dtype):
    cases = [
        Case("S-B4-N144-D512", tokens(4, 144, 512, dtype=dtype, device="cuda")),
        Case("L-B2-N144-D768", tokens(2, 144, 768, dtype=dtype, device="cuda")),
        Case("odd-B1-N7-D33", tokens(1, 7, 33, dtype=dtype, device="cuda")),
        Case("narrowest-B2-N3-D2", tokens(2, 3, 2, dtype=dtype, device="cuda")),
        Case("widest-B1-N2-D8192", tokens(1, 2, 8192, dtype=dtype, device="cuda")),
        Case("no-faces", tokens(0, 144, 8, dtype=dtype, device="cuda")),
    ]

    def by_triton(tokens, gate):
        return gate_spread(tokens, gate, backend="triton")

    check_op(by_triton, gate_spread_reference, cases)


@pytest.mark.parametrize(
    "size",
    [
        {"batch": 128},
        {"batch": 16, "probability": 1.0},
        {"batch": 3, "channels": 1, "size": (31, 45), "probability": 0.7},
        {"batch": 2, "size": (40, 24), "patch": 8, "patches": 4, "probability": 1.0},
        {"batch": 2, "size": (33, 33), "patch": 16, "patches": 2, "probability": 1.0},
    ],
    ids=str,
)
def test_amplitude_mix(size):
    inputs = patches(**size, device="cuda")
    patch = size.get("patch", 9)
    mixed = amplitude_mix(*inputs, patch=patch, backend="triton").double()
    exact = inputs[0].double()
    wanted = amplitude_mix(exact, *inputs[1:], patch=patch, backend="reference")
    assert error_ratio(mixed - exact, wanted - exact) < 1e-4
    assert torch.equal((mixed != exact) & (wanted == exact), torch.zeros_like(exact, dtype=torch.bool))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_amplitude_mix_of_short_floats(dtype):
    inputs = patches(8, probability=1.0, dtype=dtype, device="cuda")
    wanted = amplitude_mix(inputs[0].double(), *inputs[1:], backend="reference")
    assert error_ratio(amplitude_mix(*inputs, backend="triton"), wanted) < 5e-3


def test_the_same_bits_from_run_to_run():
    inputs = patches(32, probability=1.0, device="cuda")
    first = amplitude_mix(*inputs)
    assert all(torch.equal(first, amplitude_mix(*inputs)) for _ in range(5))


def test_a_run_draws_the_same_as_on_the_cpu():
    images = patches(8)[0]
    gates = torch.rand(8, TOKENS, generator=torch.Generator().manual_seed(1))
    config = DPAPConfig(probability=0.5)
    here, there = (
        perturb(images.to(d), gates.to(d), config=config, generator=torch.Generator().manual_seed(2)).cpu()
        for d in ("cpu", "cuda")
    )
    torch.testing.assert_close(here, there, atol=2e-5, rtol=0)
