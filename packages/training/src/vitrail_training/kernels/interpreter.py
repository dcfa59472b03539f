"""Run Triton kernels on a CPU, in Triton's interpreter.

Triton reads `TRITON_INTERPRET` when it is imported and when a kernel is decorated, so such a test needs a process
of its own. In the interpreter there is no `@triton.autotune` and no libdevice, `tl.dot` on bfloat16 is wrong,
stores to bfloat16 truncate, and a step takes about a millisecond: keep grids tiny.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_CHILD = """
import importlib, importlib.util, json, sys
target, function, arguments, result = sys.argv[1:]
from vitrail_training.kernels.interpreter import scan_slices
scan_slices()
if target.endswith(".py"):
    spec = importlib.util.spec_from_file_location("interpreted", target)
    module = importlib.util.module_from_spec(spec)
    sys.modules["interpreted"] = module
    spec.loader.exec_module(module)
else:
    module = importlib.import_module(target)
value = getattr(module, function)(*json.loads(arguments))
with open(result, "w") as file:
    json.dump(value, file)
"""


def run_interpreted(target: str | Path, function: str, *arguments: Any, timeout: float = 300) -> Any:
    """Call `function(*arguments)` of a module, given by name or by the path of its file, with `TRITON_INTERPRET=1`.

    Arguments and result travel as JSON. Raises AssertionError with the end of the process's output if it fails or
    takes longer than `timeout` seconds.
    """
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    where = f"{target}:{function}{arguments!r} in Triton's interpreter"
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-c", _CHILD, str(target), function, json.dumps(arguments), str(result)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{where} took longer than {timeout:g} s.") from error
        if done.returncode != 0:
            raise AssertionError(f"{where} failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return json.loads(result.read_text())


def scan_slices() -> None:
    """Let the interpreter run `tl.associative_scan` a slice at a time.

    Its own way, an element at a time, takes minutes. Does nothing where this triton has no such class.
    """
    try:
        import numpy as np
        from triton.runtime.interpreter import ScanOps
    except ImportError:
        return

    def generic_scan(self, inputs):
        kinds = [tensor.dtype for tensor in inputs]
        arrays = [np.moveaxis(tensor.handle.data, self.axis, 0).copy() for tensor in inputs]

        def tensors(i):
            return [
                self.to_tensor(np.ascontiguousarray(array[i]), kind) for array, kind in zip(arrays, kinds)
            ]

        for i in range(1, len(arrays[0])):
            combined = self.combine_fn.fn(*tensors(i - 1), *tensors(i))
            combined = combined if isinstance(combined, tuple) else (combined,)
            for array, value in zip(arrays, combined):
                array[i] = value.handle.data
        whole = (np.ascontiguousarray(np.moveaxis(array, 0, self.axis)) for array in arrays)
        return [self.to_tensor(array, kind) for array, kind in zip(whole, kinds)]

    ScanOps.generic_scan = generic_scan
