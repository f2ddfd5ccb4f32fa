"""Adding at places that may occur more than once."""

from typing import Any

import numpy as np


def add_at(out: np.ndarray, index: tuple[Any, ...], values: np.ndarray) -> None:
    """``out[index] += values``, where places named several times get all their values.

    NumPy's ``add.at`` is quick in one dimension only; rows are sorted and summed instead.
    """
    first = index[0]
    if len(index) == 1 and isinstance(first, np.ndarray) and first.dtype.kind != "b":
        if out.flags.c_contiguous and out.ndim > 1:
            rows = first.reshape(-1)
            shape = first.shape + out.shape[1:]
            width = int(np.prod(out.shape[1:]))
            values = np.broadcast_to(values, shape).reshape(len(rows), width)
            add_rows(out.reshape(len(out), width), rows, values)
            return
    elif len(index) == 1 and isinstance(first, np.ndarray):
        out[first] += values
        return
    np.add.at(out, index, values)


def add_rows(out: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """``out[rows[i]] += values[i]`` for all i, in order; ``out`` and ``values`` are matrices."""
    if not len(rows) or not out.size:
        if len(rows) and (rows.min() < -len(out) or rows.max() >= len(out)):
            raise IndexError(f"index {rows.max()} is out of bounds for axis 0 with size {len(out)}")
        return
    if values.shape[1] == 1:
        np.add.at(out[:, 0], rows, values[:, 0])
        return
    if rows.min() < 0:
        rows = np.where(rows < 0, rows + len(out), rows)
    order = rows.argsort(kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if len(starts) == len(rows):
        out[rows] += values
        return
    out[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0, dtype=out.dtype)


def along(index: np.ndarray, dim: int) -> tuple[Any, ...]:
    """The subscript that names, for each element of ``index``, the place ``index`` along ``dim``."""
    ndim = index.ndim
    grid: list[Any] = []
    for d, n in enumerate(index.shape):
        if d == dim:
            grid.append(index)
        else:
            grid.append(np.arange(n).reshape((n,) + (1,) * (ndim - 1 - d)))
    return tuple(grid)


def add_along(out: np.ndarray, index: np.ndarray, dim: int, values: np.ndarray) -> None:
    """``out[..., index[i], ...] += values[i]`` along ``dim``."""
    if out.ndim == 1:
        np.add.at(out, index, values)
        return
    if out.flags.c_contiguous:
        flat = np.zeros(index.shape, np.int64)
        step = 1
        for d in range(out.ndim - 1, -1, -1):
            if d == dim:
                flat += index * step
            else:
                n = index.shape[d]
                flat += (np.arange(n) * step).reshape((n,) + (1,) * (out.ndim - 1 - d))
            step *= out.shape[d]
        np.add.at(out.reshape(-1), flat.reshape(-1), np.ascontiguousarray(values).reshape(-1))
        return
    np.add.at(out, along(index, dim), values)
