"""One pass over all parameters for an optimizer's step: SGD, Adam, AdamW, RMSprop.

Note: the update rules
    Each rule is written once, in the loop IR, with the roundings of PyTorch's single-tensor CPU code.
    The native step runs it over a table of addresses, in blocks, on all threads; whatever the table
    cannot hold (other dtypes, strided arrays, machines without generated code) runs the same rule
    parameter by parameter through the interpreter.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.interpret import interpret
from rushlight.codegen.loopir import Alloc, At, Expr, For, If, Kernel, Let, Param, Return, Statement

from ._native import array, index, native, size

_native = partial(native, __name__)

_BLOCK = 16384  # elements of a parameter that one task takes
_WIDTH = 7  # columns of the table: elements, "no state yet", addresses

Values = Callable[[str], Expr]


class _Rule:
    """An update: its arrays, its numbers, and ``body(value, number)``, the stores for one element.

    ``value(name)`` is an array's element, ``number(name)`` a number in the arrays' dtype.
    """

    def __init__(
        self,
        arrays: Sequence[str],
        numbers: Sequence[str],
        body: Callable[[Values, Values], dict[str, Expr]],
    ) -> None:
        self.arrays, self.numbers, self.body = arrays, numbers, body

    def loop(self, dtype: str, count: Expr) -> For:
        """The rule over ``count`` elements of buffers named as the arrays."""
        i = index("i")

        def value(name: str) -> Expr:
            return ir.load(name, i, dtype)

        def number(name: str) -> Expr:
            return ir.cast(ir.var(name, "f64"), dtype)

        new = self.body(value, number)
        # read everything before anything is written
        lets = [Let(f"new_{name}", e) for name, e in new.items()]
        stores = [ir.Store(name, i, let.var()) for name, let in zip(new, lets)]
        return For("i", count, [*lets, *stores], vector=True)

    def scalars(self) -> list[Param]:
        return [Param(name, "f64", "scalar") for name in self.numbers]


def _over_table(rule: _Rule) -> Callable[[str], Kernel]:
    """(table, tasks, count of tasks, grain, numbers...)."""

    def build(name: str) -> Kernel:
        table, tasks = array("table:i64"), array("tasks:i64")
        count, grain = size("count"), size("grain")
        t = index("t")
        row, start = Let("row", tasks[t * 3] * _WIDTH), Let("start", tasks[t * 3 + 1])
        buffers = [
            At(each, "f32", table[row.var() + (2 + k)] + start.var() * 4)
            for k, each in enumerate(rule.arrays)
        ]
        first = Let("first", ir.cast(table[row.var() + 1], "f64"))
        body = [row, start, first, *buffers, rule.loop("f32", tasks[t * 3 + 2])]
        loop = For("t", count.var(), body, parallel=grain.var())
        return Kernel(name, [table, tasks, count, grain, *rule.scalars()], [loop])

    return build


def _fill(name: str) -> Kernel:
    """Addresses of a list's arrays into a column: (table, rows, column, list, type, descr, flags).

    Reads CPython's and NumPy's structs (see ``codegen/numpy_abi.py``): every item must be an array of
    that type and descr, with those flags and the row's number of elements; else returns 1.
    """
    table = Param("table", "i64", "inout")
    sizes = [size(p) for p in ("rows", "column", "list", "type", "descr", "flags")]
    rows, column, address, kind, descr, flags = (p.var() for p in sizes)
    r, d = index("r"), index("d")
    items = At("head", "i64", address)
    pointers = At("items", "i64", items[3])
    place = Let("place", pointers[r])
    words, halves = At("words", "i64", place.var()), At("halves", "i32", place.var())
    dims = At("dims", "i64", words[4])
    grow = ir.Store("elements", 0, ir.load("elements", 0, "i64") * dims[d])
    held = ir.cast(halves[16], "i64") & flags
    right = ir.compare("eq", words[7], descr) & ir.compare("eq", held, flags)
    same = ir.compare("eq", ir.load("elements", 0, "i64"), table[r * _WIDTH])
    good = ir.Store("bad", 0, ir.load("bad", 0, "i64") - 1)
    read: list[Statement] = [
        dims,
        ir.Store("elements", 0, ir.const(1, "i64")),
        For("d", ir.cast(halves[6], "i64"), [grow]),
        ir.Store("table", r * _WIDTH + column, words[2]),
        If(right & same, [good]),
    ]
    item: list[Statement] = [
        place,
        words,
        halves,
        If(ir.compare("eq", words[1], kind), read),
    ]
    body: list[Statement] = [
        Alloc("bad", "i64", 1),
        Alloc("elements", "i64", 1),
        ir.Store("bad", 0, rows),
        items,
        If(ir.compare("eq", items[2], rows), [pointers, For("r", rows, item)]),
        Return(ir.load("bad", 0, "i64")),
    ]
    return Kernel(name, [table, *sizes], body)


# rules ----------------------------------------------------------------------------------------


def _gradient(value: Values, number: Values, decay: bool) -> Expr:
    """The gradient, negated for maximize, plus the weight decay."""
    g = value("grad") * number("sign")
    return ir.fma(value("param"), number("weight_decay"), g) if decay else g


def _lerp(start: Expr, end: Expr, weight: Expr) -> Expr:
    """start + weight * (end - start), from the nearer end, as PyTorch's lerp."""
    small = ir.unary("abs", weight) < 0.5
    base = ir.select(small, start, end)
    return ir.fma(ir.select(small, weight, weight - 1.0), end - start, base)


def _sgd(momentum: bool, nesterov: bool, decay: bool) -> _Rule:
    def body(value: Values, number: Values) -> dict[str, Expr]:
        g = _gradient(value, number, decay)
        new: dict[str, Expr] = {}
        if momentum:
            kept = ir.fma(g, number("undamped"), value("buffer") * number("momentum"))
            buffer = ir.select(number("first") > 0.0, g, kept)
            new["buffer"] = buffer
            g = ir.fma(buffer, number("momentum"), g) if nesterov else buffer
        new["param"] = ir.fma(g, -number("lr"), value("param"))
        return new

    arrays = ["param", "grad", *(["buffer"] if momentum else [])]
    numbers = ["lr", "sign", "weight_decay", "momentum", "undamped"]
    return _Rule(arrays, numbers, body)


def _adam(decoupled: bool, amsgrad: bool, decay: bool) -> _Rule:
    def body(value: Values, number: Values) -> dict[str, Expr]:
        g = _gradient(value, number, decay and not decoupled)
        param = value("param")
        if decoupled and decay:
            param = param * number("shrink")
        m = _lerp(value("exp_avg"), g, number("weight1"))
        v = ir.fma(number("weight2") * g, g, value("exp_avg_sq") * number("beta2"))
        new = {"exp_avg": m, "exp_avg_sq": v}
        most = v
        if amsgrad:
            most = new["max_exp_avg_sq"] = ir.maximum(value("max_exp_avg_sq"), v)
        root = ir.unary("sqrt", most) / number("root_correction2") + number("eps")
        new["param"] = param + (m * -number("step_size")) / root
        return new

    arrays = ["param", "grad", "exp_avg", "exp_avg_sq"]
    arrays += ["max_exp_avg_sq"] if amsgrad else []
    numbers = [
        *("step_size", "sign", "weight_decay", "shrink"),
        *("weight1", "weight2", "beta2", "root_correction2", "eps"),
    ]
    return _Rule(arrays, numbers, body)


def _rmsprop(momentum: bool, centered: bool, decay: bool) -> _Rule:
    def body(value: Values, number: Values) -> dict[str, Expr]:
        g = _gradient(value, number, decay)
        square = ir.fma(number("weight") * g, g, value("square_avg") * number("alpha"))
        new = {"square_avg": square}
        spread = square
        if centered:
            average = new["grad_avg"] = _lerp(value("grad_avg"), g, number("weight"))
            spread = ir.fma(-average, average, square)
        root = ir.unary("sqrt", spread) + number("eps")
        if momentum:
            buffer = value("buffer") * number("momentum") + g / root
            new["buffer"] = buffer
            new["param"] = ir.fma(buffer, -number("lr"), value("param"))
        else:
            new["param"] = value("param") + (g * -number("lr")) / root
        return new

    arrays = ["param", "grad", "square_avg"]
    arrays += (["grad_avg"] if centered else []) + (["buffer"] if momentum else [])
    numbers = ["lr", "sign", "weight_decay", "alpha", "weight", "eps", "momentum"]
    return _Rule(arrays, numbers, body)


# running --------------------------------------------------------------------------------------


def _no_table(*_: Any) -> int:
    return 1


_fill_column = _native(
    "_fill_column",
    "table: i64[r, w]!, column: int, list: int, type: int, descr: int, flags: int -> None;"
    "call table, r, column, list, type, descr, flags; status",
    _fill,
    _no_table,
)


class Table:
    """Where the parameters, gradients and states of one optimizer group lie; kept by the caller.

    The addresses are read anew at each step, so arrays may come and go; what stays is how the sizes
    are cut into tasks.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.rows = np.zeros((0, _WIDTH), np.int64)
        self.tasks = np.zeros((0, 3), np.int64)
        self.grain, self.total = 1, 0

    def cut(self, sizes: list[int]) -> None:
        """Cut parameters of these sizes into tasks."""
        self.sizes, self.total = sizes, sum(sizes)
        self.rows = np.zeros((len(sizes), _WIDTH), np.int64)
        self.rows[:, 0] = sizes
        tasks = [
            (row, start, min(_BLOCK, n - start))
            for row, n in enumerate(sizes)
            for start in range(0, n, _BLOCK)
        ]
        self.tasks = np.array(tasks, np.int64).reshape(-1, 3)
        # tasks of two blocks' work together, so that small parameters stay on one thread
        self.grain = max(1, 2 * _BLOCK * len(tasks) // max(self.total, 1))

    def fill(self, lists: Sequence[list[np.ndarray]], first: Any) -> bool:
        """Read the arrays' addresses; False when the table cannot hold one of them."""
        kind, descr = id(np.ndarray), id(_FLOAT32)
        for column, arrays in enumerate(lists):
            flags = _READABLE if column == 1 else _WRITABLE
            given = (self.rows, column + 2, id(arrays), kind, descr, flags)
            if _fill_column(*given) is not None:
                sizes = [p.size for p in lists[0]]
                if self.sizes == sizes:
                    return False
                self.cut(sizes)
                return bool(self.total) and self.fill(lists, first)
        self.rows[:, 1] = first
        return True


_FLOAT32 = np.dtype(np.float32)
_READABLE, _WRITABLE = 0x101, 0x501  # C-contiguous, aligned; and writeable
_steps: dict[tuple[Any, ...], tuple[_Rule, Any]] = {}


def _step(make: Callable[..., _Rule], *flags: bool) -> tuple[_Rule, Any]:
    """A rule and its native step over a table."""
    key = (make, *flags)
    found = _steps.get(key)
    if found is None:
        rule = make(*flags)
        names = [f"a{k}" for k in range(len(rule.numbers))]
        numbers = "".join(f", {each}: float" for each in names)
        signature = (
            f"table: i64[r, {_WIDTH}], tasks: i64[t, 3], grain: int, total: int{numbers} -> None;"
            f"call table, tasks, t, grain, {', '.join(names)}; work total"
        )
        variant = "".join("01"[flag] for flag in flags)
        step = _native(make.__name__, signature, _over_table(rule), _no_table, variant=variant)
        found = _steps[key] = (rule, step.make())
    return found


def _run(
    step: tuple[_Rule, Any],
    table: Table,
    lists: Sequence[list[np.ndarray]],
    numbers: Sequence[float],
    first: Any = False,
) -> None:
    rule, function = step
    if not lists[0]:
        return
    if table.fill(lists, first) and (
        function(table.rows, table.tasks, table.grain, table.total, *numbers) is None
    ):
        return
    starts = np.broadcast_to(first, (len(lists[0]),))
    for arrays, start in zip(zip(*lists, strict=True), starts, strict=True):
        _one(rule, arrays, numbers, bool(start))


def _one(rule: _Rule, arrays: Sequence[np.ndarray], numbers: Sequence[float], first: bool) -> None:
    """The rule on one parameter, through the interpreter."""
    if any(a.shape != arrays[0].shape for a in arrays):
        shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(rule.arrays, arrays, strict=True))
        raise ValueError(f"a parameter, its gradient and states must have one shape: {shapes}")
    wide = arrays[0].dtype == np.float64
    dtype = "f64" if wide else "f32"
    given = [np.array(a, np.float64 if wide else np.float32, order="C").reshape(-1) for a in arrays]
    params = [Param(each, dtype, "inout") for each in rule.arrays]
    params += [size("n"), Param("first", "f64", "scalar"), *rule.scalars()]
    kernel = Kernel("step", params, [rule.loop(dtype, index("n"))])
    interpret(kernel, [*given, arrays[0].size, float(first), *numbers])
    for k, (target, new) in enumerate(zip(arrays, given, strict=True)):
        if k != 1:  # the gradient stays
            target[...] = new.reshape(target.shape)


Arrays = list[np.ndarray]


def sgd(
    table: Table,
    params: Arrays,
    grads: Arrays,
    buffers: Arrays | None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool | Sequence[bool] = False,
) -> None:
    """One step of SGD, in place.

    Args:
        table: kept by the caller for this list of parameters.
        params: written.
        grads: of the same shapes.
        buffers: momentum buffers, written; None without momentum.
        first: whether (for each parameter) the buffer has no values yet: it becomes the gradient.
    """
    step = _step(_sgd, bool(momentum), nesterov, bool(weight_decay))
    lists = [params, grads, buffers] if momentum and buffers is not None else [params, grads]
    sign = -1.0 if maximize else 1.0
    numbers = (float(lr), sign, float(weight_decay), float(momentum), 1.0 - dampening)
    _run(step, table, lists, numbers, first)


def adam(
    table: Table,
    params: Arrays,
    grads: Arrays,
    exp_avgs: Arrays,
    exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None = None,
    *,
    step: int,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """One step of Adam, or of AdamW (``decoupled``), in place.

    Args:
        table: kept by the caller for this list of parameters.
        params: written, as are the states.
        grads: of the same shapes.
        max_exp_avg_sqs: given: the AMSGrad variant.
        step: the number of this step, from 1.
    """
    amsgrad = max_exp_avg_sqs is not None
    function = _step(_adam, decoupled, amsgrad, bool(weight_decay))
    lists = [params, grads, exp_avgs, exp_avg_sqs]
    if max_exp_avg_sqs is not None:
        lists.append(max_exp_avg_sqs)
    numbers = (
        lr / (1 - beta1**step),
        -1.0 if maximize else 1.0,
        float(weight_decay),
        1 - lr * weight_decay,
        1.0 - beta1,
        1.0 - beta2,
        float(beta2),
        (1 - beta2**step) ** 0.5,
        float(eps),
    )
    _run(function, table, lists, numbers)


def rmsprop(
    table: Table,
    params: Arrays,
    grads: Arrays,
    square_avgs: Arrays,
    grad_avgs: Arrays | None = None,
    buffers: Arrays | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
) -> None:
    """One step of RMSprop, in place.

    Args:
        table: kept by the caller for this list of parameters.
        params: written, as are the states.
        grads: of the same shapes.
        grad_avgs: given: the centered variant.
        buffers: for ``momentum``.
    """
    moving = momentum > 0 and buffers is not None
    function = _step(_rmsprop, moving, grad_avgs is not None, bool(weight_decay))
    lists = [params, grads, square_avgs]
    lists += [each for each in (grad_avgs, buffers if moving else None) if each is not None]
    sign = -1.0 if maximize else 1.0
    numbers = (
        float(lr),
        sign,
        float(weight_decay),
        float(alpha),
        1.0 - alpha,
        float(eps),
        momentum,
    )
    _run(function, table, lists, numbers)
