"""The tests marked `gpu` and the benchmarks of this package, in one call on a machine with an NVIDIA GPU.

pip install liger-kernel cut-cross-entropy       # what the margin loss is compared with
python packages/recognition/benchmarks/gpu_checks.py [--out FOLDER]
"""

import sys
from pathlib import Path

from vitrail_training.gpu_checks import main

BENCHMARKS = {
    "recognition_margin_loss_gpu.json": ("margin_loss.py", "--device", "cuda"),
}

if __name__ == "__main__":
    sys.exit(main(Path(__file__), BENCHMARKS))
