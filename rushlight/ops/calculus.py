"""Differences, integrals, covariance and Einstein's summation: composites of other operations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import with_out, wrap_dim
from rushlight.ops._late import late
from rushlight.ops._promote import cast
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, div, mul, sub
from rushlight.ops.linear_algebra import bmm, matmul
from rushlight.ops.reduction import mean, sum
from rushlight.ops.shape import mT, permute, reshape, slice_dim, unsqueeze


@with_out
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The ``n``-th differences of neighbours along ``dim``.

    Examples::

        >>> torch.diff(torch.tensor([1, 3, 2]))
        tensor([ 2, -1])
    """
    if input._array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, input._array.ndim)
    if n == 0:
        return late.clone(input)  # type: ignore[no-any-return]
    parts = [p for p in (prepend, input, append) if p is not None]
    x = late.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x._array.shape[dim])):
        size = x._array.shape[dim]
        if size == 0:
            break
        after, before = slice_dim(x, dim, 1, size), slice_dim(x, dim, 0, size - 1)
        x = late.logical_xor(after, before) if x._array.dtype.kind == "b" else sub(after, before)
    return x  # type: ignore[no-any-return]


def _along(x: Any, dim: int, ndim: int) -> Any:
    """A vector of spacings shaped to run along ``dim``."""
    return reshape(x, tuple([-1 if i == dim else 1 for i in range(ndim)]))


def _trapezoids(y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    ndim = y._array.ndim
    n = y._array.shape[dim]
    if y.dtype.category < dtypes.FLOATING:
        y = cast(y, defaults.dtype)
    total = add(slice_dim(y, dim, 1, n), slice_dim(y, dim, 0, max(n - 1, 0)))
    if x is None:
        return mul(total, dx / 2)
    if x._array.ndim == 1:
        x = _along(x, dim, ndim)
        steps = diff(x, 1, dim)
    else:
        while x._array.ndim < ndim:
            x = unsqueeze(x, 0)
        steps = diff(x, 1, dim)
    return mul(mul(total, steps), 0.5)


def _check_trapezoid(y: Tensor, x: Any) -> None:
    if isinstance(x, Tensor) and x._array.ndim == 1 and y._array.ndim == 0:
        raise IndexError("trapezoid: y must be at least one-dimensional")


def trapezoid(y: Tensor, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral along ``dim`` by the trapezoidal rule.

    Args:
        x: the places of the values, instead of a spacing.
        dx: the spacing (default 1).
    """
    y, places, step, dim = _integral(y, x, dx, dim)
    return sum(_trapezoids(y, places, step, dim), dim)


def _integral(y: Tensor, x: Any, dx: float | None, dim: int) -> tuple[Tensor, Any, float, int]:
    _check_trapezoid(y, x)
    if x is not None and dx is not None:
        raise RuntimeError("trapezoid: give either x or dx, not both")
    return y, x, 1.0 if dx is None else dx, wrap_dim(dim, y._array.ndim)


def trapz(y: Tensor, x: Any = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Alias of :func:`trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


def cumulative_trapezoid(
    y: Tensor, x: Any = None, *, dx: float | None = None, dim: int = -1
) -> Tensor:
    """The running integral along ``dim``. Args: as for :func:`trapezoid`."""
    y, places, step, dim = _integral(y, x, dx, dim)
    return late.cumsum(_trapezoids(y, places, step, dim), dim)  # type: ignore[no-any-return]


def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Derivatives along dims by central differences, one-sided at the edges.

    Args:
        spacing: a number, one per dim, or a tensor of places per dim.
        dim: an int, several, or None for all.
        edge_order: 1 or 2.
    """
    ndim = input._array.ndim
    if dim is None:
        dims = list(range(ndim))
    else:
        dims = [wrap_dim(d, ndim) for d in ([dim] if isinstance(dim, int) else dim)]
    if spacing is None:
        spacing = 1
    each = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(each) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal"
            f" to 'self.dim() = {ndim}', but got a list of length {len(each)}"
        )
    if input.dtype.category < dtypes.FLOATING:
        input = cast(input, defaults.dtype)
    kind = input.dtype
    if kind.itemsize <= 2:  # rounded once, at the end
        input = cast(input, dtypes.float32)
        each = [cast(s, dtypes.float32) if isinstance(s, Tensor) else s for s in each]
    found = [_gradient(input, s, d, edge_order) for s, d in zip(each, dims, strict=True)]
    return tuple([cast(t, kind) for t in found])


def _gradient(x: Tensor, spacing: Any, dim: int, edge_order: int) -> Tensor:
    n = x._array.shape[dim]
    if n < edge_order + 1:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )

    def part(begin: int, end: int) -> Tensor:
        return slice_dim(x, dim, begin, n + end if end <= 0 else end)

    if isinstance(spacing, Tensor) and spacing._array.ndim:
        h = _along(diff(spacing), dim, x._array.ndim)
        m = n - 1
        left, right = slice_dim(h, dim, 0, m - 1), slice_dim(h, dim, 1, m)
        first, last = slice_dim(h, dim, 0, 1), slice_dim(h, dim, m - 1, m)
        whole = add(left, right)
        inner = mul(part(0, -2), div(mul(right, -1), mul(left, whole)))
        inner = add(inner, mul(part(2, 0), div(left, mul(right, whole))))
        inner = add(inner, mul(part(1, -1), div(sub(right, left), mul(left, right))))
    else:
        first = last = left = right = spacing
        inner = div(sub(part(2, 0), part(0, -2)), 2 * spacing)
    if edge_order == 1:
        begin = div(sub(part(1, 2), part(0, 1)), first)
        end = div(sub(slice_dim(x, dim, n - 1, n), slice_dim(x, dim, n - 2, n - 1)), last)
    else:
        begin, end = _second_order_edges(x, dim, left, right)
    return late.cat([begin, inner, end], dim)  # type: ignore[no-any-return]


def _second_order_edges(x: Tensor, dim: int, left: Any, right: Any) -> tuple[Tensor, Tensor]:
    n = x._array.shape[dim]

    def at(i: int) -> Tensor:
        return slice_dim(x, dim, i, i + 1)

    def pick(h: Any, i: int) -> Any:
        return slice_dim(h, dim, i, i + 1) if isinstance(h, Tensor) and h._array.ndim else h

    h0, h1 = pick(left, 0), pick(right, 0)
    begin = at(0) * (-(2 * h0 + h1) / (h0 * (h0 + h1)))
    begin = begin + at(1) * ((h0 + h1) / (h0 * h1)) - at(2) * (h0 / (h1 * (h0 + h1)))
    m = n - 3
    h0, h1 = pick(left, m), pick(right, m)
    end = at(n - 3) * (h1 / (h0 * (h0 + h1))) - at(n - 2) * ((h0 + h1) / (h0 * h1))
    end = end + at(n - 1) * ((2 * h1 + h0) / (h1 * (h0 + h1)))
    return begin, end


# covariance -----------------------------------------------------------------------------------


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance matrix of variables (rows) from observations (columns).

    Args:
        correction: subtracted from the number of observations.
        fweights: how often each observation counts (integers).
        aweights: weights of the observations.
    """
    if input._array.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input._array.ndim} dimensions"
        )
    if input._array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input._array.ndim == 2 else reshape(input, (1, -1))
    if x.dtype.category < dtypes.FLOATING:
        x = cast(x, defaults.dtype)
    weights: Any = None
    if fweights is not None:
        weights = fweights
    if aweights is not None:
        weights = aweights if weights is None else mul(weights, aweights)
    count = x._array.shape[1]
    if weights is None:
        center = mean(x, 1, keepdim=True)
        norm: Any = max(count - correction, 0)
        delta = sub(x, center)
        product = matmul(delta, conj(mT(delta)))
    else:
        if weights.dtype.category < dtypes.FLOATING:
            weights = cast(weights, dtypes.from_numpy(x._array.real.dtype))
        total = sum(weights)
        center = div(sum(mul(x, weights), 1, keepdim=True), total)
        norm = total
        if aweights is not None and correction:
            square = sum(mul(weights, cast(aweights, weights.dtype)))
            norm = sub(total, mul(div(square, total), correction))
        else:
            norm = sub(total, correction)
        norm = late.clamp(norm, min=0)
        delta = sub(x, center)
        product = matmul(mul(delta, weights), conj(mT(delta)))
    result = div(product, norm)
    return late.squeeze(result)  # type: ignore[no-any-return]


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables (rows) from observations (columns)."""
    if input._array.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input._array.ndim} dimensions"
        )
    c = cov(input)
    if c._array.ndim == 0:
        return div(c, c)
    size = late.sqrt(late.real(late.diagonal(c)))
    scaled = div(div(c, unsqueeze(size, 1)), unsqueeze(size, 0))
    if scaled._array.dtype.kind == "c":
        real = late.clamp(late.real(scaled), -1, 1)
        return late.complex(real, late.clamp(late.imag(scaled), -1, 1))  # type: ignore[no-any-return]
    return late.clamp(scaled, -1, 1)  # type: ignore[no-any-return]


# Einstein's summation -------------------------------------------------------------------------


def _parse(equation: str, tensors: Sequence[Tensor]) -> tuple[list[list[str]], list[str]]:
    """The labels of the operands and of the output; "..." becomes "0", "1", ... from the right."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(tensors):
        more = "more" if len(terms) < len(tensors) else "fewer"
        raise RuntimeError(
            f"einsum(): {more} operands were provided than specified in the equation"
        )
    spread = 0
    labels = []
    for i, (term, t) in enumerate(zip(terms, tensors, strict=True)):
        ndim = t._array.ndim
        head, dots, tail = term.partition("...")
        extra = ndim - len(head) - len(tail) if dots else 0
        if not (head + tail).isalpha() and head + tail:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )
        if extra < 0 or (not dots and len(head) != ndim):
            raise RuntimeError(
                "einsum(): the number of subscripts in the equation "
                f"({len(head) + len(tail)}) does not match the number of dimensions ({ndim}) for "
                f"operand {i} and no ellipsis was given"
            )
        spread = max(spread, extra)
        labels.append([*head, *[str(k) for k in range(extra - 1, -1, -1)], *tail])
    batch = [str(k) for k in range(spread - 1, -1, -1)]
    if arrow:
        head, dots, tail = right.partition("...")
        out = [*head, *(batch if dots else []), *tail]
    else:
        seen = "".join(c for c in left if c.isalpha())
        out = [*batch, *sorted({c for c in seen if seen.count(c) == 1})]
    for c in out:
        if not any(c in operand for operand in labels):
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear in the equation for any input "
                "operand"
            )
        if out.count(c) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {c} appears more than once in the output"
            )
    return labels, out


def _sizes(labels: list[list[str]], tensors: Sequence[Tensor]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i, (operand, t) in enumerate(zip(labels, tensors, strict=True)):
        for c, n in zip(operand, t._array.shape, strict=True):
            known = sizes.get(c, 1)
            if n != 1 and known not in (1, n):
                raise RuntimeError(
                    f"einsum(): subscript {c} has size {n} for operand {i} which does not "
                    f"broadcast with previously seen size {known}"
                )
            sizes[c] = max(known, n) if n != 0 else 0
    return sizes


def _without_repeats(t: Tensor, operand: list[str]) -> tuple[Tensor, list[str]]:
    """Repeated labels of one operand become a diagonal."""
    for c in dict.fromkeys(operand):
        while operand.count(c) > 1:
            i = operand.index(c)
            j = operand.index(c, i + 1)
            if t._array.shape[i] != t._array.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated for operand but the sizes don't match, "
                    f"{t._array.shape[j]} != {t._array.shape[i]}"
                )
            t = late.diagonal(t, 0, i, j)
            operand = [x for k, x in enumerate(operand) if k not in (i, j)] + [c]
    return t, operand


def _contract(
    a: Tensor, la: list[str], b: Tensor, lb: list[str], keep: set[str]
) -> tuple[Tensor, list[str]]:
    """The product of two operands, summed over the labels that nothing else needs."""
    a, la = _sum_alone(a, la, set(lb) | keep)
    b, lb = _sum_alone(b, lb, set(la) | keep)
    both = [c for c in la if c in lb]
    summed = [c for c in both if c not in keep]
    batch = [c for c in both if c in keep]
    only_a, only_b = [c for c in la if c not in both], [c for c in lb if c not in both]
    a, b = _matched(a, la, b, lb, both)
    sa = dict(zip(la, a._array.shape, strict=True))
    sb = dict(zip(lb, b._array.shape, strict=True))
    a = permute(a, [la.index(c) for c in (*batch, *only_a, *summed)])
    b = permute(b, [lb.index(c) for c in (*batch, *summed, *only_b)])
    lead = [sa[c] for c in batch]
    n = int(np.prod(lead))
    rows, inner = int(np.prod([sa[c] for c in only_a])), int(np.prod([sa[c] for c in summed]))
    columns = int(np.prod([sb[c] for c in only_b]))
    product = bmm(reshape(a, (n, rows, inner)), reshape(b, (n, inner, columns)))
    shape = (*lead, *[sa[c] for c in only_a], *[sb[c] for c in only_b])
    return reshape(product, shape), [*batch, *only_a, *only_b]


def _matched(
    a: Tensor, la: list[str], b: Tensor, lb: list[str], both: list[str]
) -> tuple[Tensor, Tensor]:
    """Shared labels get the same size in both operands."""
    for c in both:
        i, j = la.index(c), lb.index(c)
        na, nb = a._array.shape[i], b._array.shape[j]
        if na != nb:
            if na == 1:
                a = late.expand(a, [nb if k == i else -1 for k in range(a._array.ndim)])
            else:
                b = late.expand(b, [na if k == j else -1 for k in range(b._array.ndim)])
    return a, b


def _sum_alone(t: Tensor, labels: list[str], needed: set[str]) -> tuple[Tensor, list[str]]:
    alone = [i for i, c in enumerate(labels) if c not in needed]
    if not alone:
        return t, labels
    return sum(t, alone), [c for c in labels if c in needed]


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products of elements, in Einstein's notation.

    Args:
        equation: such as ``"bij,bjk->bik"``; "..." stands for dimensions that broadcast.
        operands: the tensors. The sublist form ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` works too.

    Examples::

        >>> torch.einsum("i,j->ij", torch.tensor([1, 2]), torch.tensor([3, 4]))
        tensor([[3, 4],
                [6, 8]])
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    labels, out = _parse(equation, operands)
    _sizes(labels, operands)
    prepared = [_without_repeats(t, o) for t, o in zip(operands, labels, strict=True)]
    current, have = prepared[0]
    for k in range(1, len(prepared)):
        later = {c for _, o in prepared[k + 1 :] for c in o} | set(out)
        current, have = _contract(current, have, *prepared[k], later)
    current, have = _sum_alone(current, have, set(out))
    return permute(current, [have.index(c) for c in out])


def _from_sublists(args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    tensors, terms = [], []
    pairs, rest = divmod(len(args), 2)
    for k in range(pairs):
        tensors.append(args[2 * k])
        terms.append(_letters(args[2 * k + 1]))
    equation = ",".join(terms)
    return (f"{equation}->{_letters(args[-1])}" if rest else equation), tuple(tensors)


def _letters(subscripts: Sequence[Any]) -> str:
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join("..." if s is Ellipsis else names[s] for s in subscripts)


# low-rank factors ------------------------------------------------------------------------------


def _range(a: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that span most of the range of ``a`` (Halko et al. 2009, algorithm 4.4)."""
    n = a._array.shape[-1]
    start = late.randn(n, q, dtype=a.dtype)
    found = late.qr(matmul(a, start))[0]
    for _ in range(niter):
        found = late.qr(matmul(conj(mT(a)), found))[0]
        found = late.qr(matmul(a, found))[0]
    return found  # type: ignore[no-any-return]


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int = 2, M: Any = None) -> Any:
    """The largest ``q`` singular values and vectors, approximately (Halko et al. 2009, 5.1).

    Args:
        niter: power iterations.
        M: subtracted from ``A`` first.
    """
    q = 6 if q is None else q
    a = A if M is None else sub(A, late.expand(M, A._array.shape))
    m, n = a._array.shape[-2:]
    wide = m < n
    x = conj(mT(a)) if wide else a
    basis = _range(x, q, niter)
    u, s, vh = late.linalg_svd(matmul(conj(mT(basis)), x), False)
    left, right = matmul(basis, u), conj(mT(vh))
    return (right, s, left) if wide else (left, s, right)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """The principal components of the rows of ``A``, approximately. Args: as above.

    Args:
        q: their number (default: at most 6).
        center: subtract the mean first.
    """
    m, n = A._array.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)="
                         f"{min(m, n)}")  # fmt: skip
    if not center:
        return svd_lowrank(A, q, niter)
    return svd_lowrank(sub(A, mean(A, -2, keepdim=True)), q, niter)
