"""Dropout with the checks and defaults of ``nn.functional``."""

import warnings

from rushlight.core.tensor import Tensor
from rushlight.ops import dropout as ops
from rushlight.ops.shape import squeeze, unsqueeze


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability ``p``, the others divided by ``1 - p``, in training.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.nn.functional.dropout(torch.ones(4))
        tensor([0., 0., 2., 0.])
    """
    return (ops.dropout_ if inplace else ops.dropout)(input, p, training)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of inputs that went through selu."""
    return (ops.alpha_dropout_ if inplace else ops.alpha_dropout)(input, p, training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`alpha_dropout` of whole channels."""
    return (ops.feature_alpha_dropout_ if inplace else ops.feature_alpha_dropout)(
        input, p, training
    )


def _feature(input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    return (ops.feature_dropout_ if inplace else ops.feature_dropout)(input, p, training)


def _unbatched(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if batched:
        return _feature(input, p, training, inplace)
    return squeeze(_feature(unsqueeze(input, 0), p, training, inplace), 0)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of an input (N, C, L) or (C, L) set to 0 with probability ``p``."""
    ops.check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, a "
            "channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _unbatched(input, p, training, inplace, input.ndim == 3)


def _warn(name: str, ndim: int, spatial: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an "
        "error in a future release. To retain the behavior and silence this warning, please use "
        f"dropout instead. Note that {name} exists to provide channel-wise dropout on inputs with "
        f"{spatial} spatial dimensions, a channel dimension, and an optional batch dimension (i.e. "
        f"{spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of an input (N, C, H, W) set to 0 with probability ``p``."""
    ops.check_probability(p)
    if input.ndim not in (3, 4):
        _warn("dropout2d", input.ndim, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _feature(input, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels of an input (N, C, D, H, W) or (C, D, H, W) set to 0 with probability ``p``."""
    ops.check_probability(p)
    if input.ndim not in (4, 5):
        _warn("dropout3d", input.ndim, 3)
    return _unbatched(input, p, training, inplace, input.ndim == 5)
