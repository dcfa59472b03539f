"""What holds for every file of the repository."""

from __future__ import annotations

import re
import subprocess

import pytest

import vitrail

# Written apart, so that this file does not contain what it looks for.
INDEX_HOSTS = ("pypi" + ".org", "python" + "hosted", "download.pytorch" + ".org", "-index" + "-url http")
OWN_PATHS = re.compile(rb"(?<![\w.~}/-])/(work/(main|shared)|roo" + rb"t/)")
TEXT_LIMIT = 1_000_000


@pytest.fixture(scope="module")
def files(root):
    """Every file that is tracked, or would be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=root, capture_output=True)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    found = [root / name.decode() for name in done.stdout.split(b"\0") if name]
    return [path for path in found if path.is_file()]


def test_the_version_is_the_same_everywhere(projects):
    assert projects["core"]["version"] == vitrail.__version__


def test_no_file_names_an_index_host(files, root):
    pattern = re.compile("|".join(map(re.escape, INDEX_HOSTS)).encode(), re.IGNORECASE)
    found = [path.relative_to(root).as_posix() for path in files if pattern.search(path.read_bytes())]
    assert found == []


def test_no_file_names_a_path_of_one_machine(files, root):
    found = [path.relative_to(root).as_posix() for path in files if OWN_PATHS.search(path.read_bytes())]
    assert found == []


def test_weights_stay_small(files):
    sizes = {path: path.stat().st_size for path in files}
    assert [path.name for path, size in sizes.items() if size > 15 * 2**20] == []
    assert sum(size for path, size in sizes.items() if path.suffix == ".safetensors") < 40 * 10**6


def test_no_pickles_and_no_compiled_files(files):
    unwanted = {".pt", ".pth", ".pkl", ".ckpt", ".so", ".pyc", ".dll", ".whl"}
    assert [path.name for path in files if path.suffix in unwanted] == []


def test_text_files_are_utf_8_and_end_with_a_newline(files, root):
    suffixes = {".py", ".toml", ".md", ".yml", ".yaml"}
    wrong = []
    for path in files:
        if path.suffix in suffixes and path.stat().st_size:
            text = path.read_bytes()
            text.decode("utf-8")
            if not text.endswith(b"\n") or b"\r" in text:
                wrong.append(path.relative_to(root).as_posix())
    assert wrong == []
