"""Layer, group and root-mean-square normalization; responses normalized over channels."""

from typing import Any

import numpy as np

from rushlight.autograd.function import Function
from rushlight.core.tensor import Tensor, wrap
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter
from rushlight.ops.creation import empty

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class _ResponseNorm(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_ResponseNorm):
    """``x / (k + alpha / size * sum of x**2 over size neighbouring channels) ** beta``.

    From "ImageNet classification with deep convolutional neural networks", Krizhevsky et al., 2012.

    Examples::

        >>> nn.LocalResponseNorm(2)(torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 1, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_ResponseNorm):
    """:class:`LocalResponseNorm` of ``(N, C, H, W)``."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Tensor:
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        return _CrossMap.apply(input, self.size, self.alpha, self.beta, self.k)  # type: ignore[no-any-return]


class _CrossMap(Function):
    """The sums of CrossMapLRN2d, with PyTorch's windows.

    Going forward, the first channel stays in all windows once it entered; going back, windows are
    those of the formula. Results are PyTorch's only if both are kept so.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        x = input._array
        channels = x.shape[1]
        reach = int((size - 1) / 2 + 1)
        square = x * x
        sums = np.empty_like(x)
        for c in range(channels):
            low = max(c - reach + 1, 0)
            sums[:, c] = square[:, low : c + reach].sum(1)
            if low > 0:
                sums[:, c] += square[:, 0]
        scale = sums * (alpha / size) + k
        output = wrap(scale**-beta * x)
        ctx.save_for_backward(input, output)
        ctx.scale, ctx.size, ctx.factor, ctx.beta = scale, size, 2 * alpha * beta / size, beta
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        x, output = [t._array for t in ctx.saved_tensors]
        g, size, channels = grad_output._array, ctx.size, x.shape[1]
        ratio = np.zeros((x.shape[0], channels + size - 1, *x.shape[2:]), x.dtype)
        start = int(size - (size - 1) / 2)
        ratio[:, start : start + channels] = (g * output / ctx.scale)[
            :, : channels + size - 1 - start
        ]
        grad = ctx.scale**-ctx.beta * g
        for c in range(channels):
            grad[:, c] -= ctx.factor * x[:, c] * ratio[:, c : c + size].sum(1)
        return wrap(grad), None, None, None, None


def _affine(module: Any, shape: Any, affine: bool, bias: bool, device: Any, dtype: Any) -> None:
    """Registers weight and bias, or None for what is not there."""
    for name, there in (("weight", affine), ("bias", affine and bias)):
        value = Parameter(empty(shape, device=device, dtype=dtype)) if there else None
        module.register_parameter(name, value)


def _as_shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if hasattr(shape, "__index__") else tuple(shape)


class LayerNorm(Module):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions.

    From "Layer normalization", Ba et al., 2016.

    Args:
        normalized_shape: the sizes of those dimensions.
        eps: keeps the denominator from zero.
        elementwise_affine: whether there are weights (from 1) and biases (from 0).
        bias: whether there are biases.

    Examples::

        >>> nn.LayerNorm(10)(torch.ones(20, 5, 10)).shape
        torch.Size([20, 5, 10])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        _affine(self, self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets weights to 1 and biases to 0."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over groups of channels of ``(N, C, ...)``.

    From "Group normalization", Wu and He, 2018.

    Args:
        num_groups, num_channels: the number of groups, and C.
        eps: keeps the denominator from zero.
        affine: whether there are weights and biases for each channel.
        bias: whether there are biases.

    Examples::

        >>> nn.GroupNorm(3, 6)(torch.ones(20, 6, 10, 10)).shape
        torch.Size([20, 6, 10, 10])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        _affine(self, num_channels, affine, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets weights to 1 and biases to 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last dimensions.

    From "Root mean square layer normalization", Zhang and Sennrich, 2019.

    Args:
        normalized_shape: the sizes of those dimensions.
        eps: keeps the denominator from zero; default: the smallest number of the dtype.
        elementwise_affine: whether there are weights (from 1).

    Examples::

        >>> nn.RMSNorm([2, 3])(torch.ones(2, 2, 3)).shape
        torch.Size([2, 2, 3])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        value = None
        if elementwise_affine:
            value = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets weights to 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
