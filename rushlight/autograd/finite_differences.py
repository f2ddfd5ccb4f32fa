"""Comparison of gradients with finite differences."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.autograd.engine import grad as compute_grad
from rushlight.autograd.node import edge_of
from rushlight.core.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """Gradients do not agree."""


def _tensors(values: Any) -> tuple[Tensor, ...]:
    if isinstance(values, Tensor):
        return (values,)
    return tuple([v for v in values if isinstance(v, Tensor)])


def _differentiable(values: Any) -> list[Tensor]:
    return [t for t in _tensors(values) if edge_of(t) is not None]


def _numerical(
    function: Callable[..., Any], inputs: Sequence[Any], x: Tensor, eps: float
) -> list[np.ndarray]:
    """For each output, the matrix d output / d x, by central differences."""
    flat = x._array
    columns: list[list[np.ndarray]] = []
    for place in np.ndindex(flat.shape):
        steps = [eps, 1j * eps] if flat.dtype.kind == "c" else [eps]
        parts = []
        for step in steps:
            original = flat[place].copy()
            flat[place] = original + step
            above = [t._array.copy().reshape(-1) for t in _tensors(function(*inputs))]
            flat[place] = original - step
            below = [t._array.copy().reshape(-1) for t in _tensors(function(*inputs))]
            flat[place] = original
            parts.append([(a - b) / (2 * eps) for a, b in zip(above, below)])
        if len(parts) == 1:
            columns.append(parts[0])
        else:  # Wirtinger: the conjugate gradient that backward gives, for real and complex outputs
            columns.append([_wirtinger(a, b) for a, b in zip(*parts)])
    count = len(_tensors(function(*inputs)))
    return [
        np.stack([c[k] for c in columns], axis=-1) if columns else np.zeros((0, 0))
        for k in range(count)
    ]


def _wirtinger(real_step: np.ndarray, imag_step: np.ndarray) -> np.ndarray:
    """The direction that a gradient of 1 for the output's real part gives: d/da + i d/db."""
    return real_step.real + 1j * imag_step.real


def _analytical(outputs: Sequence[Tensor], k: int, x: Tensor) -> np.ndarray:
    """The matrix d output k / d x, row by row through the backward pass."""
    out = outputs[k]
    rows = []
    for place in range(out.numel()):
        seed = np.zeros(out.numel(), out._array.dtype)
        seed[place] = 1
        found = compute_grad(
            out, x, wrap(seed.reshape(out._array.shape)), retain_graph=True, allow_unused=True
        )[0]
        rows.append(np.zeros(x.numel()) if found is None else found._array.reshape(-1))
    return np.stack(rows) if rows else np.zeros((0, x.numel()))


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_backward_ad: bool = True,
    check_forward_ad: bool = False,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Checks the gradients of ``func`` at ``inputs`` against finite differences.

    Args:
        func: takes ``inputs`` and returns a tensor or several.
        inputs: a tensor or a tuple; those that require grad should be float64 or complex128.
        eps: the step of the differences.
        atol, rtol: tolerances.
        raise_exception: raise GradcheckError instead of returning False.
        nondet_tol: how much two backward passes may differ.
        fast_mode: accepted; the full check is always made.

    Raises ValueError if no input requires grad; NotImplementedError for forward-mode checks.
    """
    if check_forward_ad or check_batched_grad:
        raise NotImplementedError("rushlight's gradcheck checks reverse mode only")
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _check(func, args, eps, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(
    func: Callable[..., Any], args: Sequence[Any], eps: float, atol: float, rtol: float
) -> None:
    wanted = _differentiable(args)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have requires_grad=True."
        )
    outputs = _tensors(func(*args))
    live = [k for k, t in enumerate(outputs) if edge_of(t) is not None]
    for i, x in enumerate(wanted):
        numerical = _numerical(func, args, x, eps)
        for k in live:
            analytical = _analytical(outputs, k, x)
            expected = numerical[k]
            if x._array.dtype.kind != "c":
                expected, analytical = expected.real, analytical.real
            if expected.shape != analytical.shape or not np.allclose(
                analytical, expected, rtol=rtol, atol=atol, equal_nan=True
            ):
                raise GradcheckError(
                    f"Jacobian mismatch for output {k} with respect to input {i},\n"
                    f"numerical:{wrap(np.asarray(expected))!r}\n"
                    f"analytical:{wrap(np.asarray(analytical))!r}\n"
                )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Checks second derivatives: the gradients of the gradients. Args: as for :func:`gradcheck`."""
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outputs = [t for t in _tensors(func(*args)) if edge_of(t) is not None]
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        starts = []
        for t in outputs:
            seed = rng.standard_normal(t._array.shape)
            if t._array.dtype.kind == "c":
                seed = seed + 1j * rng.standard_normal(t._array.shape)
            start = wrap(np.asarray(seed, t._array.dtype))
            start.requires_grad = True  # type: ignore[attr-defined]
            starts.append(start)
    else:
        starts = list(_tensors(grad_outputs))
    n = len(args)

    def first_order(*values: Any) -> tuple[Tensor, ...]:
        ins, seeds = values[:n], values[n:]
        outs = [t for t in _tensors(func(*ins)) if edge_of(t) is not None]
        found = compute_grad(
            outs, _differentiable(ins), list(seeds), create_graph=True, allow_unused=True
        )
        return tuple([g for g in found if g is not None])

    return gradcheck(
        first_order,
        (*args, *starts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
    )
