"""Products of vectors and tensors beyond the plain matrix product."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import wrap_dim, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, mul
from rushlight.ops.linear_algebra import matmul, mm, same_dtype
from rushlight.ops.reduction import sum
from rushlight.ops.shape import permute, reshape, t, unsqueeze


@quiet
def _dot(a: np.ndarray, b: np.ndarray) -> Any:
    if a.dtype.itemsize <= 2 and a.dtype.kind in "fV":
        return np.asarray(np.dot(a.astype(np.float32), b.astype(np.float32))).astype(a.dtype)
    return np.dot(a, b)


DOT = Primitive(
    "dot",
    _dot,
    inputs=("input", "other"),
    vjp={
        "input": lambda g, other: mul(g, conj(other)),
        "other": lambda g, input: mul(g, conj(input)),
    },
)


def _check_vectors(name: str, a: Tensor, b: Tensor) -> None:
    if a._array.ndim != 1 or b._array.ndim != 1:
        raise RuntimeError(
            f"1D tensors expected, but got {a._array.ndim}D and {b._array.ndim}D tensors"
        )
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"{name} : expected both vectors to have same dtype, but found "
            f"{SCALAR_TYPE_NAMES[a.dtype]} and {SCALAR_TYPE_NAMES[b.dtype]}"
        )
    if a._array.shape != b._array.shape:
        raise RuntimeError(
            "inconsistent tensor size, expected tensor "
            f"[{a._array.shape[0]}] and src [{b._array.shape[0]}] to have the same number of "
            f"elements, but got {a._array.size} and {b._array.size} elements respectively"
        )


def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Dot product of two vectors (without conjugation).

    Examples::

        >>> torch.dot(torch.tensor([2, 3]), torch.tensor([2, 1]))
        tensor(7)
    """
    _check_vectors("dot", input, tensor)
    result = apply2(DOT, input, tensor)
    return result if out is None else write_out(out, result)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Dot product of two vectors, the first one conjugated."""
    _check_vectors("vdot", input, other)
    return dot(conj(input), other, out=out)


MV = Primitive(
    "mv",
    _dot,
    inputs=("input", "vec"),
    vjp={
        "input": lambda g, vec: outer(g, conj(vec)),
        "vec": lambda g, input: apply2(MV, t(conj(input)), g),
    },
)


def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product of a matrix and a vector.

    Shape:
        - input: (n, m), vec: (m,), result: (n,)
    """
    if input._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got 1, {input._array.ndim}, {vec._array.ndim}"
        )
    if input._array.shape[1] != vec._array.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input._array.shape[0]}), mat "
            f"({input._array.shape[0]}x{input._array.shape[1]}), vec ({vec._array.shape[0]})"
        )
    same_dtype("mv", input, vec)
    result = apply2(MV, input, vec)
    return result if out is None else write_out(out, result)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Outer product of two vectors.

    Examples::

        >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
        tensor([[3, 4],
                [6, 8]])
    """
    if input._array.ndim != 1 or vec2._array.ndim != 1:
        wrong = input if input._array.ndim != 1 else vec2
        raise RuntimeError(
            f"outer: Expected 1-D argument {'self' if wrong is input else 'vec2'}, but got "
            f"{wrong._array.ndim}-D"
        )
    return mul(reshape(input, (-1, 1)), vec2, out=out)


ger = outer


def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Product summed over the last dimension of both; with a scalar, the plain product."""
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        return mul(input, other, out=out)
    if a[-1] != b[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(a)} and {list(b)}"
        )
    result = tensordot(input, other, dims=([-1], [-1]))
    return result if out is None else write_out(out, result)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None) -> Tensor:
    """Product summed over pairs of dimensions.

    Args:
        dims: how many of the last of ``a`` and the first of ``b``; or two lists of dims.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(
                "tensordot expects dims < ndim_a or ndim_b, but got "
                f"dims={dims} and ndim_a={a.dim()} and ndim_b={b.dim()}"
            )
        of_a: Sequence[int] = list(range(a.dim() - dims, a.dim()))
        of_b: Sequence[int] = list(range(dims))
    else:
        of_a, of_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    of_a = [wrap_dim(d, a.dim()) for d in of_a]
    of_b = [wrap_dim(d, b.dim()) for d in of_b]
    if len(of_a) != len(of_b):
        raise RuntimeError("both dimension lists should have same length")
    same_dtype("tensordot", a, b)
    sa, sb = a._array.shape, b._array.shape
    for i, j in zip(of_a, of_b, strict=True):
        if sa[i] != sb[j]:
            if sa[i] == 1:
                b = sum(b, j, keepdim=True)
            elif sb[j] == 1:
                a = sum(a, i, keepdim=True)
            else:
                raise RuntimeError(
                    f"contracted dimensions need to match, but first has size {sa[i]} in dim {i} "
                    f"and second has size {sb[j]} in dim {j}"
                )
    free_a = [d for d in range(a.dim()) if d not in of_a]
    free_b = [d for d in range(b.dim()) if d not in of_b]
    shape = (*[sa[d] for d in free_a], *[sb[d] for d in free_b])
    k = int(np.prod([a._array.shape[d] for d in of_a]))
    left = reshape(permute(a, [*free_a, *of_a]), (int(np.prod([sa[d] for d in free_a])), k))
    right = reshape(permute(b, [*of_b, *free_b]), (k, int(np.prod([sb[d] for d in free_b]))))
    result = reshape(mm(left, right), shape)
    return result if out is None else write_out(out, result)


def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Kronecker product."""
    a, b = input, other
    n = max(a.dim(), b.dim())
    sa = (1,) * (n - a.dim()) + a._array.shape
    sb = (1,) * (n - b.dim()) + b._array.shape
    wide = [size for pair in zip(sa, (1,) * n, strict=True) for size in pair]
    narrow = [size for pair in zip((1,) * n, sb, strict=True) for size in pair]
    product = mul(reshape(a, tuple(wide)), reshape(b, tuple(narrow)))
    result = reshape(product, tuple([x * y for x, y in zip(sa, sb, strict=True)]))
    return result if out is None else write_out(out, result)


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input._array.ndim != 2:
        raise RuntimeError("trace: expected a matrix, but got tensor with dim "
                           f"{input._array.ndim}")  # fmt: skip
    return sum(late.diagonal(input))


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of several matrices, in the cheapest order."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices, out=out)


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices (the outer ones may be vectors), cheapest order first."""
    arrays = list(tensors)
    if len(arrays) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(arrays)}")
    squeeze_first = arrays[0].dim() == 1
    squeeze_last = arrays[-1].dim() == 1
    if squeeze_first:
        arrays[0] = unsqueeze(arrays[0], 0)
    if squeeze_last:
        arrays[-1] = unsqueeze(arrays[-1], 1)
    sizes = [m._array.shape[0] for m in arrays] + [arrays[-1]._array.shape[1]]
    result = _chain(arrays, sizes, 0, len(arrays) - 1, _cheapest(sizes))
    if squeeze_first:
        result = result[0]
    if squeeze_last:
        result = result[..., 0]
    return result if out is None else write_out(out, result)


def _cheapest(sizes: list[int]) -> list[list[int]]:
    """Where to split each run of matrices (the textbook dynamic programme)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    split = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(options)
    return split


def _chain(m: list[Tensor], sizes: list[int], i: int, j: int, split: list[list[int]]) -> Tensor:
    if i == j:
        return m[i]
    k = split[i][j]
    return matmul(_chain(m, sizes, i, k, split), _chain(m, sizes, k + 1, j, split))


def _cross(a: np.ndarray, b: np.ndarray, dim: int) -> Any:
    return np.cross(a, b, axis=dim)


CROSS = Primitive(
    "linalg_cross",
    quiet(_cross),
    inputs=("input", "other"),
    params=("dim",),
    vjp={
        "input": lambda g, other, dim: linalg_cross(conj(other), g, dim=dim),
        "other": lambda g, input, dim: linalg_cross(g, conj(input), dim=dim),
    },
)


def linalg_cross(
    input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None
) -> Tensor:
    """Cross product of vectors of three elements along ``dim``."""
    if input.dim() != other.dim():
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    shape = np.broadcast_shapes(input._array.shape, other._array.shape)
    dim = wrap_dim(dim, len(shape))
    if input._array.shape[dim] != 3 or other._array.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got "
            f"{input._array.shape[dim]} and {other._array.shape[dim]}"
        )
    a, b = late.broadcast_tensors(input, other)
    result = apply2(CROSS, a, b, dim)
    return result if out is None else write_out(out, result)


def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """Cross product along ``dim``, by default the first dimension of size 3."""
    if dim is None:
        shape = np.broadcast_shapes(input._array.shape, other._array.shape)
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim, out=out)


def matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """A square matrix multiplied by itself ``n`` times; negative powers use the inverse."""
    if input.dim() < 2 or input._array.shape[-1] != input._array.shape[-2]:
        raise RuntimeError("linalg.matrix_power: A must be batches of square matrices, but they are "
                           f"{input._array.shape[-2]} by {input._array.shape[-1]} matrices")  # fmt: skip
    if n < 0:
        return matrix_power(late.inverse(input), -n, out=out)
    result: Tensor | None = None
    square = input
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    if result is None:
        eye = late.eye(input._array.shape[-1], dtype=input.dtype)
        result = add(mul(input, 0), eye)
    return result if out is None else write_out(out, result)


BOTH = """
    cross dot ger inner kron matrix_power mv outer trace vdot
"""
TORCH = """
    chain_matmul tensordot
"""
