"""Filling tensors with random numbers in place, with PyTorch's numbers under the same seed."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.generator import Generator, default_generator
from rushlight.core.quiet import quiet
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops import _draw as draw
from rushlight.ops._dispatch import check_overlap, inplace, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply1, needs_grad
from rushlight.ops._promote import cast_array

ndarray = np.ndarray


def source(generator: Generator | None) -> Generator:
    """The generator to draw from: ``generator``, or the default one."""
    return default_generator if generator is None else generator


def not_implemented(kernel: str, kind: Dtype) -> NotImplementedError:
    """PyTorch's error for a kernel without that dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[kind]}'")


def _need_floating(kernel: str, t: Tensor) -> None:
    if t._array.dtype.kind in "iub":
        raise not_implemented(kernel, t.dtype)


def _refill(t: Tensor, write: Callable[[ndarray], None]) -> Tensor:
    """Replaces all values of ``t`` in place by what ``write`` puts into an array of its layout."""
    if needs_grad(t):

        def fresh(old: Tensor) -> Tensor:
            array = np.empty_like(old._array)
            write(array)
            return wrap(array)

        return inplace(fresh, t, (), {})
    array = t._array
    check_overlap(array)
    write(array)
    bump_version(t)
    return t


def _parts(array: ndarray) -> ndarray:
    """The real and imaginary parts of a complex array, as a last dimension of 2."""
    real = np.dtype(np.float32 if array.dtype.itemsize == 8 else np.float64)
    if (array.ndim and array.strides[-1] == array.itemsize) or array.flags.c_contiguous:
        return array.reshape(*array.shape, 1).view(real)
    steps = (*array.strides, real.itemsize)
    return np.lib.stride_tricks.as_strided(array.view(real) if array.ndim == 0 else array.real,
                                           (*array.shape, 2), steps)  # fmt: skip


def write_uniform(array: ndarray, low: float, high: float, g: Generator) -> None:
    """Fills ``array`` with uniform numbers from [low, high)."""
    if array.dtype.kind == "c":
        array = _parts(array)
    draw.fill_uniform(array, g, low, high)


def uniform_(
    input: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None,
    **names: Any,
) -> Tensor:  # fmt: skip
    """Fills ``input`` with numbers uniform in [from, to)."""
    low, high = float(names.pop("from", from_)), float(to)
    _need_floating("check_uniform_bounds", input)
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > np.finfo(np.float32).max and input._array.dtype != np.float64:
        raise RuntimeError(
            "uniform_ expects to-from <= std::numeric_limits<scalar_t>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )
    g = source(generator)
    return _refill(input, lambda a: write_uniform(a, low, high, g))


def write_normal(array: ndarray, mean: float, std: float, g: Generator) -> None:
    """Fills ``array`` with normal numbers; complex parts share the variance."""
    if array.dtype.kind == "c":
        array = _parts(array)
        std = std / math.sqrt(2)
    draw.fill_normal(array, g, mean, std)


def check_std(std: float) -> None:
    """RuntimeError for a negative standard deviation."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills ``input`` with normally distributed numbers."""
    _need_floating("normal_kernel_cpu", input)
    check_std(std)
    g = source(generator)
    return _refill(input, lambda a: write_normal(a, float(mean), float(std), g))


_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def full_modulus(kind: Dtype) -> int:
    """The number of values that ``random_()`` draws from for a dtype."""
    if kind is dtypes.bool_:
        return 2
    if kind.is_floating_point:
        return (1 << _DIGITS[kind.name]) + 1
    return int(np.iinfo(kind.np).max) + 1


def _bounds(input: Tensor, low: int | None, high: int | None) -> tuple[int, int]:
    """The first integer and the number of integers to draw from."""
    kind = input.dtype
    least = int(np.iinfo(kind.np).min) if kind.category == dtypes.INTEGER else 0
    most = full_modulus(kind) - 1
    if kind.is_floating_point:
        least = -most
    start = 0 if low is None else int(low)
    stop = most + 1 if high is None else int(high)
    if start >= stop:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={start} >= to={stop}"
        )
    for word, value in (("from", start), ("to - 1", stop - 1)):
        if not least <= value <= most and not kind.is_floating_point:
            raise RuntimeError(f"{word} is out of bounds for {_c_name(kind)}")
    return start, stop - start


def _c_name(kind: Dtype) -> str:
    return {"uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int",
            "int64": "long", "bool": "bool"}.get(kind.name, kind.name)  # fmt: skip


def random_(
    input: Tensor, from_: int | None = None, to: int | None = None, *,
    generator: Generator | None = None, **names: Any,
) -> Tensor:  # fmt: skip
    """Fills ``input`` with integers from ``from`` to before ``to``.

    With one number, it is ``to``. Without, the whole range of the dtype from 0 up; for floating
    dtypes, the integers they hold exactly.
    """
    g = source(generator)
    single = "from" not in names and to is None
    low = names.pop("from", from_)
    kind = input._array.dtype
    if low is None and to is None:
        if kind == INT64 and input._array.size == 1 and not needs_grad(input):
            input._array[...] = g.word64() & (1 << 63) - 1
            bump_version(input)
            return input
        modulus = full_modulus(input.dtype)
        return _refill(input, lambda a: draw.put(a, draw.full_integers(g, a.size, kind, modulus)))
    if single and not names and low is not None and to is None:
        low, to = 0, low
    start, span = _bounds(input, low, to)
    return _refill(
        input, lambda a: draw.put(a, cast_array(draw.integers(g, a.size, start, span, INT64), kind))
    )


INT64 = np.dtype(np.int64)


def _write_bernoulli(array: ndarray, p: float, g: Generator) -> None:
    draw.put(array, draw.below(g, array.size, p))


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")


def bernoulli_mask(array: ndarray, p: float, generator: Generator | None = None) -> ndarray:
    """True with probability ``p``, in the layout of ``array``: the mask that dropout draws."""
    out = np.empty_like(array, dtype=np.bool_)
    _write_bernoulli(out, p, source(generator))
    return out


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills ``input`` with ones with probability ``p`` (a number, or a tensor) and zeros."""
    g = source(generator)
    if isinstance(p, Tensor):
        chances = np.broadcast_to(p._array, input._array.shape)
        return _refill(input, lambda a: _write_chances(a, chances, g))
    _check_p(p)
    return _refill(input, lambda a: _write_bernoulli(a, float(p), g))


def _write_chances(array: ndarray, chances: ndarray, g: Generator) -> None:
    """One draw for each element, compared with its own probability."""
    if chances.size and not bool(((chances >= 0) & (chances <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    order = sorted(range(array.ndim), key=lambda d: -array.strides[d])
    target, p = array.transpose(order), chances.transpose(order)
    if p.dtype.kind == "V" or p.dtype.itemsize == 2:
        p = p.astype(np.float32)
    kind = draw.F64 if p.dtype == np.float64 else draw.F32
    target[...] = (draw.uniform(g, array.size, kind).reshape(target.shape) < p).astype(array.dtype)


def _bernoulli(a: ndarray, g: Generator) -> ndarray:
    out = np.empty(a.shape, a.dtype)
    _write_chances(out, a, g)
    return out


def zero_rule(g: Tensor) -> Tensor:
    """The gradient of random numbers: zero."""
    return late.zeros_like(g)  # type: ignore[no-any-return]


BERNOULLI = Primitive("bernoulli", _bernoulli, params=("generator",), vjp={"input": zero_rule})


def bernoulli(
    input: Tensor,
    p: float | None = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Ones with the probabilities that ``input`` holds (or all with ``p``), else zeros.

    Examples::

        >>> torch.bernoulli(torch.tensor([0., 1.]))
        tensor([0., 1.])
    """
    if p is not None:
        result = bernoulli_(wrap(input._array.copy()), p, generator=generator)
    else:
        _need_floating("bernoulli_tensor_cpu_p_", input)
        result = apply1(BERNOULLI, input, source(generator))
    return result if out is None else write_out(out, result)


def _doubles(a: ndarray, g: Generator) -> ndarray:
    return draw.uniform(g, a.size, draw.F64)


def exponential_(
    input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills ``input`` with numbers of the exponential distribution with rate ``lambd``."""
    if input._array.dtype.kind in "iubc":
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {SCALAR_TYPE_NAMES[input.dtype]}"
        )
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    g = source(generator)
    return _refill(input, lambda a: draw.put(a, (-1.0 / lambd) * np.log1p(-_doubles(a, g))))


@quiet
def _geometric(u: ndarray, p: float) -> ndarray:
    return np.ceil(np.log(u) / np.log1p(-p))


def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills ``input`` with the number of trials up to the first success of probability ``p``."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if input.dtype is dtypes.bool_ or input.dtype.is_complex:
        raise not_implemented("geometric_cpu", input.dtype)
    g = source(generator)
    return _refill(input, lambda a: draw.put(a, _geometric(_doubles(a, g), float(p))))


def cauchy_(
    input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills ``input`` with numbers of the Cauchy distribution."""
    if input._array.dtype.kind not in "fV":
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {CPP_NAMES.get(input.dtype, input.dtype.name)}"
        )
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    g = source(generator)
    return _refill(
        input,
        lambda a: draw.put(a, median + sigma * np.tan(np.pi * (_doubles(a, g) - 0.5))),
    )


def log_normal_(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills ``input`` with numbers whose logarithms are normally distributed."""
    _need_floating("log_normal_cpu", input)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    g = source(generator)
    return _refill(input, lambda a: draw.put(a, np.exp(draw.normal_pairs(g, a.size) * std + mean)))


def _poisson(a: ndarray, g: Generator) -> ndarray:
    rates = a.astype(np.float64).ravel()
    if (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    values = np.array([draw.poisson(g, r) for r in rates.tolist()])
    return values.reshape(a.shape).astype(a.dtype)


POISSON = Primitive("poisson", _poisson, params=("generator",), vjp={"input": zero_rule})


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of the Poisson distribution with the rates that ``input`` holds.

    Examples::

        >>> torch.poisson(torch.zeros(2))
        tensor([0., 0.])
    """
    _need_floating("poisson_cpu", input)
    return apply1(POISSON, input, source(generator))


METHODS = "bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_"
BOTH = "bernoulli"
TORCH = "poisson"
