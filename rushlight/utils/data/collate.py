"""From samples to a batch: the loader's default functions."""

import collections.abc
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor
from rushlight.ops.creation import as_tensor, tensor
from rushlight.ops.joining import stack
from rushlight.utils.data.batch import Samples

FunctionMap = dict[Any, Callable[..., Any]]
_MESSAGE = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
_TEXT_OR_OBJECT = "SaUO"  # the letters of NumPy's dtypes for strings and objects


def _rebuild_mapping(data: Any, convert: Callable[[Any], Any]) -> Any:
    """A mapping like ``data`` with ``convert(key)`` as values."""
    values = {key: convert(key) for key in data}
    try:
        if isinstance(data, collections.abc.MutableMapping):
            clone = copy.copy(data)  # the type may have more to it than its items
            clone.update(values)
            return clone
        return type(data)(values)
    except TypeError:  # the type cannot be copied, or made from a dict
        return values


def _rebuild_sequence(data: Any, values: list[Any]) -> Any:
    """A sequence like ``data`` (no tuple) with ``values`` as items."""
    try:
        if isinstance(data, collections.abc.MutableSequence):
            clone = copy.copy(data)
            for i, value in enumerate(values):
                clone[i] = value
            return clone
        return type(data)(values)
    except TypeError:  # for example a range
        return values


def default_convert(data: Any) -> Any:
    """Converts each NumPy array in ``data`` to a tensor: used where nothing is batched.

    Mappings, tuples and sequences are searched; anything else stays as it is.

    Examples::

        >>> torch.utils.data.default_convert([np.array([1, 2]), "text"])
        [tensor([1, 2]), 'text']
    """
    if isinstance(data, Tensor):
        return data
    kind = type(data)
    if kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_"):
        if kind is np.ndarray and any(c in data.dtype.str for c in _TEXT_OR_OBJECT):
            return data
        return as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return _rebuild_mapping(data, lambda key: default_convert(data[key]))
    if isinstance(data, tuple):
        values = [default_convert(d) for d in data]
        return kind(*values) if hasattr(data, "_fields") else values
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(d) for d in data])
    return data


def collate(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Any:
    """Joins samples by the type of the first one.

    Args:
        batch: the samples.
        collate_fn_map: for each type (or tuple of types) the function
            ``f(batch, collate_fn_map=...)`` that joins values of it.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        function = collate_fn_map.get(kind)
        if function is None:
            for types, candidate in collate_fn_map.items():
                if isinstance(first, types):
                    function = candidate
                    break
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, collections.abc.Mapping):
        return _rebuild_mapping(
            first, lambda key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map)
        )
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*[collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch)])
    if isinstance(first, collections.abc.Sequence):
        size = len(first)
        if not all(len(sample) == size for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        joined = [collate(part, collate_fn_map=collate_fn_map) for part in zip(*batch)]
        return joined if isinstance(first, tuple) else _rebuild_sequence(first, joined)
    raise TypeError(_MESSAGE.format(kind))


def collate_tensor_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """Stacks tensors; RuntimeError if their shapes differ."""
    return stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Any:
    """Stacks arrays; TypeError for arrays of strings or objects."""
    first = batch[0]
    if any(c in first.dtype.str for c in _TEXT_OR_OBJECT):
        raise TypeError(_MESSAGE.format(first.dtype))
    return collate([as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A tensor of NumPy's numbers."""
    return as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A float64 tensor of Python floats."""
    return tensor(batch, dtype=dtypes.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Tensor:
    """A tensor of Python ints or bools."""
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: FunctionMap | None = None) -> Any:
    """Strings stay as they are."""
    return batch


default_collate_fn_map: FunctionMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Joins the samples of a batch: tensors, arrays and numbers get a new first dimension.

    Tuples and lists are joined position by position, mappings key by key; strings stay a list.
    Types of one's own are added through ``default_collate_fn_map``.

    Raises TypeError for what it does not know, RuntimeError for samples that do not fit together.

    Examples::

        >>> torch.utils.data.default_collate([(0, 1.5), (2, 3.5)])
        [tensor([0, 2]), tensor([1.5000, 3.5000], dtype=torch.float64)]
        >>> torch.utils.data.default_collate([{"a": 0}, {"a": 1}])
        {'a': tensor([0, 1])}
    """
    if type(batch) is Samples:
        whole = batch.collated()
        if whole is not None:
            return whole
        batch = list(batch)
    return collate(batch, collate_fn_map=default_collate_fn_map)
