"""The machine code of Winograd convolution: F(4x4, 3x3) and F(2x2, 5x5), stride 1.

Note: the scheme
    Six-point transforms at 0, +-3/4, +-3/2 and infinity: with these points the error is a fifth
    of that at the usual 0, +-1, +-2.  A tile of 6x6 inputs gives m x m outputs (m = 4 for 3x3,
    m = 2 for 5x5).  Vector lanes are channels.  V[point][tile][C] holds transformed inputs,
    U[point][K / NR][C][NR] the weights, M[point][tile][K] their products, 36 points.
    Weights are transformed in float64.

Two drivers: ``blocks`` takes a block of tiles through all three stages in scratch memory of one
thread; ``staged`` does each stage for all tiles, split over threads by tile, point and tile.
"""

from __future__ import annotations

from collections.abc import Callable

from rushlight.kernels._columns_ir import claim_area, release_area
from rushlight.kernels._emit import I32, I64, PTR, Function, Module, Value, lanes_of, vec

A, B = 0.75, 1.5
POINTS = 36
# Floats between consecutive points beyond the tiles, so that they fall into different cache sets.
SKEW = 16

FIELDS = [
    ("x", PTR), ("u", PTR), ("y", PTR), ("bias", PTR), ("scratch", PTR), ("claim", PTR),
    ("C", I64), ("K", I64), ("H", I64), ("W", I64), ("OH", I64), ("OW", I64),
    ("PY", I64), ("PX", I64), ("TH", I64), ("TW", I64), ("P", I64), ("TB", I64),
]  # fmt: skip
SLOT = {name: n for n, (name, _) in enumerate(FIELDS)}
WEIGHT_FIELDS = [
    ("w", PTR), ("u", PTR), ("C", I64), ("K", I64), ("sk", I64), ("sc", I64), ("st", I64),
]  # fmt: skip


def _input_points(d: list[Value]) -> list[Value]:
    """Return B^T d."""
    a2, b2 = A * A, B * B
    e1, f1 = d[4] - d[2] * b2, (d[3] - d[1] * b2) * A
    e2, f2 = d[4] - d[2] * a2, (d[3] - d[1] * a2) * B
    first = d[0] * (a2 * b2) + (d[4] - d[2] * (a2 + b2))
    last = d[1] * (a2 * b2) + (d[5] - d[3] * (a2 + b2))
    return [first, e1 + f1, e1 - f1, e2 + f2, e2 - f2, last]


def _output_points(m: list[Value], count: int) -> list[Value]:
    """Return A^T m, ``count`` (2 or 4) values."""
    p, q, u, w = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    if count == 2:
        return [m[0] + p + u, q * A + (w * B + m[5])]
    return [
        m[0] + p + u,
        q * A + w * B,
        p * (A * A) + u * (B * B),
        q * (A**3) + (w * (B**3) + m[5]),
    ]


def weight_rows(g: list[Value]) -> list[Value]:
    """Return G g for three or five taps."""
    even = range(0, len(g), 2)
    odd = range(1, len(g), 2)
    out = [g[0] * (1 / (A * A * B * B))]
    for a, b in ((A, B), (B, A)):
        n = 2 * a * a * (a * a - b * b)
        e = g[0] * (1 / n)
        for i in even[1:]:
            e = e + g[i] * (a**i / n)
        o = g[1] * (a / n)
        for i in odd[1:]:
            o = o + g[i] * (a**i / n)
        out += [e + o, e - o]
    return [*out, g[-1]]


def _interleave(f: Function, width: int, a: Value, b: Value, high: int, unit: int) -> Value:
    """Return the low or high halves of each four lanes of two vectors, interleaved by ``unit``."""
    lanes = []
    for lane in range(0, width, 4):
        for n in range(0, 2, unit):
            start = lane + 2 * high + n
            lanes += [start + k for k in range(unit)]
            lanes += [width + start + k for k in range(unit)]
    return f.shuffle(a, b, lanes)


def _columns(f: Function, rows: list[Value], width: int) -> list[Value]:
    """Return the first six columns of eight-wide rows of ``width`` channels, lanes = channels."""
    if width == 16:
        order = [(i, i + 4) for i in range(4)] + [(8 + i, 12 + i) for i in range(4)]
        rows = [f.shuffle(rows[a], rows[b], range(16)) for a, b in order]
    halves = []
    for q in (rows[:4], rows[4:]):
        t = [_interleave(f, width, q[i], q[i + 1], high, 1) for i in (0, 2) for high in (0, 1)]
        halves.append(
            [
                _interleave(f, width, t[0 + pair], t[2 + pair], high, 2)
                for pair in (0, 1)
                for high in (0, 1)
            ]
        )
    out = []
    for j in range(6):
        lane = j // 4
        picks = [
            base + (lane + 2 * k) * 4 + n
            for base in (0, width)
            for k in range(width // 8)
            for n in range(4)
        ]
        out.append(f.shuffle(halves[0][j % 4], halves[1][j % 4], picks))
    return out


def _next_place(f: Function, s: dict[str, Value], place: list[Value]) -> list[Value]:
    """Return the sample, tile row and tile column of the following tile."""
    n, ty, tx = place
    zero = f.i64(0)
    right = tx + 1
    wrapped = right.eq(s["TW"])
    down = f.select(wrapped, ty + 1, ty)
    through = down.eq(s["TH"])
    return [
        f.select(through, n + 1, n),
        f.select(through, zero, down),
        f.select(wrapped, zero, right),
    ]


def _place(f: Function, s: dict[str, Value], tile: Value) -> tuple[Value, Value, Value]:
    """Return the sample, tile row and tile column of a tile."""
    per = s["TH"] * s["TW"]
    sample = tile // per
    rest = tile - sample * per
    row = rest // s["TW"]
    return sample, row, rest - row * s["TW"]


def _fields(f: Function, ctx: Value) -> dict[str, Value]:
    return f.slots(ctx, FIELDS)


Transform = Callable[[list[Value]], list[Value]]


def _second_pass(
    f: Function,
    buffer: Value,
    target: Value,
    apart: Value,
    rows: int,
    transform: Transform,
    kind: str,
) -> None:
    """Transform the columns of ``buffer`` and write the 36 points, ``apart`` floats apart."""
    align = 4 * lanes_of(kind)
    with f.loop(0, 6) as j:
        column = [
            f.load(f.at(buffer, j.index + 6 * i, kind), kind, align=align) for i in range(rows)
        ]
        p = f.at(target, j.index * apart)
        for o in transform(column):
            f.store(o, p)
            p = f.at(p, apart * 6)


def define_tiles(
    module: Module,
    name: str,
    width: int,
    step: int,
    names: tuple[str, str, str, str],
    padded: bool,
    rows: int,
    transform: Transform,
) -> None:
    """Define ``name(ctx, V, padded count, first, count)``: transformed tiles from ``first`` on.

    Args:
        step: distance of tiles.
        names: fields with the planes, their number, height and width.
        padded: whether tiles begin PY, PX before their place.
        rows: rows and columns of a tile.
        transform: makes six points of ``rows`` values.
    """
    f = module.function(
        name, [("ctx", PTR), ("v", PTR), ("pitch", I64), ("first", I64), ("count", I64)]
    )
    ctx, v, pitch, first, count = f.params
    s = f.slots(ctx, FIELDS)
    planes, channels, height, wide = (s[n] for n in names)
    kind, half = vec(width), vec(8)
    buffer = f.alloca(kind, POINTS)
    plane = height * wide
    apart = pitch * channels + SKEW
    lanes = Value(f, f"<{', '.join(f'i32 {n}' for n in range(8))}>", vec(8, I32))
    bound = f.splat(f.cast("trunc", wide, I32), 8)
    offsets = [plane * (4 * i) for i in range(4)]
    begin = list(_place(f, s, first))
    with f.loop(0, channels, width) as c, f.loop(0, count, 1, begin) as t:
        n, ty, tx = t.values
        t.next(*_next_place(f, s, t.values))
        y0, x0 = ty * step, tx * step
        if padded:
            y0, x0 = y0 - s["PY"], x0 - s["PX"]
        position = f.splat(f.cast("trunc", x0, I32), 8) + lanes
        inside = f.emit(f"icmp ult {position.kind} {position.text}, {bound.text}", vec(8, "i1"))
        corner = f.at(planes, n * channels * plane + y0 * wide + x0)
        target = f.at(v, t.index * channels)
        source = f.at(corner, c.index * plane)
        bases = [f.at(source, plane * (4 * i)) for i in range(width // 4)]
        with f.loop(0, rows) as r:
            yy = y0 + r.index
            ok = f.emit(f"icmp ult i64 {yy.text}, {height.text}", "i1")
            mask = f.select(ok, inside, Value(f, "zeroinitializer", inside.kind))
            loaded = []
            for base in bases:
                here = f.at(base, r.index * wide)
                loaded += [f.masked_load(f.at(here, o, "i8"), mask, half) for o in offsets]
            for q, o in enumerate(transform(_columns(f, loaded, width)[:rows])):
                f.store(o, f.at(buffer, r.index * 6 + q, kind), align=4 * width)
        _second_pass(f, buffer, f.at(target, c.index), apart, rows, transform, kind)
    f.ret()


def define_input_tiles(module: Module, width: int, m: int) -> None:
    """Define ``in_tiles``, which makes V."""
    names = ("x", "C", "H", "W")
    define_tiles(module, "in_tiles", width, m, names, True, 6, _input_points)


def _output_stage(module: Module, width: int, m: int) -> None:
    """Define ``out_tiles(ctx, M, rows, first, count)``: results of ``count`` tiles."""
    f = module.function(
        "out_tiles", [("ctx", PTR), ("v", PTR), ("rows", I64), ("first", I64), ("count", I64)]
    )
    ctx, v, rows, first, count = f.params
    s = _fields(f, ctx)
    kind = vec(width)
    buffer = f.alloca(kind, 6 * m)
    plane = s["OH"] * s["OW"]
    step = rows * s["K"] + SKEW
    begin = list(_place(f, s, first))
    with f.loop(0, s["K"], width) as k, f.loop(0, count, 1, begin) as t:
        n, ty, tx = t.values
        t.next(*_next_place(f, s, t.values))
        y0, x0 = ty * m, tx * m
        corner = f.at(s["y"], n * s["K"] * plane + y0 * s["OW"] + x0)
        columns = f.minimum(s["OW"] - x0, m)
        high = f.minimum(s["OH"] - y0, m)
        mask = f.lanes_below(columns, 4)
        source = f.at(v, t.index * s["K"])
        with f.loop(0, 6) as j:
            p = f.at(f.at(source, k.index), j.index * step)
            points = []
            for _ in range(6):
                points.append(f.load(p, kind))
                p = f.at(p, step * 6)
            for q, o in enumerate(_output_points(points, m)):
                f.store(o, f.at(buffer, j.index + 6 * q, kind), align=4 * width)
        bias = f.load(f.at(s["bias"], k.index), kind)
        with f.loop(0, high) as i:
            row = [
                f.load(f.at(buffer, i.index * 6 + j, kind), kind, align=4 * width) for j in range(6)
            ]
            four = [q + bias for q in _output_points(row, m)]
            four += [f.const(0.0, kind)] * (4 - m)
            pairs = [
                _interleave(f, width, four[a], four[a + 1], h, 1) for a in (0, 2) for h in (0, 1)
            ]
            quads = [
                _interleave(f, width, pairs[a], pairs[2 + a], h, 2) for a in (0, 1) for h in (0, 1)
            ]
            p = f.at(f.at(corner, k.index * plane), i.index * s["OW"])
            for channel in range(width):
                lane = channel // 4
                values = f.shuffle(quads[channel % 4], None, range(4 * lane, 4 * lane + 4))
                f.masked_store(values, p, mask)
                p = f.at(p, plane)
    f.ret()


def _product_stage(module: Module, width: int, rows_at_once: int) -> None:
    """Define ``product(V, U, M, C, K, count, from, to)``: one point, panels ``from`` to ``to``."""
    f = module.function(
        "product",
        [("v", PTR), ("u", PTR), ("d", PTR), ("C", I64), ("K", I64), ("count", I64),
         ("from", I64), ("to", I64)],
    )  # fmt: skip
    v, u, d, depth, size, count, begin, end = f.params
    kind = vec(width)
    panel = 2 * width
    offsets = [depth * (4 * i) for i in range(4)]
    with f.loop(begin, end) as q:
        weights = f.at(u, q.index * depth * panel)
        with f.loop(0, count, rows_at_once) as t:
            rows = f.at(v, t.index * depth)
            bases = [f.at(rows, depth * (4 * i)) for i in range(-(-rows_at_once // 4))]
            zero = f.const(0.0, kind)
            with f.loop(0, depth, 1, [zero] * (2 * rows_at_once)) as k:
                b = f.at(weights, k.index * panel)
                b0, b1 = f.load(b, kind), f.load(b, kind, width)
                sums = list(k.values)
                here = [f.at(p, k.index) for p in bases]
                for r in range(rows_at_once):
                    base = here[r // 4]
                    place = f.at(base, offsets[r % 4], "i8") if r % 4 else base
                    a = f.splat(f.load(place), width)
                    sums[2 * r] = f.fma(a, b0, sums[2 * r])
                    sums[2 * r + 1] = f.fma(a, b1, sums[2 * r + 1])
                k.next(*sums)
            out = f.at(f.at(d, t.index * size), q.index * panel)
            for r in range(rows_at_once):
                f.store(k.out[2 * r], out)
                f.store(k.out[2 * r + 1], out, width)
                out = f.at(out, size)
    f.ret()


def _pointer(f: Function, name: str) -> Value:
    return Value(f, f"@{name}", PTR)


def _blocks_driver(module: Module, width: int) -> None:
    """Define ``blocks(ctx)`` and its part: blocks of tiles, each in its thread's scratch."""
    f = module.function("blocks_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = _fields(f, ctx)
    area = claim_area(f, s["claim"])
    vs, ms = s["TB"] * s["C"] + SKEW, s["TB"] * s["K"] + SKEW
    v = f.at(s["scratch"], area * ((vs + ms) * POINTS))
    products = f.at(v, vs * POINTS)
    panels = s["K"] // (2 * width)
    with f.loop(begin, end) as b:
        first = b.index * s["TB"]
        count = f.minimum(s["P"] - first, s["TB"])
        f.call("in_tiles", "void", ctx, v, s["TB"], first, count)
        with f.loop(0, POINTS) as xi:
            f.call(
                "product", "void", f.at(v, xi.index * vs),
                f.at(s["u"], xi.index * (s["C"] * s["K"])),
                f.at(products, xi.index * ms), s["C"], s["K"], count, f.i64(0), panels,
            )  # fmt: skip
        f.call("out_tiles", "void", ctx, products, s["TB"], first, count)
    release_area(f, s["claim"], area)
    f.ret()
    g = module.function("blocks", [("ctx", PTR)], export=True)
    (ctx,) = g.params
    s = _fields(g, ctx)
    count = (s["P"] + s["TB"] - 1) // s["TB"]
    g.call("rl_parallel_for", "void", _pointer(g, "blocks_part"), ctx, count, g.i64(1))
    g.ret()


def _staged_driver(module: Module, width: int) -> None:
    """Define ``staged(ctx)``: each stage over all tiles; TB is the padded number of tiles."""
    for name, size in (("in_tiles", "C"), ("out_tiles", "K")):
        f = module.function(f"{name}_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
        ctx, begin, end = f.params
        s = _fields(f, ctx)
        base = s["scratch"]
        if name == "out_tiles":
            base = f.at(base, (s["TB"] * s["C"] + SKEW) * POINTS)
        f.call(name, "void", ctx, f.at(base, begin * s[size]), s["TB"], begin, end - begin)
        f.ret()
    f = module.function("product_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = _fields(f, ctx)
    vs, ms = s["TB"] * s["C"] + SKEW, s["TB"] * s["K"] + SKEW
    products = f.at(s["scratch"], vs * POINTS)
    with f.loop(begin, end) as xi:
        f.call(
            "product", "void", f.at(s["scratch"], xi.index * vs),
            f.at(s["u"], xi.index * (s["C"] * s["K"])), f.at(products, xi.index * ms),
            s["C"], s["K"], s["TB"], f.i64(0), s["K"] // (2 * width),
        )  # fmt: skip
    f.ret()
    g = module.function("staged", [("ctx", PTR)], export=True)
    (ctx,) = g.params
    s = _fields(g, ctx)
    for name, count, grain in (
        ("in_tiles", s["P"], 2),
        ("product", None, 1),
        ("out_tiles", s["P"], 2),
    ):
        n = g.i64(POINTS) if count is None else count
        g.call("rl_parallel_for", "void", _pointer(g, f"{name}_part"), ctx, n, g.i64(grain))
    g.ret()


def convolution_ir(width: int, m: int, rows_at_once: int, driver: str) -> str:
    """Return the module with one of the drivers.

    Args:
        width: floats in a vector, 8 or 16.
        m: outputs per tile and side, 4 (3x3) or 2 (5x5).
        rows_at_once: tiles per turn of the product.
        driver: "blocks" or "staged".
    """
    module = Module()
    define_input_tiles(module, width, m)
    _output_stage(module, width, m)
    _product_stage(module, width, rows_at_once)
    if driver == "blocks":
        _blocks_driver(module, width)
    else:
        _staged_driver(module, width)
    return module.text()


def weight_ir(taps: int, panel: int) -> str:
    """Return the module with ``weights(ctx)``: U of a weight of ``taps`` x ``taps``, in float64.

    Strides tell where an element is: ``sk`` per output channel, ``sc`` per input channel, ``st``
    per tap (-1 for the flipped weight, then ``w`` points to the last tap).
    """
    module = Module()
    f = module.function("weights_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, WEIGHT_FIELDS)
    wide = vec(8, "double")
    buffer = f.alloca(wide, 6 * taps)
    with f.loop(begin, end) as group:
        k0 = group.index * 8
        panel_index = k0 // panel
        target = f.at(s["u"], panel_index * s["C"] * panel + (k0 - panel_index * panel))
        with f.loop(0, s["C"]) as c:
            corner = f.at(s["w"], k0 * s["sk"] + c.index * s["sc"])
            with f.loop(0, taps) as j:
                column = []
                for i in range(taps):
                    p = f.at(corner, (j.index + i * taps) * s["st"])
                    lanes = f.const(0.0, vec(8))
                    for n in range(8):
                        element = f.load(p)
                        lanes = f.emit(
                            f"insertelement {vec(8)} {lanes.text}, float {element.text}, i64 {n}",
                            vec(8),
                        )
                        p = f.at(p, s["sk"])
                    column.append(f.cast("fpext", lanes, wide))
                for q, o in enumerate(weight_rows(column)):
                    f.store(o, f.at(buffer, j.index + q * taps, wide), align=64)
            out = f.at(target, c.index * panel)
            with f.loop(0, 6) as line:
                row = [
                    f.load(f.at(buffer, line.index * taps + q, wide), wide, align=64)
                    for q in range(taps)
                ]
                p = f.at(out, line.index * 6 * (s["C"] * s["K"]))
                for point in weight_rows(row):
                    f.store(f.cast("fptrunc", point, vec(8)), p)
                    p = f.at(p, s["C"] * s["K"])
    f.ret()
    g = module.function("weights", [("ctx", PTR)], export=True)
    (ctx,) = g.params
    s = g.slots(ctx, WEIGHT_FIELDS)
    g.call("rl_parallel_for", "void", _pointer(g, "weights_part"), ctx, s["K"] // 8, g.i64(1))
    g.ret()
    return module.text()
