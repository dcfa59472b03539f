"""The tests marked `gpu` and the benchmarks of this package, in one call on a machine with an NVIDIA GPU.

python packages/avatars/benchmarks/gpu_checks.py [--out FOLDER]
"""

import sys
from pathlib import Path

from vitrail_training.gpu_checks import main

BENCHMARKS = {
    "avatars_raster_gpu.json": ("raster.py", "--device", "cuda"),
}

if __name__ == "__main__":
    sys.exit(main(Path(__file__), BENCHMARKS))
