"""The .bin verification sets: a pickle of (2N encoded images, N truths); pair k is images 2k and 2k + 1.

A pickle can run any code, so these are not given to pickle as they are. Only the opcodes of plain data are
accepted, and what a pickle may call is four stand-ins of ours, which build bytes and arrays of numbers; numpy
itself is not reached. Anything else is refused.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from vitrail.errors import UsageError
from vitrail.files import atomic_path
from vitrail_recognition.decode import Pixels, decode_image, encode_image

OPCODES = frozenset(
    {
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE"),
        *("INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2"),
        *(
            "STRING",
            "BINSTRING",
            "SHORT_BINSTRING",
            "UNICODE",
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINUNICODE8",
        ),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("LIST", "EMPTY_LIST", "APPEND", "APPENDS", "TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    }
)
_BY_CODE = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
DTYPES = {name: np.dtype(name) for name in ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")}


class PairBin:
    """A verification set. images: 2N encoded pictures; same: (N,) bool, whether a pair shows one person."""

    def __init__(self, images: Sequence[bytes], same: NDArray[np.bool_], *, name: str = "pairs") -> None:
        if len(images) != 2 * len(same) or not len(same):
            raise UsageError(
                f"{name} has {len(images)} images and {len(same)} truths; wanted are two images for each truth."
            )
        self.images, self.same, self.name = list(images), same, name

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.same)

    def image(self, index: int) -> Pixels:
        """One of the 2N pictures, (H, W, 3) uint8 RGB. InputError where it cannot be decoded."""
        return decode_image(self.images[index], where=f"{self.name}, image {index}")

    def __getitem__(self, pair: int) -> tuple[Pixels, Pixels, bool]:
        if not 0 <= pair < len(self):
            raise IndexError(f"pair {pair} of {len(self)}")
        return self.image(2 * pair), self.image(2 * pair + 1), bool(self.same[pair])


def read_bin(path: Path | str) -> PairBin:
    """Read a .bin verification set, written by Python 2 or 3. UsageError for anything that is not one."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; wanted is a .bin verification set.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    loaded = load_plain(data, where=str(path))
    if not (isinstance(loaded, tuple | list) and len(loaded) == 2):
        raise UsageError(
            f"{path} is a pickle of something else; wanted are a list of images and one of truths."
        )
    images, same = (_plain(part) for part in loaded)
    return PairBin(_encoded(images, path), _truths(same, path), name=str(path))


def write_bin(path: Path | str, images: Iterable[bytes | Pixels], same: Iterable[bool]) -> Path:
    """Write a .bin verification set. images: 2N, encoded, or uint8 RGB arrays, which become JPEGs; same: N
    truths."""
    pairs = PairBin([encode_image(image) for image in images], np.array(list(same), bool), name=str(path))
    with atomic_path(path) as temporary:
        temporary.write_bytes(pickle.dumps((pairs.images, pairs.same.tolist()), protocol=4))
    return Path(path)


def load_plain(data: bytes, *, where: str) -> Any:
    """Unpickle lists, tuples, bytes, texts, numbers, bools, and numpy arrays of those as `Array`.

    Raises UsageError for a pickle that holds or calls anything else, before any of it is done, and for
    damaged ones.
    """
    _check_opcodes(data, where)
    try:
        try:
            return _Unpickler(io.BytesIO(data)).load()
        except UnicodeDecodeError:  # Python 2 had no bytes: its images are text to Python 3
            return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Refused as error:
        raise _refusal(where, str(error)) from error
    except Exception as error:  # damaged pickles raise nearly anything
        raise UsageError(f"{where} is damaged, or no .bin verification set: {error}") from error


class Refused(Exception):
    """What a pickle wanted to do and may not."""


class Array:
    """A numpy array as a pickle describes it. `value` is the array, once the pickle has given its
    contents."""

    __slots__ = ("value",)

    def __setstate__(self, state: Any) -> None:
        version, shape, dtype, fortran, data = state
        _require(
            version == 1 and isinstance(dtype, _Dtype) and isinstance(fortran, bool), "build such an array"
        )
        self.value = _array(data, dtype, shape, "F" if fortran else "C")


class _Dtype:
    """A dtype of plain numbers: its name, and its byte order once the pickle has given it."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        _require(
            isinstance(state, tuple) and len(state) >= 5 and all(part is None for part in state[2:5]),
            "build a dtype of several fields",
        )
        order = _text(state[1])
        _require(order in ("|", "<", ">", "="), "build such a dtype")
        self.dtype = self.dtype.newbyteorder(order)


class _Callable:
    """What a global becomes: one of the functions below, which a pickle can call and not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> NoReturn:
        raise Refused("change a function")


def _encode(text: Any, encoding: Any = "") -> bytes:
    name = _text(encoding).lower().replace("-", "").replace("_", "")
    _require(isinstance(text, str) and name in ("latin1", "iso88591"), "encode text to anything but latin1")
    return bytes(text.encode("latin-1"))


def _bytes(*args: Any) -> bytes:
    _require(not args, "make bytes from something else")  # as Python 3 writes b"" for Python 2
    return b""


def _dtype(name: Any, *rest: Any) -> _Dtype:
    name = _text(name)
    _require(name in DTYPES, f"use the dtype {name!r}")
    return _Dtype(DTYPES[name])


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    _require(kind is _NDARRAY, "make an array of another class")
    return Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, *rest: Any) -> Array:
    array = Array()
    array.value = _array(data, dtype, shape, _text(order))
    return array


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (), "C").item()


def _not_callable(*args: Any) -> NoReturn:
    raise Refused("call numpy.ndarray")


_NDARRAY = _Callable(_not_callable)
_ALLOWED = {
    ("_codecs", "encode"): _Callable(_encode),
    ("builtins", "bytes"): _Callable(_bytes),
    ("__builtin__", "bytes"): _Callable(_bytes),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Callable(_dtype),
    **{
        (f"numpy.{core}.{module}", name): _Callable(function)
        for core in ("core", "_core")
        for module, name, function in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _frombuffer),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise Refused(f"use {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise Refused("load something from outside")


def _check_opcodes(data: bytes, where: str) -> None:
    stream = io.BytesIO(data)
    count = 0
    try:
        while (opcode := _next(stream)).name != "STOP":
            if opcode.name not in OPCODES:
                raise _refusal(where, f"use the opcode {opcode.name}")
            argument = _argument(opcode, stream)
            count += 1
            # numbers of their own would claim memory for all below them
            if opcode.name.endswith("PUT") and not 0 <= argument <= count:
                raise _refusal(where, f"number {count} objects up to {argument}")
    except UsageError:
        raise
    except Exception as error:  # not a pickle, or cut short
        raise UsageError(f"{where} is truncated, or no .bin verification set: {error}") from error


def _next(stream: io.BytesIO) -> pickletools.OpcodeInfo:
    code = stream.read(1)
    if code not in _BY_CODE:
        raise ValueError(f"at byte {stream.tell()} stands no opcode of a pickle")
    return _BY_CODE[code]


def _argument(opcode: pickletools.OpcodeInfo, stream: io.BytesIO) -> Any:
    """Read over an opcode's argument. Unlike pickletools, a text of Python 2 may be anything."""
    if opcode.name == "STRING":
        if not stream.readline().endswith(b"\n"):
            raise ValueError("a text does not end")
        return None
    return None if opcode.arg is None else opcode.arg.reader(stream)


def _array(data: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    _require(isinstance(dtype, _Dtype) and isinstance(data, bytes | bytearray), "build an array of objects")
    _require(
        isinstance(shape, tuple)
        and all(type(side) is int and side >= 0 for side in shape)
        and order in ("C", "F"),
        "build an array of such a shape",
    )
    _require(
        math.prod(shape) * dtype.dtype.itemsize == len(data), "build an array of another size than its data"
    )
    return np.frombuffer(bytes(data), dtype.dtype).reshape(shape, order=order)  # type: ignore[call-overload]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    _require(isinstance(value, str), "give something else than text")
    return str(value)


def _require(condition: bool, deed: str) -> None:
    if not condition:
        raise Refused(deed)


def _refusal(where: str, deed: str) -> UsageError:
    return UsageError(
        f"{where} is refused: it is a pickle that wants to {deed}, and a verification set holds encoded "
        "images and truths only. Do not use this file unless you know who made it."
    )


def _plain(value: Any) -> Any:
    return getattr(value, "value", None) if isinstance(value, Array) else value


def _encoded(images: Any, path: Path) -> list[bytes]:
    if not isinstance(images, list | tuple):
        raise UsageError(f"{path} has a {type(images).__name__} where a list of encoded images is wanted.")
    found: list[bytes] = []
    for index, image in enumerate(images):
        image = _plain(image)
        if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 1:
            image = image.tobytes()
        if not isinstance(image, bytes | bytearray):
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise UsageError(f"{path}, image {index} is {what}; wanted are the bytes of a JPEG or PNG.")
        found.append(bytes(image))
    return found


def _truths(same: Any, path: Path) -> NDArray[np.bool_]:
    values = [_plain(value) for value in same] if isinstance(same, list | tuple | np.ndarray) else []
    truths = np.array([value in (True, False) for value in values if not isinstance(value, np.ndarray)], bool)
    if len(truths) != len(values) or not len(values) or not truths.all():
        raise UsageError(f"{path} has something else than True and False for whether pairs show one person.")
    return np.array(values, bool)
