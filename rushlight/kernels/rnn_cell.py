"""The gates of one step of LSTM and GRU, both ways, each one pass over its arrays.

All arrays are written in place: what was before the activation becomes what is after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from rushlight.codegen import loopir as ir
from rushlight.codegen.loopir import Expr, For, Kernel, Let, Statement, Store

from ._native import array, grain_of_rows, index, native, size

_native = partial(native, __name__)

# Writes the body for one unit; gets loads by (name, gate) and the place of a store.
Read = Callable[..., Expr]
Place = Callable[..., Expr]
Body = Callable[[Read, Place], list[Statement]]


def _builder(inputs: str, written: str, gates: int, body: Body) -> Callable[[str], Kernel]:
    """Return the kernel over (rows, units); upper-case names hold ``gates`` blocks per row."""

    def build(name: str) -> Kernel:
        rows, units = size("n"), size("h")
        params = [array(each) for each in inputs.split()]
        params += [array(each, "f32", "inout") for each in written.split()]
        kinds = {p.name: p for p in params}

        def place(buffer: str, gate: int = 0) -> Expr:
            pitch = units.var() * gates if buffer.isupper() else units.var()
            return index("i") * pitch + units.var() * gate + index("j")

        def read(buffer: str, gate: int = 0) -> Expr:
            return kinds[buffer][place(buffer, gate)]

        inner = For("j", units.var(), body(read, place), vector=True)
        loop = For("i", rows.var(), [inner], parallel=grain_of_rows(units.var() * (4 * gates)))
        return Kernel(name, [*params, rows, units], [loop])

    return build


def _lets(*values: tuple[str, Expr]) -> tuple[list[Statement], list[Expr]]:
    lets = [Let(name, value) for name, value in values]
    return list(lets), [each.var() for each in lets]


def _lstm_body(read: Read, place: Place) -> list[Statement]:
    sums = [read("A", k) for k in range(4)]
    names = ("sigmoid", "sigmoid", "tanh", "sigmoid")
    gates = [(f"g{k}", ir.math(name, s)) for k, (name, s) in enumerate(zip(names, sums))]
    lets, (i, f, g, o) = _lets(*gates)
    cell = Let("cell", f * read("p") + i * g)
    stores = [Store("A", place("A", k), v) for k, v in enumerate((i, f, g, o))]
    out = o * ir.math("tanh", cell.var())
    return [*lets, cell, *stores, Store("c", place("c"), cell.var()), Store("y", place("y"), out)]


def _lstm_numpy(before: np.ndarray, gates: np.ndarray, cell: np.ndarray, y: np.ndarray) -> None:
    i, f, g, o = np.split(gates, 4, axis=1)
    for gate in (i, f, o):
        sigmoid(gate)
    np.tanh(g, out=g)
    cell[...] = f * before + i * g
    np.multiply(o, np.tanh(cell), out=y)


def sigmoid(x: np.ndarray) -> None:
    """Replace ``x`` by its logistic function, by way of tanh, which cannot overflow."""
    x *= 0.5
    np.tanh(x, out=x)
    x *= 0.5
    x += 0.5


lstm = _native(
    "lstm",
    "p: f32[n,h], a: f32[n,k]!, c: f32[n,h]!, y: f32[n,h]! -> None;"
    " call p, a, c, y, n, h; if k == 4*h; work n*k",
    _builder("p", "A c y", 4, _lstm_body),
    _lstm_numpy,
)


def _lstm_backward_body(read: Read, place: Place) -> list[Statement]:
    lets, (i, f, g, o, dh) = _lets(*((f"g{k}", read("A", k)) for k in range(4)), ("dh", read("q")))
    squashed = Let("squashed", ir.math("tanh", read("c")))
    s = squashed.var()
    dc = Let("dc", read("e") + dh * o * (1.0 - s * s))
    d = dc.var()
    grads = [
        d * g * (i * (1.0 - i)),
        d * read("p") * (f * (1.0 - f)),
        d * i * (1.0 - g * g),
        dh * s * (o * (1.0 - o)),
    ]
    stores = [Store("D", place("D", k), v) for k, v in enumerate(grads)]
    return [*lets, squashed, dc, *stores, Store("e", place("e"), d * f)]


def _lstm_backward_numpy(
    gates: np.ndarray, before: np.ndarray, cell: np.ndarray, dh: np.ndarray,
    dgates: np.ndarray, dc: np.ndarray,
) -> None:  # fmt: skip
    i, f, g, o = np.split(gates, 4, axis=1)
    di, df, dg, do = np.split(dgates, 4, axis=1)
    squashed = np.tanh(cell)
    np.multiply(dh * squashed, o * (1 - o), out=do)
    dc += dh * o * (1 - squashed * squashed)
    np.multiply(dc * g, i * (1 - i), out=di)
    np.multiply(dc * before, f * (1 - f), out=df)
    np.multiply(dc * i, 1 - g * g, out=dg)
    dc *= f


lstm_backward = _native(
    "lstm_backward",
    "a: f32[n,k], p: f32[n,h], c: f32[n,h], q: f32[n,h], d: f32[n,k]!, e: f32[n,h]! -> None;"
    " call a, p, c, q, d, e, n, h; if k == 4*h; work n*k",
    _builder("A p c q", "D e", 4, _lstm_backward_body),
    _lstm_backward_numpy,
)


def _gru_body(read: Read, place: Place) -> list[Statement]:
    hidden = Let("hidden", read("R", 2))
    lets, (r, z) = _lets(
        *((f"g{k}", ir.math("sigmoid", read("A", k) + read("R", k))) for k in range(2))
    )
    new = Let("new", ir.math("tanh", read("A", 2) + r * hidden.var()))
    n = new.var()
    stores = [Store("A", place("A", k), v) for k, v in enumerate((r, z, n))]
    out = n + z * (read("p") - n)
    return [
        hidden, *lets, new, *stores, Store("c", place("c"), hidden.var()),
        Store("y", place("y"), out),
    ]  # fmt: skip


def _gru_numpy(
    recurrent: np.ndarray, before: np.ndarray, gates: np.ndarray, hidden: np.ndarray, y: np.ndarray
) -> None:
    size = before.shape[1]
    gates[:, : 2 * size] += recurrent[:, : 2 * size]
    sigmoid(gates[:, : 2 * size])
    r, z, n = np.split(gates, 3, axis=1)
    hidden[...] = recurrent[:, 2 * size :]
    n += r * hidden
    np.tanh(n, out=n)
    np.multiply(z, before - n, out=y)
    y += n


gru = _native(
    "gru",
    "r: f32[n,k], p: f32[n,h], a: f32[n,k]!, c: f32[n,h]!, y: f32[n,h]! -> None;"
    " call r, p, a, c, y, n, h; if k == 3*h; work n*k",
    _builder("R p", "A c y", 3, _gru_body),
    _gru_numpy,
)


def _gru_backward_body(read: Read, place: Place) -> list[Statement]:
    lets, (r, z, n, dh) = _lets(*((f"g{k}", read("A", k)) for k in range(3)), ("dh", read("e")))
    dn = Let("dn", dh * (1.0 - z) * (1.0 - n * n))
    dr = Let("dr", dn.var() * read("c") * (r * (1.0 - r)))
    dz = Let("dz", dh * (read("p") - n) * (z * (1.0 - z)))
    grads = (dr.var(), dz.var(), dn.var())
    stores = [Store("D", place("D", k), v) for k, v in enumerate(grads)]
    last = (dr.var(), dz.var(), dn.var() * r)
    stores += [Store("Q", place("Q", k), v) for k, v in enumerate(last)]
    return [*lets, dn, dr, dz, *stores, Store("e", place("e"), dh * z)]


def _gru_backward_numpy(
    gates: np.ndarray, before: np.ndarray, hidden: np.ndarray,
    dgates: np.ndarray, dhidden: np.ndarray, dh: np.ndarray,
) -> None:  # fmt: skip
    r, z, n = np.split(gates, 3, axis=1)
    dr, dz, dn = np.split(dgates, 3, axis=1)
    np.multiply(dh * (before - n), z * (1 - z), out=dz)
    np.multiply(dh * (1 - z), 1 - n * n, out=dn)
    np.multiply(dn * hidden, r * (1 - r), out=dr)
    dhidden[...] = dgates
    dhidden[:, 2 * dh.shape[1] :] *= r
    dh *= z


gru_backward = _native(
    "gru_backward",
    "a: f32[n,k], p: f32[n,h], c: f32[n,h], d: f32[n,k]!, q: f32[n,k]!, e: f32[n,h]! -> None;"
    " call a, p, c, d, q, e, n, h; if k == 3*h; work n*k",
    _builder("A p c", "D Q e", 3, _gru_backward_body),
    _gru_backward_numpy,
)
