"""PyTorch's numbers from the words of the Mersenne Twister: arrays of random values.

Each function here draws as many words as PyTorch's CPU kernel does and in the same order, for the
same sizes and dtypes, so that the streams stay in step. Values are computed all at once.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.core.generator import Generator
from rushlight.core.quiet import quiet
from rushlight.kernels import random as kernels

ndarray = np.ndarray
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
_TWO_PI = 2 * math.pi
_STEP = np.float32(2.0**-24)
_CHUNK = 1 << 15
_FEW = 16  # pairs of normal values below which Python's arithmetic costs less than NumPy's
_WIDE_RANGE = 1 << 28  # from here on, two words make one integer


def uniform(g: Generator, count: int, kind: np.dtype) -> ndarray:
    """``count`` numbers in [0, 1): float64 from two words each, else float32 from one."""
    wide = F64 if kind == F64 else F32
    place = g.address()
    if place:
        out = np.empty(count, wide)
        return kernels.uniform(out, place, 0.0, 1.0) if count else out  # type: ignore[no-any-return]
    return _uniform_numpy(g, count, wide)


def _uniform_numpy(g: Generator, count: int, kind: np.dtype) -> ndarray:
    if kind == F64:
        words = g.words64(count)
        words &= np.uint64((1 << 53) - 1)
        out = words.astype(F64)
        out *= 2.0**-53
        return out
    out = np.empty(count, F32)
    for start in range(0, count, _CHUNK):  # in pieces that stay in the processor's cache
        part = out[start : start + _CHUNK]
        words = g.words(len(part))
        words &= 0xFFFFFF
        part[...] = words
        part *= _STEP
    return out


def _place_of(g: Generator, array: ndarray) -> int:
    """The address of the state, if a kernel can fill ``array``; else 0."""
    plain = array.flags.c_contiguous and array.dtype in (F32, F64) and array.size
    return g.address() if plain else 0


def fill_uniform(array: ndarray, g: Generator, low: float, high: float) -> None:
    """Replaces the values of ``array`` by numbers in [low, high), scaled in their precision."""
    kind = array.dtype
    real = F64 if kind == F64 else F32
    width = float(real.type(high) - real.type(low))
    place = _place_of(g, array)
    if place:
        kernels.uniform(array, place, float(low), width)
        return
    values = uniform(g, array.size, kind)
    if low != 0.0 or high != 1.0:  # the product is not rounded before the sum
        values = (values.astype(F64) * width + float(real.type(low))).astype(real)
    put(array, narrow(values, kind, low, high) if kind.itemsize <= 2 else values)


def fill_normal(array: ndarray, g: Generator, mean: float, std: float) -> None:
    """Replaces the values of ``array`` by normally distributed numbers."""
    place = _place_of(g, array) if array.size >= 16 else 0
    if place:
        kernels.normal(array, place, float(mean), float(std))
        return
    values = normal(g, array.size, array.dtype, array.flags.c_contiguous)
    if mean != 0 or std != 1:
        real = values.dtype.type
        values *= real(std)
        values += real(mean)
    put(array, values)


def narrow(values: ndarray, kind: np.dtype, low: float, high: float) -> ndarray:
    """Uniform values as a 16-bit dtype; those that rounding made ``high`` become ``low``."""
    out = values.astype(kind)
    ends = np.array([low, high]).astype(kind)
    out[out == ends[1]] = ends[0]
    return out


def integers(g: Generator, count: int, low: int, span: int, kind: np.dtype) -> ndarray:
    """``count`` integers from ``low`` to before ``low + span``."""
    if count == 1:
        word = g.word64() if span >= _WIDE_RANGE else g.word()
        value = word % span + low
        return np.array([wrap_integer(value, kind)]).astype(kind)
    if span >= _WIDE_RANGE:
        words = g.words64(count)
        if span < 1 << 64:
            words %= np.uint64(span)
        found = words.view(np.int64)
    elif count and g.address() and -(1 << 62) < low < 1 << 62:
        found = kernels.integers(np.empty(count, np.int64), g.address(), low, span)
        return found if kind == np.int64 else found.astype(kind)
    else:
        words = g.words(count)
        words %= span
        found = words.astype(np.int64)
    if low:
        found += np.int64(low)
    return found if kind == np.int64 else found.astype(kind)


def wrap_integer(value: int, kind: np.dtype) -> int:
    """``value`` as a 64-bit integer, which wraps around."""
    if kind == np.uint64:
        return value & (1 << 64) - 1
    return (value + (1 << 63) & (1 << 64) - 1) - (1 << 63)


def full_integers(g: Generator, count: int, kind: np.dtype, modulus: int) -> ndarray:
    """``count`` integers over a dtype's whole range: words modulo ``modulus``."""
    if kind in (F64, np.dtype(np.int64)):
        words = g.words64(count)
        words %= np.uint64(modulus)
        return words.astype(kind)
    words = g.words(count)
    words %= modulus
    return words.astype(kind)


@quiet
def _box_muller(u1: ndarray, u2: ndarray) -> tuple[ndarray, ndarray]:
    radius = np.sqrt(-2.0 * np.log1p(-u2))
    theta = _TWO_PI * u1
    return radius * np.cos(theta), radius * np.sin(theta)


def _few_pairs(g: Generator, u: list[float], out: ndarray, start: int) -> None:
    """Box-Muller one pair at a time, by the C library's functions."""
    values = []
    for angle, size in zip(u[::2], u[1::2]):
        radius = math.sqrt(-2.0 * math.log1p(-size))
        theta = _TWO_PI * angle
        values.append(radius * math.cos(theta))
        values.append(radius * math.sin(theta))
    if len(values) > len(out) - start:
        g.normal = values.pop()
    out[start:] = values


def normal_pairs(g: Generator, count: int) -> ndarray:
    """``count`` standard normal values in double, in pairs; the odd one is kept for the next call."""
    out = np.empty(count, F64)
    start = 0
    if g.normal is not None and count:
        out[0], g.normal = g.normal, None
        start = 1
    missing = count - start
    if missing <= 0:
        return out
    pairs = (missing + 1) // 2
    u = uniform(g, 2 * pairs, F64)
    if pairs <= _FEW:
        _few_pairs(g, u.tolist(), out, start)
        return out
    first, second = _box_muller(u[::2], u[1::2])
    out[start::2] = first
    out[start + 1 :: 2] = second[: missing // 2]
    if missing % 2:
        g.normal = float(second[-1])
    return out


@quiet
def _block_rows(u: ndarray) -> ndarray:
    """Box-Muller on rows of 16 uniform numbers: the first eight give radii, the others angles."""
    rows = u.reshape(-1, 16)
    real = u.dtype.type
    radius = np.subtract(real(1), rows[:, :8])
    np.log(radius, out=radius)
    radius *= real(-2)
    np.sqrt(radius, out=radius)
    theta = rows[:, 8:] * real(_TWO_PI)
    out = np.empty_like(rows)
    np.multiply(np.cos(theta), radius, out=out[:, :8])
    np.multiply(np.sin(theta), radius, out=out[:, 8:])
    return out.reshape(-1)


def normal_blocks(g: Generator, count: int, kind: np.dtype) -> ndarray:
    """``count`` >= 16 standard normal values in blocks of 16; the last block may be drawn anew.

    For float32 and float64 all uniform numbers are drawn first; the 16-bit types draw block by block.
    """
    rest = count % 16
    whole = count - rest
    wide = F64 if kind == F64 else F32
    out = np.empty(count, wide)
    if kind in (F32, F64) and g.address():
        drawn: ndarray = kernels.normal(out, g.address(), 0.0, 1.0)
        return drawn
    for start in range(0, whole, _CHUNK):  # in pieces that stay in the processor's cache
        stop = min(start + _CHUNK, whole)
        out[start:stop] = _block_rows(uniform(g, stop - start, wide))
    if rest:
        if kind in (F32, F64):
            uniform(g, rest, wide)  # drawn with the others, and not used
        out[-16:] = _block_rows(uniform(g, 16, wide))
    return out


def normal(g: Generator, count: int, kind: np.dtype, contiguous: bool) -> ndarray:
    """``count`` standard normal values, in float64 or float32."""
    if count >= 16 and contiguous:
        return normal_blocks(g, count, kind)
    return normal_pairs(g, count)


def below(g: Generator, count: int, p: float) -> ndarray:
    """For each of ``count`` float64 uniform numbers, whether it is below ``p``.

    The 53 bits are compared as integers: the upper 21 decide, but for the rare ties.
    """
    limit = math.ceil(p * 2.0**53)
    if count and g.address():
        drawn: ndarray = kernels.below(np.empty(count, np.bool_), g.address(), limit)
        return drawn
    words = g.words(2 * count)
    high = words[::2] & 0x1FFFFF
    out: ndarray = high < limit >> 32
    ties = high == limit >> 32
    if ties.any():
        out[ties] = words[1::2][ties] < (limit & 0xFFFFFFFF)
    return out


def permutation(g: Generator, n: int) -> ndarray:
    """A random order of 0..n-1: Fisher and Yates, from the front."""
    if n < 2:
        return np.arange(n)
    if g.address() and n < 1 << 31:
        drawn: ndarray = kernels.permutation(np.empty(n, np.int64), g.address())
        return drawn
    words = g.words(n - 1).astype(np.int64)
    index = np.arange(n - 1)
    targets = words % (n - index)
    targets += index
    # Place i is final after step i: zip reads what lies there now, and it moves to the target.
    left = list(range(n))
    order: list[int] = []
    take = order.append
    for displaced, j in zip(left, targets.tolist()):
        take(left[j])
        left[j] = displaced
    take(left[-1])
    return np.array(order, np.int64)


def poisson(g: Generator, rate: float) -> float:
    """One value of the Poisson distribution: products of uniforms, or Hoermann's rejection method."""
    if rate == 0:
        return 0.0
    uniform_one = _one_double(g)
    if rate < 10:
        limit = math.exp(-rate)
        count, product = 0, 1.0
        while True:
            product *= uniform_one()
            if product <= limit:
                return float(count)
            count += 1
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    vr = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = uniform_one() - 0.5
        v = uniform_one()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= vr:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= (
            -rate + k * log_rate - math.lgamma(k + 1)
        ):
            return float(k)


def _one_double(g: Generator) -> Callable[[], float]:
    def draw() -> float:
        return (g.word64() & (1 << 53) - 1) * 2.0**-53

    return draw


def in_memory_order(array: ndarray) -> ndarray:
    """``array`` with its dimensions ordered by stride: the order in which PyTorch fills it."""
    if array.flags.c_contiguous:
        return array
    strides: Any = array.strides
    return array.transpose(sorted(range(array.ndim), key=lambda d: -strides[d]))


def put(array: ndarray, values: ndarray) -> None:
    """Writes ``values``, in the order in which they were drawn, into ``array``."""
    target = in_memory_order(array)
    np.copyto(target, values.reshape(target.shape), casting="unsafe")
