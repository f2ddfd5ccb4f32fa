"""The machine code of Winograd's weight gradient, and of the fingerprint of weights.

The gradient's tiles are taken through the transpose of the output transform, multiplied with the
transformed inputs, point by point and summed over all tiles, and taken through the transpose of
the weight transform.  Chunks of tiles are added in order, whatever the number of threads.
"""

from __future__ import annotations

from rushlight.kernels._emit import F32, I32, I64, PTR, Function, Module, Value, vec
from rushlight.kernels._winograd_ir import (
    FIELDS,
    POINTS,
    SKEW,
    A,
    B,
    define_input_tiles,
    define_tiles,
)

# Slots after those of the convolution; here u is dU, y the gradient, bias the result.
FIRST, COUNT = len(FIELDS), len(FIELDS) + 1
# Output channels of one task, and of one turn of the product.
_BLOCK, _ROWS = 32, 8


def _gradient_points(y: list[Value]) -> list[Value]:
    """Return A y for two or four values."""
    out = [y[0]]
    for p in (A, B):
        even = y[0] if len(y) == 2 else y[0] + y[2] * (p * p)
        odd = y[1] * p if len(y) == 2 else y[1] * p + y[3] * (p**3)
        out += [even + odd, even - odd]
    return [*out, y[-1]]


def _tap_sums(u: list[Value], taps: int) -> list[Value]:
    """Return G^T u, three or five values."""
    out = [u[0] * (1 / (A * A * B * B))]
    pairs = []
    for n, (a, b) in enumerate(((A, B), (B, A))):
        scale = 1 / (2 * a * a * (a * a - b * b))
        plus, minus = u[1 + 2 * n], u[2 + 2 * n]
        pairs.append((a, (plus + minus) * scale, (plus - minus) * scale))
    out[0] = out[0] + (pairs[0][1] + pairs[1][1])
    for i in range(1, taps):
        (a, *first), (b, *second) = pairs
        out.append(first[i % 2] * a**i + second[i % 2] * b**i)
    out[-1] = out[-1] + u[5]
    return out


def _pointer(f: Function, name: str) -> Value:
    return Value(f, f"@{name}", PTR)


def _tile_parts(module: Module) -> None:
    for name, field in (("in_tiles", "C"), ("gradient_tiles", "K")):
        f = module.function(f"{name}_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
        ctx, begin, end = f.params
        s = f.slots(ctx, FIELDS)
        first = f.load(f.at(ctx, FIRST, I64), I64)
        base = s["scratch"]
        if field == "K":
            base = f.at(base, (s["TB"] * s["C"] + SKEW) * POINTS)
        target = f.at(base, begin * s[field])
        f.call(name, "void", ctx, target, s["TB"], first + begin, end - begin)
        f.ret()


def _product_part(module: Module, width: int) -> None:
    """Define ``product_part``: one point and block of output channels, over the chunk's tiles."""
    f = module.function("product_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    first, count = (f.load(f.at(ctx, n, I64), I64) for n in (FIRST, COUNT))
    kind = vec(width)
    blocks = s["K"] // _BLOCK
    vs, ms = s["TB"] * s["C"] + SKEW, s["TB"] * s["K"] + SKEW
    gradients = f.at(s["scratch"], vs * POINTS)
    fresh = first.eq(0)
    zero = f.const(0.0, kind)
    with f.loop(begin, end) as task:
        xi = task.index // blocks
        k0 = (task.index - xi * blocks) * _BLOCK
        v = f.at(s["scratch"], xi * vs)
        d = f.at(f.at(gradients, xi * ms), k0)
        u = f.at(s["u"], (xi * s["K"] + k0) * s["C"])
        with f.loop(0, s["C"], 2 * width) as c, f.loop(0, _BLOCK, _ROWS) as k:
            inputs, rows = f.at(v, c.index), f.at(d, k.index)
            with f.loop(0, count, 1, [zero] * (2 * _ROWS)) as t:
                b = f.at(inputs, t.index * s["C"])
                b0, b1 = f.load(b, kind), f.load(b, kind, width)
                a = f.at(rows, t.index * s["K"])
                sums = list(t.values)
                for r in range(_ROWS):
                    factor = f.splat(f.load(a, index=r), width)
                    sums[2 * r] = f.fma(factor, b0, sums[2 * r])
                    sums[2 * r + 1] = f.fma(factor, b1, sums[2 * r + 1])
                t.next(*sums)
            out = f.at(f.at(u, k.index * s["C"]), c.index)
            for r in range(_ROWS):
                for h in range(2):
                    old = f.select(fresh, zero, f.load(out, kind, h * width))
                    f.store(t.out[2 * r + h] + old, out, h * width)
                out = f.at(out, s["C"])
    f.ret()


def _inverse_part(module: Module, width: int, taps: int) -> None:
    """Define ``inverse_part``: the weight's gradient of output channels ``begin`` to ``end``."""
    f = module.function("inverse_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FIELDS)
    kind = vec(width)
    buffer = f.alloca(kind, 6 * taps)
    square = f.alloca(kind, taps * taps)
    apart = s["K"] * s["C"]
    with f.loop(begin, end) as k, f.loop(0, s["C"], width) as c:
        place = k.index * s["C"] + c.index
        with f.loop(0, 6) as j:
            p = f.at(f.at(s["u"], place), j.index * apart)
            points = []
            for _ in range(6):
                points.append(f.load(p, kind))
                p = f.at(p, apart * 6)
            for q, o in enumerate(_tap_sums(points, taps)):
                f.store(o, f.at(buffer, j.index + 6 * q, kind), align=4 * width)
        with f.loop(0, taps) as i:
            row = [
                f.load(f.at(buffer, i.index * 6 + j, kind), kind, align=4 * width) for j in range(6)
            ]
            for q, o in enumerate(_tap_sums(row, taps)):
                f.store(o, f.at(square, i.index * taps + q, kind), align=4 * width)
        target = f.at(s["bias"], place * (taps * taps))
        with f.loop(0, taps * taps) as tap:
            source = f.at(square, tap.index * width)
            for lane in range(width):
                out = f.at(target, tap.index + lane * taps * taps)
                f.store(f.load(source, F32, lane), out)
    f.ret()


def weight_gradient_ir(width: int, taps: int) -> str:
    """Return the module with ``winograd_weight_gradient(ctx)``."""
    module = Module()
    m = 6 - taps + 1
    define_input_tiles(module, width, m)
    names = ("y", "K", "OH", "OW")
    define_tiles(module, "gradient_tiles", width, m, names, False, m, _gradient_points)
    _tile_parts(module)
    _product_part(module, width)
    _inverse_part(module, width, taps)
    g = module.function("winograd_weight_gradient", [("ctx", PTR)], export=True)
    (ctx,) = g.params
    s = g.slots(ctx, FIELDS)
    with g.loop(0, s["P"], s["TB"]) as chunk:
        count = g.minimum(s["P"] - chunk.index, s["TB"])
        g.store(chunk.index, g.at(ctx, FIRST, I64))
        g.store(count, g.at(ctx, COUNT, I64))
        tasks = s["K"] // _BLOCK * POINTS
        for name, number, grain in (("in_tiles", count, 4), ("gradient_tiles", count, 4),
                                    ("product", tasks, 1)):  # fmt: skip
            part = _pointer(g, f"{name}_part")
            g.call("rl_parallel_for", "void", part, ctx, number, g.i64(grain))
    g.call("rl_parallel_for", "void", _pointer(g, "inverse_part"), ctx, s["K"], g.i64(4))
    g.ret()
    return module.text()


SEGMENTS = 16
FINGERPRINT_FIELDS = [("w", PTR), ("out", PTR), ("count", I64), ("segment", I64)]


def fingerprint_ir(width: int) -> str:
    """Return the module with ``fingerprint(ctx)``: SEGMENTS * 4 * width words that tell weights apart.

    Each word is a chain ``h = h * odd + bits``: any single change changes it.
    """
    module = Module()
    f = module.function("fingerprint_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, FINGERPRINT_FIELDS)
    kind = vec(width, I32)
    with f.loop(begin, end) as part:
        start = part.index * s["segment"]
        stop = f.minimum(start + s["segment"], s["count"])
        seed = [f.const(n + 1, kind) for n in range(4)]
        with f.loop(start, stop, 4 * width, seed) as i:
            sums = []
            for n, h in enumerate(i.values):
                place = i.index + n * width
                mask = f.lanes_below(stop - place, width)
                bits = f.masked_load(f.at(s["w"], place), mask, kind)
                sums.append(h * 0x1E3779B1 + bits)
            i.next(*sums)
        for n, h in enumerate(i.out):
            f.store(h, f.at(s["out"], part.index * (4 * width) + n * width))
    f.ret()
    g = module.function("fingerprint", [("ctx", PTR)], export=True)
    (ctx,) = g.params
    g.call("rl_parallel_for", "void", _pointer(g, "fingerprint_part"), ctx, g.i64(SEGMENTS),
           g.i64(1))  # fmt: skip
    g.ret()
    return module.text()
