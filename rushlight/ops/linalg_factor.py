"""Matrix factorisations with gradients: Cholesky, QR, eigenvalues, singular values, LU, LDL.

Sources of the gradients: Giles (2008), "An extended collection of matrix derivative results";
Walter and Lehmann (2018) for QR; Townsend (2016) for the SVD.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import lapack
from rushlight.ops._dispatch import write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply, needs_grad
from rushlight.ops._promote import cast
from rushlight.ops._results import result_type
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, div, mul, sub
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.shape import mT, unsqueeze


class LinAlgError(RuntimeError):
    """A linear algebra routine failed, for example on a singular matrix."""

    __module__ = "torch.linalg"


EighResult = result_type("linalg_eigh", "eigenvalues", "eigenvectors")
EigResult = result_type("linalg_eig", "eigenvalues", "eigenvectors")
QrResult = result_type("linalg_qr", "Q", "R")
OldQrResult = result_type("qr", "Q", "R")
SvdResult = result_type("linalg_svd", "U", "S", "Vh")
OldSvdResult = result_type("svd", "U", "S", "V")
CholeskyExResult = result_type("linalg_cholesky_ex", "L", "info")
LuResult = result_type("linalg_lu", "P", "L", "U")
LuFactorResult = result_type("linalg_lu_factor", "LU", "pivots")
LuFactorExResult = result_type("linalg_lu_factor_ex", "LU", "pivots", "info")
OldLuResult = result_type("lu", "LU", "pivots")
OldLuInfosResult = result_type("lu_infos", "LU", "pivots", "info")
LdlResult = result_type("linalg_ldl_factor", "LD", "pivots")
LdlExResult = result_type("linalg_ldl_factor_ex", "LD", "pivots", "info")


def mh(a: Tensor) -> Tensor:
    """The conjugate transpose."""
    return conj(mT(a))  # type: ignore[no-any-return]


def check_matrix(name: str, a: Tensor) -> None:
    """RuntimeError unless ``a`` is a batch of floating-point or complex matrices."""
    if a._array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if a.dtype.category < 2 or a.dtype.itemsize < 4:
        kind = SCALAR_TYPE_NAMES[a.dtype]
        if a.dtype.category < 2:
            raise RuntimeError(
                f"{name}: Expected a floating point or complex tensor as input. Got {kind}"
            )
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {kind}")


def check_square(name: str, a: Tensor) -> None:
    """The same, and square."""
    check_matrix(name, a)
    m, n = a._array.shape[-2:]
    if m != n:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices"
        )


def eye_like(a: Tensor) -> Tensor:
    """The identity of the size of the square matrices ``a``."""
    return wrap(np.eye(a._array.shape[-1], dtype=a._array.dtype))


def over_batch(function: Callable[..., Any], a: np.ndarray, *others: np.ndarray) -> tuple[Any, ...]:
    """Calls ``function`` on each matrix of a batch and stacks what it returns."""
    lead = a.shape[:-2]
    flat = [x.reshape((-1, *x.shape[len(lead) :])) for x in (a, *others)]
    found = [function(*each) for each in zip(*flat, strict=True)]
    columns = [np.stack([f[i] for f in found]) for i in range(len(found[0]))] if found else []
    return tuple([c.reshape((*lead, *c.shape[1:])) for c in columns])


# The result of an operation whose values do not depend on its input, though it has a gradient.
CONSTANT = Primitive(
    "constant",
    lambda a, value: value,
    inputs=("input", "value"),
    vjp={"input": lambda g, input: late.zeros_like(input), "value": lambda g: g},
)


def with_history(input: Tensor, value: Tensor) -> Tensor:
    """``value``, recorded as made from ``input``, with a gradient of zero."""
    return apply(CONSTANT, (input, value))  # type: ignore[no-any-return]


# Cholesky ------------------------------------------------------------------------------------


def _cholesky(a: np.ndarray, upper: bool) -> Any:
    lower = np.conj(np.swapaxes(a, -1, -2)) if upper else a
    factors, infos = np.zeros_like(lower), np.zeros(a.shape[:-2], np.int32)
    for place in np.ndindex(a.shape[:-2]):
        matrix = lower[place]
        matrix = np.tril(matrix) + np.conj(np.tril(matrix, -1).T)
        try:
            factors[place] = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            infos[place] = _first_failure(matrix)
    out = np.conj(np.swapaxes(factors, -1, -2)) if upper else factors
    return np.ascontiguousarray(out), infos


def _first_failure(matrix: np.ndarray) -> int:
    """The order of the first leading minor that is not positive definite."""
    for k in range(1, matrix.shape[0] + 1):
        try:
            np.linalg.cholesky(matrix[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return matrix.shape[0]


def _cholesky_rule(g: Any, out: Any, upper: bool) -> Tensor:
    grad, factor = g[0], out[0]
    if upper:
        grad, factor = mh(grad), mh(factor)
    product = matmul(mh(factor), grad)
    inner = late.tril(product, -1)  # the diagonal's imaginary part stays, as in PyTorch
    diagonal = late.diag_embed(late.diagonal(product, 0, -2, -1))
    inner = mul(add(add(inner, mh(inner)), diagonal), 0.5)
    solved = late.linalg_solve_triangular(mh(factor), inner, upper=True)
    return late.linalg_solve_triangular(factor, solved, upper=False, left=False)  # type: ignore[no-any-return]


CHOLESKY = Primitive(
    "linalg_cholesky_ex", _cholesky, params=("upper",), vjp={"input": _cholesky_rule}
)


def cholesky_ex(
    input: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """Cholesky factor and, per matrix, 0 or the order of the first minor that is not positive."""
    check_square("linalg.cholesky", input)
    pair = CholeskyExResult(*apply(CHOLESKY, (input,), upper))
    if check_errors:
        _raise_cholesky(pair[1])
    return pair if out is None else CholeskyExResult(*write_out(out, tuple(pair)))


def _raise_cholesky(info: Tensor) -> None:
    infos = info._array
    if infos.any():
        place = tuple(int(i) for i in np.argwhere(infos)[0])
        batch = f"(Batch element {place[0]}): " if place else ""
        raise LinAlgError(
            f"linalg.cholesky: {batch}The factorization could not be completed because the input "
            f"is not positive-definite (the leading minor of order {int(infos[place])} is not "
            "positive-definite)."
        )


def cholesky(input: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    r"""Cholesky factor :math:`L` of :math:`A = L L^H`, lower (or upper) triangular.

    Raises LinAlgError if a matrix is not positive definite.
    """
    factor, info = cholesky_ex(input, upper=upper)
    _raise_cholesky(info)
    return factor if out is None else write_out(out, factor)  # type: ignore[no-any-return]


def old_cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """``torch.cholesky``: :func:`cholesky` with ``upper`` by position."""
    return cholesky(input, upper=upper, out=out)


# QR ------------------------------------------------------------------------------------------


@quiet
def _qr(a: np.ndarray, mode: str) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    if a.size == 0:
        wide = m if mode == "complete" else k
        q = np.broadcast_to(np.eye(m, wide, dtype=a.dtype), (*a.shape[:-2], m, wide)).copy()
        return q, np.zeros((*a.shape[:-2], wide, n), a.dtype)
    q, r = np.linalg.qr(a, "complete" if mode == "complete" else "reduced")
    return q, r


def _qr_rule(g: Any, input: Tensor, out: Any, mode: str) -> Tensor:
    gq, gr, (q, r) = g[0], g[1], out
    m, n = input._array.shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    if m < n:
        return _qr_wide_rule(gq, gr, input, q, r)
    inner = sub(matmul(r, mh(gr)), matmul(mh(gq), q))
    right = add(gq, matmul(q, _copy_lower(inner)))
    return late.linalg_solve_triangular(mh(r), right, upper=False, left=False)  # type: ignore[no-any-return]


def _copy_lower(a: Tensor) -> Tensor:
    lower = late.tril(a, -1)
    diagonal = late.diag_embed(late.real(late.diagonal(a, 0, -2, -1)))
    return add(add(lower, mh(lower)), diagonal)


def _qr_wide_rule(gq: Tensor, gr: Tensor, a: Tensor, q: Tensor, r: Tensor) -> Tensor:
    m = a._array.shape[-2]
    right, r_square = a[..., m:], r[..., :m]
    g_square, g_right = gr[..., :m], gr[..., m:]
    gq = add(gq, matmul(right, mh(g_right)))
    inner = sub(matmul(r_square, mh(g_square)), matmul(mh(gq), q))
    left = add(gq, matmul(q, _copy_lower(inner)))
    left = late.linalg_solve_triangular(mh(r_square), left, upper=False, left=False)
    return late.cat([left, matmul(q, g_right)], -1)  # type: ignore[no-any-return]


QR = Primitive("linalg_qr", _qr, params=("mode",), vjp={"input": _qr_rule})


def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """QR factorisation: orthonormal columns times an upper triangle.

    Args:
        mode: "reduced", "complete" (square Q) or "r" (Q is empty and has no gradient).
    """
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    if mode == "r":
        if needs_grad(A):
            raise RuntimeError("The derivative of linalg.qr depends on Q, which is not computed "
                               "when mode='r'. Please use linalg.qr(A, mode='reduced') if you are "
                               "going to differentiate through linalg.qr.")  # fmt: skip
        pair = QrResult(wrap(np.empty((0,), A._array.dtype)), apply(QR, (A,), "reduced")[1])
    else:
        pair = QrResult(*apply(QR, (A,), mode))
    return pair if out is None else QrResult(*write_out(out, tuple(pair)))


def old_qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """``torch.qr``: :func:`qr` with ``some`` for the mode."""
    return OldQrResult(*qr(input, "reduced" if some else "complete", out=out))


# symmetric and general eigenvalues ------------------------------------------------------------


def _eigh(a: np.ndarray, uplo: str) -> Any:
    if a.size == 0:
        real = a.real.dtype
        return np.zeros(a.shape[:-1], real), np.zeros_like(a)
    values, vectors = np.linalg.eigh(a, uplo)
    return values, np.ascontiguousarray(vectors)


def _eigh_rule(g: Any, out: Any) -> Tensor:
    gl, gv, (values, v) = g[0], g[1], out
    vh = mh(v)
    if gv is None:
        return matmul(mul(v, unsqueeze(cast(gl, v.dtype), -2)), vh)
    inner = matmul(vh, gv)
    inner = mul(sub(inner, mh(inner)), 0.5)
    gaps = sub(unsqueeze(values, -2), unsqueeze(values, -1))
    gaps = late.masked_fill(gaps, wrap(np.eye(v._array.shape[-1], dtype=bool)), float("inf"))
    inner = div(inner, gaps)
    if gl is not None:
        inner = add(inner, late.diag_embed(cast(gl, v.dtype)))
    return matmul(v, matmul(inner, vh))


EIGH = Primitive(
    "linalg_eigh",
    quiet(_eigh),
    params=("uplo",),
    vjp={"input": _eigh_rule},
    materialize=False,
)


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues (ascending) and eigenvectors of symmetric or Hermitian matrices.

    Args:
        UPLO: the triangle that is read, "L" or "U".
    """
    check_square("linalg.eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    pair = EighResult(*apply(EIGH, (A,), UPLO.upper()))
    return pair if out is None else EighResult(*write_out(out, tuple(pair)))


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of :func:`eigh`."""
    values = eigh(A, UPLO)[0]
    return values if out is None else write_out(out, values)  # type: ignore[no-any-return]


def _eig(a: np.ndarray) -> Any:
    to = np.complex64 if a.dtype.itemsize * (1 + (a.dtype.kind != "c")) <= 8 else np.complex128
    if a.size == 0:
        return np.zeros(a.shape[:-1], to), np.zeros(a.shape, to)
    values, vectors = np.linalg.eig(a)
    return values.astype(to), vectors.astype(to)


def _eig_rule(g: Any, out: Any, input: Tensor) -> Tensor:
    gl, gv, (values, v) = g[0], g[1], out
    vh = mh(v)
    if gv is None:
        grad = late.linalg_solve(vh, mul(unsqueeze(gl, -1), vh))
        return late.real(grad) if input._array.dtype.kind != "c" else grad  # type: ignore[no-any-return]
    vhgv = matmul(vh, gv)
    diagonal = late.real(late.diagonal(vhgv, 0, -2, -1))
    overlap = matmul(vh, v)
    inner = sub(vhgv, mul(overlap, unsqueeze(diagonal, -2)))
    gaps = conj(sub(unsqueeze(values, -2), unsqueeze(values, -1)))
    gaps = late.masked_fill(gaps, wrap(np.eye(v._array.shape[-1], dtype=bool)), float("inf"))
    inner = div(inner, gaps)
    if gl is not None:
        inner = add(inner, late.diag_embed(gl))
    grad = late.linalg_solve(vh, matmul(inner, vh))
    return late.real(grad) if input._array.dtype.kind != "c" else grad  # type: ignore[no-any-return]


EIG = Primitive("linalg_eig", quiet(_eig), vjp={"input": _eig_rule}, materialize=False)


def eig(A: Tensor, *, out: Any = None) -> Any:
    """Eigenvalues and eigenvectors of square matrices, always complex."""
    check_square("linalg.eig", A)
    if not np.isfinite(A._array).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    pair = EigResult(*apply(EIG, (A,)))
    return pair if out is None else EigResult(*write_out(out, tuple(pair)))


def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of :func:`eig`."""
    values = eig(A)[0]
    return values if out is None else write_out(out, values)  # type: ignore[no-any-return]


# singular values ------------------------------------------------------------------------------


def _svd(a: np.ndarray, full: bool) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    if a.size == 0:
        lead, wide = a.shape[:-2], (m, n) if full else (k, k)
        return (
            np.broadcast_to(np.eye(m, wide[0], dtype=a.dtype), (*lead, m, wide[0])).copy(),
            np.zeros((*lead, k), a.real.dtype),
            np.broadcast_to(np.eye(wide[1], n, dtype=a.dtype), (*lead, wide[1], n)).copy(),
        )
    return tuple(np.linalg.svd(a, full_matrices=full))


def _svd_rule(g: Any, out: Any, input_shape: tuple[int, ...]) -> Tensor:
    m, n = input_shape[-2:]
    k = min(m, n)
    gu, gs, gvh = g
    u, s, vh = out[0][..., :k], out[1], out[2][..., :k, :]
    if gu is None and gvh is None:
        return matmul(mul(u, unsqueeze(cast(gs, u.dtype), -2)), vh)
    gu = late.zeros_like(u) if gu is None else gu[..., :k]
    gvh = late.zeros_like(vh) if gvh is None else gvh[..., :k, :]
    v, gv = mh(vh), mh(gvh)
    square = mul(s, s)
    gaps = sub(unsqueeze(square, -2), unsqueeze(square, -1))
    gaps = late.masked_fill(gaps, wrap(np.eye(k, dtype=bool)), float("inf"))
    left, right = matmul(mh(u), gu), matmul(mh(v), gv)
    skew_u, skew_v = div(sub(left, mh(left)), gaps), div(sub(right, mh(right)), gaps)
    inner = add(mul(skew_u, unsqueeze(s, -2)), mul(unsqueeze(s, -1), skew_v))
    if gs is not None:
        inner = add(inner, late.diag_embed(cast(gs, u.dtype)))
    if u._array.dtype.kind == "c":
        phase = mul(late.diagonal(sub(left, mh(left)), 0, -2, -1), 0.5)
        inner = add(inner, late.diag_embed(div(phase, s)))
    grad = matmul(u, matmul(inner, vh))
    if m > k:
        rest = sub(gu, matmul(u, left))
        grad = add(grad, matmul(div(rest, unsqueeze(s, -2)), vh))
    if n > k:
        rest = sub(mh(gv), matmul(mh(right), vh))
        grad = add(grad, matmul(u, div(rest, unsqueeze(s, -1))))
    return grad


SVD = Primitive(
    "linalg_svd", quiet(_svd), params=("full",), vjp={"input": _svd_rule}, materialize=False
)


def svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None
) -> Any:
    r"""Singular value decomposition :math:`A = U \operatorname{diag}(S) V^H`, S descending."""
    check_matrix("linalg.svd", A)
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )
    triple = SvdResult(*apply(SVD, (A,), full_matrices))
    return triple if out is None else SvdResult(*write_out(out, tuple(triple)))


def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values of :func:`svd`."""
    values = svd(A, False, driver=driver)[1]
    return values if out is None else write_out(out, values)  # type: ignore[no-any-return]


def old_svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """``torch.svd``: returns V instead of its conjugate transpose."""
    check_matrix("linalg.svd", input)
    if not compute_uv:
        m, n = input._array.shape[-2:]
        lead, kind = input._array.shape[:-2], input._array.dtype
        triple = OldSvdResult(
            wrap(np.zeros((*lead, m, m), kind)), svdvals(input), wrap(np.zeros((*lead, n, n), kind))
        )
    else:
        u, s, vh = svd(input, not some)
        triple = OldSvdResult(u, s, mh(vh))
    return triple if out is None else OldSvdResult(*write_out(out, tuple(triple)))


# LU -------------------------------------------------------------------------------------------


def _lu_factor(a: np.ndarray) -> Any:
    def one(matrix: np.ndarray) -> Any:
        lu, pivots, info = lapack.getrf(matrix)
        return lu, pivots, np.int32(info)

    if 0 in a.shape:
        k = min(a.shape[-2:])
        return a.copy(), np.zeros((*a.shape[:-2], k), np.int32), np.zeros(a.shape[:-2], np.int32)
    lu, pivots, info = over_batch(one, a)
    return lu, pivots, info


def permutation(pivots: np.ndarray, m: int) -> np.ndarray:
    """The permutation matrices that LAPACK's row exchanges (counted from 1) stand for: A = P L U."""
    lead = pivots.shape[:-1]
    order = np.broadcast_to(np.arange(m), (*lead, m)).copy()
    for place in np.ndindex(lead):
        rows = order[place]
        for i, j in enumerate(pivots[place]):
            rows[[i, j - 1]] = rows[[j - 1, i]]
    out = np.zeros((*lead, m, m))
    np.put_along_axis(np.swapaxes(out, -1, -2), order[..., None], 1, -1)
    return out


def _lu_rule(g: Any, out: Any, input_shape: tuple[int, ...]) -> Tensor:
    """From dA = P (dL U + L dU): see also Lu_backward in the literature on LU derivatives."""
    m, n = input_shape[-2:]
    k = min(m, n)
    lu, pivots = out[0], out[1]
    p = wrap(permutation(pivots._array, m).astype(lu._array.dtype))
    lower, upper = split_lu(lu)
    gl, gu = late.tril(g[0][..., :k], -1), late.triu(g[0][..., :k, :])
    if m == n:
        inner = add(late.tril(matmul(mh(lower), gl), -1), late.triu(matmul(gu, mh(upper))))
        right = late.linalg_solve_triangular(mh(upper), inner, upper=False, left=False)
        left = late.linalg_solve_triangular(mh(lower), right, upper=True, unitriangular=True)
        return matmul(p, left)
    if m < n:
        u1, u2, gu1, gu2 = upper[..., :k], upper[..., k:], gu[..., :k], gu[..., k:]
        inner = sub(matmul(mh(lower), gl), matmul(gu2, mh(u2)))
        inner = add(late.tril(inner, -1), late.triu(matmul(gu1, mh(u1))))
        left = late.linalg_solve_triangular(mh(u1), inner, upper=False, left=False)
        both = late.cat([left, gu2], -1)
        solved = late.linalg_solve_triangular(mh(lower), both, upper=True, unitriangular=True)
        return matmul(p, solved)
    l1, l2, gl1, gl2 = lower[..., :k, :], lower[..., k:, :], gl[..., :k, :], gl[..., k:, :]
    inner = sub(matmul(gu, mh(upper)), matmul(mh(l2), gl2))
    inner = add(late.tril(matmul(mh(l1), gl1), -1), late.triu(inner))
    top = late.linalg_solve_triangular(mh(l1), inner, upper=True, unitriangular=True)
    both = late.cat([top, gl2], -2)
    solved = late.linalg_solve_triangular(mh(upper), both, upper=False, left=False)
    return matmul(p, solved)


LU_FACTOR = Primitive("linalg_lu_factor_ex", quiet(_lu_factor), vjp={"input": _lu_rule})


def split_lu(lu: Tensor) -> tuple[Tensor, Tensor]:
    """The two triangles of compact LU factors."""
    m, n = lu._array.shape[-2:]
    k = min(m, n)
    lower = add(late.tril(lu[..., :k], -1), wrap(np.eye(m, k, dtype=lu._array.dtype)))
    return lower, late.triu(lu[..., :k, :])


def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """Compact LU factors, pivots, and per matrix 0 or the index of the first zero pivot."""
    check_matrix("torch.lu_factor", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    triple = LuFactorExResult(*apply(LU_FACTOR, (A,)))
    if check_errors and triple[2]._array.any():
        _raise_singular("torch.linalg.lu_factor_ex", triple[2]._array)
    return triple if out is None else LuFactorExResult(*write_out(out, tuple(triple)))


def _raise_singular(name: str, infos: np.ndarray) -> None:
    place = tuple(int(i) for i in np.argwhere(infos)[0])
    k = int(infos[place])
    batch = f"(Batch element {place[0]}): " if place else ""
    raise RuntimeError(
        f"{name}: {batch}U[{k},{k}] is zero and using it on lu_solve would result in a division by "
        "zero. If you still want to perform the factorization, consider calling "
        "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
    )


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """Compact LU factors with partial pivoting, and the pivots (counted from 1)."""
    lu, pivots, info = lu_factor_ex(A, pivot=pivot)
    if info._array.any():
        _raise_singular("torch.linalg.lu_factor", info._array)
    pair = LuFactorResult(lu, pivots)
    return pair if out is None else LuFactorResult(*write_out(out, tuple(pair)))


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """LU factorisation ``A = P L U`` with partial pivoting."""
    compact, pivots, _ = lu_factor_ex(A, pivot=pivot)
    p = wrap(permutation(pivots._array, A._array.shape[-2]).astype(A._array.dtype))
    triple = LuResult(p, *split_lu(compact))
    return triple if out is None else LuResult(*write_out(out, tuple(triple)))


def old_lu(input: Tensor, pivot: bool = True, get_infos: bool = False, *, out: Any = None) -> Any:
    """``torch.lu``: compact factors, pivots and, if asked for, infos."""
    found = lu_factor_ex(input, pivot=pivot)
    if get_infos:
        result: Any = OldLuInfosResult(*found)
    else:
        result = OldLuResult(found[0], found[1])
    return result if out is None else type(result)(*write_out(out, tuple(result)))


def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """P, L and U from what :func:`lu_factor` returns; what is not asked for is empty."""
    if LU_pivots._array.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 "
            "dtype.\nNote: this function is intended to be used with the output produced by "
            "torch.linalg.lu_factor"
        )
    empty = wrap(np.empty((0,), LU_data._array.dtype))
    p = empty
    if unpack_pivots:
        found = permutation(LU_pivots._array, LU_data._array.shape[-2])
        p = wrap(found.astype(LU_data._array.dtype))
    lower, upper = split_lu(LU_data) if unpack_data else (empty, empty)
    triple = UNPACK_RESULT(p, lower, upper)
    return triple if out is None else UNPACK_RESULT(*write_out(out, tuple(triple)))


UNPACK_RESULT = result_type("lu_unpack", "P", "L", "U")


# LDL -------------------------------------------------------------------------------------------


def _ldl(a: np.ndarray, hermitian: bool) -> Any:
    def one(matrix: np.ndarray) -> Any:
        factors, pivots, info = lapack.sytrf(matrix, hermitian)
        return np.tril(factors), pivots, np.int32(info)

    if 0 in a.shape:
        return a.copy(), np.zeros(a.shape[:-1], np.int32), np.zeros(a.shape[:-2], np.int32)
    return over_batch(one, a)


LDL = Primitive(
    "linalg_ldl_factor_ex",
    quiet(_ldl),
    params=("hermitian",),
    vjp=NotDifferentiable("PyTorch defines no gradient for it either"),
)


def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """Compact LDL factors, pivots and infos of symmetric (or Hermitian) matrices."""
    check_square("torch.linalg.ldl_factor_ex", A)
    triple = LdlExResult(*apply(LDL, (A,), hermitian))
    return triple if out is None else LdlExResult(*write_out(out, tuple(triple)))


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """Compact LDL factors and pivots."""
    factors, pivots, info = ldl_factor_ex(A, hermitian=hermitian)
    if info._array.any():
        raise LinAlgError("torch.linalg.ldl_factor: The factorization could not be completed")
    pair = LdlResult(factors, pivots)
    return pair if out is None else LdlResult(*write_out(out, tuple(pair)))


def _ldl_solve(ld: np.ndarray, pivots: np.ndarray, b: np.ndarray, hermitian: bool) -> Any:
    lead = np.broadcast_shapes(ld.shape[:-2], b.shape[:-2])
    if 0 in lead or 0 in b.shape:
        return np.zeros((*lead, *b.shape[-2:]), b.dtype)
    ld = np.broadcast_to(ld, (*lead, *ld.shape[-2:]))
    b = np.broadcast_to(b, (*lead, *b.shape[-2:]))
    pivots = np.broadcast_to(pivots, (*lead, pivots.shape[-1]))
    return over_batch(lambda f, x, p: (lapack.sytrs(f, p, x, hermitian),), ld, b, pivots)[0]


LDL_SOLVE = Primitive(
    "linalg_ldl_solve",
    _ldl_solve,
    inputs=("input", "pivots", "other"),
    params=("hermitian",),
    vjp=NotDifferentiable("PyTorch defines no gradient for it either"),
)


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None
) -> Tensor:
    """Solves ``A X = B`` with the result of :func:`ldl_factor`."""
    result = apply(LDL_SOLVE, (LD, pivots, B), hermitian)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]
