"""Rows of a table by their numbers: embedding, sums of embeddings, one-hot vectors."""

from typing import Any

import numpy as np

from rushlight.base.dtypes import SCALAR_TYPE_NAMES, float32
from rushlight.core.tensor import Tensor, bump_version, wrap
from rushlight.ops._elementwise import kernel
from rushlight.ops._primitive import Primitive, apply2
from rushlight.ops._promote import cast, type_name
from rushlight.ops.elementwise import div, mul
from rushlight.ops.pooling import GATHER_PLANE
from rushlight.ops.shape import reshape, unsqueeze

Array = np.ndarray
_rows = kernel("embedding.embedding")
_add_rows = kernel("embedding.embedding_backward")


def _embedding(weight: Array, indices: Array, padding: int, by_frequency: bool) -> Array:
    return _rows(weight, indices)  # type: ignore[no-any-return]


def _embedding_backward(
    g: Array, indices: Array, rows: int, padding: int, by_frequency: bool
) -> Array:
    flat = indices.reshape(-1)
    if by_frequency and flat.size:
        counts = np.bincount(flat, minlength=rows)[indices]
        g = g / counts[..., None].astype(g.dtype)
    kind = g.dtype
    wide = g.astype(np.float32) if kind.itemsize <= 2 else g
    out = _add_rows(wide, indices, rows, padding)
    return out.astype(kind, copy=False)  # type: ignore[no-any-return]


def _second_rule(h: Tensor, indices: Tensor, rows: int, padding: int, by_frequency: bool) -> Tensor:
    out = apply2(EMBEDDING, h, indices, padding, by_frequency)
    index = indices._array
    if not by_frequency and padding < 0:
        return out
    factor = (index != padding).astype(h._array.dtype)
    if by_frequency and index.size:
        factor /= np.bincount(index.reshape(-1), minlength=rows)[index].astype(factor.dtype)
    return mul(out, unsqueeze(wrap(np.asarray(factor)), -1))


# (rows of gradients, their numbers) -> table: the sum of the rows with each number.
EMBEDDING_BACKWARD = Primitive(
    "embedding_backward",
    _embedding_backward,
    inputs=("g", "indices"),
    params=("rows", "padding", "by_frequency"),
    vjp={"g": _second_rule},
)


def _embedding_rule(
    g: Tensor, indices: Tensor, weight_shape: Any, padding: int, by_frequency: bool
) -> Tensor:
    return apply2(EMBEDDING_BACKWARD, g, indices, weight_shape[0], padding, by_frequency)


EMBEDDING = Primitive(
    "embedding",
    _embedding,
    inputs=("weight", "indices"),
    params=("padding", "by_frequency"),
    vjp={"weight": _embedding_rule},
)


def _check_indices(name: str, indices: Any) -> Tensor:
    if not isinstance(indices, Tensor):
        raise TypeError(
            f"{name}(): argument 'indices' (position 2) must be Tensor, not {type_name(indices)}"
        )
    kind = indices._array.dtype
    if kind != np.int64 and kind != np.int32:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{SCALAR_TYPE_NAMES[indices.dtype]}Tensor instead (while "
            f"checking arguments for {name})"
        )
    if kind == np.int32:
        return wrap(indices._array.astype(np.int64))
    return indices


def _check_range(index: Array, rows: int) -> None:
    if index.size and (index.min() < 0 or index.max() >= rows):
        raise IndexError("index out of range in self")


def torch_embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """``torch.embedding``: :func:`embedding` with its arguments in another order."""
    if weight._array.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    indices = _check_indices("embedding", indices)
    index = indices._array
    if not index.size or not weight._array.size:
        _check_range(index, weight._array.shape[0])
    if not index.flags.c_contiguous:
        indices = wrap(np.ascontiguousarray(index))
    return apply2(EMBEDDING, weight, indices, padding_idx, scale_grad_by_freq)


def embedding_renorm_(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scales the rows that ``indices`` name and whose norm is above ``max_norm`` down to it."""
    index = np.unique(_check_indices("embedding_renorm_", indices)._array)
    _check_range(index, weight._array.shape[0])
    rows = weight._array[index]
    norms = np.linalg.norm(rows.astype(np.float64), ord=norm_type, axis=1)
    large = norms > max_norm
    scale = max_norm / (norms[large] + 1e-7)
    weight._array[index[large]] = (rows[large] * scale[:, None]).astype(rows.dtype)
    bump_version(weight)
    return weight


def _padding(padding_idx: int | None, rows: int, message: str) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise AssertionError(message)
    return padding_idx % rows


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` whose numbers ``input`` holds.

    Args:
        padding_idx: a row that gets no gradient.
        max_norm: scale rows with a larger norm down to it, in ``weight`` itself.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide each row's gradient by how often it occurs in ``input``.
        sparse: accepted; the gradient is dense all the same.

    Shape:
        - input: (*), int64 or int32; weight: (V, D); result: (*, D)

    Raises IndexError for numbers out of range.

    Examples::

        >>> torch.nn.functional.embedding(torch.tensor([1]), torch.tensor([[1., 2.], [3., 4.]]))
        tensor([[3., 4.]])
    """
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"embedding(): argument 'weight' (position 1) must be Tensor, not {type_name(weight)}"
        )
    padding = -1
    if padding_idx is not None:
        padding = _padding(
            padding_idx, weight._array.shape[0], "Padding_idx must be within num_embeddings"
        )
    if max_norm is not None:
        embedding_renorm_(weight, input, max_norm, norm_type)
    return torch_embedding(weight, input, padding, scale_grad_by_freq, sparse)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Vectors with 1 at the place that each element names, and 0 elsewhere.

    Args:
        num_classes: the length of the vectors; by default the largest element plus 1.

    Examples::

        >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), 3)
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    index = tensor._array
    if index.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not index.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return wrap(np.zeros((*index.shape, num_classes), np.int64))
    if index.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(index.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif index.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = np.zeros((*index.shape, num_classes), np.int64)
    np.put_along_axis(out, index[..., None], 1, axis=-1)
    return wrap(out)


# bags -------------------------------------------------------------------------------------------


def _bags(offsets: Array, count: int, include_last: bool) -> tuple[Array, int]:
    """The bag of each of ``count`` entries, and how many bags there are."""
    bags = len(offsets) - 1 if include_last else len(offsets)
    ends = offsets[1:] if include_last else np.append(offsets[1:], count)
    sizes = np.diff(np.append(offsets[:bags], ends[-1] if bags else 0))
    return np.repeat(np.arange(bags), np.maximum(sizes, 0)), bags


def _check_offsets(offsets: Any, count: int) -> Array:
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets._array.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    found = offsets._array
    if found.size and found[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {found[0]}"
        )
    if found.size and found[-1] > count:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length({count}) but got offsets[-1] of "
            f"{found[-1]}"
        )
    return found.astype(np.int64, copy=False)


def _maxima(weight: Tensor, index: Array, bag: Array, bags: int, kept: Array) -> Any:
    """The largest value of each column in each bag, and the rows they come from (-1: none)."""
    width = weight._array.shape[1]
    best = np.full((bags, width), -1, np.int64)
    for row, b in zip(index[kept], bag[kept]):
        held = best[b]
        better = (held < 0) | (weight._array[row] > weight._array[held, np.arange(width)])
        held[better] = row
    flat = np.where(best < 0, 0, best) * width + np.arange(width)
    values = apply2(GATHER_PLANE, weight, wrap(flat), 2)
    return mul(values, wrap((best >= 0).astype(weight._array.dtype))), best


def torch_embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``torch.embedding_bag``: the bags, each entry's bag, the bags' sizes, the rows of maxima."""
    indices = _check_indices("embedding_bag", indices)
    kind = weight.dtype
    if kind.itemsize <= 2 and mode != 2:  # summed in float32, rounded once
        weight = cast(weight, float32)
        if per_sample_weights is not None:
            per_sample_weights = cast(per_sample_weights, float32)
    index = indices._array
    _check_range(index, weight._array.shape[0])
    starts = _check_offsets(offsets, index.size)
    bag, bags = _bags(starts, index.size, include_last_offset)
    index = index[: bag.size]
    padding = -1 if padding_idx is None else padding_idx % weight._array.shape[0]
    kept = index != padding if padding >= 0 else np.ones(index.shape, np.bool_)
    sizes = np.bincount(bag[kept], minlength=bags).astype(np.int64)
    maxima = np.zeros(0, np.int64)
    if mode == 2:
        result, maxima = _maxima(weight, index, bag, bags, kept)
    else:
        rows = apply2(EMBEDDING, weight, wrap(index[kept]), -1, scale_grad_by_freq)
        if per_sample_weights is not None:
            factors = apply2(GATHER_PLANE, per_sample_weights, wrap(np.flatnonzero(kept)), 1)
            rows = mul(rows, unsqueeze(factors, -1))
        result = apply2(EMBEDDING_BACKWARD, rows, wrap(bag[kept]), bags, -1, False)
        if mode == 1:
            share = np.maximum(sizes, 1).astype(weight._array.dtype)
            result = div(result, unsqueeze(wrap(share), -1))
    return cast(result, kind), wrap(bag), wrap(sizes), wrap(maxima)


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of embeddings, without making the embeddings.

    Args:
        input: the numbers; a matrix has one bag in each row, a vector needs ``offsets``.
        offsets: where each bag starts.
        mode: "sum", "mean" or "max".
        per_sample_weights: factors of the entries (only for "sum").
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that does not count.

    Raises ValueError for arguments that do not fit, IndexError for numbers out of range.
    """
    if not isinstance(weight, Tensor) or weight._array.dtype.kind in "iub":
        input, weight = weight, input  # the order of the arguments before PyTorch 0.4.1
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            "embedding_bag: If per_sample_weights "
            f"({list(per_sample_weights.shape)}) is not None, then it must have the same shape as "
            f"the input ({list(input.shape)})"
        )
    if not weight._array.ndim == 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight._array.ndim}"
        )
    if input._array.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                "of fixed length sequences. However, found offsets of type "
                f"{type(offsets)}"
            )
        rows, length = input._array.shape
        offsets = wrap(np.arange(0, rows * length, length, dtype=np.int64) if length else
                       np.zeros(rows, np.int64))  # fmt: skip
        input = reshape(input, (-1,))
        if per_sample_weights is not None:
            per_sample_weights = reshape(per_sample_weights, (-1,))
    elif input._array.ndim == 1:
        _check_offsets(offsets, input._array.size)
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input._array.ndim}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and (scale_grad_by_freq or sparse):
        what = "scaling the gradient by the frequency" if scale_grad_by_freq else "sparse weights"
        raise ValueError(f"max mode does not support {what}")
    if max_norm is not None:
        embedding_renorm_(weight, input, max_norm, norm_type)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    if padding_idx is not None:
        padding_idx = _padding(
            padding_idx,
            weight._array.shape[0],
            "padding_idx must be within the number of embeddings",
        )
    number = {"sum": 0, "mean": 1, "max": 2}[mode]
    return torch_embedding_bag(
        weight, input, offsets, scale_grad_by_freq, number, sparse, per_sample_weights,
        include_last_offset, padding_idx,
    )[0]  # fmt: skip
