"""``vmap``: a function of tensors, applied to all slices along a dimension."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from rushlight.core.generator import get_rng_state, set_rng_state
from rushlight.core.tensor import Tensor
from rushlight.ops.joining import stack
from rushlight.utils._pytree import broadcast_prefix, tree_flatten, tree_unflatten


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that applies ``func`` to all slices of its arguments and stacks the results.

    ``func`` is called once for each slice, so that it may do what it likes with their values; the
    time is that of a loop.

    Args:
        func: takes tensors, or nests of them, and returns tensors or nests of them.
        in_dims: the dimension to go along, for all arguments or, as a tuple or nest, for each;
            None for what every call gets as it is. All calls get the same keyword arguments.
        out_dims: the dimension that the results are stacked along.
        randomness: "error": random numbers raise RuntimeError; "same": all calls draw the same;
            "different": each draws its own.
        chunk_size: accepted; it would limit the memory.

    Examples::

        >>> torch.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
        tensor([3., 3.])
        >>> torch.vmap(lambda x, y: x + y, in_dims=(1, None))(torch.zeros(3, 2), torch.ones(3))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        flat, dims, spec = _sliced(func, in_dims, args)
        size = _batch_size(func, in_dims, flat, dims)
        before = get_rng_state() if randomness != "different" else None
        results, out_spec = [], None
        for i in range(size):
            values = [t if d is None else t.select(d, i) for t, d in zip(flat, dims)]
            if randomness == "same":
                set_rng_state(before)  # type: ignore[arg-type]
            out = func(*tree_unflatten(values, spec), **kwargs)
            leaves, out_spec = tree_flatten(out)
            results.append(leaves)
            if randomness == "error" and i == 0:
                _refuse_random(before)
        return _stacked(func, results, out_spec, out_dims)

    return wrapped


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))


def _sliced(func: Any, in_dims: Any, args: tuple[Any, ...]) -> tuple[list[Any], list[Any], Any]:
    """The leaves of the arguments, the dimension for each, and their nest."""
    text = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{text}: expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
            "are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    flat, spec = tree_flatten(args)
    dims = broadcast_prefix(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{text}: in_dims is not compatible with the structure of `inputs`. in_dims has "
            f"structure {tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    for i, (t, d) in enumerate(zip(flat, dims)):
        dims[i] = _checked_dim(text, t, d)
    return flat, dims, spec


def _checked_dim(text: str, t: Any, d: Any) -> int | None:
    if not isinstance(d, int) and d is not None:
        raise ValueError(
            f"{text}: Got in_dim={d} for an input but in_dim must be either an integer dimension or "
            "None."
        )
    if d is None:
        return None
    if not isinstance(t, Tensor):
        raise ValueError(
            f"{text}: Got in_dim={d} for an input but the input is of type {type(t)}. We cannot "
            "vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    if not -t.dim() <= d < t.dim():
        raise ValueError(
            f"{text}: Got in_dim={d} for some input, but that input is a Tensor of dimensionality "
            f"{t.dim()} so expected in_dim to satisfy -{t.dim()} <= in_dim < {t.dim()}."
        )
    return d % t.dim()


def _batch_size(func: Any, in_dims: Any, flat: Sequence[Any], dims: Sequence[int | None]) -> int:
    sizes = [t.shape[d] for t, d in zip(flat, dims) if d is not None]
    if not sizes:
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): at least one input must have a "
            "batch dimension; all in_dims are None"
        )
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    if not sizes[0]:
        raise NotImplementedError("rushlight does not support vmap over a dimension of size 0")
    return int(sizes[0])


def _refuse_random(before: Any) -> None:
    """Raises RuntimeError if random numbers were drawn since."""
    if (get_rng_state()._array != before._array).any():
        set_rng_state(before)
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation out "
            "of vmap"
        )


def _stacked(func: Any, results: list[list[Any]], spec: Any, out_dims: Any) -> Any:
    for leaf in results[0]:
        if not isinstance(leaf, Tensor):
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type "
                f"{type(leaf)}. Did you mean to set out_dims= to None for output?"
            )
    dims = broadcast_prefix(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible "
            f"with the structure of `outputs`. out_dims has structure {tree_flatten(out_dims)[1]} "
            f"but outputs has structure {spec}."
        )
    columns = [list(column) for column in zip(*results)]
    stacked = [c[0] if d is None else stack(c, d) for c, d in zip(columns, dims)]
    return tree_unflatten(stacked, spec)
