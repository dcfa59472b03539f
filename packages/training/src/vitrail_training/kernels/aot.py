"""Compile Triton kernels for GPUs that this machine does not have, and read what they need.

It shows that every variant of a kernel compiles and fits; it says nothing about speed or results.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARCHITECTURES = (80, 86, 89, 90, 120)


@dataclass(frozen=True)
class Compiled:
    """One kernel for one architecture. `registers` (per thread) and `stack_bytes` are None where no tool reads them."""

    kernel: str
    architecture: int
    num_warps: int
    shared_bytes: int
    registers: int | None
    stack_bytes: int | None

    def __str__(self) -> str:
        registers = "?" if self.registers is None else self.registers
        stack = "?" if self.stack_bytes is None else self.stack_bytes
        return (
            f"{self.kernel} sm_{self.architecture}: {self.num_warps} warps, {registers} registers, "
            f"{self.shared_bytes} B shared, {stack} B stack"
        )


def compile_kernel(
    kernel: Any,
    signature: Mapping[str, str],
    constexprs: Mapping[str, Any],
    *,
    architectures: Iterable[int] = ARCHITECTURES,
    num_warps: int = 4,
    num_stages: int = 3,
    aligned: bool = True,
) -> list[Compiled]:
    """Compile a `@triton.jit` function for each of `architectures` (compute capability times ten).

    `signature` gives the type of each argument that is not a constexpr, such as "*fp32", "*bf16" or "i32";
    `aligned` promises pointers to multiples of 16 bytes, as torch's allocator gives.

    Raises AssertionError with kernel, architecture and constants where a variant does not compile.
    Needs a process without `TRITON_INTERPRET=1`.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(kernel.arg_names)
    missing = [name for name in names if name not in signature and name not in constexprs]
    if missing:
        raise ValueError(f"{kernel.__name__} also takes {', '.join(missing)}: give each a type or a value.")
    types = {name: "constexpr" if name in constexprs else signature[name] for name in names}
    attributes = {
        (i,): [["tt.divisibility", 16]]
        for i, name in enumerate(names)
        if aligned and types[name].startswith("*")
    }
    results = []
    for architecture in architectures:
        source = ASTSource(kernel, signature=types, constexprs=dict(constexprs), attrs=attributes)
        options = {"num_warps": num_warps, "num_stages": num_stages, "enable_fp_fusion": True}
        try:
            compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
        except Exception as error:
            raise AssertionError(
                f"{kernel.__name__} does not compile for sm_{architecture} with {dict(constexprs)}: {error}"
            ) from error
        registers, stack = _resources(compiled.asm["cubin"])
        results.append(
            Compiled(kernel.__name__, architecture, num_warps, compiled.metadata.shared, registers, stack)
        )
    return results


def _resources(cubin: bytes) -> tuple[int | None, int | None]:
    """Registers a thread and bytes of stack, read by the cuobjdump that comes with triton."""
    import triton.backends.nvidia as nvidia

    tool = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
    if not tool.exists():
        return None, None
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        output = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True
        ).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", output)
    return (int(found[1]), int(found[2])) if found else (None, None)
