"""The machine code of direct convolution: stride 1, few input channels, any spatial size.

Vector lanes are the pixels of a row; a block of output channels stays in registers while input
channels and kernel rows go by.  The columns of the kernel are unrolled.  Results do not depend on
the number of threads.
"""

from __future__ import annotations

from rushlight.kernels._emit import F32, I32, I64, PTR, Function, Module, Value, lanes_of, vec

# x is what is read as an image, y what is written (forward) or the gradient (weight gradient).
NAMES = ["N", "C", "H", "W", "K", "OH", "OW", "PH", "PW"]
FIELDS = [("y", PTR), ("x", PTR), ("w", PTR), ("bias", PTR), *((n, I64) for n in NAMES)]
# Vector multiplications that one thread takes at a time.
_GRAIN = 60000
Fields = dict[str, Value]


def _entry(module: Module, name: str) -> tuple[Function, Fields, Value]:
    """Return the exported function, its parameters by name, and its context on the stack."""
    g = module.function(name, FIELDS, export=True)
    ctx = g.alloca(I64, len(FIELDS))
    for n, value in enumerate(g.params):
        g.store(value, g.at(ctx, n, I64))
    return g, {n: v for (n, _), v in zip(FIELDS, g.params)}, ctx


def _launch(g: Function, name: str, ctx: Value, tasks: Value, work: Value) -> None:
    grain = g.maximum(g.i64(_GRAIN) // g.maximum(work, 1), 1)
    g.call("rl_parallel_for", "void", Value(g, f"@{name}_part", PTR), ctx, tasks, grain)
    g.ret()


def _column_mask(f: Function, first: Value, wide: Value, lanes: int) -> Value:
    """Return which positions from ``first`` on lie in 0 .. ``wide``."""
    steps = Value(f, f"<{', '.join(f'i32 {n}' for n in range(lanes))}>", vec(lanes, I32))
    position = f.splat(f.cast("trunc", first, I32), lanes) + steps
    bound = f.splat(f.cast("trunc", wide, I32), lanes)
    return f.emit(f"icmp ult {position.kind} {position.text}, {bound.text}", vec(lanes, "i1"))


def _row_of_taps(
    f: Function,
    row: Value,
    masks: list[Value],
    rows: list[Value],
    offsets: list[Value],
    sums: list[Value],
    flipped: bool,
) -> list[Value]:
    """Return the sums with one kernel row added: each tap of every output channel.

    ``rows`` are the addresses of every fourth channel's kernel row, ``offsets`` the bytes to the
    three after it.
    """
    sums = list(sums)
    width = lanes_of(sums[0].kind)
    for j, mask in enumerate(masks):
        value = f.masked_load(f.at(row, j), mask, sums[0].kind)
        for b in range(len(sums)):
            place = f.at(rows[b // 4], -j if flipped else j)
            if b % 4:
                place = f.at(place, offsets[b % 4], "i8")
            sums[b] = f.fma(f.splat(f.load(place), width), value, sums[b])
    return sums


def forward_ir(lanes: int, taps: int, block: int, flipped: bool) -> str:
    """Return the module with ``direct``.

    Args:
        lanes: floats in a vector.
        taps: height and width of the kernel.
        block: output channels of a task; it divides their number.
        flipped: compute the input's gradient: x is the result's gradient, the weight is flipped
            and its first two dimensions change roles.
    """
    module = Module()
    f = module.function("direct_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    square = taps * taps
    apart_k, apart_c = (f.i64(square), s["K"] * square) if flipped else (s["C"] * square,
                                                                       f.i64(square))  # fmt: skip
    blocks = s["K"] // block
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    zeros = f.alloca(F32, block)
    for b in range(block):
        f.store(f.const(0.0, F32), zeros, b)
    offsets = [apart_k * (4 * i) for i in range(min(4, block))]
    with f.loop(begin, end) as task:
        n = task.index // blocks
        k0 = (task.index - n * blocks) * block
        image = f.at(s["x"], n * s["C"] * plane)
        weight = f.at(s["w"], k0 * apart_k)
        if flipped:
            weight = f.at(weight, square - 1)
        none = f.emit(f"icmp eq ptr {s['bias'].text}, null", "i1")
        bias = f.select(none, zeros, f.at(s["bias"], k0))
        start = [f.splat(f.load(f.at(bias, b), align=4), lanes) for b in range(block)]
        target = f.at(s["y"], (n * s["K"] + k0) * out_plane)
        with f.loop(0, s["OH"]) as oy, f.loop(0, s["OW"], lanes) as ox:
            top = oy.index - s["PH"]
            left = ox.index - s["PW"]
            low = f.maximum(s["PH"] - oy.index, 0)
            high = f.minimum(s["H"] - top, taps)
            masks = [_column_mask(f, left + j, s["W"], lanes) for j in range(taps)]
            corner = f.at(image, top * s["W"] + left)
            with f.loop(0, s["C"], 1, start) as c:
                source = f.at(corner, c.index * plane)
                filters = f.at(weight, c.index * apart_c)
                with f.loop(low, high, 1, c.values) as i:
                    row = f.at(source, i.index * s["W"])
                    step = i.index * (-taps if flipped else taps)
                    rows = [f.at(f.at(filters, step), apart_k * b) for b in range(0, block, 4)]
                    sums = _row_of_taps(f, row, masks, rows, offsets, i.values, flipped)
                    i.next(*sums)
                c.next(*i.out)
            mask = f.lanes_below(s["OW"] - ox.index, lanes)
            out = f.at(target, oy.index * s["OW"] + ox.index)
            for total in c.out:
                f.masked_store(total, out, mask)
                out = f.at(out, out_plane)
    f.ret()
    g, s, ctx = _entry(module, "direct")
    chunks = (s["OW"] + lanes - 1) // lanes
    work = s["OH"] * chunks * s["C"] * (square * block)
    _launch(g, "direct", ctx, s["N"] * (s["K"] // block), work)
    return module.text()


def weight_gradient_ir(lanes: int, taps: int, block: int) -> str:
    """Return the module with ``direct_gradient``: w gets the gradient from x and y."""
    module = Module()
    f = module.function("direct_gradient_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    kind = vec(lanes)
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    zero = [f.const(0.0, kind)] * (block * taps)
    per_block = s["C"] * taps
    with f.loop(begin, end) as task:
        k0 = task.index // per_block
        rest = task.index - k0 * per_block
        k0 = k0 * block
        c = rest // taps
        i = rest - c * taps
        low = f.maximum(s["PH"] - i, 0)
        high = f.minimum(s["H"] + s["PH"] - i, s["OH"])
        with f.loop(0, s["N"], 1, zero) as n:
            image = f.at(s["x"], (n.index * s["C"] + c) * plane)
            gradient = f.at(s["y"], (n.index * s["K"] + k0) * out_plane)
            with f.loop(low, high, 1, n.values) as oy:
                row = f.at(image, (oy.index + i - s["PH"]) * s["W"])
                line = f.at(gradient, oy.index * s["OW"])
                with f.loop(0, s["OW"], lanes, oy.values) as ox:
                    mask = f.lanes_below(s["OW"] - ox.index, lanes)
                    p = f.at(line, ox.index)
                    grads = []
                    for _ in range(block):
                        grads.append(f.masked_load(p, mask, kind))
                        p = f.at(p, out_plane)
                    left = ox.index - s["PW"]
                    sums = list(ox.values)
                    for j in range(taps):
                        inside = _column_mask(f, left + j, s["W"], lanes)
                        value = f.masked_load(f.at(row, left + j), inside, kind)
                        for b in range(block):
                            sums[b * taps + j] = f.fma(grads[b], value, sums[b * taps + j])
                    ox.next(*sums)
                oy.next(*ox.out)
            n.next(*oy.out)
        for b in range(block):
            out = f.at(s["w"], (((k0 + b) * s["C"] + c) * taps + i) * taps)
            for j in range(taps):
                f.store(f.total(n.out[b * taps + j]), out, j)
    f.ret()
    g, s, ctx = _entry(module, "direct_gradient")
    chunks = (s["OW"] + lanes - 1) // lanes
    work = s["N"] * s["OH"] * chunks * (taps * block)
    _launch(g, "direct_gradient", ctx, s["K"] // block * s["C"] * taps, work)
    return module.text()


SUM_FIELDS = [("out", PTR), ("g", PTR), ("N", I64), ("K", I64), ("P", I64)]


def channel_sum_ir(lanes: int) -> str:
    """Return the module with ``channel_sum(out, g, N, K, P)``: sums over samples and pixels."""
    module = Module()
    f = module.function("channel_sum_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, SUM_FIELDS)
    zero = f.const(0.0, vec(lanes))
    with f.loop(begin, end) as k:
        # Each plane is summed apart: the error grows with the number of planes, not of pixels.
        with f.loop(0, s["N"], 1, [zero]) as n:
            plane = f.at(s["g"], (n.index * s["K"] + k.index) * s["P"])
            with f.loop(0, s["P"], 4 * lanes, [zero] * 4) as p:
                sums = []
                for part, total in enumerate(p.values):
                    place = p.index + part * lanes
                    mask = f.lanes_below(s["P"] - place, lanes)
                    sums.append(total + f.masked_load(f.at(plane, place), mask, vec(lanes)))
                p.next(*sums)
            a, b, c, d = p.out
            n.next(n.values[0] + ((a + b) + (c + d)))
        f.store(f.total(n.out[0]), f.at(s["out"], k.index))
    f.ret()
    g = module.function("channel_sum", SUM_FIELDS, export=True)
    ctx = g.alloca(I64, len(SUM_FIELDS))
    for slot, value in enumerate(g.params):
        g.store(value, g.at(ctx, slot, I64))
    count, channels, pixels = g.params[2:]
    work = count * ((pixels + 15) // 16) * 4
    _launch(g, "channel_sum", ctx, channels, work)
    return module.text()
