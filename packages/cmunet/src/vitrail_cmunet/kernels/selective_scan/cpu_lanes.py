"""Sixteen float32 side by side as one numba value, so that what runs is vector code on every machine.

numba leaves vectors to the compiler's own judgement, which differs from loop to loop (the same scan took 12 or
28 ms for a change of the loop's direction). Here `a * b + c` on `Lanes` is one instruction on AVX-512, two on AVX2,
four on NEON. Use from compiled functions only.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import float32, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model

LANES = 16


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


lanes = _LanesType()
_vector = ir.VectorType(ir.FloatType(), LANES)
_integers = ir.VectorType(ir.IntType(32), LANES)


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, numba_type) -> None:
        super().__init__(manager, numba_type, _vector)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_vector, [value] * LANES)


def _address(context, builder, array_type, array, row, column):
    data = context.make_array(array_type)(context, builder, array)
    row_length = cgutils.unpack_tuple(builder, data.shape)[1]
    element = builder.gep(data.data, [builder.add(builder.mul(row, row_length), column)])
    return builder.bitcast(element, _vector.as_pointer())


def _broadcast(builder, scalar):
    first = builder.insert_element(ir.Constant(_vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(_integers, [0] * LANES))


def _is_plain(array) -> bool:
    return isinstance(array, types.Array) and (array.ndim, array.layout, array.dtype) == (2, "C", float32)


@intrinsic
def load(typing_context, array, row, column):
    """array[row, column : column + 16] of a C-contiguous float32 array; no bounds are checked."""
    if not _is_plain(array):
        return None

    def generate(context, builder, signature, arguments):
        return builder.load(_address(context, builder, array, *arguments), align=4)

    return lanes(array, types.intp, types.intp), generate


@intrinsic
def store(typing_context, array, row, column, value):
    """array[row, column : column + 16] = value; no bounds are checked."""
    if not _is_plain(array):
        return None

    def generate(context, builder, signature, arguments):
        *place, vector = arguments
        builder.store(vector, _address(context, builder, array, *place), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, lanes), generate


@intrinsic
def splat(typing_context, value):
    """The float32 `value` in all lanes."""

    def generate(context, builder, signature, arguments):
        return _broadcast(builder, arguments[0])

    return lanes(types.float32), generate


@intrinsic
def spread(typing_context, array, row, column):
    """The one element array[row, column] in all lanes; no bounds are checked."""
    if not _is_plain(array):
        return None

    def generate(context, builder, signature, arguments):
        place = builder.bitcast(_address(context, builder, array, *arguments), ir.FloatType().as_pointer())
        return _broadcast(builder, builder.load(place))

    return lanes(array, types.intp, types.intp), generate


@intrinsic
def totals(typing_context, left, right, row):
    """Inner products of 16 rows, left[row + i, :16] and right[row + i, :16], one in each lane i.

    Sixteen at once cost a third of sixteen sums across one register.
    """
    if not (_is_plain(left) and _is_plain(right)):
        return None
    # Each round adds pairs of registers so that every lane still belongs to one row: within groups of four lanes
    # first, then between the groups.
    rounds = (
        ([0, 16, 1, 17], [2, 18, 3, 19], True),
        ([0, 1, 16, 17], [2, 3, 18, 19], True),
        ([0, 1, 4, 5], [2, 3, 6, 7], False),
        ([0, 2, 4, 6], [1, 3, 5, 7], False),
    )

    def mask(pattern, inside):
        if inside:
            indices = [lane + 4 * group for group in range(4) for lane in pattern]
        else:
            indices = [4 * group + lane for group in pattern for lane in range(4)]
        return ir.Constant(_integers, indices)

    def generate(context, builder, signature, arguments):
        *matrices, first = arguments
        column = ir.Constant(first.type, 0)
        vectors = []
        for i in range(LANES):
            row = builder.add(first, ir.Constant(first.type, i))
            places = [
                _address(context, builder, *array, row, column) for array in zip((left, right), matrices)
            ]
            vectors.append(builder.fmul(*(builder.load(place, align=4) for place in places)))
        for even, odd, inside in rounds:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            masks = mask(even, inside), mask(odd, inside)
            vectors = [builder.fadd(*(builder.shuffle_vector(a, b, m) for m in masks)) for a, b in pairs]
        return vectors[0]

    return lanes(left, right, types.intp), generate


@intrinsic
def transpose(typing_context, source, row, column, target, target_row, target_column):
    """target[target_row + j, target_column + i] = source[row + i, column + j] for i, j < 16; no bounds are checked."""
    if not (_is_plain(source) and _is_plain(target)):
        return None

    def generate(context, builder, signature, arguments):
        matrix, row, column, out, out_row, out_column = arguments
        step = [ir.Constant(row.type, i) for i in range(LANES)]
        places = [_address(context, builder, source, matrix, builder.add(row, i), column) for i in step]
        rows = [builder.load(place, align=4) for place in places]
        for size in (8, 4, 2, 1):  # swap the off-diagonal blocks of this size
            lanes_in = range(LANES)
            upper = ir.Constant(_integers, [i if not i & size else LANES + i - size for i in lanes_in])
            lower = ir.Constant(_integers, [i + size if not i & size else LANES + i for i in lanes_in])
            for i in lanes_in:
                if not i & size:
                    pair = rows[i], rows[i + size]
                    rows[i], rows[i + size] = (builder.shuffle_vector(*pair, mask) for mask in (upper, lower))
        for i, vector in zip(step, rows):
            place = _address(context, builder, target, out, builder.add(out_row, i), out_column)
            builder.store(vector, place, align=4)
        return context.get_dummy_value()

    indices = (types.intp, types.intp)
    return types.void(source, *indices, target, *indices), generate


def _binary(name: str):
    @intrinsic
    def compute(typing_context, left, right):
        def generate(context, builder, signature, arguments):
            flags = () if name == "fdiv" else ("contract",)  # a product and a sum may become one instruction
            return getattr(builder, name)(*arguments, flags=flags)

        return lanes(lanes, lanes), generate

    return compute


_add, _subtract, _multiply, _divide = (_binary(name) for name in ("fadd", "fsub", "fmul", "fdiv"))


def _operator(function, implementation) -> None:
    @overload(function)
    def choose(left, right):
        if left is lanes and right is lanes:
            return lambda left, right: implementation(left, right)
        return None


_operator(operator.add, _add)
_operator(operator.sub, _subtract)
_operator(operator.mul, _multiply)
_operator(operator.truediv, _divide)


@intrinsic
def where_negative(typing_context, value, then, otherwise):
    """`then` in the lanes where value < 0, else (also for a NaN) `otherwise`."""

    def generate(context, builder, signature, arguments):
        value, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", value, _constant(0.0)), then, otherwise)

    return lanes(lanes, lanes, lanes), generate


_EXP2 = (0.00015345810970757157, 0.0013399930903688073, 0.009618489071726799, 0.05550328642129898,
         0.24022646248340607, 0.6931471824645996, 1.0)  # fmt: skip
_ATANH = (0.1408916711807251, 0.13980300724506378, 0.20012454688549042, 0.3333315849304199, 1.0)


def _polynomial(builder, coefficients, x):
    value = _constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = builder.fadd(
            builder.fmul(value, x, flags=("contract",)), _constant(coefficient), flags=("contract",)
        )
    return value


@intrinsic
def exp2(typing_context, value):
    """2**x for x <= 0: relative error 1e-7, exactly 1 at 0, and about 1e-38 for x below -126 and for a NaN.

    A minimax polynomial of degree 6 on [-1/2, 1/2], times the power of two made from its exponent bits.
    """

    def generate(context, builder, signature, arguments):
        low = _constant(-126.0)
        x = builder.select(builder.fcmp_ordered(">", arguments[0], low), arguments[0], low)
        kind = ir.FunctionType(_vector, [_vector])
        nearest = cgutils.get_or_insert_function(builder.module, kind, f"llvm.rint.v{LANES}f32")
        whole = builder.call(nearest, [x])
        fraction = _polynomial(builder, _EXP2, builder.fsub(x, whole))
        exponent = builder.add(builder.fptosi(whole, _integers), ir.Constant(_integers, [127] * LANES))
        power = builder.bitcast(builder.shl(exponent, ir.Constant(_integers, [23] * LANES)), _vector)
        return builder.fmul(fraction, power, flags=("contract",))

    return lanes(lanes), generate


@intrinsic
def log1p(typing_context, value):
    """log(1 + e) for 0 <= e <= 1 as 2 atanh(e / (2 + e)): relative error 1e-7."""

    def generate(context, builder, signature, arguments):
        e = arguments[0]
        s = builder.fdiv(e, builder.fadd(e, _constant(2.0)))
        return builder.fmul(builder.fadd(s, s), _polynomial(builder, _ATANH, builder.fmul(s, s)))

    return lanes(lanes), generate
