"""The machine code of random numbers: the Mersenne Twister in blocks, and what is made of its words.

Note: exactly PyTorch's numbers
    The state is NumPy's: 624 words and the place of the next one, all 32 bits wide. Products are
    fused with sums where PyTorch's code for AVX2 does so, and only there. Normal numbers of float32 follow
    its AVX2 code bit for bit: Cephes' logarithm, sine and cosine with fused products; those of
    float64 call the C library, as it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

from rushlight.kernels._emit import F32, F64, I32, I64, PTR, Function, Module, Value, vec

_WORDS, _SHIFT = 624, 397
_CHUNK = 4096  # words that are drawn before they are used: they stay in the first cache
_SCRATCH = 2048  # words that are drawn onto the stack
_STATE = [("state", PTR)]


def _or(f: Function, a: Value, b: Value) -> Value:
    return f.emit(f"or {a.kind} {a.text}, {b.text}", a.kind)


def _shift(f: Function, a: Value, bits: int, name: str) -> Value:
    return f.emit(f"{name} {a.kind} {a.text}, {f.const(bits, a.kind).text}", a.kind)


def _rounded(f: Function, name: str, a: Value, b: Value) -> Value:
    """Return a product or sum that is rounded on its own, never fused."""
    return f.emit(f"f{name} {a.kind} {a.text}, {b.text}", a.kind)


def _signed(number: int) -> int:
    """Return the signed 32-bit number with these bits."""
    return number - (1 << 32) if number >> 31 else number


def _next_words(f: Function, state: Value, place: Value, apart: int, kind: str) -> None:
    """Replace the words from ``place`` on, as many as ``kind`` has; ``apart``: the word mixed in."""
    here = f.at(state, place, I32)
    first, second = f.load(here, kind), f.load(f.at(here, 1, I32), kind)
    both = _or(f, first & _signed(0x80000000), second & 0x7FFFFFFF)
    mixed = f.load(f.at(here, apart, I32), kind) ^ _shift(f, both, 1, "lshr")
    odd = f.const(0, kind) - (both & 1)
    f.store(mixed ^ (odd & _signed(0x9908B0DF)), here)


def _define_renew(module: Module, lanes: int) -> None:
    """Define ``renew(state)``: the next 624 words."""
    f = module.function("renew", _STATE)
    (state,) = f.params
    kind = vec(lanes, I32)
    start = 0
    for stop, apart in ((_WORDS - _SHIFT, _SHIFT), (_WORDS - 1, _SHIFT - _WORDS)):
        whole = start + (stop - start) // lanes * lanes
        with f.loop(start, whole, lanes) as i:
            _next_words(f, state, i.index, apart, kind)
        with f.loop(whole, stop) as i:
            _next_words(f, state, i.index, apart, I32)
        start = stop
    last = f.at(state, _WORDS - 1, I32)
    both = _or(f, f.load(last, I32) & _signed(0x80000000), f.load(state, I32) & 0x7FFFFFFF)
    odd = f.const(0, I32) - (both & 1)
    mixed = f.load(f.at(state, _SHIFT - 1, I32), I32) ^ _shift(f, both, 1, "lshr")
    f.store(mixed ^ (odd & _signed(0x9908B0DF)), last)
    f.ret()


def _define_words(module: Module, lanes: int) -> None:
    """Define ``words(state, out, count)``: the next words of the stream."""
    _define_renew(module, lanes)
    kind = vec(lanes, I32)
    f = module.function("temper", [("from", PTR), ("out", PTR), ("count", I64)])
    source, out, count = f.params
    with f.loop(0, count, lanes) as i:
        mask = f.lanes_below(count - i.index, lanes)
        w = f.masked_load(f.at(source, i.index, I32), mask, kind)
        w = w ^ _shift(f, w, 11, "lshr")
        w = w ^ (_shift(f, w, 7, "shl") & _signed(0x9D2C5680))
        w = w ^ (_shift(f, w, 15, "shl") & _signed(0xEFC60000))
        w = w ^ _shift(f, w, 18, "lshr")
        f.masked_store(w, f.at(out, i.index, I32), mask)
    f.ret()
    f = module.function("words", [("state", PTR), ("out", PTR), ("count", I64)])
    state, out, count = f.params
    place = f.cast("sext", f.load(f.at(state, _WORDS, I32), I32), I64)
    ready = f.minimum(count, f.const(_WORDS, I64) - place)
    f.call("temper", "void", f.at(state, place, I32), out, ready)
    rest = count - ready
    with f.loop(0, rest, _WORDS, [place + ready]) as block:
        some = f.minimum(rest - block.index, _WORDS)
        f.call("renew", "void", state)
        f.call("temper", "void", state, f.at(out, ready + block.index, I32), some)
        block.next(some)
    f.store(f.cast("trunc", block.out[0], I32), f.at(state, _WORDS, I32))
    f.ret()


def _swapped(f: Function, words: Value) -> Value:
    """Return 53 bits of pairs of words, the first above the second."""
    high, low = _shift(f, words, 32, "shl"), _shift(f, words, 32, "lshr")
    return _or(f, high, low) & ((1 << 53) - 1)


def _define_fill(module: Module, kind: str, lanes: int) -> None:
    """Define ``fill(state, out, count, low, width)``: uniform numbers, scaled."""
    _define_words(module, lanes)
    names: list[tuple[str, str]] = [("out", PTR), ("count", I64), ("low", kind), ("width", kind)]
    f = module.function("fill", _STATE + names)
    state, out, count, low, width = f.params
    if kind == F64:
        lanes //= 2
    element = I32 if kind == F32 else I64
    wide, whole = vec(lanes, kind), vec(lanes, element)
    lows, widths = f.splat(low, lanes), f.splat(width, lanes)
    step = f.const(2.0**-24 if kind == F32 else 2.0**-53, wide)
    with f.loop(0, count, _CHUNK) as chunk:
        some = f.minimum(count - chunk.index, _CHUNK)
        part = f.at(out, chunk.index, kind)
        f.call("words", "void", state, part, some * (1 if kind == F32 else 2))
        with f.loop(0, some, lanes) as i:
            mask = f.lanes_below(some - i.index, lanes)
            place = f.at(part, i.index, kind)
            bits = f.masked_load(place, mask, whole)
            bits = bits & 0xFFFFFF if kind == F32 else _swapped(f, bits)
            number = _rounded(f, "mul", f.cast("sitofp", bits, wide), step)
            number = f.fma(number, widths, lows)
            f.masked_store(number, place, mask)
    f.ret()


def _poly(f: Function, x: Value, coefficients: Sequence[float]) -> Value:
    total = f.const(coefficients[0], x.kind)
    for c in coefficients[1:]:
        total = f.fma(total, x, f.const(c, x.kind))
    return total


_LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
_COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_QUARTERS = (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)


def _bits(f: Function, x: Value, kind: str) -> Value:
    return f.cast("bitcast", x, kind)


def _log(f: Function, x: Value, lanes: int) -> Value:
    """Return the logarithm of numbers in (0, 1], after Cephes."""
    kind, whole = x.kind, vec(lanes, I32)
    bits = _bits(f, x, whole)
    exponent = f.cast("sitofp", _shift(f, bits, 23, "lshr") - 126, kind)
    m = _bits(f, (bits & 0x7FFFFF) | 0x3F000000, kind)
    small = m.lt(0.707106781186547524)
    zero = f.const(0.0, kind)
    again = f.select(small, m, zero)
    m = _rounded(f, "add", _rounded(f, "sub", m, f.const(1.0, kind)), again)
    e = _rounded(f, "sub", exponent, f.select(small, f.const(1.0, kind), zero))
    z = _rounded(f, "mul", m, m)
    y = _rounded(f, "mul", _poly(f, m, _LOG), m)
    y = f.fma(y, z, _rounded(f, "mul", e, f.const(-2.12194440e-4, kind)))
    y = f.fma(z, f.const(-0.5, kind), y)
    return f.fma(e, f.const(0.693359375, kind), _rounded(f, "add", m, y))


def _sine_cosine(f: Function, x: Value, lanes: int) -> tuple[Value, Value]:
    """Return sine and cosine of numbers in [0, 2 pi], after Cephes."""
    kind, whole = x.kind, vec(lanes, I32)
    octant = f.cast("fptosi", _rounded(f, "mul", x, f.const(1.27323954473516, kind)), whole)
    octant = (octant + 1) & -2
    y = f.cast("sitofp", octant, kind)
    for quarter in _QUARTERS:
        x = f.fma(y, f.const(quarter, kind), x)
    z = _rounded(f, "mul", x, x)
    cosine = _rounded(f, "mul", _poly(f, z, _COSINE), z)
    cosine = f.fma(cosine, z, _rounded(f, "mul", z, f.const(-0.5, kind)))
    cosine = _rounded(f, "add", cosine, f.const(1.0, kind))
    sine = f.fma(_rounded(f, "mul", _poly(f, z, _SINE), z), x, x)
    straight = (octant & 2).eq(0)
    pair = f.select(straight, sine, cosine), f.select(straight, cosine, sine)
    flips = octant & 4, ((octant - 2) ^ -1) & 4
    turned = [_bits(f, _bits(f, v, whole) ^ _shift(f, s, 29, "shl"), kind)
              for v, s in zip(pair, flips)]  # fmt: skip
    return turned[0], turned[1]


def _block_f32(f: Function, place: Value, mean: Value, std: Value) -> None:
    """Turn 16 uniform numbers into normal ones."""
    kind = vec(8)
    first = _rounded(f, "sub", f.const(1.0, kind), f.load(place, kind))
    second = f.load(f.at(place, 8), kind)
    square = _rounded(f, "mul", f.const(-2.0, kind), _log(f, first, 8))
    radius = f.call("llvm.sqrt.v8f32", kind, square)
    sine, cosine = _sine_cosine(f, _rounded(f, "mul", f.const(2 * pi, kind), second), 8)
    means, stds = f.splat(mean, 8), f.splat(std, 8)
    f.store(f.fma(_rounded(f, "mul", radius, cosine), stds, means), place)
    f.store(f.fma(_rounded(f, "mul", radius, sine), stds, means), f.at(place, 8))


def _block_f64(f: Function, place: Value, mean: Value, std: Value) -> None:
    """As ``_block_f32``, one pair at a time."""
    with f.loop(0, 8) as i:
        near, far = f.at(place, i.index, F64), f.at(place, i.index + 8, F64)
        first = _rounded(f, "sub", f.const(1.0, F64), f.load(near, F64))
        square = _rounded(f, "mul", f.const(-2.0, F64), f.call("log", F64, first))
        radius = f.call("llvm.sqrt.f64", F64, square)
        angle = _rounded(f, "mul", f.const(2 * pi, F64), f.load(far, F64))
        cosine = _rounded(f, "mul", radius, f.call("cos", F64, angle))
        sine = _rounded(f, "mul", radius, f.call("sin", F64, angle))
        f.store(f.fma(cosine, std, mean), near)
        f.store(f.fma(sine, std, mean), far)


def _define_normal(module: Module, kind: str) -> None:
    """Define ``normal(out, count, state, mean, std)`` for 16 numbers and more."""
    f = module.function("blocks", [("out", PTR), ("count", I64), ("mean", kind), ("std", kind)])
    out, count, mean, std = f.params
    with f.loop(0, count, 16) as i:
        block = _block_f32 if kind == F32 else _block_f64
        block(f, f.at(out, i.index, kind), mean, std)
    f.ret()
    names = [("out", PTR), ("count", I64), ("state", PTR), ("mean", kind), ("std", kind)]
    f = module.function("normal", names, export=True)
    out, count, state, mean, std = f.params
    zero, one = f.const(0.0, kind), f.const(1.0, kind)
    rest = count % 16
    whole = count - rest
    with f.loop(0, whole, _CHUNK) as chunk:
        some = f.minimum(whole - chunk.index, _CHUNK)
        part = f.at(out, chunk.index, kind)
        f.call("fill", "void", state, part, some, zero, one)
        f.call("blocks", "void", part, some, mean, std)
    with f.when(rest.gt(0)):
        # They are drawn with the others, and then anew with enough before them for a block.
        f.call("fill", "void", state, f.alloca(kind, 16), rest, zero, one)
        last = f.at(out, count - 16, kind)
        f.call("fill", "void", state, last, f.i64(16), zero, one)
        f.call("blocks", "void", last, f.i64(16), mean, std)
    f.ret()


def floats_ir(kind: str, lanes: int) -> str:
    """Return the module with ``uniform(out, count, state, low, width)`` and ``normal``."""
    module = Module()
    _define_fill(module, kind, lanes)
    _define_normal(module, kind)
    names = [("out", PTR), ("count", I64), ("state", PTR), ("low", kind), ("width", kind)]
    f = module.function("uniform", names, export=True)
    out, count, state, low, width = f.params
    f.call("fill", "void", state, out, count, low, width)
    f.ret()
    return module.text()


def _define_below(module: Module) -> None:
    """Define ``below(out, count, state, limit)``: whether 53 random bits are below ``limit``."""
    names = [("out", PTR), ("count", I64), ("state", PTR), ("limit", I64)]
    f = module.function("below", names, export=True)
    out, count, state, limit = f.params
    words = f.alloca(I32, _SCRATCH + 16)
    limits = f.splat(limit, 8)
    with f.loop(0, count, _SCRATCH // 2) as chunk:
        some = f.minimum(count - chunk.index, _SCRATCH // 2)
        part = f.at(out, chunk.index, "i8")
        f.call("words", "void", state, words, some * 2)
        whole = some // 8 * 8
        with f.loop(0, whole, 8) as i:
            less = _swapped(f, f.load(f.at(words, i.index, I64), vec(8, I64)))._compare(
                limits, "lt"
            )
            f.store(f.cast("zext", less, vec(8, "i8")), f.at(part, i.index, "i8"), align=1)
        with f.loop(whole, some) as i:
            less = _swapped(f, f.load(f.at(words, i.index, I64), I64)).lt(limit)
            f.store(f.cast("zext", less, "i8"), f.at(part, i.index, "i8"), align=1)
    f.ret()


def _define_integers(module: Module) -> None:
    """Define ``integers(out, count, state, low, span)``: words modulo ``span``, below 2**31."""
    names = [("out", PTR), ("count", I64), ("state", PTR), ("low", I64), ("span", I64)]
    f = module.function("integers", names, export=True)
    out, count, state, low, span = f.params
    words = f.alloca(I32, _SCRATCH + 16)
    narrow, wide, real = vec(8, I32), vec(8, I64), vec(8, F64)
    lows, spans = f.splat(low, 8), f.splat(f.cast("trunc", span, I32), 8)
    divisor = f.cast("uitofp", spans, real)
    with f.loop(0, count, _SCRATCH) as chunk:
        some = f.minimum(count - chunk.index, _SCRATCH)
        part = f.at(out, chunk.index, I64)
        f.call("words", "void", state, words, some)
        whole = some // 8 * 8
        with f.loop(0, whole, 8) as i:
            w = f.load(f.at(words, i.index, I32), narrow)
            # The quotient of two such numbers is never rounded up to an integer.
            quotient = _rounded(f, "div", f.cast("uitofp", w, real), divisor)
            rest = w - f.cast("fptoui", quotient, narrow) * spans
            f.store(f.cast("zext", rest, wide) + lows, f.at(part, i.index, I64))
        with f.loop(whole, some) as i:
            w = f.cast("zext", f.load(f.at(words, i.index, I32), I32), I64)
            f.store(w % span + low, f.at(part, i.index, I64))
    f.ret()


def _define_permutation(module: Module) -> None:
    """Define ``permutation(out, count, state)``: Fisher and Yates, from the front."""
    names = [("out", PTR), ("count", I64), ("state", PTR)]
    f = module.function("permutation", names, export=True)
    out, count, state = f.params
    words = f.alloca(I32, _SCRATCH + 16)
    with f.loop(0, count) as i:
        f.store(i.index, f.at(out, i.index, I64))
    last = count - 1
    with f.loop(0, last, _SCRATCH) as chunk:
        some = f.minimum(last - chunk.index, _SCRATCH)
        f.call("words", "void", state, words, some)
        with f.loop(0, some) as i:
            here = chunk.index + i.index
            w = f.load(f.at(words, i.index, I32), I32)
            left = f.cast("trunc", count - here, I32)
            skip = f.emit(f"urem i32 {w.text}, {left.text}", I32)
            near = f.at(out, here, I64)
            far = f.at(near, f.cast("zext", skip, I64), I64)
            a, b = f.load(near, I64), f.load(far, I64)
            f.store(b, near)
            f.store(a, far)
    f.ret()


def integers_ir(lanes: int) -> str:
    """Return the module with ``below``, ``integers`` and ``permutation``."""
    module = Module()
    _define_words(module, lanes)
    _define_below(module)
    _define_integers(module)
    _define_permutation(module)
    return module.text()
