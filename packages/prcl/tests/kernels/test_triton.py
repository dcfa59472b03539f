"""The Triton kernels without a GPU: results in the interpreter, and ahead-of-time compilation of every variant."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
INTERPRETED = Path(__file__).with_name("interpreted.py")

FLOATS = (
    "mean",
    "variance",
    "positive_mean",
    "positive_variance",
    "key_mean",
    "key_variance",
    "virtual_mean",
)
LOSS = {
    **dict.fromkeys((*FLOATS, "loss", "grad_mean", "grad_variance"), "*fp32"),
    **dict.fromkeys(("group", "index"), "*i64"),
    **dict.fromkeys(("negatives", "virtuals"), "i32"),
    "scale": "fp32",
}
SUMS = {
    **dict.fromkeys(("order", "starts"), "*i64"),
    **dict.fromkeys(("precision", "weighted"), "*fp64"),
    "classes": "i32",
}


def below(errors: dict[str, float], limit: float) -> None:
    wrong = {name: error for name, error in errors.items() if not error < limit}
    assert not wrong, f"error ratios above {limit}: {wrong}"


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return run_interpreted(INTERPRETED, "everything")


@pytest.mark.parametrize(
    "case",
    [
        "A4-G3-P20-N11-D16-V5",
        "odd-A3-G4-P50-N7-D60-V5",
        "a-row-a-time-A3-N63-D70",
        "no-virtual",
        "no-negatives",
        "nothing-but-positives",
        "no-anchors",
        "shared",
        "non-contiguous",
        "bfloat16 keys",
        "float16 keys",
    ],
)
def test_loss_and_gradients(found, case):
    below(found[case], 1e-6)


@pytest.mark.parametrize("case", ["variances of 1e-4", "variances of 1e-9", "variances of zero"])
def test_small_variances(found, case):
    below(found[case], 1e-5)


def test_short_anchors(found):
    errors = found["float16 anchors"]
    below(errors, 5e-3)
    below({"loss": errors["loss"]}, 1e-6)


@pytest.mark.parametrize(
    "case", ["sums P100-D33-C5", "sums P3-D16-C21", "sums bfloat16", "sums of no pixels"]
)
def test_sums_by_class(found, case):
    below(found[case], 1e-14)


def compile_loss(architectures, width: int, anchors: str, keys: str, shared: bool) -> None:
    from vitrail_prcl.kernels.mls_infonce import triton, triton_kernels

    types = {**LOSS, **dict.fromkeys(FLOATS[:2], anchors), **dict.fromkeys(FLOATS[4:6], keys)}
    constants = {**triton.blocks(width), "SHARED": shared}
    for compiled in compile_kernel(triton_kernels.anchor, types, constants, architectures=architectures):
        assert compiled.shared_bytes <= 48 * 1024, compiled
        assert not compiled.stack_bytes, compiled  # a tile of keys and the gradients stay in registers


def compile_sums(architectures, width: int, pixels: str) -> None:
    from vitrail_prcl.kernels.prototypes import triton, triton_kernels

    types = {**SUMS, "mean": pixels, "variance": pixels}
    constants = {"D": width, "BD": triton.TILE[1], "ROWS": triton.TILE[0], "PARTS": triton.PARTS}
    for compiled in compile_kernel(triton_kernels.add_part, types, constants, architectures=architectures):
        assert compiled.shared_bytes <= 48 * 1024, compiled
        assert not compiled.stack_bytes, compiled


def test_compiles_for_hopper():
    compile_loss([90], 256, "*fp32", "*fp32", False)
    compile_sums([90], 256, "*fp32")


@pytest.mark.slow
@pytest.mark.parametrize("width", [16, 60, 256, 1024, 2048])
@pytest.mark.parametrize("keys", ["*fp32", "*bf16", "*fp16"])
def test_every_variant_of_the_loss_compiles(keys, width):
    compile_loss(ARCHITECTURES, width, "*fp32", keys, width == 60)


@pytest.mark.slow
@pytest.mark.parametrize("anchors", ["*bf16", "*fp16"])
def test_short_anchors_compile(anchors):
    compile_loss(ARCHITECTURES, 256, anchors, anchors, False)


@pytest.mark.slow
@pytest.mark.parametrize("pixels", ["*fp32", "*bf16", "*fp16"])
def test_every_variant_of_the_sums_compiles(pixels):
    for width in (60, 256):
        compile_sums(ARCHITECTURES, width, pixels)
