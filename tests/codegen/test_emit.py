"""Machine code against the interpreter, on random programs and on every form of loop."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_calls import call, compiled, targets

from rushlight.codegen import cache, emit
from rushlight.codegen import loopir as ir
from rushlight.codegen.interpret import interpret
from rushlight.codegen.loopir import (
    Acc,
    Accum,
    Alloc,
    At,
    For,
    If,
    Kernel,
    Let,
    Param,
    Return,
    Store,
)

pytestmark = pytest.mark.skipif(not cache.native_supported(), reason="needs generated code")

I, R = ir.var("i", "i64"), ir.var("r", "i64")  # noqa: E741
N = Param("n", "i64", "scalar")
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -3e-39, 3e38, 0.1, 7.5], np.float32
)


def array(n, seed=0, dtype=np.float32):
    """Random numbers with special values among them."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n) * 10.0 ** rng.integers(-3, 4, n)
    values = np.where(rng.random(n) < 0.15, rng.choice(SPECIAL, n), values)
    return values.astype(dtype)


def both(kernel, arguments, target):
    """Results of the interpreter and of the machine: (code, arrays) each."""
    found = []
    for run in ("interpret", "machine"):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        if run == "interpret":
            code = interpret(kernel, copies)
        else:
            code = call(compiled(kernel, target), kernel, copies)
        found.append((code, [a for a in copies if isinstance(a, np.ndarray)]))
    return found


def agree(kernel, arguments, target, rtol=0.0):
    (code, expected), (got_code, got) = both(kernel, arguments, target)
    assert code == got_code
    for e, g in zip(expected, got, strict=True):
        np.testing.assert_allclose(g, e, rtol=rtol, atol=0, equal_nan=True)


X, Y, OUT = Param("x", "f32", "in"), Param("y", "f32", "in"), Param("out", "f32", "out")
A = Param("a", "f32", "scalar")


def expressions(observe_zero):
    """Random float32 expressions of x[i], y[i], a and constants.

    Which zero ``max(0, -0)`` is, is not said: with ``observe_zero`` there is no min and max, without
    it nothing that tells zeros apart.
    """
    leaves = st.sampled_from([X[I], Y[I], A.var(), X[I], Y[N.var() - 1 - I]]) | st.floats(
        -100, 100, width=32
    ).map(lambda v: ir.const(v, "f32"))
    binary = ["add", "sub", "mul", *(["div", "copysign"] if observe_zero else ["min", "max"])]

    def grow(children):
        pair = st.tuples(children, children)
        options = [
            st.tuples(st.sampled_from(binary), pair).map(lambda t: ir.binary(t[0], *t[1])),
            st.tuples(st.sampled_from(["neg", "abs", "sqrt"]), children).map(
                lambda t: ir.unary(*t)
            ),
            st.tuples(st.sampled_from(ir.COMPARE), pair, pair).map(
                lambda t: ir.select(ir.compare(t[0], *t[1]), *t[2])
            ),
            pair.map(lambda t: ir.cast(ir.cast(t[0], "f64") * ir.cast(t[1], "f64") + 0.5, "f32")),
            children.map(lambda e: e * ir.cast(I % 5, "f32")),
        ]
        if observe_zero:
            options.append(
                children.map(lambda e: ir.bitcast(ir.bitcast(e, "i32") ^ -(1 << 31), "f32"))
            )
        return st.one_of(options)

    return st.recursive(leaves, grow, max_leaves=12)


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("observe_zero", [True, False])
def test_random_maps(observe_zero):
    @SETTINGS
    @given(
        expressions(observe_zero),
        st.integers(0, 150),
        st.booleans(),
        st.sampled_from(targets()),
        st.integers(0, 5),
    )
    def check(e, n, vector, target, unroll):
        loop = For("i", N.var(), [Store("out", I, e)], vector=vector, unroll=unroll & -2)
        kernel = Kernel("random_map", [X, Y, OUT, N, A], [loop])
        x, y, out = array(n, 1), array(n, 2), np.zeros(n, np.float32)
        agree(kernel, [x, y, out, n, np.float32(1.75)], target)

    check()


@SETTINGS
@given(
    expressions(False),
    st.integers(0, 150),
    st.sampled_from(["max", "min", "top"]),
    st.booleans(),
    st.sampled_from(targets()),
)
def test_random_extremes(e, n, op, vector, target):
    acc = Acc("acc", op, "f32")
    loop = For("i", N.var(), [Accum("acc", e)], accs=[acc], vector=vector)
    kernel = Kernel("random_extreme", [X, Y, OUT, N, A], [loop, Store("out", 0, acc.value())])
    agree(kernel, [array(n, 1), array(n, 2), np.zeros(1, np.float32), n, np.float32(2)], target)


@pytest.mark.parametrize("target", targets(), ids=repr)
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 63, 64, 65, 1000])
def test_sums(n, target):
    total, count = Acc("total", "add", "f64"), Acc("count", "add", "i64", ir.const(5, "i64"))
    more = [Accum("total", ir.cast(X[I], "f64")), Accum("count", ir.cast(X[I] > 0.0, "i64"))]
    kernel = Kernel(
        "sums",
        [X, OUT, N],
        [
            For("i", N.var(), more, accs=[total, count], vector=True),
            Store("out", 0, ir.cast(total.value(), "f32")),
            Store("out", 1, ir.cast(count.value(), "f32")),
        ],
    )
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    agree(kernel, [x, np.zeros(2, np.float32), n], target, rtol=1e-6)


@pytest.mark.parametrize("target", targets(), ids=repr)
def test_rows_inside_parallel_chunks_and_a_serial_loop_inside_lanes(target):
    rows = Param("rows", "i64", "scalar")
    acc = Acc("acc", "add", "f32")
    column = [
        For("r", rows.var(), [Accum("acc", X[R * N.var() + I])], accs=[acc]),
        Store("out", I, acc.value()),
    ]
    by_column = Kernel("columns", [X, OUT, rows, N], [For("i", N.var(), column, vector=True)])
    scaled = Store("out", R * N.var() + I, X[R * N.var() + I] * ir.cast(R, "f32"))
    by_row = Kernel(
        "rows",
        [X, OUT, rows, N],
        [For("r", rows.var(), [For("i", N.var(), [scaled], vector=True)], parallel=3)],
    )
    x = np.arange(11 * 37, dtype=np.float32)
    agree(by_column, [x, np.zeros(37, np.float32), 11, 37], target)
    agree(by_row, [x, np.zeros(11 * 37, np.float32), 11, 37], target)


@pytest.mark.parametrize("target", targets(), ids=repr)
def test_gather_bytes_booleans_and_wide_integers(target):
    u8, flags = Param("u8", "u8", "in"), Param("flags", "b1", "in")
    places = Param("places", "i64", "in")
    far, mask = Param("far", "f32", "out"), Param("mask", "b1", "out")
    wide = Param("wide", "i64", "out")
    body = [
        Store("far", I, ir.select(flags[I], X[places[I]], ir.cast(u8[I], "f32"))),
        Store("mask", I, (X[I] > 0.0) & flags[I]),
        Store("wide", I, places[I] * 3 - I),
    ]
    kernel = Kernel(
        "gather",
        [X, u8, flags, places, far, mask, wide, N],
        [For("i", N.var(), body, vector=True)],
    )
    rng, n = np.random.default_rng(0), 77
    agree(
        kernel,
        [
            rng.standard_normal(n).astype(np.float32),
            rng.integers(0, 256, n).astype(np.uint8),
            rng.random(n) < 0.5,
            rng.integers(0, n, n),
            np.zeros(n, np.float32),
            np.zeros(n, bool),
            np.zeros(n, np.int64),
            n,
        ],
        target,
    )


@pytest.mark.parametrize("target", targets(), ids=repr)
def test_branches_scratch_addresses_and_the_result_code(target):
    table = Param("table", "i64", "in")
    there = At("there", "f32", table[0])
    body = [
        Alloc("bad", "i64", 1),
        Store("bad", 0, ir.const(0, "i64")),
        there,
        For(
            "i",
            N.var(),
            [
                Let("v", there[I]),
                If(ir.var("v", "f32") < 0.0, [Store("bad", 0, I + 1)]),
                Store("there", I, ir.var("v", "f32") * 2.0),
            ],
        ),
        Return(ir.load("bad", 0, "i64")),
    ]
    kernel = Kernel("addresses", [table, N], body)
    for values in ([1.0, 2.0, 3.0], [1.0, -2.0, 3.0]):
        data = np.array(values, np.float32)
        where = np.array([data.ctypes.data])
        assert call(compiled(kernel, target), kernel, [where, 3]) == (2 if min(values) < 0 else 0)
        np.testing.assert_array_equal(data, np.array(values, np.float32) * 2)
        assert interpret(kernel, [where, 3], [data]) == (2 if min(values) < 0 else 0)
        np.testing.assert_array_equal(data, np.array(values, np.float32) * 4)


def test_a_store_is_seen_by_the_next_statement():
    out = Param("out", "f32", "inout")
    first, second = Store("out", I, out[I] + 1.0), Store("out", I, out[I] * 10.0)
    kernel = Kernel("twice", [out, N], [For("i", N.var(), [first, second], vector=True)])
    for target in targets():
        agree(kernel, [np.arange(40, dtype=np.float32), 40], target)


def test_a_store_to_scattered_places_is_refused():
    kernel = Kernel("k", [X, OUT, N], [For("i", N.var(), [Store("out", I * 2, X[I])], vector=True)])
    with pytest.raises(ir.IRError, match="lanes must be neighbours"):
        emit.emit([kernel], targets()[-1])
