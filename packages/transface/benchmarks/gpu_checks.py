"""The tests marked `gpu` and the benchmarks of this package, in one call on a machine with an NVIDIA GPU.

python packages/transface/benchmarks/gpu_checks.py [--out FOLDER]
"""

import sys
from pathlib import Path

from vitrail_training.gpu_checks import main

BENCHMARKS = {
    "transface_dpap_gpu.json": ("dpap.py", "--device", "cuda"),
    "transface_step_gpu.json": ("step.py", "--device", "cuda"),
}

if __name__ == "__main__":
    sys.exit(main(Path(__file__), BENCHMARKS))
