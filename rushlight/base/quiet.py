"""NumPy as PyTorch computes: without floating-point warnings, half precision in float32."""

from collections.abc import Callable
from typing import Any

import numpy as np

_set: Any = None
try:  # the context variable behind np.errstate: five times as fast as the context manager
    from numpy._core.umath import _extobj_contextvar, _make_extobj

    _set, _reset = _extobj_contextvar.set, _extobj_contextvar.reset
    _SILENT = _make_extobj(all="ignore")
except ImportError:  # a NumPy that keeps it elsewhere
    pass


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with NumPy's division, overflow and invalid-value warnings off."""
    if _set is None:
        return np.errstate(all="ignore")(function)

    def silent(*args: Any, **kwargs: Any) -> Any:
        token = _set(_SILENT)
        try:
            return function(*args, **kwargs)
        finally:
            _reset(token)

    silent.__name__ = getattr(function, "__name__", "silent")
    silent.__doc__ = function.__doc__
    return silent


def numeric(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` on arrays, silent, and computing float16, bfloat16 and float8 in float32."""
    silent = quiet(function)

    def eager(*args: Any) -> Any:
        for a in args:
            kind = getattr(a, "dtype", None)
            if kind is not None and kind.itemsize <= 2 and kind.kind in "fV":
                return _in_float32(silent, args)
        return silent(*args)

    eager.__name__ = getattr(function, "__name__", "eager")
    eager.__doc__ = function.__doc__
    return eager


def _is_low(kind: Any) -> bool:
    return kind is not None and kind.itemsize <= 2 and kind.kind in "fV"


def _in_float32(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    kind: Any = None
    wide = []
    for a in args:
        found = getattr(a, "dtype", None)
        if _is_low(found):
            if kind is None or isinstance(a, np.ndarray):  # the array says what comes out
                kind = found
            a = a.astype(np.float32)
        wide.append(a)
    result = function(*wide)
    if isinstance(result, tuple):
        return tuple([_narrow(r, kind) for r in result])
    return _narrow(result, kind)


def _narrow(result: Any, kind: Any) -> Any:
    array = np.asarray(result)
    return array.astype(kind) if array.dtype.kind == "f" else array
