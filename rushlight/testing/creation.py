"""``make_tensor``: tensors of any dtype for tests."""

from typing import Any

from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor
from rushlight.ops import random
from rushlight.ops._dispatch import shape_args
from rushlight.ops._promote import cast

_LIMITS = {0: (0, 2), 1: (-9, 10), 2: (-9, 9), 3: (-9, 9)}  # by category: bool, int, float, complex


def make_tensor(
    *shape: Any,
    dtype: Dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of evenly distributed random values.

    Args:
        shape: the dimensions.
        low, high: the limits; integers are below ``high``. Default: -9 to 9 (0 to 9 for uint8).
        noncontiguous: put the elements two apart in memory.
        exclude_zero: replace zeros by the smallest positive value.

    Examples::

        >>> torch.testing.make_tensor((3,), dtype=torch.float32, low=-1, high=1).shape
        torch.Size([3])
    """
    size = shape_args(shape)
    least, most = _LIMITS[dtype.category]
    if dtype.category == 1 and not dtype.is_signed:
        least = 0
    low = least if low is None else low
    high = most if high is None else high
    if low > high or (low == high and dtype.category >= 2):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    wide = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    out: Any
    if dtype.category < 2:
        out = cast(random.randint(int(low), int(high), wide), dtype)
    elif dtype.is_complex:
        parts: Any = random.rand(*wide, 2, dtype=dtype.to_real())
        out = _complex(parts * (high - low) + low)
    else:
        out = cast(random.rand(*wide) * (high - low) + low, dtype)
    if noncontiguous and size:
        out = out[..., ::2]
    if exclude_zero:
        out = out.masked_fill(out == 0, 1 if dtype.category < 2 else 1e-3)
    return out.requires_grad_(requires_grad) if requires_grad else out  # type: ignore[no-any-return]


def _complex(parts: Any) -> Any:
    return parts[..., 0] + 1j * parts[..., 1]
