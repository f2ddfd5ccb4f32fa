"""Systems of equations, inverses, determinants and functions of matrices, with gradients."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.quiet import quiet
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import lapack
from rushlight.ops._dispatch import write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply1
from rushlight.ops._promote import cast
from rushlight.ops._results import result_type
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, mul, neg, sub
from rushlight.ops.linalg_factor import (
    LinAlgError,
    check_matrix,
    check_square,
    eye_like,
    mh,
    over_batch,
    permutation,
    split_lu,
    svd,
    with_history,
)
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.reduction import sum
from rushlight.ops.shape import expand, mT, reshape, squeeze, unsqueeze

InvExResult = result_type("linalg_inv_ex", "inverse", "info")
SolveExResult = result_type("linalg_solve_ex", "result", "info")
SlogdetResult = result_type("linalg_slogdet", "sign", "logabsdet")
OldSlogdetResult = result_type("slogdet", "sign", "logabsdet")
LstsqResult = result_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
TriangularResult = result_type("triangular_solve", "solution", "cloned_coefficient")


# inverse and solve ----------------------------------------------------------------------------


def _singular(a: np.ndarray) -> np.ndarray:
    """Per matrix, 0 or the place (from 1) of a zero pivot."""
    infos = np.zeros(a.shape[:-2], np.int32)
    for place in np.ndindex(infos.shape):
        infos[place] = lapack.getrf(a[place])[2] if a.size else 0
    return infos


def _inv(a: np.ndarray) -> Any:
    try:
        return np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        infos = _singular(a)
        safe = np.where((infos != 0)[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a)
        return np.linalg.inv(safe), infos


def _inv_rule(g: Any, out: Any) -> Tensor:
    inverse = mh(out[0])
    return neg(matmul(inverse, matmul(g[0], inverse)))


INV = Primitive("linalg_inv_ex", quiet(_inv), vjp={"input": _inv_rule})


def _singular_error(name: str, infos: np.ndarray) -> LinAlgError:
    place = tuple(int(i) for i in np.argwhere(infos)[0])
    batch = f"(Batch element {place[0]}): " if place else ""
    return LinAlgError(
        f"{name}: {batch}The diagonal element {int(infos[place])} is zero, the inversion could not "
        "be completed because the input matrix is singular."
    )


def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """The inverse, and per matrix 0 or the place of a zero pivot."""
    check_square("linalg.inv", A)
    pair = InvExResult(*apply(INV, (A,)))
    if check_errors and pair[1]._array.any():
        raise _singular_error("linalg.inv", pair[1]._array)
    return pair if out is None else InvExResult(*write_out(out, tuple(pair)))


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices. Raises LinAlgError for singular ones."""
    inverse, info = inv_ex(A)
    if info._array.any():
        raise _singular_error("linalg.inv", info._array)
    return inverse if out is None else write_out(out, inverse)  # type: ignore[no-any-return]


def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``torch.inverse``: :func:`inv`."""
    return inv(input, out=out)


def _solve(a: np.ndarray, b: np.ndarray) -> Any:
    return np.linalg.solve(a, b)


SOLVE = Primitive(
    "linalg_solve",
    quiet(_solve),
    inputs=("A", "B"),
    vjp=lambda g, A, out, needs: _solve_rule(g, A, out, needs),
)


def _solve_rule(g: Tensor, a: Tensor, out: Tensor, needs: tuple[bool, bool]) -> Any:
    gb = apply(SOLVE, (mh(a), g))
    return (neg(matmul(gb, mh(out))) if needs[0] else None, gb if needs[1] else None)


def _is_vector(a: Tensor, b: Tensor) -> bool:
    sa, sb = a._array.shape, b._array.shape
    return len(sb) == 1 or (len(sa) - 1 == len(sb) and sb == sa[:-1])


def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """The solution of :func:`solve`, and per matrix 0 or the place of a zero pivot."""
    check_square("linalg.solve", A)
    if A._array.dtype != B._array.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype} "
            f"and B of type {B.dtype} instead"
        )
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    right = unsqueeze(B, -1) if vector else B
    rows = right._array.shape[-2 if left else -1]
    if rows != A._array.shape[-1]:
        sa, sb = A._array.shape, right._array.shape
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({sa[-2]}x{sa[-1]} and {sb[-2]}x{sb[-1]})"
        )
    a = A if left else mT(A)
    right = right if left else mT(right)
    lead = np.broadcast_shapes(a._array.shape[:-2], right._array.shape[:-2])
    a = expand(a, (*lead, *a._array.shape[-2:]))
    right = expand(right, (*lead, *right._array.shape[-2:]))
    info = np.zeros(lead, np.int32)
    try:
        result = apply(SOLVE, (a, right))
    except np.linalg.LinAlgError:
        info = _singular(a._array)
        if check_errors:
            raise _solve_error(info) from None
        result = wrap(np.full(right._array.shape, np.nan, right._array.dtype))
    result = result if left else mT(result)
    result = squeeze(result, -1) if vector else result
    pair = SolveExResult(result, wrap(info))
    return pair if out is None else SolveExResult(*write_out(out, tuple(pair)))


def _solve_error(infos: np.ndarray) -> LinAlgError:
    place = tuple(int(i) for i in np.argwhere(infos)[0])
    batch = f"(Batch element {place[0]}): " if place else ""
    return LinAlgError(
        f"torch.linalg.solve: {batch}The solver failed because the input matrix is singular."
    )


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """Solves ``A X = B`` (or ``X A = B``). Raises LinAlgError for singular matrices.

    Shape:
        - A: (*, n, n), B: (*, n) or (*, n, k)
    """
    result, _ = solve_ex(A, B, left=left, check_errors=True)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


@quiet
def _solve_triangular(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> Any:
    if 0 in b.shape:
        return np.zeros(b.shape, b.dtype)
    return over_batch(lambda m, x: (lapack.trtrs(m, x, upper, unit),), a, b)[0]


def _solve_triangular_rule(
    g: Tensor, A: Tensor, out: Tensor, upper: bool, unit: bool, needs: Any
) -> Any:
    gb = apply(SOLVE_TRIANGULAR, (mh(A), g), not upper, unit)
    if not needs[0]:
        return None, gb
    ga = neg(matmul(gb, mh(out)))
    ga = late.triu(ga, int(unit)) if upper else late.tril(ga, -int(unit))
    return ga, gb


SOLVE_TRIANGULAR = Primitive(
    "linalg_solve_triangular",
    _solve_triangular,
    inputs=("A", "B"),
    params=("upper", "unit"),
    vjp=_solve_triangular_rule,
)


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Solves ``A X = B`` (or ``X A = B``) for a triangular ``A``, of which one triangle is read."""
    check_square("linalg.solve_triangular", A)
    sa, sb = A._array.shape, B._array.shape
    if sb[-2 if left else -1] != sa[-1]:
        raise RuntimeError(
            "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({sa[-2]}x{sa[-1]} and {sb[-2]}x{sb[-1]})"
        )
    lead = np.broadcast_shapes(sa[:-2], sb[:-2])
    a, b = expand(A, (*lead, *sa[-2:])), expand(B, (*lead, *sb[-2:]))
    if left:
        result = apply(SOLVE_TRIANGULAR, (a, b), upper, unitriangular)
    else:
        found = apply(SOLVE_TRIANGULAR, (mT(a), mT(b)), not upper, unitriangular)
        result = mT(found)
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """``torch.triangular_solve``: the solution and a copy of ``A``."""
    lead = np.broadcast_shapes(input._array.shape[:-2], A._array.shape[:-2])
    a = expand(A, (*lead, *A._array.shape[-2:]))
    used = mT(a) if transpose else a
    x = solve_triangular(used, input, upper=upper != transpose, unitriangular=unitriangular)
    pair = TriangularResult(x, a.clone())
    return pair if out is None else TriangularResult(*write_out(out, tuple(pair)))


def _cholesky_solve(b: np.ndarray, factor: np.ndarray, upper: bool) -> Any:
    if 0 in b.shape:
        return np.zeros(b.shape, b.dtype)
    lower = np.conj(np.swapaxes(factor, -1, -2)) if upper else factor
    first = _solve_triangular(np.ascontiguousarray(lower), b, False, False)
    adjoint = np.ascontiguousarray(np.conj(np.swapaxes(lower, -1, -2)))
    return _solve_triangular(adjoint, first, True, False)


def _cholesky_solve_rule(
    g: Tensor, factor: Tensor, out: Tensor, upper: bool, needs: tuple[bool, bool]
) -> Any:
    gb = apply(CHOLESKY_SOLVE, (g, factor), upper)
    if not needs[1]:
        return gb, None
    common = matmul(gb, mh(out))
    common = add(common, mh(common))
    return gb, neg(matmul(factor, common) if upper else matmul(common, factor))


CHOLESKY_SOLVE = Primitive(
    "cholesky_solve",
    quiet(_cholesky_solve),
    inputs=("input", "factor"),
    params=("upper",),
    vjp=_cholesky_solve_rule,
)


def cholesky_solve(
    B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Solves ``A X = B`` given the Cholesky factor of ``A``."""
    check_square("cholesky_solve", L)
    lead = np.broadcast_shapes(B._array.shape[:-2], L._array.shape[:-2])
    b, factor = expand(B, (*lead, *B._array.shape[-2:])), expand(L, (*lead, *L._array.shape[-2:]))
    return _to_out(apply(CHOLESKY_SOLVE, (b, factor), upper), out)


def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of the matrix whose Cholesky factor is ``L``."""
    check_square("cholesky_inverse", L)
    return cholesky_solve(eye_like(L), L, upper, out=out)


def lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Solves a system with the result of ``linalg.lu_factor``."""
    p = wrap(permutation(pivots._array, LU._array.shape[-2]).astype(LU._array.dtype))
    lower, upper = split_lu(LU)
    if left != adjoint:
        if adjoint:  # X A^H = B, so A X^H = B^H
            return _to_out(mh(lu_solve(LU, pivots, mh(B))), out)
        x = solve_triangular(lower, matmul(mh(p), B), upper=False, unitriangular=True)
        return _to_out(solve_triangular(upper, x, upper=True), out)
    if not left:  # X A = B, so A^H X^H = B^H
        return _to_out(mh(lu_solve(LU, pivots, mh(B), adjoint=True)), out)
    x = solve_triangular(mh(upper), B, upper=False)
    return _to_out(matmul(p, solve_triangular(mh(lower), x, upper=True, unitriangular=True)), out)


def _to_out(result: Tensor, out: Tensor | None) -> Tensor:
    return result if out is None else write_out(out, result)  # type: ignore[no-any-return]


def old_lu_solve(
    b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """``torch.lu_solve``: arguments in another order."""
    return lu_solve(LU_data, LU_pivots, b, out=out)


# determinants ---------------------------------------------------------------------------------


def _det(a: np.ndarray) -> Any:
    return np.asarray(np.linalg.det(a)).astype(a.dtype)


def _det_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    if np.any(np.abs(out._array) < 1e-30):
        return _cofactors(g, input)
    scale = late.reshape(mul(g, conj(out)), (*out._array.shape, 1, 1))
    return mul(scale, mh(inv(input)))


def _cofactors(g: Tensor, a: Tensor) -> Tensor:
    """g times the conjugated cofactor matrix, by singular values: right for singular matrices."""
    u, s, vh = svd(a, False)
    n = s._array.shape[-1]
    others = [
        late.prod(late.cat([s[..., :i], s[..., i + 1 :]], -1), -1, keepdim=True) for i in range(n)
    ]
    rest = late.cat(others, -1) if n else s
    phase = conj(mul(det(u), det(vh)))
    scale = reshape(mul(g, phase), (*g._array.shape, 1, 1))
    return mul(scale, matmul(mul(u, unsqueeze(rest, -2)), vh))


DET = Primitive("linalg_det", quiet(_det), vjp={"input": _det_rule})


def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Determinant of square matrices."""
    check_square("linalg.det", A)
    return _to_out(apply1(DET, A), out)


def _slogdet(a: np.ndarray) -> Any:
    sign, logabs = np.linalg.slogdet(a)
    real = np.empty(0, a.dtype).real.dtype
    return np.asarray(sign).astype(a.dtype), np.asarray(logabs).astype(real)


def _slogdet_rule(g: Any, input: Tensor, out: Any) -> Tensor:
    gsign, glog = g
    inverse = mh(inv(input))
    if input._array.dtype.kind != "c":
        return mul(reshape(glog, (*glog._array.shape, 1, 1)), inverse)
    sign = out[0]
    phase = late.imag(mul(gsign, conj(sign)))
    total = late.complex(glog, phase)
    return mul(reshape(total, (*total._array.shape, 1, 1)), inverse)


SLOGDET = Primitive("linalg_slogdet", quiet(_slogdet), vjp={"input": _slogdet_rule})


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """Sign and logarithm of the magnitude of determinants."""
    check_square("linalg.slogdet", A)
    pair = SlogdetResult(*apply(SLOGDET, (A,)))
    return pair if out is None else SlogdetResult(*write_out(out, tuple(pair)))


def old_slogdet(input: Tensor, *, out: Any = None) -> Any:
    """``torch.slogdet``."""
    return OldSlogdetResult(*slogdet(input, out=out))


def logdet(input: Tensor) -> Tensor:
    """Logarithm of determinants; NaN where they are negative."""
    sign, logabs = slogdet(input)
    if sign._array.dtype.kind == "c":
        return add(logabs, late.log(sign))
    return late.where(  # type: ignore[no-any-return]
        late.lt(sign, 0), late.full_like(logabs, float("nan")), logabs
    )


# pseudo-inverse and least squares -------------------------------------------------------------


def _pinv(a: np.ndarray, atol: Any, rtol: Any, hermitian: bool) -> Any:
    if a.size == 0:
        return np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-2]), a.dtype)
    if hermitian:  # only the lower triangle counts
        diagonal = np.eye(a.shape[-1]) * a.real
        lower = np.tril(a, -1)
        a = (lower + np.conj(np.swapaxes(lower, -1, -2)) + diagonal).astype(a.dtype)
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    large = s > cutoff(s, a.shape, atol, rtol)[..., None]
    inverse = np.where(large, 1 / np.where(large, s, 1), 0)
    v = np.conj(np.swapaxes(vh, -1, -2)) * inverse[..., None, :]
    return np.ascontiguousarray((v @ np.conj(np.swapaxes(u, -1, -2))).astype(a.dtype))


def _pinv_rule(g: Tensor, input: Tensor, out: Tensor) -> Tensor:
    a, p, gh, ph = input, out, mh(g), mh(out)
    m, n = a._array.shape[-2:]
    if m <= n:
        k = matmul(gh, p)
        kph = matmul(k, ph)
        total = sub(neg(mh(matmul(p, k))), neg(kph))
        total = sub(total, matmul(matmul(a, p), kph))
        return add(total, matmul(matmul(ph, p), sub(gh, matmul(k, a))))
    k = matmul(p, gh)
    phk = matmul(ph, k)
    total = add(neg(mh(matmul(k, p))), matmul(matmul(sub(gh, matmul(a, k)), p), ph))
    return sub(add(total, phk), matmul(matmul(phk, p), a))


PINV = Primitive(
    "linalg_pinv",
    quiet(_pinv),
    params=("atol", "rtol", "hermitian"),
    vjp={"input": _pinv_rule},
)


def cutoff(values: np.ndarray, shape: tuple[int, ...], atol: Any, rtol: Any) -> np.ndarray:
    """The size below which singular values count as zero: max(atol, rtol * the largest).

    Args:
        values: the singular values of matrices of shape ``shape``.
    """
    kind = values.dtype
    m, n = shape[-2:]
    absolute = np.asarray(0.0 if atol is None else _plain(atol), kind)
    if rtol is None:
        relative = np.asarray(np.where(absolute > 0, 0, max(m, n) * np.finfo(kind).eps), kind)
    else:
        relative = np.asarray(_plain(rtol), kind)
    if values.size == 0:
        return np.broadcast_to(absolute, shape[:-2])
    return np.asarray(np.maximum(absolute, relative * values.max(-1)))


def _plain(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x


def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Moore-Penrose inverse.

    Args:
        rcond, rtol: singular values below this times the largest count as zero (default: the
            larger dimension times the dtype's eps).
        atol: singular values below this count as zero.
        hermitian: only the lower triangle is read.
    """
    check_matrix("linalg.pinv", A)
    rtol = rcond if rtol is None else rtol
    return _to_out(apply1(PINV, A, atol, rtol, hermitian), out)


def lstsq(
    A: Tensor,
    B: Tensor,
    rcond: float | None = None,
    *,
    driver: str | None = None,
    out: Any = None,
) -> Any:
    """Least-squares solution of ``A X = B``.

    Args:
        rcond: relative size below which singular values count as zero, for rank-revealing drivers.
        driver: "gels", "gelsy" (default), "gelsd" or "gelss": decides which of rank, residuals
            and singular values are returned, as in PyTorch.

    Returns: a named tuple (solution, residuals, rank, singular_values).
    """
    check_matrix("torch.linalg.lstsq", A)
    driver = driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)"
        )
    vector = _is_vector(A, B) and B._array.ndim < A._array.ndim
    right = unsqueeze(B, -1) if vector else B
    m, n = A._array.shape[-2:]
    if right._array.shape[-2] != m:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    relative = rcond if rcond is not None else np.finfo(A._array.dtype).eps * max(m, n)
    relative = relative if driver != "gels" else 0.0
    x = matmul(apply1(PINV, A, None, relative, False), right)
    kind = np.empty(0, A._array.dtype).real.dtype
    none = wrap(np.empty((0,), kind))
    rank, values, residuals = wrap(np.empty((0,), np.int64)), none, with_history(A, none)
    s = np.linalg.svd(A._array, compute_uv=False) if A._array.size else np.zeros((0,), kind)
    if driver != "gels":
        limit = cutoff(s, A._array.shape, None, relative)
        rank = wrap(np.asarray((s > limit[..., None]).sum(-1), np.int64))
    if driver in ("gelsd", "gelss"):
        values = wrap(s.astype(kind))
    full = driver == "gels" or bool(np.all(rank._array == n))
    if m > n and full and driver != "gelsy":
        rest = sub(matmul(A, x), right)
        size = mul(rest, conj(rest))
        residuals = sum(late.real(size), -2)
    x = squeeze(x, -1) if vector else x
    return LstsqResult(x, residuals, rank, values)


# functions of matrices ------------------------------------------------------------------------

# Numerators of the diagonal Pade approximants and the norms up to which they hold in float64
# (Higham 2005, "The scaling and squaring method for the matrix exponential revisited", table 2.3).
_PADE13 = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
    40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_THETA13 = 5.371920351148152


def _expm(a: np.ndarray) -> Any:
    if a.size == 0:
        return a.copy()
    kind = a.dtype
    a = a.astype(np.complex128 if kind.kind == "c" else np.float64)
    norm = np.abs(a).sum(-2).max(-1)
    halvings = np.maximum(0, np.ceil(np.log2(np.maximum(norm, 1e-300) / _THETA13))).astype(int)
    most = int(halvings.max()) if halvings.size else 0
    a = a / np.exp2(halvings)[..., None, None]
    b, eye = _PADE13, np.eye(a.shape[-1])
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    inner = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2)
    u = a @ (inner + b[7] * a6 + b[5] * a4 + b[3] * a2 + b[1] * eye)
    inner = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2)
    v = inner + b[6] * a6 + b[4] * a4 + b[2] * a2 + b[0] * eye
    out = np.linalg.solve(v - u, v + u)
    for i in range(most):
        out = np.where((halvings > i)[..., None, None], out @ out, out)
    return out.astype(kind)


def _expm_rule(g: Tensor, input: Tensor) -> Tensor:
    """The derivative's adjoint stands in the corner of the exponential of a block matrix."""
    ah = mh(input)
    n = ah._array.shape[-1]
    zero = late.zeros_like(ah)
    block = late.cat([late.cat([ah, g], -1), late.cat([zero, ah], -1)], -2)
    return apply1(EXPM, block)[..., :n, n:]  # type: ignore[index, no-any-return]


EXPM = Primitive("linalg_matrix_exp", quiet(_expm), vjp={"input": _expm_rule})


def matrix_exp(A: Tensor) -> Tensor:
    """Exponential of square matrices."""
    if A.dtype.category == 2 and A.dtype.itemsize == 2:
        return cast(matrix_exp(cast(A, dtypes.float32)), A.dtype)
    check_square("linalg.matrix_exp", A)
    return apply1(EXPM, A)


def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of a product of Householder reflections ``I - tau v v^H``.

    Args:
        A: the vectors below the diagonal of its columns, (*, m, n); the ones are implied.
        tau: their factors, (*, k).
    """
    m, n = A._array.shape[-2:]
    if m < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than "
                           "or equal to input.shape[-1]")  # fmt: skip
    result = wrap(np.broadcast_to(np.eye(m, n, dtype=A._array.dtype), A._array.shape).copy())
    for i in range(tau._array.shape[-1] - 1, -1, -1):
        result = _reflect(A, tau, i, result, False)
    return _to_out(with_history(A, result) if 0 in tau._array.shape else result, out)


def _reflect(a: Tensor, tau: Tensor, i: int, x: Tensor, adjoint: bool) -> Tensor:
    """(I - tau_i v_i v_i^H) x."""
    m = a._array.shape[-2]
    mask = wrap((np.arange(m) > i).astype(a._array.dtype))
    unit = wrap((np.arange(m) == i).astype(a._array.dtype))
    v = unsqueeze(add(mul(a[..., i], mask), unit), -1)
    factor = reshape(tau[..., i], (*tau._array.shape[:-1], 1, 1))
    if adjoint:
        factor = conj(factor)
    return sub(x, mul(factor, matmul(v, matmul(mh(v), x))))


def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """``other`` times the product of Householder reflections (see :func:`householder_product`)."""
    if not left:
        return _to_out(mh(ormqr(input, tau, mh(other), True, not transpose)), out)
    k = tau._array.shape[-1]
    result = other
    for i in range(k) if transpose else range(k - 1, -1, -1):
        result = _reflect(input, tau, i, result, transpose)
    return _to_out(result, out)


def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """The reflections and factors of a QR factorisation, as LAPACK leaves them."""
    h, tau = np.linalg.qr(input._array, "raw") if input._array.size else (
        np.swapaxes(input._array, -1, -2), np.zeros((*input._array.shape[:-2],
                                                     min(input._array.shape[-2:]))))  # fmt: skip
    a = np.ascontiguousarray(np.swapaxes(h, -1, -2)).astype(input._array.dtype)
    pair = GeqrfResult(wrap(a), wrap(np.asarray(tau).astype(input._array.dtype)))
    return pair if out is None else GeqrfResult(*write_out(out, tuple(pair)))


GeqrfResult = result_type("geqrf", "a", "tau")


def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of a tensor seen as a map between its first ``ind`` dims and the others."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    shape = A._array.shape
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if rows != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {columns} != {rows}"
        )
    found = inv(reshape(A, (rows, columns)))
    return _to_out(reshape(found, (*shape[ind:], *shape[:ind])), out)


def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Solves ``tensordot(A, X) = B`` for X."""
    if dims is not None:
        A = late.movedim(A, tuple(dims), tuple(range(A.dim() - len(dims), A.dim())))
    shape = A._array.shape[B.dim() :]
    columns = math.prod(shape)
    if columns != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {B.numel()}"
        )
    found = solve(reshape(A, (B.numel(), columns)), reshape(B, (-1,)))
    return _to_out(reshape(found, shape), out)
