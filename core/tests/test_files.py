"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from vitrail.errors import UsageError
from vitrail.files import atomic_folder, atomic_path, write_text


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "new" / "deep" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("hello")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
    assert path.read_text() == "hello"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file(tmp_path, error):
    path = write_text(tmp_path / "file.txt", "old")

    def write():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_writer_that_removes_its_file_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        with atomic_path(tmp_path / "file.txt") as temporary:
            temporary.unlink()
    assert list(tmp_path.iterdir()) == []


def test_permissions_follow_the_umask(tmp_path, umask):
    assert mode(write_text(tmp_path / "file.txt", "x")) == 0o666 & ~umask
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "inside").mkdir()
        (temporary / "inside" / "private").touch(0o600)
        (temporary / "inside" / "program").touch(0o700)
    assert mode(tmp_path / "folder") == 0o777 & ~umask
    assert mode(tmp_path / "folder" / "inside" / "private") == 0o666 & ~umask
    assert mode(tmp_path / "folder" / "inside" / "program") == 0o100 | 0o666 & ~umask


def test_a_folder_where_a_file_is_wanted(tmp_path):
    with pytest.raises(UsageError, match="is a folder; the name of a file is wanted here"):
        with atomic_path(tmp_path):
            pytest.fail("not reached")


@pytest.mark.parametrize("kind", [atomic_path, atomic_folder])
def test_a_place_that_cannot_be_written(tmp_path, kind):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/inside/x cannot be written: .*Choose another place"):
        with kind(tmp_path / "file" / "inside" / "x"):
            pytest.fail("not reached")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_appears_whole(tmp_path, exists):
    folder = tmp_path / "out"
    if exists:
        folder.mkdir()
    with atomic_folder(folder) as temporary:
        (temporary / "a").write_text("x")
        assert not list(folder.iterdir()) if exists else not folder.exists()
    assert [p.name for p in folder.iterdir()] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def write():
        with atomic_folder(tmp_path / "out") as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / "a").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(
            UsageError, match=r"exists already and is not an empty folder\. Choose another name"
        ):
            with atomic_folder(target):
                pytest.fail("not reached")
    assert (tmp_path / "mine").read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_readers_never_see_half_a_file(tmp_path):
    path = write_text(tmp_path / "file.txt", "a" * 100_000)
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for letter in "bcdefgh":
        write_text(path, letter * 100_000)
    stop.set()
    reader.join()
    assert seen <= {letter * 100_000 for letter in "abcdefgh"}


def test_a_full_disk_is_one_sentence(cli, plugin, use, monkeypatch, tmp_path):
    from vitrail.cli import tree

    def full(tokens):
        with atomic_path(tmp_path / "big.bin"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "big.bin"))

    monkeypatch.setattr(tree, "run_verb", full)
    code, _, said = cli("anything")
    assert code == 2
    assert (
        said
        == f"error: {tmp_path / 'big.bin'}: No space left on device. Make room, or write to another place.\n"
    )
    assert list(tmp_path.iterdir()) == []
