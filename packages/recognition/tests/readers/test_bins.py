""".bin verification sets: the pickles that Python 2 and 3 wrote, and those that nobody should load."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.errors import InputError, UsageError
from vitrail_recognition.readers.bins import load_plain, read_bin, write_bin

SAME = [True, False, True]


@pytest.fixture
def images(encoded):
    return [encoded(k) for k in range(6)]


@pytest.fixture
def read(tmp_path):
    """read(data): what read_bin makes of these bytes."""

    def read(data):
        path = tmp_path / "set.bin"
        path.write_bytes(data)
        return read_bin(path)

    return read


def test_round_trip(tmp_path, images, picture):
    pairs = read_bin(write_bin(tmp_path / "a.bin", images, SAME))
    assert (len(pairs), pairs.same.tolist(), pairs.images) == (3, SAME, images)
    first, second, same = pairs[1]
    assert np.abs(first.astype(int) - picture(2)).max() <= 3
    assert np.abs(second.astype(int) - picture(3)).max() <= 3
    assert same is False
    with pytest.raises(IndexError):
        pairs[3]
    # the field's own way to read it
    with (tmp_path / "a.bin").open("rb") as file:
        assert pickle.load(file, encoding="bytes") == (images, SAME)


KINDS = ["bytes", "bytearray", "arrays", "numpy bools", "array of bools", "tuples"]


@pytest.mark.parametrize(
    ("kind", "protocol"),
    # before protocol 5 a bytearray is written as a call of bytearray
    [(kind, protocol) for kind in KINDS for protocol in range(6) if kind != "bytearray" or protocol == 5],
)
def test_what_python_3_writes(read, images, kind, protocol):
    """Every protocol, which differ in how bytes and arrays are written down."""
    some, same = images, SAME
    if kind == "bytearray":
        some = [bytearray(image) for image in images]
    elif kind == "arrays":
        some = [np.frombuffer(image, np.uint8) for image in images]
    elif kind == "numpy bools":
        same = [np.bool_(value) for value in SAME]
    elif kind == "array of bools":
        same = np.array(SAME)
    elif kind == "tuples":
        some, same = tuple(images), tuple(SAME)
    pairs = read(pickle.dumps((some, same), protocol=protocol))
    assert pairs.images == images
    assert pairs.same.tolist() == SAME


@pytest.mark.parametrize("protocol", [3, 5])
def test_arrays_of_other_orders_and_strides(protocol):
    values = np.arange(12, dtype=">i4").reshape(3, 4)
    for array in (
        values,
        values.T,
        np.asfortranarray(values),
        values[::2],
        values.astype("<i8"),
        np.array(7, "u1"),
    ):
        found = load_plain(pickle.dumps(array, protocol=protocol), where="x").value
        np.testing.assert_array_equal(found, array)
    empty = load_plain(pickle.dumps([np.zeros((0, 3), np.uint8), b"", []], protocol=2), where="x")
    assert empty[0].value.shape == (0, 3)
    assert empty[1:] == [b"", []]


def python2(images, same, binary=True):
    """What cPickle of Python 2 wrote for a list of str and one of bool, opcode by opcode (protocol 2, or 0)."""
    if not binary:
        texts = b"".join(b"S%s\na" % repr(image)[1:].encode() for image in images)
        bools = b"".join(b"I0%d\na" % value for value in same)
        return b"(" + b"(lp1\n" + texts + b"(lp2\n" + bools + b"t."
    out = b"\x80\x02]q\x01("
    for number, image in enumerate(images):
        head = (
            b"U" + struct.pack("<B", len(image)) if len(image) < 256 else b"T" + struct.pack("<i", len(image))
        )
        out += head + image + b"r" + struct.pack("<I", number + 2)
    out += b"e]q\x00(" + b"".join(b"\x88" if value else b"\x89" for value in same) + b"e\x86."
    return out


@pytest.mark.parametrize("binary", [True, False])
def test_what_python_2_wrote(read, images, binary):
    data = python2(images, SAME, binary)
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(data)
    assert pickle.loads(data, encoding="bytes") == (images, SAME)
    pairs = read(data)
    assert (pairs.images, pairs.same.tolist()) == (images, SAME)


def test_numpy_arrays_of_python_2(images, read):
    """Their contents are str, too: the second attempt builds them from bytes."""
    arrays = b""
    for image in images:
        head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
        dtype = b"cnumpy\ndtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntb"
        shape = b"(I%d\nt" % len(image)
        arrays += head + b"(I1\n" + shape + dtype + b"I00\nT" + struct.pack("<i", len(image)) + image + b"tb"
    data = b"\x80\x02(](" + arrays + b"e](" + b"\x88\x89\x88" + b"et."
    for mine, theirs in zip(pickle.loads(data, encoding="bytes")[0], images, strict=True):
        assert mine.tobytes() == theirs
    assert read(data).images == images


class Calls:
    """Pickled, it is a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def hits(path):
    return [
        Calls(os.system, f"touch {path}"),
        Calls(builtins.eval, f"open({str(path)!r}, 'w')"),
        Calls(builtins.exec, f"open({str(path)!r}, 'w')"),
        Calls(open, str(path), "w"),
        Calls(getattr, "text", "upper"),
        Calls(bytes, 1 << 40),
        Calls(bytearray, 1 << 40),
        Calls(list, "abc"),
        Calls(np.zeros, 1 << 40),
        Calls(np.load, str(path)),
        Calls(np.frombuffer, b"abc"),
        Calls(pickle.loads, pickle.dumps(Calls(open, str(path), "w"))),
    ]


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_calls_are_refused_and_not_made(tmp_path, read, images, number, protocol):
    path = tmp_path / "hit"
    call = hits(path)[number]
    for hidden in (call, ([call], SAME), (images, [True, False, call]), ([*images[:5], call], SAME)):
        data = pickle.dumps(hidden, protocol=protocol)
        with pytest.raises(UsageError, match=r"set\.bin is refused: .* wants to .*verification set"):
            read(data)
        assert not path.exists()


def test_the_calls_would_have_been_made(tmp_path):
    """The test above is not blind: plain pickle makes them."""
    pickle.loads(pickle.dumps(Calls(os.system, f"touch {tmp_path / 'hit'}")))
    assert (tmp_path / "hit").exists()


def test_objects_of_classes_are_refused(read):
    array = np.array([{}, print], dtype=object)
    structured = np.zeros(2, [("a", "u1"), ("b", "O")])
    plain_structured = np.zeros(2, [("a", "u1"), ("b", "i4")])
    subclass = np.ma.masked_array([1, 2])
    import datetime
    import pathlib

    for thing in (
        array,
        structured,
        plain_structured,
        subclass,
        np.array(["text"]),
        np.zeros(1),  # floats are neither images nor truths
        np.datetime64("2020-01-01"),
        datetime.date(2020, 1, 1),
        pathlib.PurePosixPath("a"),
        {1: 2},
        {3},
        1.5,
        frozenset({1}),
        complex(1, 2),
        OSError("x"),
    ):
        for protocol in (2, 4, 5):
            with pytest.raises(UsageError, match="refused"):
                read(pickle.dumps(([thing], SAME), protocol=protocol))


ENCODE = b"c_codecs\nencode\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ENCODE + b"(V\xe9\nVlatin1\ntR.", None),
        (ENCODE + b"(Vabc\nVrot13\ntR.", "encode text to anything but latin1"),
        (ENCODE + b"(Vabc\nVutf-8\ntR.", "encode text to anything but latin1"),
        (ENCODE + b"(Vabc\nVidna\ntR.", "encode text to anything but latin1"),
        (ENCODE + b"(Vabc\ntR.", "encode text to anything but latin1"),
        (b"c_codecs\ndecode\n(Vabc\nVzip\ntR.", r"use _codecs\.decode"),
        # changing one of the functions that pickles may use
        (ENCODE + b"(N}Vx\nI1\nstb.", "opcode EMPTY_DICT"),
        (ENCODE + b"(I1\nNtb.", "change a function"),
        (b"cnumpy\nndarray\n(I0\ntR.", r"call numpy\.ndarray"),
        (b"cnumpy\nndarray\n(I1\ntb.", "change a function"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(" + ENCODE + b"(I0\ntVb\ntR.", "array of another class"),
        # names with dots reach attributes of attributes, in protocol 4
        (b"\x80\x04\x8c\x05numpy\x8c\x0ddtype.__new__\x93.", r"use numpy\.dtype\.__new__"),
        (b"\x80\x04\x8c\x07_codecs\x8c\x10encode.__class__\x93.", r"use _codecs\.encode\.__class__"),
        (b"cos\nsystem\n.", r"use os\.system"),
        (b"c__builtin__\neval\n.", r"use __builtin__\.eval"),
        (b"cvitrail_recognition.readers.bins\nread_bin\n.", "use vitrail_recognition"),
        (b"(ios\nsystem\nVls\n.", "opcode INST"),
        (b"(cos\nsystem\no.", "opcode OBJ"),
        (b"\x80\x02cos\nsystem\n)\x81.", "opcode NEWOBJ"),
        (b"\x80\x04cos\nsystem\n)}\x92.", "opcode EMPTY_DICT|opcode NEWOBJ_EX"),
        (b"Pname\n.", "opcode PERSID"),
        (b"Vname\nQ.", "opcode BINPERSID"),
        (b"\x80\x02\x82\x01.", "opcode EXT1"),
        (b"\x80\x05\x97.", "opcode NEXT_BUFFER"),
        # a table of four billion entries
        (b"Nr\xff\xff\xff\xff.", "number 2 objects up to 4294967295"),
        (b"Np99999999999\n.", "number 2 objects up to 99999999999"),
    ],
)
def test_hand_made_pickles(data, words):
    if words is None:
        assert load_plain(data, where="x") == b"\xe9"
        return
    with pytest.raises(UsageError, match=words):
        load_plain(data, where="x")


def array_pickle(
    *, shape=b"(I2\nt", dtype=b"u1", state=b"(I3\nV|\nNNNI-1\nI-1\nI0\nt", fortran=b"I00\n", data=b"ab"
):
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
    body = b"cnumpy\ndtype\n(V" + dtype + b"\nI0\nI1\ntR" + state + b"b"
    return b"\x80\x03" + head + b"(I1\n" + shape + body + fortran + b"C" + bytes([len(data)]) + data + b"tb."


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, None),
        ({"shape": b"(I3\nt"}, "another size than its data"),
        ({"shape": b"(I-2\nt"}, "such a shape"),
        ({"shape": b"(I-1\nI-2\nt"}, "such a shape"),
        ({"shape": b"(I4294967296\nI4294967296\nI4294967296\nt"}, "another size"),
        ({"shape": b"I2\n"}, "such a shape"),
        ({"dtype": b"O8"}, "use the dtype 'O8'"),
        ({"dtype": b"V2"}, "use the dtype 'V2'"),
        ({"state": b"(I3\nV|\nN(Va\nt(Vb\ntI2\nI1\nI0\nt"}, "dtype of several fields"),
        ({"state": b"(I3\nVx\nNNNI-1\nI-1\nI0\nt"}, "build such a dtype"),
        ({"state": b"I3\n"}, "dtype of several fields"),
        ({"fortran": b"I7\n"}, "build such an array"),
    ],
)
def test_hand_made_arrays(more, words):
    if words is None:
        assert pickle.loads(array_pickle()).tolist() == load_plain(array_pickle(), where="x").value.tolist()
        return
    with pytest.raises(UsageError, match=words):
        load_plain(array_pickle(**more), where="x")


@given(st.data())
def test_damaged_pickles_are_usage_errors(data):
    """Whatever is changed, the answer is a set of pairs or one clear error."""
    whole = pickle.dumps(
        ([b"abc", np.frombuffer(b"de", np.uint8)], [True]), protocol=data.draw(st.integers(0, 5))
    )
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(broken[: data.draw(st.integers(0, len(broken)))])
    try:
        load_plain(broken, where="x")
    except UsageError as error:
        assert str(error).startswith("x is ")  # noqa: PT017


def test_files_of_something_else(read, images, tmp_path):
    for content, words in (
        (b"", "truncated, or no .bin"),
        (b"hello", "refused"),
        (b"\x00\x01", "truncated, or no .bin"),
        (pickle.dumps((images, SAME))[:-30], "truncated|damaged"),
        (pickle.dumps(images), "a pickle of something else"),
        (pickle.dumps(("abc", SAME)), "str where a list of encoded images"),
        (pickle.dumps((images, "yes")), "True and False"),
        (pickle.dumps((images, [])), "True and False"),
        (pickle.dumps((images, [0, 2, 1])), "True and False"),
        (pickle.dumps((images, [None, True, True])), "True and False"),
        (pickle.dumps((images, SAME[:2])), "6 images and 2 truths"),
        (pickle.dumps(([*images[:5], "text"], SAME)), "image 5 is str"),
        (pickle.dumps(([*images[:5], np.zeros((4, 4, 3), np.uint8)], SAME)), r"image 5 is uint8 \(4, 4, 3\)"),
    ):
        with pytest.raises(UsageError, match=words):
            read(content)
    with pytest.raises(UsageError, match="does not exist"):
        read_bin(tmp_path / "no.bin")


def test_a_damaged_picture_is_found_when_it_is_decoded(read, images):
    pairs = read(pickle.dumps(([*images[:3], images[3][:-20], *images[4:]], SAME)))
    with pytest.raises(InputError, match=r"set\.bin, image 3 is damaged"):
        pairs[1]
    assert pairs[2][2] is True


def test_writing(tmp_path, images, picture):
    pairs = read_bin(write_bin(tmp_path / "a.bin", [picture(0), images[1]], [True]))
    assert np.abs(pairs[0][0].astype(int) - picture(0)).max() <= 3
    with pytest.raises(UsageError, match="6 images and 2 truths"):
        write_bin(tmp_path / "b.bin", images, SAME[:2])
    assert not (tmp_path / "b.bin").exists()
    ops = {opcode.name for opcode, _, _ in pickletools.genops(io.BytesIO((tmp_path / "a.bin").read_bytes()))}
    assert not ops & {"GLOBAL", "STACK_GLOBAL", "REDUCE"}  # plain data for every reader
