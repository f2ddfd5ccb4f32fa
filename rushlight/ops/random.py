"""Random tensors, with PyTorch's numbers under the same seed."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.generator import Generator, default_generator
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.ops import _draw as draw
from rushlight.ops._dispatch import shape_args, write_out
from rushlight.ops._primitive import Primitive, apply
from rushlight.ops.creation import check_shape, finish
from rushlight.ops.distributions import (
    INT64,
    bernoulli_mask,
    check_std,
    exponential_,
    full_modulus,
    normal_,
    not_implemented,
    random_,
    source,
    uniform_,
    write_normal,
    write_uniform,
    zero_rule,
)

ndarray = np.ndarray


def _new(write: Any, size: Any, out: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    shape = check_shape(shape_args(size or ((),)))
    kind = dtypes.as_dtype(dtype or (out.dtype if out is not None else defaults.dtype)).np
    array = np.empty(shape, kind)
    write(array)
    result = finish(array, requires_grad, device)
    return result if out is None else write_out(out, result)


def _checked_floating(kernel: str, dtype: Dtype | None) -> None:
    if dtype is not None and dtypes.as_dtype(dtype).category < dtypes.FLOATING:
        raise not_implemented(kernel, dtypes.as_dtype(dtype))


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **size_keyword: Any,
) -> Tensor:
    """A tensor of numbers uniform in [0, 1).

    Args:
        size: ints, or a sequence of ints.
        generator: where the numbers come from; default: the one that ``manual_seed`` seeds.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2, 3)
        tensor([[0.4963, 0.7682, 0.0885],
                [0.1320, 0.3074, 0.6341]])
    """
    _checked_floating("check_uniform_bounds", dtype)
    g = default_generator if generator is None else generator
    if size_keyword:
        size = _take_size("rand", size, size_keyword)
    elif out is None and (dtype or defaults.dtype) is dtypes.float32:
        shape = check_shape(shape_args(size or ((),)))
        return finish(
            draw.uniform(g, math.prod(shape), draw.F32).reshape(shape), requires_grad, device
        )
    return _new(lambda a: write_uniform(a, 0.0, 1.0, g), size, out, dtype, device, requires_grad)


def _take_size(name: str, size: tuple[Any, ...], keyword: dict[str, Any]) -> tuple[Any, ...]:
    """The size, which may also be given as ``size=``."""
    keyword.pop("names", None)
    if "size" in keyword:
        size = (keyword.pop("size"),)
    if keyword:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(keyword))}'")
    return size


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **size_keyword: Any,
) -> Tensor:
    """A tensor of numbers of the normal distribution with mean 0 and variance 1.

    Args: as for :func:`rand`.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.randn(3)
        tensor([ 1.5410, -0.2934, -2.1788])
    """
    _checked_floating("normal_kernel_cpu", dtype)
    g = default_generator if generator is None else generator
    if size_keyword:
        size = _take_size("randn", size, size_keyword)
    elif out is None and (dtype or defaults.dtype) is dtypes.float32:
        shape = check_shape(shape_args(size or ((),)))
        values = draw.normal(g, math.prod(shape), draw.F32, True)
        return finish(values.astype(draw.F32, copy=False).reshape(shape), requires_grad, device)
    return _new(lambda a: write_normal(a, 0.0, 1.0, g), size, out, dtype, device, requires_grad)


def randint(
    *args: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of integers from ``low`` to before ``high``: ``randint(high, size)`` or
    ``randint(low, high, size)``.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.randint(0, 10, (4,))
        tensor([4, 9, 3, 0])
    """
    numbers = list(args)
    if size is None and numbers and isinstance(numbers[-1], (tuple, list)):
        size = numbers.pop()
    if len(numbers) == 2:
        low, high = numbers
    elif len(numbers) == 1:
        if high is None:
            high = numbers[0]
        else:
            low = numbers[0]
    if high is None or size is None or len(numbers) > 2:
        raise TypeError(
            "randint() received an invalid combination of arguments: expected (high, size) or "
            "(low, high, size)"
        )
    shape = check_shape(shape_args((size,)))
    if dtype is None and high > low and low >= -(1 << 63) and high <= 1 << 63:
        g = source(generator)
        array = draw.integers(g, math.prod(shape), int(low), int(high - low), INT64).reshape(shape)
    else:
        blank = wrap(np.empty(shape, dtypes.as_dtype(dtype or dtypes.int64).np))
        array = random_(blank, int(low), int(high), generator=generator)._array
    result = finish(array, requires_grad, device)
    return result if out is None else write_out(out, result)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The integers from 0 to ``n - 1`` in random order.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.randperm(4)
        tensor([0, 1, 3, 2])
    """
    check_shape((n,))
    kind = dtypes.as_dtype(dtype or (out.dtype if out is not None else dtypes.int64))
    if kind is not dtypes.int64 and n > full_modulus(kind):
        raise RuntimeError(f"value cannot be converted to type {kind.name}_t without overflow")
    array = draw.permutation(source(generator), int(n))
    result = finish(array.astype(kind.np, copy=False), requires_grad, device)
    return result if out is None else write_out(out, result)


def _like(
    input: Tensor, dtype: Dtype | None, memory_format: Any, requires_grad: bool, device: Any
) -> Tensor:
    order: Any = "C" if getattr(memory_format, "name", None) == "contiguous_format" else "K"
    kind = input._array.dtype if dtype is None else dtypes.as_dtype(dtype).np
    return finish(np.empty_like(input._array, dtype=kind, order=order), requires_grad, device)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform numbers in the shape and dtype of ``input``."""
    out = uniform_(_like(input, dtype, memory_format, False, device), generator=generator)
    return finish(out._array, requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Normally distributed numbers in the shape and dtype of ``input``."""
    out = normal_(_like(input, dtype, memory_format, False, device), generator=generator)
    return finish(out._array, requires_grad)


def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Integers from ``low`` to before ``high`` in the shape and dtype of ``input``."""
    if high is None:
        low, high = 0, low
    out = _like(input, dtype, memory_format, False, device)
    random_(out, int(low), int(high), generator=generator)
    return finish(out._array, requires_grad)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normally distributed numbers, with means and standard deviations for all or for each.

    Args:
        mean, std: numbers or tensors.
        size: of the result, where both are numbers.

    Examples::

        >>> torch.normal(torch.tensor([1., 5.]), torch.zeros(2))
        tensor([1., 5.])
    """
    if size is not None:
        check_std(std)
        g = source(generator)
        return _new(lambda a: write_normal(a, float(mean), float(std), g),
                    (tuple(size),), out, dtype, device, requires_grad)  # fmt: skip
    given = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not given:
        raise TypeError("normal() received an invalid combination of arguments: size is missing")
    if isinstance(std, Tensor):
        if std._array.dtype.kind == "c":
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if std._array.size and not bool((std._array >= 0).all()):
            raise RuntimeError("normal expects all elements of std >= 0.0")
    else:
        check_std(std)
    result: Tensor = apply(NORMAL, (mean, std), source(generator))
    return result if out is None else write_out(out, result)


def _normal(mean: Any, std: Any, g: Generator) -> ndarray:
    """Standard normal values, scaled and moved by each element's own numbers."""
    like = mean if isinstance(mean, ndarray) else std
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    noise = np.empty(shape, like.dtype)
    write_normal(noise, 0.0, 1.0, g)
    if isinstance(std, ndarray) and noise.dtype.kind != "c":
        noise = noise * std.astype(noise.dtype, copy=False)
    else:
        noise = noise * np.asarray(std, noise.dtype)
    return noise + np.asarray(mean, noise.dtype)


NORMAL = Primitive(
    "normal",
    _normal,
    inputs=("mean", "std"),
    params=("generator",),
    vjp={"mean": zero_rule, "std": zero_rule},
    broadcast=True,
)


def _sample_rows(p: ndarray, count: int, g: Generator) -> ndarray:
    """Draws with replacement from each row of weights, by their running sums."""
    sums = np.cumsum(p, axis=1, dtype=p.dtype)
    sums /= sums[:, -1:]
    out = np.empty((len(p), count), np.int64)
    for row, line in enumerate(sums):
        u = draw.uniform(g, count, draw.F64)
        out[row] = np.minimum(np.searchsorted(line, u.astype(p.dtype), side="left"), p.shape[1] - 1)
    return out


def _check_weights(p: ndarray, count: int, replacement: bool) -> None:
    if p.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if p.dtype.kind not in "fV":
        raise RuntimeError("multinomial only supports floating-point dtypes for input, got: " +
                           SCALAR_TYPE_NAMES[dtypes.from_numpy(p.dtype)])  # fmt: skip
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > p.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    wide = p.astype(np.float64)
    if not (np.isfinite(wide).all() and (wide >= 0).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (wide.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Indices drawn with the weights that ``input`` (or each row of it) holds.

    Args:
        num_samples: how many to draw.
        replacement: whether an index may be drawn twice.

    Examples::

        >>> torch.multinomial(torch.tensor([0., 1., 0.]), 1)
        tensor([1])
    """
    p = input._array
    _check_weights(p, num_samples, replacement)
    g = source(generator)
    wide = p.astype(np.float32) if p.dtype.itemsize == 2 else p
    if replacement and num_samples > 1:
        found = _sample_rows(np.atleast_2d(wide), num_samples, g)
    else:
        noise = exponential_(wrap(np.empty_like(p)), generator=g)._array.astype(wide.dtype)
        with np.errstate(all="ignore"):
            scores = np.atleast_2d((wide / noise).astype(p.dtype).astype(wide.dtype))
        if num_samples == 1:
            found = scores.argmax(axis=1, keepdims=True)
        else:
            found = np.argsort(-scores, axis=1, kind="stable")[:, :num_samples]
    result = wrap(np.ascontiguousarray(found.reshape(*p.shape[:-1], num_samples)))
    return result if out is None else write_out(out, result)


__all__ = ["bernoulli_mask", "multinomial", "normal", "rand", "randint", "randn", "randperm"]
BOTH = "multinomial"
TORCH = "normal rand rand_like randint randint_like randn randn_like randperm"
