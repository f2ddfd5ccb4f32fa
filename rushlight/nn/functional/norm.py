"""Normalisations made of other operations, and randomised leaky relu."""

from typing import Any

import numpy as np

from rushlight.core.generator import default_generator
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops._dispatch import inplace as in_place
from rushlight.ops._dispatch import write_out
from rushlight.ops._late import late
from rushlight.ops.activation import check_floating, leaky_relu
from rushlight.ops.elementwise import add, div, mul, pow
from rushlight.ops.padding import pad
from rushlight.ops.pooling import avg_pool2d, avg_pool3d
from rushlight.ops.shape import reshape, squeeze, unsqueeze


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    r"""Division by :math:`(k + \alpha \, \mathrm{mean}(x^2))^\beta`, the mean over ``size`` channels.

    Shape:
        - input: (N, C, *), at least three dimensions
    """
    ndim = input.ndim
    if ndim < 3:
        raise ValueError(
            "Expected 3D or higher dimensionality                          input (got "
            f"{ndim} dimensions)"
        )
    if not input.numel():
        return input
    squares = unsqueeze(mul(input, input), 1)
    around = [size // 2, (size - 1) // 2]
    if ndim == 3:
        padded = pad(squares, [0, 0, *around])
        average = squeeze(avg_pool2d(padded, (size, 1), stride=1), 1)
    else:
        shape = input.shape
        flat = reshape(squares, (shape[0], 1, shape[1], shape[2], -1))
        padded = pad(flat, [0, 0, 0, 0, *around])
        average = reshape(squeeze(avg_pool3d(padded, (size, 1, 1), stride=1), 1), shape)
    return div(input, pow(add(mul(average, alpha), k), beta))


def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` where that is larger.

    Examples::

        >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
        tensor([[0.6000, 0.8000]])
    """
    length = late.clamp_min(late.norm(input, p, dim, keepdim=True), eps)
    result = div(input, late.expand_as(length, input))
    return result if out is None else write_out(out, result)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Leaky relu with slopes drawn between ``lower`` and ``upper``; their mean if not training."""
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    check_floating("rrelu_with_noise_out_cpu", input)
    if inplace:
        return in_place(rrelu, input, (lower, upper, training), {})
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    x = input._array
    slope = np.ones(x.shape, x.dtype)
    low = x <= 0
    words = default_generator.words64(int(low.sum())) & np.uint64((1 << 53) - 1)
    slope[low] = (words.astype(np.float64) * 2.0**-53 * (upper - lower) + lower).astype(x.dtype)
    return mul(input, wrap(slope))


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place version of :func:`rrelu`."""
    return rrelu(input, lower, upper, training, inplace=True)
