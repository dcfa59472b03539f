"""The Triton kernels without a GPU: results in the interpreter, and ahead-of-time compilation of every variant."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
INTERPRETED = Path(__file__).with_name("interpreted.py")
EXACT = (
    "B8-D16-C64",
    "odd-B5-D7-C33",
    "blocks-B19-D5-C301",
    "filtered",
    "non-contiguous",
    "a class a block",
)
SHORT = (
    "bfloat16 inputs",
    "float16 inputs",
    "products in float16, a large loss scale",
    "products in float16, small gradients",
    "float32 inputs, products in bfloat16",
    "bfloat16 inputs, products in float32",
)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return run_interpreted(INTERPRETED, "everything")


def below(errors: dict[str, float], limit: float) -> None:
    wrong = {name: error for name, error in errors.items() if not error < limit}
    assert not wrong, f"error ratios above {limit}: {wrong}"


@pytest.mark.parametrize("case", EXACT)
def test_values_and_gradients(found, case):
    below(found[case], 1e-5)


@pytest.mark.parametrize("case", SHORT)
def test_short_dtypes(found, case):
    """Sums and the target's cosine are float32 whatever goes into the products."""
    errors = found[case]
    below(errors, 2e-2)
    if "products" not in case:
        below({name: errors[name] for name in ("rest", "target", "mean")}, 1e-5)


def test_no_samples(found):
    assert found["empty"] == {"results": 0, "dE": 0, "dW": 0.0}


def variants():
    """Every kernel with the types and constants that triton.py launches it with."""
    from vitrail_recognition.kernels.class_softmax import triton, triton_kernels

    numbers = dict.fromkeys(("n", "first", "slot", "slots", "batch", "width", "groups"), "i32")
    numbers |= dict.fromkeys(("scale", "threshold"), "fp32")
    floats = ("products", "norms", "rests", "means", "along", "rest", "grad_rest", "grad_target")
    types = {**numbers, **dict.fromkeys((*floats, "slope", "largest"), "*fp32"), "labels": "*i64"}
    for flag in (False, True):
        for mean in (False, True):
            constants = {"BLOCK": triton.SLICE, "FILTER": flag, "MEAN": mean}
            yield triton_kernels.block_sums, types, constants
        tile = {"ROWS": triton.ROWS, "BM": triton.TILE[0], "BN": triton.TILE[1], "FILTER": flag}
        for short in ("*fp32", "*bf16", "*fp16"):
            yield triton_kernels.block_gradients, {**types, "gradients": short}, tile
    for short in ("*fp32", "*bf16", "*fp16"):
        sizes = {"BR": triton.FINISH[0], "BD": triton.FINISH[1]}
        yield triton_kernels.finish, {**types, "centres": short, "out": short}, sizes


def compile_all(architectures) -> None:
    for kernel, types, constants in variants():
        signature = {name: types[name] for name in kernel.arg_names if name not in constants}
        for compiled in compile_kernel(
            kernel, signature, constants, architectures=architectures, num_warps=8
        ):
            assert compiled.shared_bytes <= 48 * 1024, compiled
            assert not compiled.stack_bytes, compiled  # nothing spills


def test_compiles_for_hopper():
    compile_all([90])


@pytest.mark.slow
def test_compiles_for_every_architecture():
    compile_all(ARCHITECTURES)
