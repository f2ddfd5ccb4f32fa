"""``torch.linalg``: linear algebra. The operations stand in ``ops.linalg_*`` and ``ops.products``."""

from rushlight.ops.linalg_factor import (
    LinAlgError,
    cholesky,
    cholesky_ex,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    lu,
    lu_factor,
    lu_factor_ex,
    qr,
    svd,
    svdvals,
)
from rushlight.ops.linalg_norm import cond, matrix_norm, matrix_rank, norm, vecdot, vector_norm
from rushlight.ops.linalg_solve import (
    det,
    householder_product,
    inv,
    inv_ex,
    lstsq,
    lu_solve,
    matrix_exp,
    pinv,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.products import linalg_cross as cross
from rushlight.ops.products import matrix_power, multi_dot
from rushlight.ops.table import FUNCTIONS


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):  # type: ignore[no-untyped-def]
    """The diagonals of matrices, as a view."""
    return FUNCTIONS["diagonal"](A, offset, dim1, dim2)


def vander(x, N=None):  # type: ignore[no-untyped-def]
    """Vandermonde matrices: the powers 0 to N - 1 of each element, in a new last dimension."""
    if x.ndim == 0:
        x = x.unsqueeze(0)
    n = x.shape[-1] if N is None else N
    if n <= 1 and N is not None and n < 1:
        raise RuntimeError(f"N must be greater than 1, but got {n}")
    x = x.unsqueeze(-1)
    ones = FUNCTIONS["ones_like"](x)
    if n == 1:
        return ones.to(FUNCTIONS["cumprod"](ones, -1).dtype)
    powers = FUNCTIONS["cumprod"](x.expand(*x.shape[:-1], n - 1), -1)
    return FUNCTIONS["cat"]([ones.to(powers.dtype), powers], -1)


__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh",
    "eigvals", "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex",
    "ldl_solve", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve",
    "vander", "vecdot", "vector_norm",
]  # fmt: skip
