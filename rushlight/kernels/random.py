"""Random numbers by the Mersenne Twister, written straight into arrays.

Every function takes a contiguous array to fill and the address of a generator's state: NumPy's 624
words and the place of the next, as ``MT19937(...).ctypes.state_address`` gives it. The state moves
on, so that these functions and NumPy's may take turns. Only with generated code: see ``available``.

The interpreter's lock is kept, since the state must have one user at a time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from rushlight.codegen import builtin, cache
from rushlight.kernels import _context, _emit, _random_ir


def available() -> bool:
    """Whether the functions of this module may be called."""
    return _context.available() and builtin.available()


def _address(export: str, kind: str = "") -> int:
    lanes = _context.width()
    key = f"{kind} {lanes} {cache.emitter_hash(_emit, _random_ir)}"
    if kind:
        make = partial(_random_ir.floats_ir, kind, lanes)
        return cache.load(f"random_{kind}", key, make, ["uniform", "normal"])[export]
    make = partial(_random_ir.integers_ir, lanes)
    return cache.load("random", key, make, ["below", "integers", "permutation"])[export]


def _refuse(*args: Any) -> Any:
    raise TypeError("random numbers need a contiguous array that is not empty")


def _typed(export: str, kind: str, other: Callable[..., Any]) -> Callable[..., Any]:
    dtype, cast = ("f32", "f32({})") if kind == _emit.F32 else ("f64", "{}")
    passed = ", ".join(cast.format(name) for name in "ab")
    signature = (
        f"x: {dtype}[...s]!, state: int, a: float, b: float -> x;"
        f" call x, s, state, {passed}; work 0"
    )
    return builtin.builtin(export, signature, partial(_address, export, kind), other)


def _floats(export: str) -> Callable[..., Any]:
    """The builtin for float32; that for float64 is made when it is first needed."""
    doubles: list[Callable[..., Any]] = []

    def other(*args: Any) -> Any:
        if not doubles:
            doubles.append(_typed(export, _emit.F64, _refuse))
        return doubles[0](*args)

    return _typed(export, _emit.F32, other)


def uniform(out: Any, state: int, low: float, width: float) -> Any:
    """Fills ``out`` (float32, float64) with numbers in [low, low + width)."""
    native = globals()["uniform"] = _floats("uniform")
    return native(out, state, low, width)


def normal(out: Any, state: int, mean: float, std: float) -> Any:
    """Fills ``out`` (float32, float64; at least 16 elements) with normal numbers, in blocks of 16."""
    native = globals()["normal"] = _floats("normal")
    return native(out, state, mean, std)


def _integers(export: str, signature: str) -> Callable[..., Any]:
    return builtin.builtin(export, signature, partial(_address, export), _refuse)


def below(out: Any, state: int, limit: int) -> Any:
    """Fills ``out`` (bool) with whether 53 random bits are below ``limit``."""
    signature = "x: bool[...s]!, state: int, a: int -> x; call x, s, state, a; work 0"
    native = globals()["below"] = _integers("below", signature)
    return native(out, state, limit)


def integers(out: Any, state: int, low: int, span: int) -> Any:
    """Fills ``out`` (int64) with ``low`` plus a word modulo ``span``, which is below 2**31."""
    signature = "x: i64[...s]!, state: int, a: int, b: int -> x; call x, s, state, a, b; work 0"
    native = globals()["integers"] = _integers("integers", signature)
    return native(out, state, low, span)


def permutation(out: Any, state: int) -> Any:
    """Fills ``out`` (int64) with the numbers from 0 on in random order."""
    signature = "x: i64[...s]!, state: int -> x; call x, s, state; work 0"
    native = globals()["permutation"] = _integers("permutation", signature)
    return native(out, state)
