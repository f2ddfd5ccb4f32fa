"""The machine code of convolution by columns: windows copied into rows, then one BLAS product.

Note: how the work is cut
    Planes of few pixels are joined: a chunk is NB samples whose pixels stand side by side in
    one product.  Larger planes are cut into blocks of RB output rows.  A task is one chunk, block
    and block of KB output channels (forward), of channels (input gradient) or of kernel rows
    (weight gradient, which walks all chunks in order).  Cuts depend on sizes only, so results do
    not depend on the number of threads.
"""

from __future__ import annotations

from rushlight.kernels._emit import F32, I32, I64, PTR, Function, Module, Value, vec

FIELDS = [
    ("x", PTR), ("w", PTR), ("y", PTR), ("bias", PTR), ("scratch", PTR), ("claim", PTR),
    ("gt", PTR), ("area", I64),
    ("N", I64), ("C", I64), ("K", I64), ("G", I64), ("H", I64), ("W", I64), ("OH", I64),
    ("OW", I64), ("RH", I64), ("RW", I64), ("SH", I64), ("SW", I64), ("PH", I64), ("PW", I64),
    ("DH", I64), ("DW", I64), ("NB", I64), ("RB", I64), ("KB", I64), ("direct", I64),
]  # fmt: skip
Fields = dict[str, Value]
_NO_TRANS, _TRANS = 111, 112
# Of a chunk's columns: first sample and number of samples, first channel, kernel rows, rows.
_RANGES = ("n0", "nn", "c0", "q0", "q1", "y0", "y1")


def claim_area(f: Function, word: Value) -> Value:
    """Take the lowest set bit of ``word``, waiting for one, and return its number."""
    module = f.module
    module.declare("llvm.cttz.i64", I64, [I64, "i1"])
    f.do("br label %try")
    f.label("try")
    f.do(f"%old = load atomic i64, ptr {word.text} acquire, align 8")
    f.do("%less = sub i64 %old, 1")
    f.do("%left = and i64 %old, %less")
    f.do("%some = icmp ne i64 %old, 0")
    f.do("br i1 %some, label %swap, label %try")
    f.label("swap")
    f.do(f"%won = cmpxchg ptr {word.text}, i64 %old, i64 %left acq_rel acquire")
    f.do("%good = extractvalue { i64, i1 } %won, 1")
    f.do("br i1 %good, label %taken, label %try")
    f.label("taken")
    return f.emit("call i64 @llvm.cttz.i64(i64 %old, i1 true)", I64)


def release_area(f: Function, word: Value, area: Value) -> None:
    """Give an area back."""
    bit = f.emit(f"shl i64 1, {area.text}", I64)
    f.emit(f"atomicrmw or ptr {word.text}, i64 {bit.text} acq_rel", I64)


def sgemm(
    f: Function, trans: tuple[bool, bool], sizes: tuple[Value, Value, Value], a: Value,
    lda: Value, b: Value, ldb: Value, beta: Value, c: Value, ldc: Value,
) -> None:  # fmt: skip
    """Call BLAS, row-major."""

    def short(v: Value) -> Value:
        return f.cast("trunc", v, I32)

    flags = [Value(f, str(_TRANS if t else _NO_TRANS), I32) for t in trans]
    f.call(
        "cblas_sgemm", "void", Value(f, "101", I32), *flags, *(short(s) for s in sizes),
        f.const(1.0, F32), a, short(lda), b, short(ldb), beta, c, short(ldc),
    )  # fmt: skip


def _steps(f: Function, lanes: int) -> Value:
    numbers = ", ".join(f"i32 {n}" for n in range(lanes))
    return Value(f, f"<{numbers}>", vec(lanes, I32))


def _inside(f: Function, first: Value, size: Value, lanes: int) -> Value:
    """Return which of the positions from ``first`` on lie in 0 .. size."""
    position = f.splat(f.cast("trunc", first, I32), lanes) + _steps(f, lanes)
    bound = f.splat(f.cast("trunc", size, I32), lanes)
    return f.emit(f"icmp ult {position.kind} {position.text}, {bound.text}", vec(lanes, "i1"))


def _copy_row(f: Function, s: Fields, row: Value, x0: Value, target: Value, lanes: int) -> None:
    """Write OW values of a row, from position ``x0`` on in steps of SW, zeros outside."""
    kind = vec(lanes)
    with f.when(s["SW"].eq(1)), f.loop(0, s["OW"], lanes) as ox:
        first = x0 + ox.index
        mask = _inside(f, first, s["W"], lanes)
        f.store(f.masked_load(f.at(row, first), mask, kind), f.at(target, ox.index))
    with f.when(s["SW"].eq(2)), f.loop(0, s["OW"], lanes) as ox:
        first = x0 + ox.index * 2
        parts = []
        for _ in range(2):
            mask = _inside(f, first, s["W"], lanes)
            parts.append(f.masked_load(f.at(row, first), mask, kind))
            first = first + lanes
        even = f.shuffle(parts[0], parts[1], range(0, 2 * lanes, 2))
        f.store(even, f.at(target, ox.index))
    with f.when(s["SW"].gt(2)):
        low, high = row_range(f, s, x0)
        zero = f.const(0.0, F32)
        for start, stop in ((f.i64(0), low), (high, s["OW"])):
            with f.loop(start, stop) as ox:
                f.store(zero, f.at(target, ox.index))
        with f.loop(low, high) as ox:
            f.store(f.load(f.at(row, x0 + ox.index * s["SW"])), f.at(target, ox.index))


def row_range(f: Function, s: Fields, x0: Value) -> tuple[Value, Value]:
    """Return the range of output columns whose position x0 + SW * column is in 0 .. W."""
    low = f.maximum(f.const(0, I64) - x0 + (s["SW"] - 1), 0) // s["SW"]
    low = f.minimum(low, s["OW"])
    last = s["W"] - x0 + (s["SW"] - 1)
    high = f.minimum(f.maximum(last, 0) // s["SW"], s["OW"])
    return low, f.maximum(high, low)


def _every(f: Function, row: Value, masks: list[Value], step: int, lanes: int) -> Value:
    """Return every ``step``-th float of a row (1, 2 or 4), zeros where a mask says outside."""
    parts = [f.masked_load(f.at(row, k * lanes), mask, vec(lanes)) for k, mask in enumerate(masks)]
    while len(parts) > 1:
        picks = range(0, 2 * lanes, 2)
        parts = [f.shuffle(a, b, picks) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _narrow_columns(
    f: Function, s: Fields, ranges: dict[str, Value], step: int, lanes: int, vectors: int
) -> None:
    """Write ``columns`` for rows of at most ``vectors`` vectors, ``step`` floats between pixels.

    A row may write beyond its end: what comes there is written later.
    """
    col, y0, y1, q0 = (ranges[n] for n in ("col", "y0", "y1", "q0"))
    plane, high = s["H"] * s["W"], y1 - y0
    length = ranges["nn"] * high * s["OW"]
    zero = f.const(0.0, vec(lanes))
    down = s["SH"] * s["W"]
    with f.loop(q0, ranges["q1"]) as q:
        c = q.index // s["RH"]
        i = q.index - c * s["RH"]
        top = i * s["DH"] - s["PH"]
        first = f.maximum(f.const(0, I64) - top + (s["SH"] - 1), 0) // s["SH"]
        last = f.maximum(s["H"] - top + (s["SH"] - 1), 0) // s["SH"]
        first = f.minimum(f.maximum(first, y0), y1)
        last = f.maximum(f.minimum(last, y1), first)
        channel = f.at(s["x"], (ranges["n0"] * s["C"] + ranges["c0"] + c) * plane)
        origin = f.at(channel, (first * s["SH"] + top) * s["W"])
        block = f.at(col, (q.index - q0) * s["RW"] * length)
        with f.loop(0, s["RW"]) as j:
            x0 = j.index * s["DW"] - s["PW"]
            places = [x0 + n * lanes for n in range(vectors * step)]
            masks = [_inside(f, place, s["W"], lanes) for place in places]
            source = f.at(origin, x0)
            target = f.at(block, j.index * length)
            with f.loop(0, ranges["nn"]) as n:
                part = f.at(target, n.index * high * s["OW"])
                line = f.at(source, n.index * s["C"] * plane)
                empty = ((y0, first), (last, y1))
                for k, (start, stop) in enumerate((empty[0], (first, last), empty[1])):
                    begin = f.at(part, (start - y0) * s["OW"])
                    with f.loop(start, stop, 1, [begin, line]) as y:
                        out, row = y.values
                        for v in range(vectors):
                            value = zero
                            if k == 1:
                                own = masks[v * step : (v + 1) * step]
                                value = _every(f, f.at(row, v * step * lanes), own, step, lanes)
                            f.store(value, f.at(out, v * lanes))
                        y.next(f.at(out, s["OW"]), f.at(row, down))


Narrow = tuple[int, int, int]


def define_columns(module: Module, lanes: int, narrow: Narrow | None = None) -> None:
    """Define ``columns``: kernel rows q0 .. q1 of group-relative channels, for one chunk.

    ``narrow`` is None, or the column stride (1, 2, 4), and the width and number of the vectors that
    hold a row of pixels.
    """
    f = module.function("columns", [("ctx", PTR), ("col", PTR), *((n, I64) for n in _RANGES)])
    ctx, col, n0, nn, c0, q0, q1, y0, y1 = f.params
    s = f.slots(ctx, FIELDS)
    if narrow is not None:
        ranges = dict(zip(("ctx", "col", *_RANGES), f.params))
        _narrow_columns(f, s, ranges, *narrow)
        f.ret()
        return
    high = y1 - y0
    length = nn * high * s["OW"]
    plane = s["H"] * s["W"]
    zero = f.const(0.0, vec(lanes))
    with f.loop(q0, q1) as q:
        c = q.index // s["RH"]
        i = q.index - c * s["RH"]
        channel = f.at(s["x"], (c0 + c) * plane)
        first_row = f.at(col, (q.index - q0) * s["RW"] * length)
        with f.loop(0, s["RW"]) as j:
            x0 = j.index * s["DW"] - s["PW"]
            out = f.at(first_row, j.index * length)
            with f.loop(0, nn) as n:
                image = f.at(channel, (n0 + n.index) * s["C"] * plane)
                part = f.at(out, n.index * high * s["OW"])
                with f.loop(0, high) as y:
                    yy = (y0 + y.index) * s["SH"] + i * s["DH"] - s["PH"]
                    target = f.at(part, y.index * s["OW"])
                    ok = f.emit(f"icmp ult i64 {yy.text}, {s['H'].text}", "i1")
                    with f.when(ok):
                        _copy_row(f, s, f.at(image, yy * s["W"]), x0, target, lanes)
                    with f.when(ok ^ 1), f.loop(0, s["OW"], lanes) as ox:
                        f.store(zero, f.at(target, ox.index))
    f.ret()


def define_driver(module: Module, name: str) -> None:
    """Define the exported function, whose slots after the context's hold the number of tasks."""
    g = module.function(name, [("ctx", PTR)], export=True)
    (ctx,) = g.params
    tasks = g.load(g.at(ctx, len(FIELDS), I64), I64)
    part = Value(g, f"@{name}_part", PTR)
    g.call("rl_parallel_for", "void", part, ctx, tasks, g.i64(1))
    g.ret()


def copy(f: Function, source: Value, target: Value, count: Value, lanes: int,
          add: Value | None = None) -> None:  # fmt: skip
    """Copy floats exactly, adding a vector to each."""
    with f.loop(0, count, lanes) as i:
        mask = f.lanes_below(count - i.index, lanes)
        value = f.masked_load(f.at(source, i.index), mask, vec(lanes))
        if add is not None:
            value = value + add
        f.masked_store(value, f.at(target, i.index), mask)


def forward_ir(lanes: int, narrow: Narrow | None) -> str:
    """Return the module with ``forward(ctx)``."""
    module = Module()
    define_columns(module, lanes, narrow)
    f = module.function("forward_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    area = claim_area(f, s["claim"])
    col = f.at(s["scratch"], area * s["area"])
    depth = s["C"] // s["G"] * s["RH"]
    rows = depth * s["RW"]
    per_group = s["K"] // s["G"]
    out_plane = s["OH"] * s["OW"]
    row_blocks = (s["OH"] + s["RB"] - 1) // s["RB"]
    k_blocks = (per_group + s["KB"] - 1) // s["KB"]
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
        c0 = group * (s["C"] // s["G"])
        pixels = (y1 - y0) * s["OW"]
        length = nn * pixels
        channel0 = group * per_group + k0
        weight = f.at(s["w"], channel0 * rows)
        one = f.const(1.0, F32)
        with f.when(s["direct"].eq(0)):
            f.call("columns", "void", ctx, col, n0, nn, c0, f.i64(0), depth, y0, y1)
        with f.when(s["NB"].eq(1)):
            target = f.at(s["y"], (n0 * s["K"] + channel0) * out_plane + y0 * s["OW"])
            with f.loop(0, kn) as k:
                fill = f.splat(f.load(f.at(s["bias"], channel0 + k.index)), lanes)
                row = f.at(target, k.index * out_plane)
                with f.loop(0, pixels, lanes) as i:
                    f.masked_store(fill, f.at(row, i.index), f.lanes_below(pixels - i.index, lanes))
            plain = s["direct"].ne(0)
            inner = f.at(s["x"], (n0 * s["C"] + c0) * out_plane + y0 * s["OW"])
            source = f.select(plain, inner, col)
            pitch = f.select(plain, out_plane, length)
            sgemm(f, (False, False), (kn, length, rows), weight, rows, source, pitch, one,
                  target, out_plane)  # fmt: skip
        with f.when(s["NB"].gt(1)):
            product = f.at(col, rows * length + lanes)
            sgemm(f, (False, False), (kn, length, rows), weight, rows, col, length,
                  f.const(0.0, F32), product, length)  # fmt: skip
            with f.loop(0, nn) as n, f.loop(0, kn) as k:
                fill = f.splat(f.load(f.at(s["bias"], channel0 + k.index)), lanes)
                source = f.at(product, k.index * length + n.index * pixels)
                place = ((n0 + n.index) * s["K"] + channel0 + k.index) * out_plane
                copy(f, source, f.at(s["y"], place), pixels, lanes, fill)
    release_area(f, s["claim"], area)
    f.ret()
    define_driver(module, "forward")
    return module.text()


def _chunk_gradient(f: Function, s: Fields, n0: Value, group: Value, nn: Value) -> Value:
    """Return the address of a chunk's output gradient, (K / G) rows of nn * OH * OW."""
    plane = s["OH"] * s["OW"]
    per_group = s["K"] // s["G"]
    joined = f.at(s["gt"], n0 * s["K"] * plane + group * per_group * nn * plane)
    single = f.at(s["y"], (n0 * s["K"] + group * per_group) * plane)
    return f.select(s["NB"].gt(1), joined, single)


def join_ir(lanes: int) -> str:
    """Return the module with ``join(ctx)``: gt gets each chunk of y with its samples joined."""
    module = Module()
    f = module.function("join_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    plane = s["OH"] * s["OW"]
    with f.loop(begin, end) as n:
        chunk = n.index // s["NB"]
        n0 = chunk * s["NB"]
        nn = f.minimum(s["N"] - n0, s["NB"])
        with f.loop(0, s["K"]) as k:
            source = f.at(s["y"], (n.index * s["K"] + k.index) * plane)
            target = n0 * s["K"] * plane + k.index * nn * plane + (n.index - n0) * plane
            copy(f, source, f.at(s["gt"], target), plane, lanes)
    f.ret()
    define_driver(module, "join")
    return module.text()


def weight_gradient_ir(lanes: int, narrow: Narrow | None) -> str:
    """Return the module with ``weight_gradient(ctx)``; KB counts kernel rows, w is the result."""
    module = Module()
    define_columns(module, lanes, narrow)
    f = module.function("weight_gradient_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    area = claim_area(f, s["claim"])
    col = f.at(s["scratch"], area * s["area"])
    channels = s["C"] // s["G"]
    depth = channels * s["RH"]
    rows = depth * s["RW"]
    per_group = s["K"] // s["G"]
    blocks = (depth + s["KB"] - 1) // s["KB"]
    with f.loop(begin, end) as task:
        group = task.index // blocks
        q0 = (task.index - group * blocks) * s["KB"]
        q1 = f.minimum(q0 + s["KB"], depth)
        target = f.at(s["w"], group * per_group * rows + q0 * s["RW"])
        with f.loop(0, s["N"], s["NB"]) as n:
            nn = f.minimum(s["N"] - n.index, s["NB"])
            with f.loop(0, s["OH"], s["RB"]) as y:
                y1 = f.minimum(y.index + s["RB"], s["OH"])
                f.call("columns", "void", ctx, col, n.index, nn, group * channels, q0, q1,
                       y.index, y1)  # fmt: skip
                length = nn * (y1 - y.index) * s["OW"]
                g = f.at(_chunk_gradient(f, s, n.index, group, nn), y.index * s["OW"])
                start = (n.index + y.index).eq(0)
                beta = f.select(start, f.const(0.0, F32), f.const(1.0, F32))
                sgemm(f, (False, True), (per_group, (q1 - q0) * s["RW"], length), g,
                      nn * s["OH"] * s["OW"], col, length, beta, target, rows)  # fmt: skip
    release_area(f, s["claim"], area)
    f.ret()
    define_driver(module, "weight_gradient")
    return module.text()


def _add_row(f: Function, s: Fields, source: Value, row: Value, x0: Value, lanes: int) -> None:
    """Add OW values to a row, from position ``x0`` on in steps of SW, dropping those outside."""
    kind = vec(lanes)
    with f.when(s["SW"].eq(1)), f.loop(0, s["OW"], lanes) as ox:
        first = x0 + ox.index
        mask = _inside(f, first, s["W"], lanes)
        mask = f.emit(
            f"and {mask.kind} {mask.text}, {f.lanes_below(s['OW'] - ox.index, lanes).text}",
            mask.kind,
        )
        place = f.at(row, first)
        total = f.masked_load(place, mask, kind) + f.load(f.at(source, ox.index), kind)
        f.masked_store(total, place, mask)
    with f.when(s["SW"].gt(1)):
        low, high = row_range(f, s, x0)
        with f.loop(low, high) as ox:
            place = f.at(row, x0 + ox.index * s["SW"])
            f.store(f.load(place) + f.load(f.at(source, ox.index)), place)


def input_gradient_ir(lanes: int) -> str:
    """Return the module with ``input_gradient(ctx)``; KB counts channels, x is the result."""
    module = Module()
    f = module.function("input_gradient_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    area = claim_area(f, s["claim"])
    col = f.at(s["scratch"], area * s["area"])
    channels = s["C"] // s["G"]
    taps = s["RH"] * s["RW"]
    rows = channels * taps
    per_group = s["K"] // s["G"]
    blocks = (channels + s["KB"] - 1) // s["KB"]
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    zero = f.const(0.0, vec(lanes))
    with f.loop(begin, end) as task:
        rest = task.index // blocks
        c0 = (task.index - rest * blocks) * s["KB"]
        cn = f.minimum(channels - c0, s["KB"])
        chunk = rest // s["G"]
        group = rest - chunk * s["G"]
        n0 = chunk * s["NB"]
        nn = f.minimum(s["N"] - n0, s["NB"])
        length = nn * out_plane
        weight = f.at(s["w"], group * per_group * rows + c0 * taps)
        g = _chunk_gradient(f, s, n0, group, nn)
        sgemm(f, (True, False), (cn * taps, length, per_group), weight, rows, g, length,
              f.const(0.0, F32), col, length)  # fmt: skip
        with f.loop(0, nn) as n:
            first = f.at(s["x"], ((n0 + n.index) * s["C"] + group * channels + c0) * plane)
            whole = cn * plane
            with f.loop(0, whole, lanes) as i:
                f.masked_store(zero, f.at(first, i.index), f.lanes_below(whole - i.index, lanes))
            with f.loop(0, cn) as c, f.loop(0, s["RH"]) as i, f.loop(0, s["RW"]) as j:
                tap = (c.index * s["RH"] + i.index) * s["RW"] + j.index
                source = f.at(col, tap * length + n.index * out_plane)
                image = f.at(first, c.index * plane)
                x0 = j.index * s["DW"] - s["PW"]
                with f.loop(0, s["OH"]) as y:
                    yy = y.index * s["SH"] + i.index * s["DH"] - s["PH"]
                    ok = f.emit(f"icmp ult i64 {yy.text}, {s['H'].text}", "i1")
                    with f.when(ok):
                        _add_row(f, s, f.at(source, y.index * s["OW"]),
                                 f.at(image, yy * s["W"]), x0, lanes)  # fmt: skip
    release_area(f, s["claim"], area)
    f.ret()
    define_driver(module, "input_gradient")
    return module.text()
