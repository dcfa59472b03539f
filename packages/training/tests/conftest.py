from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="session")
def toy_module():
    spec = importlib.util.spec_from_file_location("vitrail_training_toy", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(toy_module):
    """The module toy.py; its networks are too small for more than one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield toy_module
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def start():
    """Start toy.py in a process group of its own; with `processes` > 1, under torchrun."""

    def start(*runs, processes=1):
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        return subprocess.Popen(
            [sys.executable, *(torchrun if processes > 1 else []), str(SCRIPT), *_arguments(runs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return start


@pytest.fixture(scope="session")
def run(start):
    """Run toy.py to its end: (exit code, stdout, stderr)."""

    def run(*runs, processes=1):
        process = start(*runs, processes=processes)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    return run


@pytest.fixture(scope="session")
def forked(tmp_path_factory):
    """Run toy.py in a process forked from one that has torch already: (exit code, stderr)."""
    server = subprocess.Popen(
        [sys.executable, str(SCRIPT), "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def forked(*runs):
        log = tmp_path_factory.mktemp("forked") / "log"
        server.stdin.write(json.dumps([_arguments(runs), str(log)]) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline()), log.read_text()

    yield forked
    server.stdin.close()
    server.wait(timeout=30)


def _arguments(runs):
    return [text for out, told in runs for text in (str(out), json.dumps(told))]
