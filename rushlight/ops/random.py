"""Random tensors, with PyTorch's numbers under the same seed."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.generator import Generator, default_generator
from rushlight.core.quiet import quiet
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops import _draw as draw
from rushlight.ops._dispatch import check_overlap, inplace, shape_args, write_out
from rushlight.ops._late import late
from rushlight.ops._primitive import Primitive, apply, apply1, needs_grad
from rushlight.ops._promote import cast_array
from rushlight.ops.creation import check_shape, finish

ndarray = np.ndarray


def _source(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def _not_implemented(kernel: str, kind: Dtype) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{SCALAR_TYPE_NAMES[kind]}'")


def _need_floating(kernel: str, t: Tensor) -> None:
    if t._array.dtype.kind in "iub":
        raise _not_implemented(kernel, t.dtype)


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


def _write_uniform(array: ndarray, low: float, high: float, g: Generator) -> None:
    if array.dtype.kind == "c":
        array = _parts(array)
    kind = array.dtype
    values = draw.uniform_between(g, array.size, kind, low, high)
    draw.put(array, draw.narrow(values, kind, low, high) if kind.itemsize <= 2 else values)


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
    g = _source(generator)
    return _refill(input, lambda a: _write_uniform(a, low, high, g))


def _write_normal(array: ndarray, mean: float, std: float, g: Generator) -> None:
    if array.dtype.kind == "c":
        array = _parts(array)
        std = std / math.sqrt(2)
    values = draw.normal(g, array.size, array.dtype, array.flags.c_contiguous)
    if mean != 0 or std != 1:
        real = values.dtype.type
        values *= real(std)
        values += real(mean)
    draw.put(array, values)


def _check_std(std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills ``input`` with normally distributed numbers."""
    _need_floating("normal_kernel_cpu", input)
    _check_std(std)
    g = _source(generator)
    return _refill(input, lambda a: _write_normal(a, float(mean), float(std), g))


_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _full_modulus(kind: Dtype) -> int:
    if kind is dtypes.bool_:
        return 2
    if kind.is_floating_point:
        return (1 << _DIGITS[kind.name]) + 1
    return int(np.iinfo(kind.np).max) + 1


def _bounds(input: Tensor, low: int | None, high: int | None) -> tuple[int, int]:
    """The first integer and the number of integers to draw from."""
    kind = input.dtype
    least = int(np.iinfo(kind.np).min) if kind.category == dtypes.INTEGER else 0
    most = _full_modulus(kind) - 1
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
    g = _source(generator)
    single = "from" not in names and to is None
    low = names.pop("from", from_)
    kind = input._array.dtype
    if low is None and to is None:
        if kind == _I64 and input._array.size == 1 and not needs_grad(input):
            input._array[...] = g.word64() & (1 << 63) - 1
            bump_version(input)
            return input
        modulus = _full_modulus(input.dtype)
        return _refill(input, lambda a: draw.put(a, draw.full_integers(g, a.size, kind, modulus)))
    if single and not names and low is not None and to is None:
        low, to = 0, low
    start, span = _bounds(input, low, to)
    return _refill(
        input, lambda a: draw.put(a, cast_array(draw.integers(g, a.size, start, span, _I64), kind))
    )


_I64 = np.dtype(np.int64)


def _write_bernoulli(array: ndarray, p: float, g: Generator) -> None:
    draw.put(array, draw.below(g, array.size, p))


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")


def bernoulli_mask(array: ndarray, p: float, generator: Generator | None = None) -> ndarray:
    """True with probability ``p``, in the layout of ``array``: the mask that dropout draws."""
    out = np.empty_like(array, dtype=np.bool_)
    _write_bernoulli(out, p, _source(generator))
    return out


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills ``input`` with ones with probability ``p`` (a number, or a tensor) and zeros."""
    g = _source(generator)
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


def _zero_rule(g: Tensor) -> Tensor:
    return late.zeros_like(g)  # type: ignore[no-any-return]


BERNOULLI = Primitive("bernoulli", _bernoulli, params=("generator",), vjp={"input": _zero_rule})


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
        result = apply1(BERNOULLI, input, _source(generator))
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
    g = _source(generator)
    return _refill(input, lambda a: draw.put(a, (-1.0 / lambd) * np.log1p(-_doubles(a, g))))


@quiet
def _geometric(u: ndarray, p: float) -> ndarray:
    return np.ceil(np.log(u) / np.log1p(-p))


def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fills ``input`` with the number of trials up to the first success of probability ``p``."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if input.dtype is dtypes.bool_ or input.dtype.is_complex:
        raise _not_implemented("geometric_cpu", input.dtype)
    g = _source(generator)
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
    g = _source(generator)
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
    g = _source(generator)
    return _refill(input, lambda a: draw.put(a, np.exp(draw.normal_pairs(g, a.size) * std + mean)))


def _poisson(a: ndarray, g: Generator) -> ndarray:
    rates = a.astype(np.float64).ravel()
    if (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    values = np.array([draw.poisson(g, r) for r in rates.tolist()])
    return values.reshape(a.shape).astype(a.dtype)


POISSON = Primitive("poisson", _poisson, params=("generator",), vjp={"input": _zero_rule})


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of the Poisson distribution with the rates that ``input`` holds.

    Examples::

        >>> torch.poisson(torch.zeros(2))
        tensor([0., 0.])
    """
    _need_floating("poisson_cpu", input)
    return apply1(POISSON, input, _source(generator))


def _new(write: Any, size: Any, out: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    shape = check_shape(shape_args(size or ((),)))
    kind = (dtype or (out.dtype if out is not None else defaults.dtype)).np
    array = np.empty(shape, kind)
    write(array)
    result = finish(array, requires_grad, device)
    return result if out is None else write_out(out, result)


def _checked_floating(kernel: str, dtype: Dtype | None) -> None:
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise _not_implemented(kernel, dtype)


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
    return _new(lambda a: _write_uniform(a, 0.0, 1.0, g), size, out, dtype, device, requires_grad)


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
    return _new(lambda a: _write_normal(a, 0.0, 1.0, g), size, out, dtype, device, requires_grad)


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
        g = _source(generator)
        array = draw.integers(g, math.prod(shape), int(low), int(high - low), _I64).reshape(shape)
    else:
        blank = wrap(np.empty(shape, (dtype or dtypes.int64).np))
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
    kind = dtype or (out.dtype if out is not None else dtypes.int64)
    if kind is not dtypes.int64 and n > _full_modulus(kind):
        raise RuntimeError(f"value cannot be converted to type {kind.name}_t without overflow")
    array = draw.permutation(_source(generator), int(n))
    result = finish(array.astype(kind.np, copy=False), requires_grad, device)
    return result if out is None else write_out(out, result)


def _like(
    input: Tensor, dtype: Dtype | None, memory_format: Any, requires_grad: bool, device: Any
) -> Tensor:
    order: Any = "C" if getattr(memory_format, "name", None) == "contiguous_format" else "K"
    kind = input._array.dtype if dtype is None else dtype.np
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
        _check_std(std)
        g = _source(generator)
        return _new(lambda a: _write_normal(a, float(mean), float(std), g),
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
        _check_std(std)
    result: Tensor = apply(NORMAL, (mean, std), _source(generator))
    return result if out is None else write_out(out, result)


def _normal(mean: Any, std: Any, g: Generator) -> ndarray:
    """Standard normal values, scaled and moved by each element's own numbers."""
    like = mean if isinstance(mean, ndarray) else std
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    noise = np.empty(shape, like.dtype)
    _write_normal(noise, 0.0, 1.0, g)
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
    vjp={"mean": _zero_rule, "std": _zero_rule},
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
    g = _source(generator)
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


BOTH = "bernoulli multinomial"
TORCH = "normal poisson rand rand_like randint randint_like randn randn_like randperm"
METHODS = "bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_"
