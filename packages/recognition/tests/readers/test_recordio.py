"""RecordIO frame by frame, against bytes that MXNet wrote and against a reader that follows the format word by word."""

from __future__ import annotations

import multiprocessing
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.errors import UsageError
from vitrail_recognition.readers.recordio import (
    MAGIC,
    Record,
    RecordFile,
    RecordWriter,
    frame,
    pack,
    read_frame,
    rebuild_index,
    scan,
    unpack,
)

GOLDEN = (
    Record((4.0, 6.0), b"", id=0, is_array=True),
    Record((7.0,), b"JPEGDATA" + MAGIC + b"xyz", id=1),
    Record((8.0,), b"abc" + MAGIC + b"q", id=2),
    Record((9.0,), b"abcd" + MAGIC * 2 + b"q", id=3),
    Record((1.0, 3.0), b"", id=4, is_array=True),
)


def test_reads_what_mxnet_wrote(golden):
    file = RecordFile(golden / "recognition_golden_recordio.rec")
    assert file.offsets.tolist() == [0, 40, 92, 132, 188]
    assert tuple(file.record(i) for i in range(len(file))) == GOLDEN
    labels = file.first_labels(np.arange(5))
    assert labels.tolist() == [4, 7, 8, 9, 1]


def test_writes_the_same_bytes_as_mxnet(golden, tmp_path):
    with RecordWriter(tmp_path / "a.rec") as writer:
        for key, record in enumerate(GOLDEN):
            writer.write(key, pack(record))
    for suffix in (".rec", ".idx"):
        written = (tmp_path / f"a{suffix}").read_bytes()
        assert written == (golden / f"recognition_golden_recordio{suffix}").read_bytes()


def naive_read(data: bytes) -> list[bytes]:
    """The format word by word, with no cleverness: an independent reader."""
    records, offset, parts = [], 0, []
    while offset < len(data):
        magic, word = struct.unpack_from("<2I", data, offset)
        assert magic == 0xCED7230A
        flag, length = word >> 29, word & 0x1FFFFFFF
        parts.append(data[offset + 8 : offset + 8 + length])
        padding = data[offset + 8 + length : offset + 8 + (length + 3) // 4 * 4]
        assert padding == bytes(len(padding))
        assert flag in (0, 3) or length % 4 == 0
        assert all(parts[-1][i : i + 4] != MAGIC for i in range(0, length // 4 * 4, 4))
        offset += 8 + (length + 3) // 4 * 4
        if flag in (0, 3):
            records.append(MAGIC.join(parts))
            parts = []
    return records


payloads = st.lists(st.sampled_from([MAGIC, MAGIC[:2], MAGIC[2:], b"a", b"bcd", b"\x00" * 4]), max_size=12)


@given(st.lists(payloads.map(b"".join), min_size=1, max_size=4))
def test_any_payload_comes_back(some):
    data = b"".join(map(frame, some))
    assert len(data) % 4 == 0
    assert naive_read(data) == some
    offset, read = 0, []
    while offset < len(data):
        payload, offset = read_frame(data, offset, path="memory")
        read.append(payload)
    assert read == some


@given(
    st.lists(st.floats(width=32, allow_nan=False), max_size=5),
    st.binary(max_size=9),
    st.integers(0, 2**64 - 1),
)
def test_headers_come_back(labels, content, id):
    array = Record(tuple(labels), content, id, 3, is_array=True)
    if labels:
        assert unpack(pack(array), where="here") == array
    single = Record((2.5,), content, id, 3)
    assert unpack(pack(single), where="here") == single


def test_labels_are_read_where_the_header_itself_is_cut(tmp_path):
    strange = int.from_bytes(MAGIC * 2, "little")  # an id that is the magic twice
    records = [
        Record((5.0,), b"x", id=strange),
        Record((6.0, 1.0), b"", id=strange, is_array=True),
        Record((7.0,), b"", id=2),
        Record((8.0,), b"yy", id=3, id2=strange),
    ]
    with RecordWriter(tmp_path / "a.rec") as writer:
        for key, record in enumerate(records):
            writer.write(key, pack(record))
    file = RecordFile(tmp_path / "a.rec")
    assert file.first_labels(np.array([3, 1, 0, 2])).tolist() == [8, 6, 5, 7]
    assert [file.record(i) for i in range(4)] == records


@pytest.fixture
def written(tmp_path):
    """Twenty records with keys that are not in order."""
    path = tmp_path / "some.rec"
    with RecordWriter(path) as writer:
        for key in np.random.default_rng(0).permutation(20).tolist():
            writer.write(key, pack(Record((float(key),), bytes(key), id=key)))
    return path


def test_records_are_in_the_order_of_their_keys(written):
    file = RecordFile(written)
    assert file.keys.tolist() == list(range(20))
    assert [file.record(i).labels[0] for i in range(20)] == list(range(20))
    assert file[19] == file[-1]
    with pytest.raises(IndexError):
        file[20]


def test_only_the_path_is_pickled(written):
    file = RecordFile(written)
    sent = pickle.dumps(file)
    assert len(sent) < 400
    assert pickle.loads(sent)[7] == file[7]


def _read_all(file, order, queue):
    queue.put([file.record(i).labels[0] for i in order])


def test_forked_processes_read_at_once(written):
    file, context = RecordFile(written), multiprocessing.get_context("fork")
    file[0]
    queue = context.Queue()
    orders = [list(range(20)) * 20, list(range(19, -1, -1)) * 20]
    started = [context.Process(target=_read_all, args=(file, order, queue)) for order in orders]
    for process in started:
        process.start()
    mine = [file.record(i).labels[0] for i in orders[0]]
    found = sorted((queue.get(timeout=60) for _ in orders), key=lambda labels: labels[0])
    for process in started:
        process.join(60)
    assert found == [[float(i) for i in order] for order in orders]
    assert mine == found[0]


def test_another_process_opens_it_by_its_path(written):
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).record(7))"
    sent = pickle.dumps(RecordFile(written))
    answer = subprocess.run(
        [sys.executable, "-c", code], input=sent, capture_output=True, timeout=120, check=True
    )
    assert answer.stdout.decode().strip() == str(RecordFile(written).record(7))


def test_the_index_can_be_made_anew(written):
    index = written.with_suffix(".idx")
    before = sorted(index.read_text().splitlines())
    index.unlink()
    with pytest.raises(UsageError, match=r"some\.idx is missing.*rebuild_index"):
        RecordFile(written)
    rebuild_index(written)
    assert sorted(index.read_text().splitlines()) == before
    assert [offset for offset, _ in scan(written)] == sorted(RecordFile(written).offsets)


def test_repeated_ids_become_numbers(tmp_path):
    with RecordWriter(tmp_path / "a.rec") as writer:
        for key in (5, 6):
            writer.write(key, pack(Record((1.0,), b"")))
    rebuild_index(tmp_path / "a.rec")
    assert RecordFile(tmp_path / "a.rec").keys.tolist() == [0, 1]


def test_truncated_files(written):
    data, offsets = written.read_bytes(), RecordFile(written).offsets
    for kept in (len(data) - 4, int(offsets.max()) + 5, int(offsets.max()), 100, 0):
        written.write_bytes(data[:kept])
        with pytest.raises(UsageError, match=r"some\.rec is truncated"):
            RecordFile(written)
    written.write_bytes(data[: int(offsets.max())])
    with pytest.raises(UsageError, match="1 of the 20 records"):
        RecordFile(written)


def test_damaged_files(written):
    file = RecordFile(written)
    data = bytearray(written.read_bytes())
    data[int(file.offsets[3])] ^= 1
    written.write_bytes(data)
    file = RecordFile(written)
    with pytest.raises(UsageError, match=f"no record at byte {file.offsets[3]}"):
        file[3]
    with pytest.raises(UsageError, match="no record at byte"):
        file.first_labels(np.arange(20))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0\t0\n1\tforty\n", "damaged"),
        ("0\t0\n1\n", "damaged"),
        ("0\t0\t9\n1\t40\t9\n", "damaged"),
        ("0\t0\n1\t-40\n", "multiples of 4"),
        ("0\t0\n1\t41\n", "multiples of 4"),
        ("0\t0\n0\t40\n", "key 0 more than once"),
        ("\x00\x01\xff", "damaged"),
    ],
)
def test_damaged_index(written, text, words):
    written.with_suffix(".idx").write_text(text)
    with pytest.raises(UsageError, match=words):
        RecordFile(written)


def test_a_record_that_is_no_image_record():
    with pytest.raises(UsageError, match="3 bytes"):
        unpack(b"abc", where="x")
    with pytest.raises(UsageError, match="announces 100 labels"):
        unpack(struct.pack("<IfQQ", 100, 0, 0, 0), where="x")


def test_nothing_appears_when_writing_fails(tmp_path):
    with pytest.raises(RuntimeError, match="in between"):
        _write_and_stop(tmp_path / "a.rec")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="key 0 was written"):
        _write_twice(tmp_path / "a.rec")
    assert list(tmp_path.iterdir()) == []


def _write_and_stop(path):
    with RecordWriter(path) as writer:
        writer.write(0, b"abc")
        raise RuntimeError("in between")


def _write_twice(path):
    with RecordWriter(path) as writer:
        writer.write(0, b"abc")
        writer.write(0, b"abc")


def test_missing_files(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        RecordFile(tmp_path / "no.rec")
