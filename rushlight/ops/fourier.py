"""Discrete Fourier transforms, by NumPy's pocketfft, with gradients.

Three primitives stand behind all functions of ``torch.fft``: complex to complex, real to (half of
the) complex, and back. They compute unnormalised sums times ``scale``.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1
from rushlight.ops._promote import cast
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import mul
from rushlight.ops.shape import narrow

Dims = tuple[int, ...]


def _c2c(a: np.ndarray, dims: Dims, scale: float, forward: bool) -> Any:
    if forward:
        out = np.fft.fftn(a, axes=dims, norm="backward")
    else:
        out = np.fft.ifftn(a, axes=dims, norm="forward")
    return _scaled(out, scale, a.dtype)


def _scaled(out: np.ndarray, scale: float, to: Any) -> np.ndarray:
    out = out.astype(to, copy=False)
    if scale != 1:
        out *= np.asarray(scale, out.real.dtype)
    return out


C2C = Primitive(
    "fft_c2c",
    _c2c,
    params=("dims", "scale", "forward"),
    vjp={"input": lambda g, dims, scale, forward: apply1(C2C, g, dims, scale, not forward)},
)


def _r2c(a: np.ndarray, dims: Dims, scale: float) -> Any:
    out = np.fft.rfftn(a, axes=dims, norm="backward")
    return _scaled(out, scale, np.complex64 if a.dtype == np.float32 else np.complex128)


def _r2c_rule(g: Tensor, input_shape: tuple[int, ...], dims: Dims, scale: float) -> Tensor:
    n, half = input_shape[dims[-1]], g._array.shape[dims[-1]]
    full = resize_along(g, dims[-1], n) if n != half else g
    return late.real(apply1(C2C, full, dims, scale, False))  # type: ignore[no-any-return]


R2C = Primitive("fft_r2c", _r2c, params=("dims", "scale"), vjp={"input": _r2c_rule})


def _c2r(a: np.ndarray, dims: Dims, scale: float, last: int) -> Any:
    sizes = [a.shape[d] for d in dims[:-1]] + [last]
    out = np.fft.irfftn(a, s=sizes, axes=dims, norm="forward")
    return _scaled(out, scale, np.float32 if a.dtype == np.complex64 else np.float64)


def _c2r_rule(g: Tensor, dims: Dims, scale: float, last: int) -> Tensor:
    half = apply1(R2C, g, dims, scale)
    d = dims[-1]
    n = half._array.shape[d]
    weights = np.ones(n, half._array.real.dtype)
    weights[1 : 1 + last - n] = 2  # the elements that stand for two of the full spectrum
    shape = [1] * half._array.ndim
    shape[d] = n
    return mul(half, wrap(weights.reshape(shape)))


C2R = Primitive("fft_c2r", _c2r, params=("dims", "scale", "last"), vjp={"input": _c2r_rule})


def resize_along(x: Tensor, dim: int, n: int) -> Tensor:
    """``x`` cut or filled up with zeros to ``n`` elements along ``dim``."""
    have = x._array.shape[dim]
    if n < have:
        return narrow(x, dim, 0, n)
    if n > have:
        shape = list(x._array.shape)
        shape[dim] = n - have
        return late.cat([x, wrap(np.zeros(shape, x._array.dtype))], dim)  # type: ignore[no-any-return]
    return x


def _scale(norm: str | None, n: int, forward: bool) -> float:
    norm = norm or "backward"
    if norm not in ("forward", "backward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1 / math.sqrt(n)
    return 1 / n if (norm == "forward") == forward else 1.0


def _floating(x: Tensor) -> Tensor:
    if x.dtype.category < dtypes.FLOATING:
        return cast(x, defaults.dtype)
    if x.dtype.itemsize < 4:
        raise RuntimeError(f"Unsupported dtype {SCALAR_TYPE_NAMES[x.dtype]}")
    return x


def _complex(x: Tensor) -> Tensor:
    x = _floating(x)
    return cast(x, x.dtype.to_complex())


def _real_only(name: str, x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        kind = SCALAR_TYPE_NAMES[x.dtype]
        raise RuntimeError(f"{name} expects a real input tensor, but got {kind}")
    return _floating(x)


def _sizes(
    x: Tensor, s: Sequence[int] | None, dim: Any, last_is_half: bool = False
) -> tuple[list[int], Dims]:
    """The signal sizes and dims that ``s`` and ``dim`` mean."""
    ndim = x._array.ndim
    if dim is not None:
        dims = tuple([wrap_dim(d, ndim) for d in ([dim] if isinstance(dim, int) else dim)])
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif s is not None:
        if len(s) > ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {ndim} dimensions."
            )
        dims = tuple(range(ndim - len(s), ndim))
    else:
        dims = tuple(range(ndim))
    have = [x._array.shape[d] for d in dims]
    if last_is_half and have:
        have[-1] = 2 * (have[-1] - 1)
    wanted = [h if n == -1 else int(n) for n, h in zip(s or [-1] * len(dims), have, strict=True)]
    for n in wanted:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return wanted, dims


def _resized(x: Tensor, sizes: Sequence[int], dims: Dims) -> Tensor:
    for n, d in zip(sizes, dims, strict=True):
        x = resize_along(x, d, n)
    return x


def _to_out(result: Tensor, out: Tensor | None) -> Tensor:
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def _c2c_function(x: Tensor, s: Any, dim: Any, norm: str | None, forward: bool) -> Tensor:
    x = _complex(x)
    sizes, dims = _sizes(x, s, dim)
    if not dims:
        return x.clone()  # type: ignore[attr-defined, no-any-return]
    x = _resized(x, sizes, dims)
    return apply1(C2C, x, dims, _scale(norm, math.prod(sizes), forward), forward)


def _r2c_function(name: str, x: Tensor, s: Any, dim: Any, norm: str | None) -> Tensor:
    x = _real_only(name, x)
    sizes, dims = _sizes(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    return apply1(R2C, _resized(x, sizes, dims), dims, _scale(norm, math.prod(sizes), True))


def _c2r_function(
    name: str, x: Tensor, s: Any, dim: Any, norm: str | None, forward: bool = False
) -> Tensor:
    x = _complex(x)
    sizes, dims = _sizes(x, s, dim, last_is_half=True)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = _resized(x, [*sizes[:-1], sizes[-1] // 2 + 1], dims)
    if forward:
        x = conj(x)
    return apply1(C2R, x, dims, _scale(norm, math.prod(sizes), forward), sizes[-1])


def _single(n: int | None, dim: int) -> tuple[Any, Any]:
    return (None if n is None else (n,)), (dim,)


def _need_dims(name: str, x: Tensor) -> None:
    if x._array.ndim == 0:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")


def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    r"""Discrete Fourier transform along one dimension, :math:`X_k = \sum_j x_j e^{-2 \pi i jk/n}`.

    Args:
        n: the signal's length: it is cut or filled up with zeros.
        norm: "backward" (none, the default), "ortho" (1/sqrt(n)) or "forward" (1/n).

    Examples::

        >>> torch.fft.fft(torch.tensor([1., 2., 3., 4.]))
        tensor([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    _need_dims("fft", input)
    return _to_out(_c2c_function(input, *_single(n, dim), norm, True), out)


def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`fft`."""
    _need_dims("ifft", input)
    return _to_out(_c2c_function(input, *_single(n, dim), norm, False), out)


def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The first half, n // 2 + 1 elements, of the transform of a real signal."""
    _need_dims("rfft", input)
    return _to_out(_r2c_function("rfft", input, *_single(n, dim), norm), out)


def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`rfft`; ``n`` is the length of the real signal."""
    _need_dims("irfft", input)
    return _to_out(_c2r_function("irfft", input, *_single(n, dim), norm), out)


def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The transform of a Hermitian-symmetric signal, of which half is given: it is real."""
    _need_dims("hfft", input)
    return _to_out(_c2r_function("hfft", input, *_single(n, dim), norm, True), out)


def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`hfft`."""
    _need_dims("ihfft", input)
    return _to_out(ihfftn(input, *_single(n, dim), norm), out)


def fftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """:func:`fft` along several dimensions (default: all, or the last ``len(s)``)."""
    return _to_out(_c2c_function(input, s, dim, norm, True), out)


def ifftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`fftn`."""
    return _to_out(_c2c_function(input, s, dim, norm, False), out)


def rfftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """:func:`rfft` along the last of several dimensions, :func:`fft` along the others."""
    return _to_out(_r2c_function("rfftn", input, s, dim, norm), out)


def irfftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`rfftn`."""
    return _to_out(_c2r_function("irfftn", input, s, dim, norm), out)


def hfftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """:func:`hfft` along the last of several dimensions, :func:`fft` along the others."""
    return _to_out(_c2r_function("hfftn", input, s, dim, norm, True), out)


def ihfftn(
    input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`hfftn`."""
    x = _real_only("ihfftn", input)
    sizes, dims = _sizes(x, s, dim)
    scale = _scale(norm, math.prod(sizes), False)
    return _to_out(conj(apply1(R2C, _resized(x, sizes, dims), dims, scale)), out)


_LAST_TWO = (-2, -1)


def fft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
         out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`fftn` of the last two dimensions."""
    return fftn(input, s, dim, norm, out=out)


def ifft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
          out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`ifftn` of the last two dimensions."""
    return ifftn(input, s, dim, norm, out=out)


def rfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
          out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`rfftn` of the last two dimensions."""
    return rfftn(input, s, dim, norm, out=out)


def irfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
           out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`irfftn` of the last two dimensions."""
    return irfftn(input, s, dim, norm, out=out)


def hfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
          out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`hfftn` of the last two dimensions."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(input: Tensor, s: Any = None, dim: Any = _LAST_TWO, norm: str | None = None, *,
           out: Tensor | None = None) -> Tensor:  # fmt: skip
    """:func:`ihfftn` of the last two dimensions."""
    return ihfftn(input, s, dim, norm, out=out)


def fftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of a signal of ``n`` points ``d`` apart, in the order of :func:`fft`."""
    kind = (dtype or defaults.dtype).np
    result = wrap((np.fft.fftfreq(n) / d).astype(kind) if n else np.zeros(0, kind))
    return _to_out(result.requires_grad_(requires_grad), out)  # type: ignore[attr-defined]


def rfftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies in the order of :func:`rfft`."""
    result = wrap((np.fft.rfftfreq(n) / d).astype((dtype or defaults.dtype).np))
    return _to_out(result.requires_grad_(requires_grad), out)  # type: ignore[attr-defined]


def _shift_dims(input: Tensor, dim: Any) -> list[int]:
    if dim is None:
        return list(range(input._array.ndim))
    return [dim] if isinstance(dim, int) else list(dim)


def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Moves the zero frequency to the middle."""
    dims = _shift_dims(input, dim)
    return late.roll(input, [input._array.shape[d] // 2 for d in dims], dims)  # type: ignore[no-any-return]


def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of :func:`fftshift`."""
    dims = _shift_dims(input, dim)
    return late.roll(input, [(input._array.shape[d] + 1) // 2 for d in dims], dims)  # type: ignore[no-any-return]
