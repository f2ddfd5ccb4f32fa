"""``torch.special``: special functions. Most stand in ``ops.special_functions``."""

from typing import Any

from rushlight.ops import special_functions as _functions
from rushlight.ops.table import FUNCTIONS as _FUNCTIONS

_OWN = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
    "log_ndtr",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "ndtr",
    "ndtri",
    "polygamma",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
    "spherical_bessel_j0",
    "xlog1py",
    "zeta",
]
# names in torch.special for operations that have another one in torch, or the same
_OTHERS = {
    "exp2": "exp2", "expit": "sigmoid", "expm1": "expm1", "gammainc": "igamma",
    "gammaincc": "igammac", "gammaln": "lgamma", "log1p": "log1p", "log_softmax": "log_softmax",
    "logit": "logit", "logsumexp": "logsumexp", "multigammaln": "mvlgamma", "psi": "digamma",
    "round": "round", "sinc": "sinc", "softmax": "softmax", "xlogy": "xlogy",
}  # fmt: skip
__all__ = sorted([*_OWN, *_OTHERS])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _OWN:
        return getattr(_functions, name)
    if name in _OTHERS:
        return _FUNCTIONS[_OTHERS[name]]
    raise AttributeError(f"module 'torch.special' has no attribute {name!r} in rushlight")


def __dir__() -> list[str]:
    return list(__all__)
