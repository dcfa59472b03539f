"""The Triton kernels without a GPU: results in the interpreter, and ahead-of-time compilation of every variant."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_cmunet.kernels.selective_scan.sample import STAGES
from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
INTERPRETED = Path(__file__).with_name("interpreted.py")

FLOAT, INTEGER = "*fp32", "i32"
SIZES = dict.fromkeys(("height", "width", "d", "chunks", "batches", "groups"), INTEGER)
PARAMETERS = dict.fromkeys(("dt_weight", "dt_bias", "A_log", "D"), FLOAT)
BUFFERS = dict.fromkeys(
    ("sums", "local", "states", "entering", "parts", "dx_parts", "dweight", "dbias", "dA_log", "dD"), FLOAT
)


def below(errors: dict[str, float], limit: float) -> None:
    wrong = {name: error for name, error in errors.items() if not error < limit}
    assert not wrong, f"error ratios above {limit}: {wrong}"


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return run_interpreted(INTERPRETED, "everything")


@pytest.mark.parametrize(
    "case",
    [
        "B1-H3-W5-d16-N4-R2",
        "B2-H5-W3-d5-N3-R3",
        "one pixel",
        "chunks of two tiles",
        "many chunks",
        "strides and empty",
    ],
)
def test_values_and_gradients(found, case):
    below(found[case], 1e-5)


def test_bfloat16_images(found):
    """The interpreter truncates where a GPU rounds; the bound is for that."""
    below(found["bfloat16"], 2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES, ids=lambda s: f"d{s.d}-N{s.states_n}-R{s.rank}")
def test_values_and_gradients_of_the_stages(stage):
    size = [1, 9, 13, stage.d, stage.states_n, stage.rank]
    below(run_interpreted(INTERPRETED, "parity", size, 16, timeout=900), 1e-5)


def compile_all(stage, image: str, architectures) -> None:
    from vitrail_cmunet.kernels.selective_scan import triton_backward, triton_forward
    from vitrail_cmunet.kernels.selective_scan.triton import CARRY_CHUNKS, Sizes

    constants = dict(Sizes(stage.d, stage.rank, stage.states_n).constants())
    warps, _ = constants.pop("num_warps"), constants.pop("enable_fp_fusion")
    images = dict.fromkeys(("x", "dy", "features", "dfeatures"), image)
    types = {**SIZES, **PARAMETERS, **BUFFERS, **images}
    carry = {"N": stage.states_n, "BD": 16, "CHUNKS": CARRY_CHUNKS}
    variants = [
        *((triton_forward.scan_local, {**constants, "TILES": tiles}, warps) for tiles in (1, 2, 4)),
        *((triton_forward.scan_apply, {**constants, "TILES": tiles}, warps) for tiles in (1, 2, 4)),
        *((triton_forward.carry, {**carry, "REVERSE": reverse}, 4) for reverse in (False, True)),
        (triton_backward.grad_local, constants, warps),
        *((triton_backward.grad_apply, {**constants, "GROUP": group}, warps) for group in (1, 8)),
    ]
    for kernel, constexprs, num_warps in variants:
        signature = {
            name: types[name] for name in kernel.arg_names if name in types and name not in constexprs
        }
        for compiled in compile_kernel(
            kernel, signature, constexprs, architectures=architectures, num_warps=num_warps
        ):
            assert compiled.shared_bytes <= 48 * 1024, compiled
            assert compiled.stack_bytes is None or compiled.stack_bytes <= 128, (
                compiled
            )  # registers hold the tiles
    merge = {"parts": FLOAT, "out": image, "count": INTEGER}
    compile_kernel(triton_forward.merge, merge, {"BLOCK": 1024}, architectures=architectures)


def test_compiles_for_hopper():
    compile_all(STAGES[-1], "*bf16", [90])


@pytest.mark.slow
@pytest.mark.parametrize("image", ["*fp32", "*bf16"])
@pytest.mark.parametrize("stage", STAGES, ids=lambda s: f"d{s.d}-N{s.states_n}-R{s.rank}")
def test_every_variant_compiles(stage, image):
    compile_all(stage, image, ARCHITECTURES)
