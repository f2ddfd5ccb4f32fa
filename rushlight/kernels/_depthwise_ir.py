"""The machine code of depthwise convolution: each result channel reads one input channel.

Contexts are those of ``_columns_ir``; lanes are the pixels of a row.
"""

from __future__ import annotations

from rushlight.kernels._columns_ir import FIELDS, define_driver, row_range
from rushlight.kernels._emit import F32, I64, PTR, Function, Module, Value, vec
from rushlight.kernels._pool_ir import strided


def _part(module: Module, name: str) -> tuple[Function, dict[str, Value], Value, Value]:
    f = module.function(f"{name}_part", [("ctx", PTR), ("begin", I64), ("end", I64)])
    ctx, begin, end = f.params
    return f, f.slots(ctx, FIELDS), begin, end


def _multiplier(f: Function, s: dict[str, Value]) -> Value:
    """Return how many result channels read each input channel."""
    return s["K"] // s["C"]


def forward_ir(lanes: int, stride: int) -> str:
    """Return the module with ``depthwise``; ``stride`` is the column stride, 0 if above 2."""
    module = Module()
    f, s, begin, end = _part(module, "depthwise")
    taps = s["RH"] * s["RW"]
    many = _multiplier(f, s)
    zero = f.const(0.0, vec(lanes))
    with f.loop(begin, end) as task:
        n = task.index // s["K"]
        k = task.index - n * s["K"]
        image = f.at(s["x"], (n * s["C"] + k // many) * (s["H"] * s["W"]))
        weight = f.at(s["w"], k * taps)
        start = f.splat(f.load(f.at(s["bias"], k)), lanes)
        target = f.at(s["y"], task.index * (s["OH"] * s["OW"]))
        with f.loop(0, s["OH"]) as oy, f.loop(0, s["OW"], lanes) as ox:
            left = ox.index * s["SW"] - s["PW"]
            with f.loop(0, s["RH"], 1, [start]) as i:
                y = oy.index * s["SH"] - s["PH"] + i.index * s["DH"]
                ok = f.emit(f"icmp ult i64 {y.text}, {s['H'].text}", "i1")
                row = f.at(image, y * s["W"])
                factors = f.at(weight, i.index * s["RW"])
                with f.loop(0, f.select(ok, s["RW"], f.i64(0)), 1, i.values) as j:
                    first = left + j.index * s["DW"]
                    value, mask = strided(f, row, first, s["W"], lanes, stride, s["SW"])
                    if stride == 0:
                        value = f.select(mask, value, zero)
                    factor = f.splat(f.load(f.at(factors, j.index)), lanes)
                    j.next(f.fma(factor, value, j.values[0]))
                i.next(*j.out)
            mask = f.lanes_below(s["OW"] - ox.index, lanes)
            out = f.at(target, oy.index * s["OW"] + ox.index)
            f.masked_store(i.out[0], out, mask)
    f.ret()
    define_driver(module, "depthwise")
    return module.text()


def input_gradient_ir(lanes: int) -> str:
    """Return the module with ``depthwise_input``: x gets the gradient from w and y."""
    module = Module()
    f, s, begin, end = _part(module, "depthwise_input")
    taps = s["RH"] * s["RW"]
    many = _multiplier(f, s)
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    kind = vec(lanes)
    zero = f.const(0.0, kind)
    with f.loop(begin, end) as task:
        n = task.index // s["C"]
        c = task.index - n * s["C"]
        image = f.at(s["x"], task.index * plane)
        with f.loop(0, plane, lanes) as p:
            mask = f.lanes_below(plane - p.index, lanes)
            f.masked_store(zero, f.at(image, p.index), mask)
        with (
            f.loop(c * many, c * many + many) as k,
            f.loop(0, s["RH"]) as i,
            f.loop(0, s["RW"]) as j,
        ):
            tap = k.index * taps + i.index * s["RW"] + j.index
            factor = f.load(f.at(s["w"], tap))
            factors = f.splat(factor, lanes)
            gradient = f.at(s["y"], (n * s["K"] + k.index) * out_plane)
            x0 = j.index * s["DW"] - s["PW"]
            low, high = row_range(f, s, x0)
            with f.loop(0, s["OH"]) as oy:
                y = oy.index * s["SH"] - s["PH"] + i.index * s["DH"]
                ok = f.emit(f"icmp ult i64 {y.text}, {s['H'].text}", "i1")
                row = f.at(f.at(image, y * s["W"]), x0)
                source = f.at(gradient, oy.index * s["OW"])
                last = f.select(ok, high, low)
                dense = s["SW"].eq(1)
                with f.when(dense), f.loop(low, last, lanes) as ox:
                    mask = f.lanes_below(last - ox.index, lanes)
                    value = f.masked_load(f.at(source, ox.index), mask, kind)
                    place = f.at(row, ox.index)
                    old = f.masked_load(place, mask, kind)
                    f.masked_store(f.fma(factors, value, old), place, mask)
                with f.when(dense ^ 1), f.loop(low, last) as ox:
                    place = f.at(row, ox.index * s["SW"])
                    product = factor * f.load(f.at(source, ox.index))
                    f.store(f.load(place) + product, place)
    f.ret()
    define_driver(module, "depthwise_input")
    return module.text()


def halved_gradient_ir(lanes: int) -> str:
    """Return the module with ``depthwise_halved``: as ``depthwise_input``, for column stride 2.

    Even and odd columns of x are summed apart, each from consecutive columns of y.
    """
    module = Module()
    f, s, begin, end = _part(module, "depthwise_halved")
    taps = s["RH"] * s["RW"]
    many = _multiplier(f, s)
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    kind = vec(lanes)
    zero = f.const(0.0, kind)
    with f.loop(begin, end) as task:
        n = task.index // s["C"]
        c = task.index - n * s["C"]
        image = f.at(s["x"], task.index * plane)
        with f.loop(0, s["H"]) as y, f.loop(0, s["W"], 2 * lanes) as x:
            first = x.index // 2
            with f.loop(c * many, c * many + many, 1, [zero, zero]) as k:
                gradient = f.at(s["y"], (n * s["K"] + k.index) * out_plane)
                weight = f.at(s["w"], k.index * taps)
                with f.loop(0, s["RH"], 1, k.values) as i:
                    shifted = y.index + s["PH"] - i.index * s["DH"]
                    oy = shifted // s["SH"]
                    ok = f.emit(f"icmp ult i64 {oy.text}, {s['OH'].text}", "i1")
                    ok = ok & (oy * s["SH"]).eq(shifted)
                    row = f.at(gradient, oy * s["OW"])
                    factors = f.at(weight, i.index * s["RW"])
                    with f.loop(0, f.select(ok, s["RW"], f.i64(0)), 1, i.values) as j:
                        even, odd = j.values
                        moved = s["PW"] - j.index * s["DW"]
                        phase = moved & 1
                        place = first + (moved + phase) // 2
                        value, _ = strided(f, row, place, s["OW"], lanes, 1, f.i64(1))
                        factor = f.splat(f.load(f.at(factors, j.index)), lanes)
                        is_even = phase.eq(0)
                        j.next(
                            f.select(is_even, f.fma(factor, value, even), even),
                            f.select(is_even, odd, f.fma(factor, value, odd)),
                        )
                    i.next(*j.out)
                k.next(*i.out)
            target = f.at(image, y.index * s["W"] + x.index)
            for half in range(2):
                picks = [p + half * (lanes // 2) for p in range(lanes // 2)]
                both = [q for p in picks for q in (p, lanes + p)]
                place = x.index + half * lanes
                mask = f.lanes_below(s["W"] - place, lanes)
                mixed = f.shuffle(k.out[0], k.out[1], both)
                f.masked_store(mixed, f.at(target, half * lanes), mask)
    f.ret()
    define_driver(module, "depthwise_halved")
    return module.text()


def weight_gradient_ir(lanes: int, stride: int) -> str:
    """Return the module with ``depthwise_weight``: w gets the gradient from x and y."""
    module = Module()
    f, s, begin, end = _part(module, "depthwise_weight")
    taps = s["RH"] * s["RW"]
    many = _multiplier(f, s)
    plane, out_plane = s["H"] * s["W"], s["OH"] * s["OW"]
    kind = vec(lanes)
    zero = f.const(0.0, kind)
    with (
        f.loop(begin, end) as k,
        f.loop(0, s["RH"]) as i,
        f.loop(0, s["RW"]) as j,
    ):
        with f.loop(0, s["N"], 1, [zero]) as n:
            image = f.at(s["x"], (n.index * s["C"] + k.index // many) * plane)
            gradient = f.at(s["y"], (n.index * s["K"] + k.index) * out_plane)
            with f.loop(0, s["OH"], 1, n.values) as oy:
                y = oy.index * s["SH"] - s["PH"] + i.index * s["DH"]
                ok = f.emit(f"icmp ult i64 {y.text}, {s['H'].text}", "i1")
                row = f.at(image, y * s["W"])
                source = f.at(gradient, oy.index * s["OW"])
                with f.loop(0, f.select(ok, s["OW"], f.i64(0)), lanes, oy.values) as ox:
                    first = ox.index * s["SW"] - s["PW"] + j.index * s["DW"]
                    value, inside = strided(f, row, first, s["W"], lanes, stride, s["SW"])
                    if stride == 0:
                        value = f.select(inside, value, zero)
                    mask = f.lanes_below(s["OW"] - ox.index, lanes)
                    g = f.masked_load(f.at(source, ox.index), mask, kind)
                    ox.next(f.fma(g, value, ox.values[0]))
                oy.next(*ox.out)
            n.next(*oy.out)
        place = k.index * taps + i.index * s["RW"] + j.index
        f.store(f.total(n.out[0]), f.at(s["w"], place, F32))
    f.ret()
    define_driver(module, "depthwise_weight")
    return module.text()
