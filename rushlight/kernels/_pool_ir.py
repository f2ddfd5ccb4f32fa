"""The machine code of 2-d pooling: vector lanes are neighbouring results of a row."""

from __future__ import annotations

from rushlight.kernels._emit import I32, I64, PTR, Function, Module, Value, vec

_SIZES = ["R", "H", "W", "OH", "OW", "KH", "KW", "SH", "SW", "PH", "PW", "DH", "DW"]
MAX_FIELDS = [("y", PTR), ("index", PTR), ("x", PTR), *((n, I64) for n in _SIZES)]
AVG_FIELDS = [("y", PTR), ("x", PTR), ("divisor", PTR), *((n, I64) for n in _SIZES)]
# Values that one thread looks at in a turn.
_GRAIN = 1 << 15
Fields = dict[str, Value]


def _steps(lanes: int, kind: str = I32, by: int = 1) -> str:
    return "<" + ", ".join(f"{kind} {n * by}" for n in range(lanes)) + ">"


def strided(
    f: Function, row: Value, first: Value, size: Value, lanes: int, stride: int, step: Value
) -> tuple[Value, Value]:
    """Return every ``step``-th value of a row from ``first`` on, and which are inside 0 .. size.

    ``stride`` is 1 or 2 if ``step`` is that, else 0.
    """
    kind, numbers = vec(lanes), vec(lanes, I32)
    bound = f.splat(f.cast("trunc", size, I32), lanes)

    def inside(position: Value) -> Value:
        return f.emit(f"icmp ult {numbers} {position.text}, {bound.text}", vec(lanes, "i1"))

    start = f.splat(f.cast("trunc", first, I32), lanes)
    steps = Value(f, _steps(lanes), numbers)
    mask = inside(start + steps * f.splat(f.cast("trunc", step, I32), lanes))
    if stride == 1:
        return f.masked_load(f.at(row, first), mask, kind), mask
    if stride == 2:
        low = f.masked_load(f.at(row, first), inside(start + steps), kind)
        high = f.masked_load(f.at(row, first + lanes), inside(start + steps + lanes), kind)
        return f.shuffle(low, high, range(0, 2 * lanes, 2)), mask
    value = f.const(0.0, kind)
    for lane in range(lanes):
        place = f.minimum(f.maximum(first + step * lane, 0), size - 1)
        one = f.load(f.at(row, place))
        value = f.emit(f"insertelement {kind} {value.text}, float {one.text}, i64 {lane}", kind)
    return value, mask


def _entry(module: Module, name: str, fields: list[tuple[str, str]]) -> None:
    """Define the exported function that runs ``name_part`` over the planes."""
    g = module.function(name, fields, export=True)
    ctx = g.alloca(I64, len(fields))
    for n, value in enumerate(g.params):
        g.store(value, g.at(ctx, n, I64))
    s = {n: v for (n, _), v in zip(fields, g.params)}
    work = g.maximum(s["H"] * s["W"], s["OH"] * s["OW"])
    grain = g.maximum(g.i64(_GRAIN) // g.maximum(work, 1), 1)
    g.call("rl_parallel_for", "void", Value(g, f"@{name}_part", PTR), ctx, s["R"], grain)
    g.ret()


def max_ir(lanes: int, stride: int) -> str:
    """Return the module with ``max_pool``; ``stride`` is the column stride, 0 if above 2."""
    module = Module()
    f = module.function("max_pool_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, MAX_FIELDS)
    kind, numbers, flags = vec(lanes), vec(lanes, I32), vec(lanes, "i1")
    lowest = f.const(float("-inf"), kind)
    steps = Value(f, _steps(lanes), numbers)
    apart = f.splat(f.cast("trunc", s["SW"], I32), lanes)
    with f.loop(begin, end) as plane, f.loop(0, s["OH"]) as oy, f.loop(0, s["OW"], lanes) as ox:
        image = f.at(s["x"], plane.index * s["H"] * s["W"])
        top = oy.index * s["SH"] - s["PH"]
        left = ox.index * s["SW"] - s["PW"]
        columns = steps * apart
        start = [lowest, f.const(0, numbers), f.const(1, flags)]
        with f.loop(0, s["KH"], 1, start) as i:
            y = top + i.index * s["DH"]
            ok = f.emit(f"icmp ult i64 {y.text}, {s['H'].text}", "i1")
            width = f.select(ok, s["KW"], f.i64(0))
            row = f.at(image, y * s["W"])
            with f.loop(0, width, 1, i.values) as j:
                best, index, fresh = j.values
                x = left + j.index * s["DW"]
                value, mask = strided(f, row, x, s["W"], lanes, stride, s["SW"])
                better = value.gt(best) | value.ne(value) | fresh
                better = better & mask
                here = f.splat(f.cast("trunc", y * s["W"] + x, I32), lanes) + columns
                missing = mask ^ f.const(1, flags)
                j.next(
                    f.select(better, value, best), f.select(better, here, index), fresh & missing
                )
            i.next(*j.out)
        best, index, _ = i.out
        mask = f.lanes_below(s["OW"] - ox.index, lanes)
        place = (plane.index * s["OH"] + oy.index) * s["OW"] + ox.index
        f.masked_store(best, f.at(s["y"], place), mask)
        f.masked_store(f.cast("sext", index, vec(lanes, I64)), f.at(s["index"], place, I64), mask)
    f.ret()
    _entry(module, "max_pool", MAX_FIELDS)
    return module.text()


def scatter_ir() -> str:
    """Return the module with ``max_pool_backward(gx, g, index, planes, size, results)``."""
    module = Module()
    fields = [("gx", PTR), ("g", PTR), ("index", PTR), ("R", I64), ("size", I64), ("results", I64)]
    f = module.function("scatter_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, fields)
    with f.loop(begin, end) as plane:
        image = f.at(s["gx"], plane.index * s["size"])
        f.do(
            f"call void @llvm.memset.p0.i64(ptr {image.text}, i8 0, i64 {(s['size'] * 4).text}, i1 0)"
        )
        first = plane.index * s["results"]
        with f.loop(first, first + s["results"]) as i:
            place = f.load(f.at(s["index"], i.index, I64), I64)
            inside = f.emit(f"icmp ult i64 {place.text}, {s['size'].text}", "i1")
            with f.when(inside):
                target = f.at(image, place)
                f.store(f.load(target) + f.load(f.at(s["g"], i.index)), target)
    f.ret()
    module.declare("llvm.memset.p0.i64", "void", [PTR, "i8", I64, "i1 immarg"])
    g = module.function("max_pool_backward", fields, export=True)
    ctx = g.alloca(I64, len(fields))
    for n, value in enumerate(g.params):
        g.store(value, g.at(ctx, n, I64))
    grain = g.maximum(g.i64(_GRAIN) // g.params[4], 1)
    part = Value(g, "@scatter_part", PTR)
    g.call("rl_parallel_for", "void", part, ctx, g.params[3], grain)
    g.ret()
    return module.text()


def average_ir(lanes: int, stride: int) -> str:
    """Return the module with ``avg_pool``; the divisor is one number per result of a plane."""
    module = Module()
    f = module.function("avg_pool_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, AVG_FIELDS)
    kind = vec(lanes)
    zero = f.const(0.0, kind)
    with f.loop(begin, end) as plane, f.loop(0, s["OH"]) as oy, f.loop(0, s["OW"], lanes) as ox:
        image = f.at(s["x"], plane.index * s["H"] * s["W"])
        top = oy.index * s["SH"] - s["PH"]
        left = ox.index * s["SW"] - s["PW"]
        with f.loop(0, s["KH"], 1, [zero]) as i:
            y = top + i.index
            ok = f.emit(f"icmp ult i64 {y.text}, {s['H'].text}", "i1")
            width = f.select(ok, s["KW"], f.i64(0))
            row = f.at(image, y * s["W"])
            with f.loop(0, width, 1, i.values) as j:
                x = left + j.index
                value, mask = strided(f, row, x, s["W"], lanes, stride, s["SW"])
                if stride == 0:
                    value = f.select(mask, value, zero)
                j.next(j.values[0] + value)
            i.next(*j.out)
        mask = f.lanes_below(s["OW"] - ox.index, lanes)
        place = oy.index * s["OW"] + ox.index
        divisor = f.masked_load(f.at(s["divisor"], place), mask, kind)
        out = f.at(s["y"], plane.index * s["OH"] * s["OW"] + place)
        f.masked_store(i.out[0] / divisor, out, mask)
    f.ret()
    _entry(module, "avg_pool", AVG_FIELDS)
    return module.text()


def average_gradient_ir() -> str:
    """Return the module with ``avg_pool_backward``: x gets y over divisor at every tap."""
    module = Module()
    f = module.function("avg_pool_backward_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    s = f.slots(ctx, AVG_FIELDS)
    with f.loop(begin, end) as plane:
        size = s["H"] * s["W"]
        image = f.at(s["x"], plane.index * size)
        f.do(f"call void @llvm.memset.p0.i64(ptr {image.text}, i8 0, i64 {(size * 4).text}, i1 0)")
        with f.loop(0, s["OH"]) as oy, f.loop(0, s["OW"]) as ox:
            place = oy.index * s["OW"] + ox.index
            g = f.load(f.at(s["y"], plane.index * s["OH"] * s["OW"] + place))
            part = g / f.load(f.at(s["divisor"], place))
            top = oy.index * s["SH"] - s["PH"]
            left = ox.index * s["SW"] - s["PW"]
            last_y = f.minimum(top + s["KH"], s["H"])
            last_x = f.minimum(left + s["KW"], s["W"])
            with (
                f.loop(f.maximum(top, 0), last_y) as y,
                f.loop(f.maximum(left, 0), last_x) as x,
            ):
                target = f.at(image, y.index * s["W"] + x.index)
                f.store(f.load(target) + part, target)
    f.ret()
    module.declare("llvm.memset.p0.i64", "void", [PTR, "i8", I64, "i1 immarg"])
    _entry(module, "avg_pool_backward", AVG_FIELDS)
    return module.text()
