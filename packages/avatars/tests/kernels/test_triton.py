"""The Triton kernels without a GPU: results in the interpreter, and ahead-of-time compilation."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrail_training.kernels.aot import ARCHITECTURES, compile_kernel
from vitrail_training.kernels.interpreter import run_interpreted

pytest.importorskip("triton")
INTERPRETED = Path(__file__).with_name("interpreted.py")
SIZES = ("listed", "faces", "vertices", "height", "width", "pixels", "channels")
TYPES = {
    **dict.fromkeys(("points", "weights", "depth", "attributes", "picture"), "*fp32"),
    **dict.fromkeys(("triangles", "triangle"), "*i32"),
    **dict.fromkeys(("counts", "ends", "nearest"), "*i64"),
    **dict.fromkeys((*SIZES, "frame_stride"), "i32"),
}


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return run_interpreted(INTERPRETED, "everything")


@pytest.mark.parametrize(
    "case",
    ["head", "hair", "soup", "one triangle", "one pixel", "left out", "far out", "edges on centres", "ties"],
)
def test_is_the_definition(found, case):
    errors = found[case]
    assert errors.pop("seen") > 0
    limits = {name: 1e-5 if name.startswith("picture") else 3e-7 for name in errors}
    assert not {name: error for name, error in errors.items() if not error <= limits[name]}


def test_nothing_in_sight(found):
    assert not any(found["nothing in sight"].values())


def compile_all(architectures, ones: bool, cull: bool, channels: int) -> None:
    """Every kernel; with `ones` as they are for sizes of 1, which Triton makes constants."""
    from vitrail_avatars.kernels.raster import triton, triton_kernels

    constants = {
        "CULL": cull,
        "SIDE": triton.SIDE,
        "FACES": triton.FACES,
        "PATCHES": triton.PATCHES,
        "PIXELS": triton.PIXELS,
        "HALVINGS": 21,
        "CHANNELS": channels,
    }
    if ones:
        constants |= dict.fromkeys(SIZES, 1)
    for kernel in ("count_patches", "draw", "weigh", "interpolate"):
        function = getattr(triton_kernels, kernel)
        own = {name: value for name, value in constants.items() if name in function.arg_names}
        if kernel == "interpolate":
            own["PIXELS"] = triton.VALUES // channels
        for compiled in compile_kernel(function, TYPES, own, architectures=architectures):
            assert compiled.shared_bytes <= 48 * 1024, compiled
            assert not compiled.stack_bytes, compiled


def test_compiles_for_ampere_and_hopper():
    compile_all([80, 90], False, True, 8)


@pytest.mark.slow
@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("channels", [1, 8, 64])
def test_every_variant_compiles(channels, cull, ones):
    compile_all(ARCHITECTURES, ones, cull, channels)
