"""The exported ONNX file in onnxruntime against the same network in torch, in turns, on this machine's CPU.

python packages/cmunet/benchmarks/export_speed.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch

from vitrail_cmunet.export import export
from vitrail_cmunet.plugin import RESNET18
from vitrail_cmunet.segmenter import CMUNetSegmenter
from vitrail_training.kernels.timing import compare, ratios, write_record

SIDES = (256, 512, 1024)
RECORD = Path(__file__).parents[3] / "benchmarks/results/cmunet_export_cpu.json"


def main() -> None:
    component = CMUNetSegmenter.from_config(spec=RESNET18, seed=0)
    results = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cmunet.onnx"
        export(component, path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        for side in SIDES:
            raw = np.random.default_rng(0).uniform(0, 255, (1, 3, side, side)).astype(np.float32)
            image = torch.from_numpy(raw)  # as many numbers; which ones makes no difference to the time
            rivals = {
                "torch": lambda image=image: _run(component.module, image),
                "onnxruntime": lambda raw=raw: session.run(None, {"image": raw}),
            }
            times = compare(rivals, rounds=9 if side < 1024 else 5)
            results[f"{side}x{side}"] = {"milliseconds": times, "over torch": ratios(times, "torch")}
            print(f"{side}x{side}", {name: round(t.median, 1) for name, t in times.items()})
    write_record(RECORD, {"onnxruntime": onnxruntime.__version__, "network": RESNET18.id, "sizes": results})


@torch.inference_mode()
def _run(network: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    return network(image)


if __name__ == "__main__":
    main()
