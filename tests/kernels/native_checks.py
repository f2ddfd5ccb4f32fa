"""What the tests of the loop-IR kernels share: shapes, values, and the comparison with NumPy."""

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np

from rushlight.codegen import builtin
from rushlight.kernels._native import Native

SHAPES = [(1,), (7,), (16,), (65,), (3, 5), (4, 16), (2, 3, 33), (70001,)]
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, 88.8, -104.5]


def numbers(shape, seed=0, special=False, dtype=np.float32):
    """Random numbers, with special values among them on request."""
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.standard_normal(shape) * 3)
    if special:
        x = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x)
    return np.asarray(x, dtype)


def fresh(module: ModuleType) -> ModuleType:
    """A copy of a module of kernels, none of them made yet."""
    name = f"{module.__name__}_copy"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, module.__file__)
        assert spec is not None and spec.loader is not None
        copy = importlib.util.module_from_spec(spec)
        sys.modules[name] = copy
        spec.loader.exec_module(copy)
    return sys.modules[name]


def _refuse(*args: Any) -> Any:
    raise AssertionError("the call went to the fallback")


def machine(module: ModuleType, name: str, variant: str = "") -> Any:
    """The native kernel alone: a call that it does not take fails. The NumPy one without native."""
    kernel = vars(fresh(module)).setdefault(f"kept_{name}", getattr(fresh(module), name))
    while kernel.variant != variant:
        kernel = kernel.fallback
    if not builtin.available():
        return kernel.reference()
    alone = Native(
        kernel.__name__,
        kernel.signature,
        kernel.build,
        _refuse,
        kernel.variant,
        kernel.__module__,
        kernel.stem,
    )
    return alone.make()


def close(got: Any, expected: Any, rtol: float = 1e-6, atol: float = 0.0) -> None:
    """Same shapes, float32, and values within the tolerance (``atol`` relative to the largest)."""
    if not isinstance(got, tuple):
        got, expected = (got,), (expected,)
    for g, e in zip(got, expected, strict=True):
        if e is None:
            continue
        e = np.asarray(e)
        assert isinstance(g, np.ndarray)
        assert g.shape == e.shape
        assert g.dtype == (np.float32 if e.dtype.kind == "f" else e.dtype)
        finite = e[np.isfinite(e)]
        scale = max(1.0, float(np.abs(finite).max(initial=0))) if e.dtype.kind == "f" else 1.0
        np.testing.assert_allclose(g, e, rtol=rtol, atol=atol * scale, equal_nan=True)
