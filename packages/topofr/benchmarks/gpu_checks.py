"""The tests marked `gpu` and the benchmarks of this package, in one call on a machine with an NVIDIA GPU.

python packages/topofr/benchmarks/gpu_checks.py [--out FOLDER]
"""

import sys
from pathlib import Path

from vitrail_training.gpu_checks import main

BENCHMARKS = {
    "topofr_persistence_gpu.json": ("persistence.py", "--device", "cuda"),
    "topofr_structure_gpu.json": (
        "structure.py",
        "--device",
        "cuda",
        "--points",
        128,
        256,
        512,
        1024,
        "--room",
        60,
    ),
    "topofr_step_gpu.json": ("step.py", "--device", "cuda"),
}

if __name__ == "__main__":
    sys.exit(main(Path(__file__), BENCHMARKS))
