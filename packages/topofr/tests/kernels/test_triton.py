"""The Triton kernels without a GPU: results in the interpreter, and every variant compiled ahead of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
INTERPRETED = Path(__file__).with_name("interpreted.py")

TYPES = {
    "distances": "*fp32",
    "edges": "*i64",
    "best": "*i64",
    "component": "*i32",
    "parent": "*i32",
    "remaining": "*i32",
    "n": "i32",
}


def test_trees_and_gradients_are_those_of_the_definition():
    found = run_interpreted(INTERPRETED, "everything", timeout=800)
    assert len(found) == 18
    assert not [name for name, right in found.items() if not right]


def compile_all(blocks, architectures) -> None:
    from vitrail_topofr.kernels.persistence import triton as launcher
    from vitrail_topofr.kernels.persistence import triton_kernels as kernels

    variants = [(kernels.prim, block, launcher._warps(block)) for block in blocks]
    variants += [(kernels.nearest, launcher.ROW, 4)]
    variants += [(kernel, launcher.VERTICES, 4) for kernel in (kernels.hook, kernels.relabel)]
    for kernel, block, warps in variants:
        signature = {name: TYPES[name] for name in kernel.arg_names if name in TYPES}
        made = compile_kernel(
            kernel, signature, {"BLOCK": block}, architectures=architectures, num_warps=warps
        )
        for compiled in made:
            assert compiled.shared_bytes <= 48 * 1024, compiled
            assert not compiled.stack_bytes, compiled  # the way to the tree stays in registers


def test_compiles_for_hopper():
    compile_all([256], [90])


@pytest.mark.slow
def test_every_variant_compiles():
    compile_all([32, 64, 128, 256], ARCHITECTURES)
