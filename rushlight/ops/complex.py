"""Complex numbers: conjugate, parts, views as pairs of real numbers."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import write_out
from rushlight.ops._primitive import Primitive, apply1, apply2, apply_view

CONJ = Primitive("conj", np.conjugate, vjp={"input": lambda g: conj(g)})


def conj(input: Any) -> Any:
    """The complex conjugate; a real tensor is returned as it is.

    Examples::

        >>> torch.conj(torch.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    if not isinstance(input, Tensor):
        return np.conjugate(input)
    return apply1(CONJ, input) if input._array.dtype.kind == "c" else input


def _imaginary(g: Tensor) -> Tensor:
    return apply2(COMPLEX_OF, wrap(np.zeros_like(g._array)), g)


def _to_complex(g: Tensor) -> Tensor:
    return apply2(COMPLEX_OF, g, wrap(np.zeros_like(g._array)))


def _make_complex(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.empty(np.broadcast(a, b).shape, np.result_type(a, b, np.complex64))
    out.real, out.imag = a, b
    return out


REAL = Primitive("real", lambda a: a.real, vjp={"input": _to_complex}, view=True)
IMAG = Primitive("imag", lambda a: a.imag, vjp={"input": _imaginary}, view=True)
COMPLEX_OF = Primitive(
    "complex",
    _make_complex,
    inputs=("input", "imag"),
    vjp={"input": lambda g: real(g), "imag": lambda g: imag(g)},
    broadcast=True,
)


def real(input: Tensor) -> Tensor:
    """The real part, as a view; a real tensor is returned as it is.

    Examples::

        >>> torch.real(torch.tensor([1 + 2j]))
        tensor([1.])
    """
    return apply_view(REAL, input) if input._array.dtype.kind == "c" else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part, as a view. Raises RuntimeError for real tensors.

    Examples::

        >>> torch.imag(torch.tensor([1 + 2j]))
        tensor([2.])
    """
    if input._array.dtype.kind != "c":
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return apply_view(IMAG, input)


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A complex tensor from its real and imaginary parts (both float32 or both float64).

    Examples::

        >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
        tensor([1.+2.j])
    """
    if real.dtype is not imag.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.SCALAR_TYPE_NAMES[real.dtype]} but got scalar "
            f"type {dtypes.SCALAR_TYPE_NAMES[imag.dtype]} for second argument"
        )
    if not real.dtype.is_floating_point:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{dtypes.SCALAR_TYPE_NAMES[real.dtype]} and {dtypes.SCALAR_TYPE_NAMES[imag.dtype]}"
        )
    if real.dtype.itemsize < 4:
        raise NotImplementedError(
            "complex(): complex numbers of half precision are not supported; convert to float32"
        )
    result = apply2(COMPLEX_OF, real, imag)
    return result if out is None else write_out(out, result)


BOTH = """
    conj
"""
TORCH = """
    complex imag real
"""
