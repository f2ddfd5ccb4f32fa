"""The loop IR run with NumPy: slow, plain, and the oracle of the machine code.

Vector loops run on whole arrays of indices, other loops one turn at a time. ``fma`` goes through
float64, which may differ from the machine's by one unit in the last place.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .loopir import (
    FLOATS,
    Acc,
    Accum,
    Alloc,
    At,
    Expr,
    For,
    If,
    IRError,
    Kernel,
    Let,
    Return,
    Statement,
    Store,
)
from .vecmath import expand

DTYPE: dict[str, type[np.generic]] = {
    "f32": np.float32,
    "f64": np.float64,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "b1": np.bool_,
}

_SIMPLE: dict[str, Any] = {
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "copysign": np.copysign,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "ashr": np.right_shift,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "select": np.where,
}


def apply(e: Expr, values: Sequence[Any]) -> Any:
    """The operation of ``e`` on NumPy values of its arguments' dtypes."""
    if e.op in _SIMPLE:
        return _SIMPLE[e.op](*values)
    x = np.asarray(values[0])
    dtype = DTYPE[e.dtype]
    if e.op in ("div", "rem"):
        if e.dtype in FLOATS:
            return (np.divide if e.op == "div" else np.fmod)(x, values[1])
        y = np.asarray(values[1])
        quotient = np.trunc(x / y).astype(dtype) if x.dtype.kind == "i" else x // y
        return quotient if e.op == "div" else x - quotient * y
    if e.op == "fma":
        y, z = np.asarray(values[1], np.float64), np.asarray(values[2], np.float64)
        return (x.astype(np.float64) * y + z).astype(dtype)[()]
    if e.op == "cast":
        return (x != 0 if e.dtype == "b1" else x.astype(dtype))[()]
    if e.op == "bitcast":
        return x.view(dtype)[()]
    raise IRError(f"cannot interpret {e.op}")


class _State:
    def __init__(self, buffers: dict[str, Any], names: dict[str, Any]) -> None:
        self.buffers, self.names = buffers, names
        self.accumulators: dict[str, tuple[Acc, list[Any], bool]] = {}
        self.expanded: dict[Expr, Expr] = {}
        self.result = 0
        self.memory: Sequence[Any] = ()

    def value(self, e: Expr) -> Any:
        return self._value(expand(e, self.expanded), {})

    def _value(self, e: Expr, memo: dict[Expr, Any]) -> Any:
        if e.op == "const":
            return np.asarray(e.attr, DTYPE[e.dtype])[()]
        if e.op == "var":
            return self.names[str(e.attr)]
        if e not in memo:
            args = [self._value(a, memo) for a in e.args]
            memo[e] = self.buffers[str(e.attr)][args[0]] if e.op == "load" else apply(e, args)
        return memo[e]

    def integer(self, e: Expr) -> int:
        return int(self.value(e))

    def run(self, body: Sequence[Statement]) -> None:
        for s in body:
            if isinstance(s, Let):
                self.names[s.name] = self.value(s.value)
            elif isinstance(s, Store):
                self.buffers[s.buffer][self.value(s.index)] = self.value(s.value)
            elif isinstance(s, If):
                if self.value(s.condition):
                    self.run(s.body)
            elif isinstance(s, Accum):
                self.accumulate(s)
            elif isinstance(s, Alloc):
                self.buffers[s.name] = np.zeros(s.count, DTYPE[s.dtype])
            elif isinstance(s, At):
                self.buffers[s.name] = self.at(self.integer(s.address), DTYPE[s.dtype])
            elif isinstance(s, For):
                self.loop(s)
            elif isinstance(s, Return):
                self.result = self.integer(s.value)

    def at(self, address: int, dtype: Any) -> Any:
        """The rest of the array of ``memory`` that holds ``address``."""
        for array in self.memory:
            offset = address - array.__array_interface__["data"][0]
            if array.dtype == dtype and 0 <= offset < max(array.nbytes, 1):
                return array.reshape(-1)[offset // array.itemsize :]
        raise IRError(f"no array of {dtype} at {address:#x}")

    def accumulate(self, s: Accum) -> None:
        acc, held, across = self.accumulators[s.name]
        value = np.asarray(self.value(s.value))
        ufunc = {"add": np.add, "max": np.maximum, "min": np.minimum, "top": np.fmax}[acc.op]
        if across:
            lanes = np.broadcast_to(value, np.shape(self.names[self.lane]))
            value = ufunc.reduce(lanes)
        held[0] = ufunc(held[0], value).astype(DTYPE[acc.dtype])

    lane = ""

    def loop(self, s: For) -> None:
        begin, end = self.integer(s.begin), self.integer(s.end)
        for a in s.accs:
            self.accumulators[a.name] = (a, [self.value(a.init)], s.vector)
        if s.vector:
            if end > begin:
                self.lane = s.name
                self.names[s.name] = np.arange(begin, end)
                self.run(s.body)
        else:
            for i in range(begin, end):
                self.names[s.name] = np.int64(i)
                self.run(s.body)
        for a in s.accs:
            self.names[a.name] = self.accumulators[a.name][1][0]


def interpret(kernel: Kernel, arguments: Sequence[Any], memory: Sequence[Any] = ()) -> int:
    """Run ``kernel`` on one-dimensional arrays and numbers, in the order of its parameters.

    Args:
        kernel: what to run.
        arguments: for each parameter an array or a number.
        memory: contiguous arrays that addresses in the arguments point into.

    Returns:
        The kernel's result code. Buffers are written in place.
    """
    buffers: dict[str, Any] = {}
    names: dict[str, Any] = {}
    for param, argument in zip(kernel.params, arguments, strict=True):
        if param.role == "scalar":
            names[param.name] = np.asarray(argument, DTYPE[param.dtype])[()]
        else:
            buffers[param.name] = np.asarray(argument)
    state = _State(buffers, names)
    state.memory = memory
    with np.errstate(all="ignore"):
        state.run(kernel.body)
    return state.result
