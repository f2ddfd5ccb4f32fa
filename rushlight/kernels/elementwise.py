"""Element-wise kernels and their gradients, one pass each.

Every kernel has a twin ``name_out`` that writes into its last argument (which may be an input).
float32 runs natively; other dtypes, other broadcasts and strided arrays take the NumPy version.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from rushlight.base.quiet import numeric
from rushlight.codegen import loopir as ir
from rushlight.codegen.interpret import interpret
from rushlight.codegen.loopir import Expr, For, Kernel, Param, Store, select
from rushlight.codegen.vecmath import TRIGONOMETRIC_LIMIT

from . import wide_functions
from ._native import (
    GRAIN,
    Builder,
    Native,
    Reference,
    array,
    arrays_only,
    flat,
    grain_of_rows,
    index,
    native,
    size,
    twins,
)

_native = partial(native, __name__)
_twins = partial(twins, __name__)


# arithmetic: the same shape, a number, a row, a channel ---------------------------------------


def _spread(formula: Callable[[Expr, Expr], Expr], output: str, channel: bool) -> Builder:
    """``x`` with ``y`` along rows of n elements: y[n], or (channel) y[m] for row r % m."""

    def build(name: str) -> Kernel:
        x, y, out = array("x"), array("y"), Param("out", output, "out")
        rows, n, m = size("rows"), size("n"), size("m")
        r, c = index("r"), index("c")
        at = r * n.var() + c
        other = y[r % m.var()] if channel else y[c]
        inner = For("c", n.var(), [Store("out", at, formula(x[at], other))], vector=True)
        outer = For("r", rows.var(), [inner], parallel=grain_of_rows(n.var()))
        sizes = [rows, n, m] if channel else [rows, n]
        return Kernel(name, [x, y, out, *sizes], [outer])

    return build


def _is_number(x: Any, y: Any, out: Any = None) -> bool:
    return isinstance(y, int | float)


def _is_array(dtype: str, ndim: int) -> Callable[[Any, Any], bool]:
    """Whether the second argument is an array like that; ndim -1: like the first."""

    def check(x: Any, y: Any) -> bool:
        shape = getattr(y, "shape", None)
        if shape is None or y.dtype != dtype or not isinstance(x, np.ndarray):
            return False
        return len(shape) == (x.ndim if ndim < 0 else ndim)

    return check


def _arithmetic(
    name: str, formula: Callable[[Any, Any], Expr], reference: Reference, output: str = "f32"
) -> tuple[Native, Native]:
    """A binary operation with its broadcasts, and its twin that writes into an array."""
    reference = numeric(reference)

    def write(x: Any, y: Any, out: Any) -> Any:
        np.copyto(out, reference(x, y), casting="same_kind")
        return out

    kind = "bool" if output == "b1" else output
    chain = arrays_only(reference)
    wide = flat(("x", "y"), formula, (), "b1" if output == "b1" else "f64", "f64")
    kind64 = "bool" if output == "b1" else "f64"
    signature = f"x: f64[...s], y: f64[...s] -> out: {kind64}[...s]; call x, y, out, s; work s"
    chain = _native(name, signature, wide, chain, variant="f64", worth=_is_array("f8", -1))
    signature = f"x: f32[...r, n], y: f32[...r, 1] -> out: {kind}[...r, n]"
    signature += "; call x, y, out, r, n, r; work r * n"
    spread = _spread(formula, output, True)
    chain = _native(name, signature, spread, chain, variant="column", worth=_is_array("f4", -1))
    signature = (
        f"x: f32[b, c, h, w], y: f32[1, c, 1, 1] -> out: {kind}[b, c, h, w];"
        "call x, y, out, b * c, h * w, c; work b * c * h * w"
    )
    chain = _native(name, signature, spread, chain, variant="channel", worth=_is_array("f4", 4))
    signature = (
        f"x: f32[...r, n], y: f32[n] -> out: {kind}[...r, n]; call x, y, out, r, n; work r * n"
    )
    chain = _native(
        name,
        signature,
        _spread(formula, output, False),
        chain,
        variant="row",
        worth=_is_array("f4", 1),
    )
    number = flat(("x",), formula, ("y",), output)
    rest = "; call x, out, s, f32(y); work s"
    signature = f"x: f32[...s], y: float -> out: {kind}[...s]{rest}"
    chain = _native(name, signature, number, chain, variant="number", worth=_is_number)
    same = flat(("x", "y"), formula, (), output)
    both = "; call x, y, out, s; work s"
    signature = f"x: f32[...s], y: f32[...s] -> out: {kind}[...s]{both}"
    into: Reference = _native(
        f"{name}_out",
        f"x: f32[...s], y: float, out: {kind}[...s]! -> out{rest}",
        number,
        write,
        variant="number",
        worth=_is_number,
    )
    write.__doc__ = f"``{name}`` into its last argument, which is returned."
    text = f"x: f32[...s], y: f32[...s], out: {kind}[...s]! -> out{both}"
    return _native(name, signature, same, chain), _native(f"{name}_out", text, same, into)


add, add_out = _arithmetic("add", lambda x, y: x + y, np.add)
sub, sub_out = _arithmetic("sub", lambda x, y: x - y, np.subtract)
mul, mul_out = _arithmetic("mul", lambda x, y: x * y, np.multiply)
div, div_out = _arithmetic("div", lambda x, y: x / y, np.divide)
maximum, maximum_out = _arithmetic("maximum", ir.maximum, np.maximum)
minimum, minimum_out = _arithmetic("minimum", ir.minimum, np.minimum)


def _comparison(op: str, reference: Reference) -> tuple[Native, Native]:
    return _arithmetic(op, lambda x, y: ir.compare(op, x, y), reference, "b1")


lt, lt_out = _comparison("lt", np.less)
le, le_out = _comparison("le", np.less_equal)
gt, gt_out = _comparison("gt", np.greater)
ge, ge_out = _comparison("ge", np.greater_equal)
eq, eq_out = _comparison("eq", np.equal)
ne, ne_out = _comparison("ne", np.not_equal)

# a number first: rsub(x, y) = y - x
rsub, rsub_out = _twins("rsub", ["x"], lambda x, y: y - x, lambda x, y: np.subtract(y, x), ["y"])
rdiv, rdiv_out = _twins("rdiv", ["x"], lambda x, y: y / x, lambda x, y: np.divide(y, x), ["y"])

# a + alpha * b, rounded once (PyTorch's add with alpha)
add_scaled, add_scaled_out = _twins(
    "add_scaled",
    ["x", "y"],
    lambda x, y, alpha: ir.fma(y, alpha, x),
    lambda x, y, alpha: x + alpha * y,
    ["alpha"],
)

# functions of one array -----------------------------------------------------------------------


def _function(name: str, reference: Reference) -> tuple[Native, Native]:
    """A function of ``loopir.MATH``."""
    return _twins(name, ["x"], lambda x: ir.math(name, x), reference)


def _floating(x: np.ndarray) -> np.ndarray:
    """``x`` in a floating dtype: NumPy's functions make float64 of integers, PyTorch float32."""
    return x if x.dtype.kind in "fcV" else x.astype(np.float32)


def _interpreted(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """A float32 function of ``vecmath`` through the interpreter, for where NumPy has none."""

    def run(x: np.ndarray) -> np.ndarray:
        source = np.ascontiguousarray(x, np.float32).reshape(-1)
        out = np.empty_like(source)
        kernel = flat(["x"], lambda v: ir.math(name, v))(name)
        interpret(kernel, [source, out, source.size])
        return out.reshape(x.shape)

    return run


def reference_erf(x: np.ndarray) -> np.ndarray:
    """The error function."""
    x = _floating(x)
    if x.dtype == np.float64:
        return np.asarray(wide_functions.erf(x))
    return _interpreted("erf")(x).astype(x.dtype, copy=False)


def reference_normal_cdf(x: np.ndarray) -> np.ndarray:
    """(1 + erf(x / sqrt(2))) / 2, without cancelling."""
    if x.dtype == np.float64:
        return np.asarray(wide_functions.normal_cdf(x))
    return _interpreted("normal_cdf")(x).astype(x.dtype, copy=False)


def reference_sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-_floating(x))))


def _relu(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(x, 0))


neg, neg_out = _twins("neg", ["x"], lambda x: -x, np.negative)
absolute, absolute_out = _twins("absolute", ["x"], lambda x: ir.unary("abs", x), np.absolute)
square, square_out = _twins("square", ["x"], lambda x: x * x, np.square)
sqrt, sqrt_out = _twins("sqrt", ["x"], lambda x: ir.unary("sqrt", x), np.sqrt)
rsqrt, rsqrt_out = _function("rsqrt", lambda x: 1 / np.sqrt(x))
reciprocal, reciprocal_out = _twins("reciprocal", ["x"], lambda x: 1.0 / x, lambda x: 1 / x)
exp, exp_out = _function("exp", np.exp)
expm1, expm1_out = _function("expm1", np.expm1)
log, log_out = _function("log", np.log)
log2, log2_out = _function("log2", np.log2)
log10, log10_out = _function("log10", np.log10)
log1p, log1p_out = _function("log1p", np.log1p)
tanh, tanh_out = _function("tanh", np.tanh)
sigmoid, sigmoid_out = _function("sigmoid", reference_sigmoid)
erf, erf_out = _function("erf", reference_erf)


def _circular(name: str, reference: Reference) -> Native:
    """sin or cos; where an argument is too large for the short reduction, NumPy's."""

    def build(kernel: str) -> Kernel:
        x, out, n, i = array("x"), Param("out", "f32", "out"), size("n"), index("i")
        large = ir.unary("abs", x[i]) > TRIGONOMETRIC_LIMIT
        body: list[ir.Statement] = [
            Store("out", i, ir.math(name, x[i])),
            ir.Accum("large", select(large, 1.0, ir.const(0.0, "f32"))),
        ]
        most = ir.Acc("large", "max", "f32", ir.const(0.0, "f32"))
        length = GRAIN // 4
        blocks = (n.var() + (length - 1)) // length
        begin = index("block") * length
        end = ir.minimum(begin + length, n.var())
        inner = For("i", end, body, begin=begin, accs=[most], vector=True)
        flag = ir.If(most.value() > 0.0, [Store("bad", 0, ir.const(1, "i64"))])
        return Kernel(
            kernel,
            [x, out, n],
            [
                ir.Alloc("bad", "i64", 1),
                Store("bad", 0, ir.const(0, "i64")),
                For("block", blocks, [inner, flag], parallel=1),
                ir.Return(ir.load("bad", 0, "i64")),
            ],
        )

    signature = "x: f32[...s] -> out: f32[...s]; call x, out, s; work s; status"
    return _native(name, signature, build, arrays_only(reference))


sin = _circular("sin", np.sin)
cos = _circular("cos", np.cos)

# powers and limits ----------------------------------------------------------------------------

power, power_out = _twins("power", ["x"], lambda x, y: ir.math("pow", x, y), np.power, ["y"])
power_tensor, power_tensor_out = _twins(
    "power_tensor", ["x", "y"], lambda x, y: ir.math("pow", x, y), np.power
)
# clamp(x, low, high): infinities stand for "no limit"
clamp, clamp_out = _twins(
    "clamp",
    ["x"],
    lambda x, low, high: ir.minimum(ir.maximum(x, low), high),
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    ["low", "high"],
)
where, where_out = _twins(
    "where",
    ["condition:b1", "x", "y"],
    select,
    np.where,
)
# masked_fill(x, mask, value)
masked_fill, masked_fill_out = _twins(
    "masked_fill",
    ["x", "mask:b1"],
    lambda x, mask, value: select(mask, value, x),
    lambda x, mask, value: np.where(mask, np.asarray(value, x.dtype), x),
    ["value"],
)
# dropout(x, mask, scale): x * scale where kept, x * 0 elsewhere; its own gradient
dropout, dropout_out = _twins(
    "dropout",
    ["x", "mask:b1"],
    lambda x, mask, scale: x * select(mask, scale, 0.0),
    lambda x, mask, scale: x * np.where(mask, np.asarray(scale, x.dtype), np.zeros((), x.dtype)),
    ["scale"],
)
