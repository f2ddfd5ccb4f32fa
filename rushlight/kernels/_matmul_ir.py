"""The machine code of matrix products: BLAS in parts of the longer side, a dot kernel for one row.

``gemm(c, a, b, bias, m, n, k, ta, tb)`` computes ``c = op(a) op(b) + bias`` for contiguous arrays;
the flags say which operands are stored transposed.  Parts depend on sizes only.
"""

from __future__ import annotations

from rushlight.kernels._emit import F32, I32, I64, PTR, Function, Module, Value, vec

FIELDS = [
    ("c", PTR), ("a", PTR), ("b", PTR), ("bias", PTR), ("m", I64), ("n", I64), ("k", I64),
    ("ta", I64), ("tb", I64),
]  # fmt: skip
_PART = [*FIELDS, ("length", I64)]
# Multiplications from which two, then four threads pay; and those of a part of a huge product.
_TWO, _FOUR, _HUGE = 1 << 20, 1 << 24, 1 << 29
_MOST_PARTS = 32
# Columns of a task where one row is multiplied.
_COLUMNS = 512


def _fill(f: Function, s: dict[str, Value], kind: str, lanes: int, area: tuple[Value, ...]) -> None:
    """Write the bias into rows and columns of c."""
    m0, m1, n0, n1 = area
    with f.loop(n0, n1, lanes) as j:
        mask = f.lanes_below(n1 - j.index, lanes)
        row = f.masked_load(f.at(s["bias"], j.index, kind), mask, vec(lanes, kind))
        with f.loop(m0, m1) as i:
            f.masked_store(row, f.at(s["c"], i.index * s["n"] + j.index, kind), mask)


def _gemm_part(module: Module, kind: str, lanes: int) -> None:
    f = module.function("gemm_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, _PART)
    m, n, k = s["m"], s["n"], s["k"]
    one = f.i64(1)
    ta, tb = s["ta"].ne(0), s["tb"].ne(0)
    lda, ldb = f.select(ta, m, k), f.select(tb, k, n)
    row_step, column_step = f.select(ta, one, k), f.select(tb, k, one)
    zero = f.i64(0)
    tall = m.ge(n)
    first, last = begin * s["length"], end * s["length"]
    m0, n0 = f.select(tall, first, zero), f.select(tall, zero, first)
    m1, n1 = f.minimum(f.select(tall, last, m), m), f.minimum(f.select(tall, n, last), n)
    biased = f.emit(f"icmp ne ptr {s['bias'].text}, null", "i1")
    with f.when(biased):
        _fill(f, s, kind, lanes, (m0, m1, n0, n1))

    def short(v: Value) -> Value:
        return f.cast("trunc", v, I32)

    beta = f.select(biased, f.const(1.0, kind), f.const(0.0, kind))
    name = "cblas_sgemm" if kind == F32 else "cblas_dgemm"
    f.call(
        name, "void", Value(f, "101", I32), short(s["ta"] + 111), short(s["tb"] + 111),
        short(m1 - m0), short(n1 - n0), short(k), f.const(1.0, kind),
        f.at(s["a"], m0 * row_step, kind), short(lda),
        f.at(s["b"], n0 * column_step, kind), short(ldb), beta,
        f.at(s["c"], m0 * n + n0, kind), short(n),
    )  # fmt: skip
    f.ret()


def _dot_part(module: Module, kind: str, lanes: int) -> None:
    """Define ``dot_part``: groups of four results of one row times a transposed matrix."""
    f = module.function("dot_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, _PART)
    wide = vec(lanes, kind)
    zero = f.const(0.0, wide)
    n, k = s["n"], s["k"]
    whole = k // (2 * lanes) * (2 * lanes)
    biased = f.emit(f"icmp ne ptr {s['bias'].text}, null", "i1")
    none = f.alloca(kind, 1)
    f.store(f.const(0.0, kind), none)
    with f.loop(begin, end) as group:
        o = group.index * 4
        places = [f.minimum(o + r, n - 1) for r in range(4)]
        rows = [f.at(s["b"], p * k, kind) for p in places]
        with f.loop(0, whole, 2 * lanes, [zero] * 8) as i:
            sums = list(i.values)
            for half in range(2):
                x = f.load(f.at(s["a"], i.index + half * lanes, kind), wide)
                for r in range(4):
                    w = f.load(f.at(rows[r], i.index + half * lanes, kind), wide)
                    sums[4 * half + r] = f.fma(w, x, sums[4 * half + r])
            i.next(*sums)
        with f.loop(whole, k, lanes, i.out) as tail:
            mask = f.lanes_below(k - tail.index, lanes)
            x = f.masked_load(f.at(s["a"], tail.index, kind), mask, wide)
            sums = list(tail.values)
            for r in range(4):
                w = f.masked_load(f.at(rows[r], tail.index, kind), mask, wide)
                sums[r] = f.fma(w, x, sums[r])
            tail.next(*sums)
        for r in range(4):
            total = f.total(tail.out[r] + tail.out[4 + r])
            bias = f.load(f.select(biased, f.at(s["bias"], places[r], kind), none), kind)
            f.store(total + bias, f.at(s["c"], places[r], kind))
    f.ret()


def _row_part(module: Module, kind: str, lanes: int) -> None:
    """Define ``row_part``: blocks of columns of one row times a matrix, which is read in order."""
    f = module.function("row_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, _PART)
    wide = vec(lanes, kind)
    n, k = s["n"], s["k"]
    biased = f.emit(f"icmp ne ptr {s['bias'].text}, null", "i1")
    first, last = begin * _COLUMNS, f.minimum(end * _COLUMNS, n)
    with f.loop(first, last, lanes) as j:
        mask = f.lanes_below(last - j.index, lanes)
        here = f.select(biased, f.at(s["bias"], j.index, kind), f.at(s["c"], j.index, kind))
        start = f.select(biased, f.masked_load(here, mask, wide), f.const(0.0, wide))
        f.masked_store(start, f.at(s["c"], j.index, kind), mask)
    whole = k // 8 * 8
    for start, stop, rows in ((f.i64(0), whole, 8), (whole, k, 1)):
        with f.loop(start, stop, rows) as i:
            factors = [f.splat(f.load(f.at(s["a"], i.index + r, kind), kind), lanes)
                       for r in range(rows)]  # fmt: skip
            lines = [f.at(s["b"], (i.index + r) * n, kind) for r in range(rows)]
            with f.loop(first, last, lanes) as j:
                mask = f.lanes_below(last - j.index, lanes)
                place = f.at(s["c"], j.index, kind)
                total = f.masked_load(place, mask, wide)
                for factor, line in zip(factors, lines):
                    value = f.masked_load(f.at(line, j.index, kind), mask, wide)
                    total = f.fma(factor, value, total)
                f.masked_store(total, place, mask)
    f.ret()


def _define_gemm(module: Module, kind: str, lanes: int) -> None:
    _gemm_part(module, kind, lanes)
    _dot_part(module, kind, lanes)
    _row_part(module, kind, lanes)
    g = module.function("gemm", FIELDS, export=True)
    s = {name: v for (name, _), v in zip(FIELDS, g.params)}
    ctx = g.alloca(I64, len(_PART))
    for i, v in enumerate(g.params):
        g.store(v, g.at(ctx, i, I64))
    m, n, k = s["m"], s["n"], s["k"]
    single = m.eq(1)
    one_row = single & s["tb"].ne(0)
    plain = single & s["tb"].eq(0)
    with g.when(plain):
        part = Value(g, "@row_part", PTR)
        blocks = (n + (_COLUMNS - 1)) // _COLUMNS
        grain = g.maximum(g.i64((1 << 18) // _COLUMNS) // k, 1)
        g.call("rl_parallel_for", "void", part, ctx, blocks, grain)
    with g.when(one_row):
        grain = g.maximum(g.i64(1 << 18) // k, 1)
        part = Value(g, "@dot_part", PTR)
        g.call("rl_parallel_for", "void", part, ctx, (n + 3) // 4, grain)
    with g.when((one_row ^ 1) & (plain ^ 1)):
        work = m * n * k
        parts = g.select(work.ge(_TWO), g.i64(2), g.i64(1))
        parts = g.select(work.ge(_FOUR), g.i64(4), parts)
        parts = g.maximum(parts, g.minimum(work // _HUGE, _MOST_PARTS))
        longer = g.maximum(m, n)
        length = ((longer + parts - 1) // parts + 15) // 16 * 16
        g.store(length, g.at(ctx, len(FIELDS), I64))
        count = (longer + length - 1) // length
        part = Value(g, "@gemm_part", PTR)
        g.call("rl_parallel_for", "void", part, ctx, count, g.i64(1))
    g.ret()


def _define_column_sum(module: Module, kind: str, lanes: int) -> None:
    """Define ``column_sum(out, x, rows, columns)``."""
    f = module.function("column_sum", [("out", PTR), ("x", PTR), ("m", I64), ("n", I64)])
    out, x, m, n = f.params
    wide = vec(lanes, kind)
    zero = f.const(0.0, wide)
    with f.loop(0, n, lanes) as j:
        mask = f.lanes_below(n - j.index, lanes)
        # Blocks of rows are summed apart: the error grows with their number, not with m.
        with f.loop(0, m, 64, [zero]) as block:
            last = f.minimum(block.index + 64, m)
            with f.loop(block.index, last, 1, [zero]) as i:
                value = f.masked_load(f.at(x, i.index * n + j.index, kind), mask, wide)
                i.next(i.values[0] + value)
            block.next(block.values[0] + i.out[0])
        f.masked_store(block.out[0], f.at(out, j.index, kind), mask)
    f.ret()


def _define_stack(module: Module, kind: str) -> None:
    """Define ``stack(c, a, b, count, m, n, k, ta, tb)``: products of stacked matrices."""
    fields = [("c", PTR), ("a", PTR), ("b", PTR)]
    fields += [(n, I64) for n in ("count", "m", "n", "k", "ta", "tb")]
    f = module.function("stack_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, fields)
    m, n, k = s["m"], s["n"], s["k"]
    null = Value(f, "null", PTR)
    with f.loop(begin, end) as i:
        f.call(
            "gemm", "void", f.at(s["c"], i.index * m * n, kind),
            f.at(s["a"], i.index * m * k, kind), f.at(s["b"], i.index * k * n, kind), null,
            m, n, k, s["ta"], s["tb"],
        )  # fmt: skip
    f.ret()
    g = module.function("stack", fields, export=True)
    s = {name: v for (name, _), v in zip(fields, g.params)}
    ctx = g.alloca(I64, len(fields))
    for slot, v in enumerate(g.params):
        g.store(v, g.at(ctx, slot, I64))
    work = s["m"] * s["n"] * s["k"]
    # Large matrices one by one, each in parts; small ones side by side.
    grain = g.maximum(g.i64(_TWO // 2) // work, 1)
    grain = g.select(work.ge(_FOUR), s["count"], grain)
    part = Value(g, "@stack_part", PTR)
    g.call("rl_parallel_for", "void", part, ctx, s["count"], grain)
    g.ret()


def _define_gradients(module: Module, kind: str) -> None:
    """Define ``gradients(gw, gb, g, x, rows, outputs, inputs)`` of a linear layer."""
    f = module.function(
        "gradients",
        [("gw", PTR), ("gb", PTR), ("g", PTR), ("x", PTR), ("m", I64), ("o", I64), ("i", I64)],
        export=True,
    )
    gw, gb, g, x, m, o, i = f.params
    null = Value(f, "null", PTR)
    f.call("column_sum", "void", gb, g, m, o)
    f.call("gemm", "void", gw, g, x, null, o, i, m, f.i64(1), f.i64(0))
    f.ret()


def gemm_ir(kind: str, lanes: int) -> str:
    """Return the module with ``gemm``, ``stack`` and ``gradients`` for floats of ``kind``."""
    module = Module()
    _define_gemm(module, kind, lanes)
    _define_column_sum(module, kind, lanes)
    _define_stack(module, kind)
    _define_gradients(module, kind)
    return module.text()
