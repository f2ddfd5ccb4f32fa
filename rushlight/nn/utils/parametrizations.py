"""Ready-made parametrizations: orthogonal matrices, spectral norm 1, length and direction."""

from typing import Any

import numpy as np

from rushlight.autograd.modes import no_grad
from rushlight.core.tensor import Tensor, wrap
from rushlight.nn import functional as F
from rushlight.nn.modules.conv import _ConvTransposeNd
from rushlight.nn.modules.module import Module
from rushlight.nn.utils import parametrize
from rushlight.nn.utils.weight_norm import joined_weight, norm_except_dim
from rushlight.ops._late import late
from rushlight.ops.creation import empty, zeros_like

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: np.ndarray) -> bool:
    eps = 10.0 * q.shape[-2] * np.finfo(q.dtype).eps
    product = np.conj(np.swapaxes(q, -1, -2)) @ q
    return bool(np.allclose(product, np.eye(q.shape[-1]), atol=eps))


def _make_orthogonal(a: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(a)
    signs = np.sign(np.diagonal(r, axis1=-2, axis2=-1))
    return (q * signs[..., None, :]).astype(a.dtype)  # type: ignore[no-any-return]


class _Orthogonal(Module):
    """A matrix with orthonormal columns (or rows), from the elements below its diagonal."""

    base: Any

    def __init__(
        self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        wide = X.shape[-2] < X.shape[-1]
        if wide:
            X = X.mT
        n, k = X.shape[-2], X.shape[-1]
        if self.orthogonal_map == "householder":
            a = late.tril(X, -1)
            tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
            q = late.orgqr(a, tau)
            q = q * late.diagonal(X, 0, -2, -1).int().unsqueeze(-2)
        else:
            lower = late.tril(X)
            if n != k:
                lower = F.pad(lower, (0, n - k))
            a = lower - lower.mH
            if self.orthogonal_map == "matrix_exp":
                q = late.matrix_exp(a)
            else:
                one = wrap(np.eye(n, dtype=a._array.dtype))
                q = late.linalg_solve(one - 0.5 * a, one + 0.5 * a)
            if n != k:
                q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    def right_inverse(self, Q: Any) -> Any:
        """What ``forward`` makes the (nearest) orthogonal matrix of."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {Q.shape}."
            )
        if not hasattr(self, "base"):
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        array = Q._array
        if array.shape[-2] < array.shape[-1]:
            array = np.swapaxes(array, -1, -2)
        n, k = array.shape[-2:]
        if n != k:
            noise: Any = empty((*array.shape[:-2], n, n - k), dtype=Q.dtype)
            array = np.concatenate([array, noise.normal_(0, 1)._array], -1)
            base = _make_orthogonal(array)
        else:
            base = array.copy() if _is_orthogonal(array) else _make_orthogonal(array)
        self.base = wrap(base)
        result = zeros_like(Q)
        places = np.arange(min(n, k))
        result._array[..., places, places] = -1
        return result


def orthogonal(
    module: Any,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Any:
    """Keeps a matrix of ``module`` orthogonal.

    Args:
        module, name: the module and its parameter.
        orthogonal_map: "matrix_exp", "cayley" or "householder" (default: the first for square
            matrices, else the last).
        use_trivialization: start from the present value.
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1] or weight.dtype.is_complex
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, parametrization, unsafe=True)


class _WeightNorm(Module):
    """``g * v / |v|``."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return joined_weight(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        """Length and direction."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Splits a parameter into length (``original0``) and direction (``original1``).

    From "Weight normalization", Salimans and Kingma, 2016.

    Args:
        module, name: the module and its parameter.
        dim: the dimension along which lengths are taken apart; None: one length for all.

    Examples::

        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *args: Any) -> None:
        """Takes state dicts of the older form, with ``weight_g`` and ``weight_v``."""
        old = (f"{prefix}{name}_g", f"{prefix}{name}_v")
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """A matrix divided by its largest singular value, found by power iteration."""

    def __init__(
        self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if dim >= ndim or dim < -ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            for key, size in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                start: Any = empty(size, dtype=weight.dtype)
                self.register_buffer(key, F.normalize(start.normal_(0, 1), dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _matrix(self, weight: Any) -> Any:
        if self.dim != 0:
            others = [d for d in range(weight.ndim) if d != self.dim]
            weight = weight.permute(self.dim, *others)
        return weight.flatten(1)

    def _power_method(self, matrix: Any, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.copy_(F.normalize(late.mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(late.mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / late.vdot(u, late.mv(matrix, v))

    def right_inverse(self, value: Any) -> Any:
        """The matrix itself."""
        return value


def spectral_norm(
    module: Any,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Any:
    """Divides a parameter by its largest singular value.

    From "Spectral normalization for generative adversarial networks", Miyato et al., 2018.

    Args:
        module, name: the module and its parameter.
        n_power_iterations: iterations at each training step.
        eps: keeps norms from zero.
        dim: of the outputs (default: 0, or 1 for transposed convolutions).
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, _ConvTransposeNd) else 0
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, parametrization)
