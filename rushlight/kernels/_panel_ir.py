"""The machine code of convolution by panels: a product of our own in place of BLAS.

Note: why
    BLAS copies both operands into a layout of its own, which costs much where one side of the
    product is short: few pixels or few channels.  Here a panel of columns (``columns``) is what the
    product reads, and the other operand is read where it lies, one element at a time: weights or
    gradients need no copy.  A panel's piece fits into the second-level cache.  Results do not depend
    on the number of threads.
"""

from __future__ import annotations

from rushlight.kernels._columns_ir import (
    FIELDS,
    Narrow,
    claim_area,
    copy,
    define_columns,
    define_driver,
    release_area,
)
from rushlight.kernels._emit import I32, I64, PTR, Function, Module, Value, vec

# Floats of a panel that the product walks through at a time.
PIECE = 32 << 10
_ARGUMENTS = [("a", PTR), ("row", I64), ("step", I64), ("b", PTR), ("ldb", I64), ("c", PTR),
              ("ldc", I64), ("m", I64), ("n", I64), ("depth", I64)]  # fmt: skip


def define_product(module: Module, width: int, vectors: int, rows: int) -> None:
    """Define ``product``: c += a b.

    Element (i, k) of ``a`` lies at ``i * row + k * step``; ``b`` and ``c`` have rows ``ldb`` and
    ``ldc`` apart.  ``rows`` times ``vectors`` vectors of c stay in registers; b may be read up to
    their width beyond its last row's end.
    """
    f = module.function("product", _ARGUMENTS)
    a, row, step, b, ldb, c, ldc, m, n, depth = f.params
    kind = vec(width)
    zero = f.const(0.0, kind)
    with f.loop(0, n, width * vectors) as j:
        masks = [f.lanes_below(n - j.index - v * width, width) for v in range(vectors)]
        panel = f.at(b, j.index)
        with f.loop(0, m, rows) as i:
            places = [f.minimum(i.index + r, m - 1) for r in range(rows)]
            lines = [f.at(a, place * row) for place in places]
            start = [zero] * (rows * vectors)
            with f.loop(0, depth, 1, [f.i64(0), panel, *start]) as k:
                at, source = k.values[:2]
                sums = list(k.values[2:])
                values = [f.load(source, kind, v * width) for v in range(vectors)]
                for r in range(rows):
                    factor = f.splat(f.load(f.at(lines[r], at)), width)
                    for v in range(vectors):
                        sums[r * vectors + v] = f.fma(factor, values[v], sums[r * vectors + v])
                k.next(at + step, f.at(source, ldb), *sums)
            target = f.at(c, i.index * ldc + j.index)
            for r in range(rows):
                with f.when((i.index + r).lt(m)):
                    line = f.at(target, ldc * r) if r else target
                    for v in range(vectors):
                        place = f.at(line, v * width)
                        old = f.masked_load(place, masks[v], kind)
                        f.masked_store(old + k.out[2 + r * vectors + v], place, masks[v])
    f.ret()


def _fill(f: Function, value: Value, target: Value, count: Value, lanes: int) -> None:
    with f.loop(0, count, lanes) as i:
        f.masked_store(value, f.at(target, i.index), f.lanes_below(count - i.index, lanes))


Tile = tuple[int, int, int]


def forward_ir(lanes: int, narrow: Narrow | None, tile: Tile) -> str:
    """Return the module with ``panels(ctx)``, the convolution; ``tile`` as for the product."""
    module = Module()
    define_columns(module, lanes, narrow)
    define_product(module, *tile)
    f = module.function("panels_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    area = claim_area(f, s["claim"])
    col = f.at(s["scratch"], area * s["area"])
    depth = s["C"] // s["G"] * s["RH"]
    taps = depth * s["RW"]
    per_group = s["K"] // s["G"]
    out_plane = s["OH"] * s["OW"]
    row_blocks = (s["OH"] + s["RB"] - 1) // s["RB"]
    k_blocks = (per_group + s["KB"] - 1) // s["KB"]
    several = s["NB"].gt(1)
    with f.loop(begin, end) as task:
        rest = task.index // k_blocks
        k0 = (task.index - rest * k_blocks) * s["KB"]
        kn = f.minimum(per_group - k0, s["KB"])
        rest2 = rest // row_blocks
        y0 = (rest - rest2 * row_blocks) * s["RB"]
        y1 = f.minimum(s["OH"], y0 + s["RB"])
        chunk = rest2 // s["G"]
        group = rest2 - chunk * s["G"]
        n0 = chunk * s["NB"]
        nn = f.minimum(s["N"] - n0, s["NB"])
        pixels = (y1 - y0) * s["OW"]
        length = nn * pixels
        channel0 = group * per_group + k0
        weight = f.at(s["w"], channel0 * taps)
        piece = f.maximum(f.i64(PIECE) // (length * s["RW"]), 1)
        piece = f.minimum(piece, depth)
        product = f.at(col, piece * s["RW"] * length + 16 * lanes)
        own = f.at(s["y"], (n0 * s["K"] + channel0) * out_plane + y0 * s["OW"])
        target = f.select(several, product, own)
        pitch = f.select(several, length, out_plane)
        with f.loop(0, kn) as k:
            bias = f.splat(f.load(f.at(s["bias"], channel0 + k.index)), lanes)
            _fill(f, bias, f.at(target, k.index * pitch), length, lanes)
        with f.loop(0, depth, piece) as q:
            last = f.minimum(q.index + piece, depth)
            f.call("columns", "void", ctx, col, n0, nn, group * (s["C"] // s["G"]), q.index, last,
                   y0, y1)  # fmt: skip
            f.call("product", "void", f.at(weight, q.index * s["RW"]), taps, f.i64(1), col, length,
                   target, pitch, kn, length, (last - q.index) * s["RW"])  # fmt: skip
        with f.when(several), f.loop(0, nn) as n, f.loop(0, kn) as k:
            source = f.at(product, k.index * length + n.index * pixels)
            place = ((n0 + n.index) * s["K"] + channel0 + k.index) * out_plane
            copy(f, source, f.at(s["y"], place), pixels, lanes)
    release_area(f, s["claim"], area)
    f.ret()
    define_driver(module, "panels")
    return module.text()


def _define_windows(module: Module, width: int) -> None:
    """Define ``windows(ctx, out, n, c0, q0, q1, y0, y1)``: each pixel's window as a row.

    Kernel rows q0 .. q1 of the channels from c0 on; their width is at most ``width``.
    """
    names = [("ctx", PTR), ("out", PTR)]
    names += [(n, I64) for n in ("n", "c0", "q0", "q1", "y0", "y1")]
    f = module.function("windows", names)
    ctx, out, n, c0, q0, q1, y0, y1 = f.params
    s = f.slots(ctx, FIELDS)
    kind = vec(width)
    plane = s["H"] * s["W"]
    image = f.at(s["x"], (n * s["C"] + c0) * plane)
    pitch = (q1 - q0) * s["RW"]
    steps = Value(f, f"<{', '.join(f'i32 {k}' for k in range(width))}>", vec(width, I32))
    bound = f.splat(f.cast("trunc", s["W"], I32), width)
    taps = f.lanes_below(s["RW"], width)
    nothing = Value(f, "zeroinitializer", taps.kind)
    # Pixel by pixel; what a row writes beyond its end is written over by the next.
    with f.loop(y0, y1) as y, f.loop(0, s["OW"]) as ox:
        x0 = ox.index * s["SW"] - s["PW"]
        position = f.splat(f.cast("trunc", x0, I32), width) + steps
        inside = f.emit(f"icmp ult {position.kind} {position.text}, {bound.text}", taps.kind)
        inside = f.emit(f"and {taps.kind} {inside.text}, {taps.text}", taps.kind)
        target = f.at(out, ((y.index - y0) * s["OW"] + ox.index) * pitch)
        top = y.index * s["SH"] - s["PH"]
        start = [q0 // s["RH"], q0 % s["RH"], target]
        with f.loop(q0, q1, 1, start) as q:
            c, i, place = q.values
            yy = top + i
            ok = f.emit(f"icmp ult i64 {yy.text}, {s['H'].text}", "i1")
            mask = f.select(ok, inside, nothing)
            source = f.at(image, c * plane + yy * s["W"] + x0)
            f.store(f.masked_load(source, mask, kind), place)
            wrapped = (i + 1).eq(s["RH"])
            q.next(
                f.select(wrapped, c + 1, c),
                f.select(wrapped, f.i64(0), i + 1),
                f.at(place, s["RW"]),
            )
    f.ret()


def weight_gradient_ir(lanes: int, window: int, tile: Tile) -> str:
    """Return the module with ``window_gradient(ctx)``; KB counts kernel rows, w is the result.

    ``window`` is the width of the vectors that windows are copied with.
    """
    module = Module()
    _define_windows(module, window)
    define_product(module, *tile)
    name = "window_gradient"
    f = module.function(f"{name}_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    area = claim_area(f, s["claim"])
    out = f.at(s["scratch"], area * s["area"])
    channels = s["C"] // s["G"]
    depth = channels * s["RH"]
    taps = depth * s["RW"]
    per_group = s["K"] // s["G"]
    plane = s["OH"] * s["OW"]
    blocks = (depth + s["KB"] - 1) // s["KB"]
    zero = f.const(0.0, vec(lanes))
    with f.loop(begin, end) as task:
        group = task.index // blocks
        q0 = (task.index - group * blocks) * s["KB"]
        q1 = f.minimum(q0 + s["KB"], depth)
        target = f.at(s["w"], group * per_group * taps + q0 * s["RW"])
        wide = (q1 - q0) * s["RW"]
        with f.loop(0, per_group) as k:
            _fill(f, zero, f.at(target, k.index * taps), wide, lanes)
        with f.loop(0, s["N"]) as n, f.loop(0, s["OH"], s["RB"]) as y:
            y1 = f.minimum(y.index + s["RB"], s["OH"])
            f.call("windows", "void", ctx, out, n.index, group * channels, q0, q1, y.index, y1)
            g = (n.index * s["K"] + group * per_group) * plane + y.index * s["OW"]
            f.call("product", "void", f.at(s["y"], g), plane, f.i64(1), out, wide, target, taps,
                   per_group, wide, (y1 - y.index) * s["OW"])  # fmt: skip
    release_area(f, s["claim"], area)
    f.ret()
    define_driver(module, name)
    return module.text()


_SUM = [("c", PTR), ("a", PTR), ("b", PTR), ("m", I64), ("n", I64), ("k", I64)]
# Columns of a task, and multiplications from which two threads pay.
_BLOCK, _TWO = 128, 1 << 20


def accumulate_ir(width: int, vectors: int, rows: int) -> str:
    """Return the module with ``accumulate(c, a, b, m, n, k)``: c += a b, all contiguous.

    b must have at least as many columns as a row of registers: reads go that far beyond.
    """
    module = Module()
    define_product(module, width, vectors, rows)
    f = module.function("accumulate_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, _SUM)
    n, k, one = s["n"], s["k"], f.i64(1)
    first = begin * _BLOCK
    count = f.minimum(end * _BLOCK, n) - first
    # The last rows of b are read beyond their end: they go by way of memory of their own.
    inner = k - 1
    c = f.at(s["c"], first)
    f.call("product", "void", s["a"], k, one, f.at(s["b"], first), n, c, n, s["m"], count, inner)
    beyond = width * vectors
    tail = f.alloca("float", _BLOCK * 8 + beyond)
    last = f.at(s["b"], inner * n + first)
    with f.loop(0, count, _BLOCK * 8) as j:
        some = f.minimum(count - j.index, _BLOCK * 8)
        copy(f, f.at(last, j.index), tail, some, width)
        f.call("product", "void", f.at(s["a"], inner), k, one, tail, n, f.at(c, j.index), n,
               s["m"], some, one)  # fmt: skip
    f.ret()
    g = module.function("accumulate", _SUM, export=True)
    s = {name: v for (name, _), v in zip(_SUM, g.params)}
    ctx = g.alloca(I64, len(_SUM))
    for slot, v in enumerate(g.params):
        g.store(v, g.at(ctx, slot, I64))
    blocks = (s["n"] + (_BLOCK - 1)) // _BLOCK
    large = (s["m"] * s["n"] * s["k"]).ge(_TWO)
    grain = g.select(large, g.maximum(blocks // 4, 1), blocks)
    part = Value(g, "@accumulate_part", PTR)
    g.call("rl_parallel_for", "void", part, ctx, blocks, grain)
    g.ret()
    return module.text()
