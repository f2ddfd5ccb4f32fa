"""Products of matrices and vectors."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import broadcast_error, write_out
from rushlight.ops._elementwise import kernel
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops.complex import conj
from rushlight.ops.shape import expand, reshape, squeeze, t, transpose, unsqueeze

MM = Primitive(
    "mm",
    kernel("matmul.matmul2d"),
    inputs=("input", "mat2"),
    vjp={
        "input": lambda g, mat2: apply2(MM, g, t(conj(mat2))),
        "mat2": lambda g, input: apply2(MM, t(conj(input)), g),
    },
)
BMM = Primitive(
    "bmm",
    kernel("matmul.bmm"),
    inputs=("input", "mat2"),
    vjp={
        "input": lambda g, mat2: apply2(BMM, g, transpose(conj(mat2), 1, 2)),
        "mat2": lambda g, input: apply2(BMM, transpose(conj(input), 1, 2), g),
    },
)
MM.eager.primitive, BMM.eager.primitive = MM, BMM  # type: ignore[attr-defined]


def same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    """RuntimeError unless both tensors have one dtype."""
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_cpp(a)} != {_cpp(b)}"
        )


def _cpp(a: Tensor) -> str:
    return CPP_NAMES.get(a.dtype, SCALAR_TYPE_NAMES[a.dtype])


def _shapes_error(a: Any, b: Any) -> RuntimeError:
    return RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({a[-2]}x{a[-1]} and {b[0]}x{b[1]})"
    )


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of two matrices.

    Shape:
        - input: (n, m), mat2: (m, p), result: (n, p)

    Examples::

        >>> torch.mm(torch.ones(1, 2), torch.ones(2, 1))
        tensor([[2.]])
    """
    if input._array.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2._array.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    if input._array.shape[1] != mat2._array.shape[0]:
        raise _shapes_error(input._array.shape, mat2._array.shape)
    same_dtype("mm", input, mat2)
    result = apply2(MM, input, mat2)
    return result if out is None else write_out(out, result)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of two batches of matrices.

    Shape:
        - input: (b, n, m), mat2: (b, m, p), result: (b, n, p)
    """
    a, b = input._array.shape, mat2._array.shape
    if len(a) != 3 or len(b) != 3:
        raise RuntimeError(
            "batch1 must be a 3D tensor" if len(a) != 3 else "batch2 must be a 3D tensor"
        )
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a[0]}, {a[2]}] but got: [{b[0]}, {b[1]}]."
        )
    same_dtype("bmm", input, mat2)
    result = apply2(BMM, input, mat2)
    return result if out is None else write_out(out, result)


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix product of tensors, by PyTorch's rules for vectors, matrices and batches.

    Shape:
        - (n,) and (n,) give a scalar; (n, m) and (m,) give (n,); (n,) and (n, p) give (p,)
        - (..., n, m) and (..., m, p) give (..., n, p), the leading dimensions broadcast

    Raises RuntimeError for shapes or dtypes that do not fit.

    Examples::

        >>> torch.matmul(torch.tensor([[1., 2.]]), torch.tensor([3., 4.]))
        tensor([11.])
    """
    if not isinstance(other, Tensor):
        raise TypeError(
            f"matmul(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    result = _matmul_general(input, other)
    return result if out is None else write_out(out, result)


def _matmul_general(a: Tensor, b: Tensor) -> Tensor:
    na, nb = a._array.ndim, b._array.ndim
    if na == 2 and nb == 2:
        return mm(a, b)
    if na == 0 or nb == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {na}D and {nb}D"
        )
    if na == 1 and nb == 1:
        return late.dot(a, b)
    if na == 1:
        return squeeze(_matmul_general(unsqueeze(a, 0), b), -2)
    if nb == 1:
        return squeeze(_matmul_general(a, unsqueeze(b, 1)), -1)
    sa, sb = a._array.shape, b._array.shape
    if sa[-1] != sb[-2]:
        if nb == 2 or na == 2:
            raise _shapes_error((int(np.prod(sa[:-1])), sa[-1]), sb[-2:])
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{int(np.prod(sa[:-2]))}, {sa[-1]}] but got: [{int(np.prod(sb[:-2]))}, {sb[-2]}]."
        )
    if nb == 2:
        return reshape(mm(reshape(a, (-1, sa[-1])) if 0 not in sa else
                          reshape(a, (int(np.prod(sa[:-1])), sa[-1])), b),
                       (*sa[:-1], sb[-1]))  # fmt: skip
    try:
        batch = np.broadcast_shapes(sa[:-2], sb[:-2])
    except ValueError:
        raise broadcast_error(np.empty(sa[:-2]), np.empty(sb[:-2])) from None
    n = int(np.prod(batch))
    left = reshape(expand(a, (*batch, *sa[-2:])), (n, *sa[-2:]))
    right = reshape(expand(b, (*batch, *sb[-2:])), (n, *sb[-2:]))
    return reshape(bmm(left, right), (*batch, sa[-2], sb[-1]))


BOTH = """
    bmm matmul mm
"""
