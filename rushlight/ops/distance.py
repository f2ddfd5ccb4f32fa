"""Distances and similarities between vectors."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import numeric
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._primitive import Primitive, apply1, apply2
from rushlight.ops._promote import cast, result_type
from rushlight.ops.elementwise import abs, add, div, mul, neg, pow, sub
from rushlight.ops.embedding import EMBEDDING
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.pointwise import sgn
from rushlight.ops.reduction import sum
from rushlight.ops.shape import expand, reshape, squeeze, transpose, unsqueeze

Array = np.ndarray


def _norm_array(d: Array, p: float) -> Array:
    """The p-norms of the last dimension."""
    size = np.abs(d)
    if p == 0:
        return (d != 0).sum(axis=-1).astype(size.dtype)
    if p == 1:
        return size.sum(axis=-1)  # type: ignore[no-any-return]
    if p == 2:
        return np.sqrt((size * size).sum(axis=-1))
    if p == float("inf"):
        return size.max(axis=-1) if d.shape[-1] else np.zeros(d.shape[:-1], size.dtype)
    if p == float("-inf"):
        return size.min(axis=-1)  # type: ignore[no-any-return]
    return (size ** size.dtype.type(p)).sum(axis=-1) ** size.dtype.type(1 / p)


def _safe(t: Tensor) -> tuple[Tensor, Tensor]:
    """``t`` with 1 in place of 0, and where it is not 0 (as 0 and 1)."""
    zero = t._array == 0
    kind = t._array.dtype
    return add(t, wrap(np.asarray(zero).astype(kind))), wrap(np.asarray(~zero).astype(kind))


def _norm_rule(g: Tensor, input: Tensor, out: Tensor, p: float) -> Tensor:
    """The gradient of the p-norms of the last dimension; 0 where the norm is 0."""
    if p == 0:
        return mul(expand(unsqueeze(g, -1), input._array.shape), 0)
    g, out = unsqueeze(g, -1), unsqueeze(out, -1)
    if p == 1:
        return mul(g, sgn(input))
    if p in (float("inf"), float("-inf")):
        reached = np.abs(input._array) == out._array
        return mul(mul(g, sgn(input)), wrap(reached.astype(input._array.dtype)))
    total, some = _safe(out)
    if p == 2:
        return mul(mul(div(g, total), some), input)
    size, here = _safe(abs(input))
    part = mul(mul(pow(size, p - 1), here), sgn(input))
    return mul(part, mul(div(g, pow(total, p - 1)), some))


# the p-norms of the last dimension
ROW_NORM = Primitive(
    "row_norm",
    numeric(_norm_array),
    params=("p",),
    vjp={"input": _norm_rule},
    node_name="NormBackward1",
)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    r"""The p-norm of ``x1 - x2 + eps`` over the last dimension.

    Examples::

        >>> torch.nn.functional.pairwise_distance(torch.tensor([[3., 4.]]), torch.zeros(1, 2))
        tensor([5.0000])
    """
    result = apply1(ROW_NORM, add(sub(x1, x2), eps), float(p))
    return unsqueeze(result, -1) if keepdim else result


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    r"""Cosine of the angle between vectors, :math:`x_1 x_2 / (\max(|x_1|, \epsilon) \max(|x_2|, \epsilon))`.

    Args:
        dim: the dimension of the vectors.

    Examples::

        >>> torch.cosine_similarity(torch.tensor([1., 1.]), torch.tensor([1., 0.]), dim=0)
        tensor(0.7071)
    """
    to = result_type(x1, x2)
    if to.category < 2:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {SCALAR_TYPE_NAMES[to]}"
        )
    shape = np.broadcast_shapes(x1._array.shape, x2._array.shape)
    x1, x2 = expand(cast(x1, to), shape), expand(cast(x2, to), shape)
    first, second = _unit(x1, dim, eps), _unit(x2, dim, eps)
    return sum(mul(first, second), dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """``x`` divided by its norm, or by ``eps`` where that is larger."""
    if not x._array.ndim:
        x = unsqueeze(x, 0)
        return squeeze(_unit(x, 0, eps), 0)
    norm = unsqueeze(apply1(ROW_NORM, transpose(x, dim, -1), 2.0), -1)
    norm = transpose(norm, dim, -1)
    low = np.maximum(eps - norm._array, 0).astype(norm._array.dtype)
    return div(x, add(norm, wrap(low)))


# all pairs --------------------------------------------------------------------------------------


def _cdist(a: Array, b: Array, p: float, product: bool) -> Array:
    if not a.shape[-1]:
        return np.zeros((*a.shape[:-1], b.shape[-2]), a.dtype)
    if product:
        squares = (a * a).sum(-1)[..., :, None] + (b * b).sum(-1)[..., None, :]
        squares -= 2 * np.matmul(a, np.swapaxes(b, -1, -2))
        return np.sqrt(np.maximum(squares, 0))
    return _norm_array(a[..., :, None, :] - b[..., None, :, :], p)


def _cdist_rule(g: Tensor, input: Tensor, other: Tensor, out: Tensor, p: float, needs: Any) -> Any:
    if p == 2:
        total, some = _safe(out)
        ratio = mul(div(g, total), some)
        first = second = None
        if needs[0]:
            first = sub(mul(input, sum(ratio, -1, True)), matmul(ratio, other))
        if needs[1]:
            back = transpose(ratio, -1, -2)
            second = sub(mul(other, sum(back, -1, True)), matmul(back, input))
        return first, second
    d = sub(unsqueeze(input, -2), unsqueeze(other, -3))
    spread = _norm_rule(g, d, out, p)
    return sum(spread, -2) if needs[0] else None, neg(sum(spread, -3)) if needs[1] else None


CDIST = Primitive(
    "cdist",
    numeric(_cdist),
    inputs=("input", "other"),
    params=("p", "product"),
    vjp=_cdist_rule,
)


def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """The p-norm distances between all rows of ``x1`` and all rows of ``x2``.

    Args:
        compute_mode: whether Euclidean distances may come from a matrix product:
            "use_mm_for_euclid_dist_if_necessary" (for more than 25 rows),
            "use_mm_for_euclid_dist" or "donot_use_mm_for_euclid_dist".

    Shape:
        - x1: (*, P, M), x2: (*, R, M), result: (*, P, R)

    Examples::

        >>> torch.cdist(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.], [0., 1.]]))
        tensor([[5., 1.]])
    """
    a, b = x1._array.shape, x2._array.shape
    for name, shape in (("X1", a), ("X2", b)):
        if len(shape) < 2:
            raise RuntimeError(
                f"cdist only supports at least 2D tensors, {name} got: {len(shape)}D"
            )
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {a[-1]} X2: {b[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    modes = {
        None: None,
        "use_mm_for_euclid_dist_if_necessary": None,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    product = modes[compute_mode]
    if product is None:
        product = a[-2] > 25 or b[-2] > 25
    to = result_type(x1, x2)
    x1, x2 = cast(x1, to), cast(x2, to)
    lead = np.broadcast_shapes(a[:-2], b[:-2])
    if a[:-2] != lead:
        x1 = expand(x1, (*lead, *a[-2:]))
    if b[:-2] != lead:
        x2 = expand(x2, (*lead, *b[-2:]))
    return apply2(CDIST, x1, x2, float(p), bool(product and p == 2))


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between all pairs of rows, in the order of the upper triangle.

    Shape:
        - input: (N, M), result: (N (N - 1) / 2,)
    """
    x = input._array
    if x.ndim != 2:
        raise RuntimeError("pdist only supports 2D tensors, got: " + f"{x.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    first, second = np.triu_indices(x.shape[0], 1)
    if not first.size or not x.shape[1]:
        return mul(reshape(sum(input), (1,)), wrap(np.zeros(first.size, x.dtype)))
    a = apply2(EMBEDDING, input, wrap(first), -1, False)
    b = apply2(EMBEDDING, input, wrap(second), -1, False)
    return apply1(ROW_NORM, sub(a, b), float(p))
