"""The cross-scan in plain ONNX operators. Importing this needs onnxscript; only the export does.

A sequence of H W pixels is cut into its rows. (1) Every row is scanned from a zero state, all rows at once; (2) the
states are carried from row to row with the decay exp(A sum(delta)) of a whole row; (3) every row is scanned again, from
the state that it really begins with. That is 2 W + H short steps, no tensor larger than one state a row, and no
division by a decay: every factor is exp of something negative. Columns are the rows of the transposed image.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir
from onnxscript import FLOAT, graph, script
from onnxscript import opset18 as op
from onnxscript.values import Opset

DOMAIN = Opset("vitrail_cmunet", 1)

# Letters below: P=2 directions (forwards, backwards), B batch, H rows, W columns, D inner width, R rank, S state.


@script(DOMAIN, default_opset=op)
def scan_rows(x: FLOAT, features: FLOAT, dt_weight: FLOAT, dt_bias: FLOAT, A: FLOAT) -> FLOAT:
    """Both directions along the rows, summed, without the skip: (B, H, W, D) and (B, P, H, W, R + 2S) -> (B, H, W, D).

    dt_weight (P, R, D); dt_bias (P, D); A (P, S, D), negative. `features` of the backward direction lie in the
    image's own order, as x does.
    """
    rank = op.Shape(dt_weight, start=1, end=2)
    state = op.Shape(A, start=1, end=2)
    both = op.Constant(value_ints=[1, 2])
    lowest = op.Constant(value_ints=[-9223372036854775807, -9223372036854775807])
    ends = op.Constant(value_ints=[-1, -1])
    backwards = op.Constant(value_ints=[-1, -1])

    # (P, B, H, W, ...), the second of each pair from the last pixel to the first
    turned = op.Slice(x, ends, lowest, both, backwards)
    u = op.Concat(op.Unsqueeze(x, [0]), op.Unsqueeze(turned, [0]), axis=0)
    one, other = op.Split(features, axis=1, num_outputs=2)
    other = op.Slice(op.Squeeze(other, [1]), ends, lowest, both, backwards)
    feature = op.Concat(op.Unsqueeze(op.Squeeze(one, [1]), [0]), op.Unsqueeze(other, [0]), axis=0)
    dt, b, c = op.Split(feature, op.Concat(rank, state, state, axis=0), axis=-1)
    delta = op.MatMul(dt, op.Unsqueeze(dt_weight, [1, 2])) + op.Unsqueeze(dt_bias, [1, 2, 3])
    delta = op.Softplus(delta)

    # one column at a time: (W, P, B, 1, D, H) and (W, P, B, S, 1, H), so that a row of H numbers is contiguous
    steps = op.Unsqueeze(op.Transpose(delta, perm=[3, 0, 1, 4, 2]), [3])
    pushes = op.Unsqueeze(op.Transpose(delta * u, perm=[3, 0, 1, 4, 2]), [3])
    b = op.Unsqueeze(op.Transpose(b, perm=[3, 0, 1, 4, 2]), [4])
    c = op.Unsqueeze(op.Transpose(c, perm=[3, 0, 1, 4, 2]), [4])
    rates = op.Unsqueeze(A, [1, 4])  # (P, 1, S, D, 1)

    @graph()
    def advance(h, step, push, b_now):
        return op.Exp(step * rates) * h + push * b_now

    @graph()
    def carry(h, row_total, row_end):
        after = op.Exp(row_total * op.Unsqueeze(A, [1])) * h + row_end
        before = op.Identity(h)
        return after, before

    @graph()
    def answer(h, step, push, b_now, c_now):
        after = op.Exp(step * rates) * h + push * b_now
        y = op.ReduceSum(after * c_now, [2], keepdims=0)
        return after, y

    first = op.Squeeze(op.Slice(steps, [0], [1], [0]), [0])  # (P, B, 1, D, H)
    zero = (first * rates) * 0.0  # (P, B, S, D, H)
    ends_of_rows = op.Scan(zero, steps, pushes, b, body=advance, num_scan_inputs=3)
    ends_of_rows = op.Transpose(ends_of_rows, perm=[4, 0, 1, 2, 3])  # (H, P, B, S, D)
    totals = op.Transpose(op.ReduceSum(steps, [0], keepdims=0), perm=[4, 0, 1, 2, 3])  # (H, P, B, 1, D)
    nothing = op.Squeeze(op.Slice(ends_of_rows, [0], [1], [0]), [0]) * 0.0
    _last, entries = op.Scan(nothing, totals, ends_of_rows, body=carry, num_scan_inputs=2)
    entries = op.Transpose(entries, perm=[1, 2, 3, 4, 0])  # (P, B, S, D, H)
    _last2, y = op.Scan(entries, steps, pushes, b, c, body=answer, num_scan_inputs=4)  # y (W, P, B, D, H)

    y = op.Transpose(y, perm=[1, 2, 4, 0, 3])  # (P, B, H, W, D)
    forwards, back = op.Split(y, axis=0, num_outputs=2)
    back = op.Slice(op.Squeeze(back, [0]), ends, lowest, both, backwards)
    return op.Squeeze(forwards, [0]) + back


def cross_scan(
    x: FLOAT,
    projected: FLOAT,
    dt_weight: FLOAT,
    dt_bias: FLOAT,
    A_log: FLOAT,
    D: FLOAT,
    chunk: int = 0,
    backend: str = "",
) -> tuple[FLOAT, FLOAT]:
    """The op `vitrail_cmunet::cross_scan`; shapes as there. `chunk` and `backend` say nothing here.

    The second result, the states that only training needs, is a placeholder.
    """
    four, inner, _rank = _static(dt_weight)
    state = _static(A_log)[1]
    A = op.Neg(op.Exp(op.Transpose(op.Reshape(A_log, _ints(four, inner, state)), perm=[0, 2, 1])))
    weight = op.Transpose(dt_weight, perm=[0, 2, 1])
    # (B, H, W, 4 F) -> (B, 4, H, W, F)
    features = op.Transpose(op.Reshape(projected, _ints(0, 0, 0, four, -1)), perm=[0, 3, 1, 2, 4])

    def pair(tensor, axis: int, first: int):
        return op.Gather(tensor, _ints(first, first + 2), axis=axis)

    rows = scan_rows(x, pair(features, 1, 0), pair(weight, 0, 0), pair(dt_bias, 0, 0), pair(A, 0, 0))
    columns = scan_rows(
        op.Transpose(x, perm=[0, 2, 1, 3]),
        op.Transpose(pair(features, 1, 1), perm=[0, 1, 3, 2, 4]),
        pair(weight, 0, 1),
        pair(dt_bias, 0, 1),
        pair(A, 0, 1),
    )
    skip = x * op.ReduceSum(op.Reshape(D, _ints(four, inner)), _ints(0), keepdims=0)
    y = rows + op.Transpose(columns, perm=[0, 2, 1, 3]) + skip
    return y, op.Identity(x)


def _static(value: onnx_ir.Value) -> tuple[int, ...]:
    return tuple(int(size) for size in value.shape)


def _ints(*values: int) -> Sequence[int]:
    return op.Constant(value_ints=list(values))
