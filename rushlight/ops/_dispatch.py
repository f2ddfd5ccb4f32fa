"""What every operation has in common beyond its rules: ``out=``, in-place forms, dims, copies."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.autograd.engine import helpers
from rushlight.autograd.node import Node, edge_of, plain_name, rebase
from rushlight.base import dtypes
from rushlight.core.state import state
from rushlight.core.tensor import LEAF, Tensor, bump_version, check_inference, wrap
from rushlight.ops._primitive import Primitive, apply1, apply2
from rushlight.ops._promote import cast, cast_array

# The last step of an in-place change through a view: the source replaces the view's values.
COPY = Primitive(
    "copy", lambda a: a.copy(order="K"), vjp={"input": lambda g: g}, node_name="CopyBackwards"
)
# The same where the new values depend on nothing that requires grad: the old ones get zeros.
REPLACE = Primitive(
    "fill",
    lambda old, new: np.array(new),
    inputs=("input", "value"),
    vjp={"input": lambda g: helpers.zero_(helpers.clone(g))},
)


def check_writable(t: Tensor, name: str = "") -> None:
    """Raises RuntimeError if ``t`` may not be changed in place while gradients are recorded."""
    view = t._meta.view if t._meta is not None else None
    edge = edge_of(t)
    if edge is t:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if view is None:
        return
    if view.base._edge is LEAF and view.creation is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    if view.creation == "multi":
        raise RuntimeError(
            f"Output {t._index} of {_maker(t)} is a view and is being modified inplace. This view is the "
            "output of a function that returns multiple views. Such functions do not allow the "
            "output views to be modified inplace. You should replace the inplace operation by an "
            "out-of-place one."
        )
    if view.creation == "inference":
        raise RuntimeError(
            "A view was created in inference mode and is being modified inplace in normal mode. "
            "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify "
            "your code by moving both the view and the inplace either both inside the inference_mode "
            "block (if you don't want the inplace to be tracked) or both outside (if you want the "
            "inplace to be tracked)."
        )
    if view.creation == "no_grad":
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode "
            "enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You "
            "can clarify your code by moving both the view and the inplace either both inside the "
            "no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
            "want the inplace to be tracked)."
        )


def _maker(t: Tensor) -> str:
    node = t._edge
    return plain_name(node) if isinstance(node, Node) else "Unbind"


def check_overlap(array: np.ndarray) -> None:
    """Raises RuntimeError for an expanded tensor, whose elements share memory."""
    if (
        array.size
        and 0 in array.strides
        and any(s == 0 and n > 1 for s, n in zip(array.strides, array.shape))
    ):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def store(t: Tensor, result: Tensor) -> None:
    """Writes the values of ``result`` into the memory of ``t``, whose shape and dtype stay."""
    if t._meta is not None:
        check_inference(t)
    target, source = t._array, result._array
    if not target.flags.writeable:
        raise RuntimeError("a read-only tensor cannot be changed in place; clone() it first")
    if source.shape != target.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape "
            f"{list(source.shape)}"
        )
    if source.dtype != target.dtype:
        if not dtypes.can_cast(result.dtype, t.dtype):
            raise RuntimeError(
                f"result type {dtypes.SCALAR_TYPE_NAMES[result.dtype]} can't be cast to the desired "
                f"output type {dtypes.SCALAR_TYPE_NAMES[t.dtype]}"
            )
        source = cast_array(source, target.dtype)
    if 0 in target.strides:
        check_overlap(target)
    np.copyto(target, source)
    bump_version(t)


def _requires_grad(values: Any) -> bool:
    for x in values:
        if isinstance(x, Tensor):
            if x._edge is not None or (x._meta is not None and edge_of(x) is not None):
                return True
        elif isinstance(x, (list, tuple)) and _requires_grad(x):
            return True
    return False


def _plain(t: Tensor) -> bool:
    """Whether a tensor is no view, has no history and no hooks."""
    return t._edge is None and t._meta is None


def _straight_into(into: Callable[..., Any], input: Tensor, args: tuple[Any, ...]) -> bool:
    """Runs a kernel that writes its result into ``input``; False if the operands are unusual."""
    array = input._array
    if array.dtype.kind != "f" or array.dtype.itemsize < 4 or not array.flags.c_contiguous:
        return False
    if args:
        other = args[0]
        if isinstance(other, Tensor):
            b = other._array
            if b.dtype is not array.dtype or b.shape != array.shape:
                return False
        elif type(other) is float or type(other) is int:
            b = float(other)
        else:
            return False
        into(array, b, array)
    else:
        into(array, array)
    bump_version(input)
    return True


def inplace(function: Callable[..., Tensor], input: Tensor, args: Any, kwargs: Any) -> Tensor:
    """``input`` after its values were replaced by ``function(input, *args, **kwargs)``.

    The history becomes that of the result; for a view, the base's history tells that the part was
    replaced. What the result saved of the old values is kept in a copy.
    """
    into = getattr(function, "into", None)
    if into is not None and _plain(input) and not kwargs and len(args) < 2:
        plain = not args or not isinstance(args[0], Tensor) or _plain(args[0])
        if plain and input._array.dtype.kind == "i" and args and type(args[0]) is int:
            ufunc = getattr(function, "of_integers", None)  # a counter that goes up, for example
            if ufunc is not None:
                ufunc(input._array, args[0], out=input._array)
                bump_version(input)
                return input
        if plain and _straight_into(into.made or into, input, args):
            return input
    recording = state.grad_enabled and (
        _requires_grad((input,)) or _requires_grad(args) or _requires_grad(kwargs.values())
    )
    if not recording:
        if into is None or kwargs or not _straight_into(into, input, args):
            store(input, function(input, *args, **kwargs))
        return input
    check_writable(input)
    old = wrap(input._array)
    edge_of(input)  # refreshes a view
    old._edge, old._index = input._edge, input._index
    result = cast(function(old, *args, **kwargs), input.dtype)
    if result._edge is None:
        result = apply2(REPLACE, old, result)
    elif result._array.base is not None or result is old:
        result = apply1(COPY, result)
    old._array = old._array.copy()
    store(input, result)
    if result._edge is not None:
        rebase(input, result, helpers)
    return input


def inplace_form(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """The method ``name`` (with its trailing underscore) that applies ``function`` in place."""

    def method(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return inplace(function, input, args, kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of :func:`{name.rstrip('_')}`."
    return method


def write_out(out: Any, result: Any) -> Any:
    """Puts ``result`` into the tensor(s) that the caller gave as ``out=``; returns them.

    An ``out`` of another shape is resized (with a warning unless it was empty). Raises RuntimeError
    if the dtype cannot hold the result, or if gradients would be lost.
    """
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"argument 'out' must be tuple of {len(result)} Tensors")
        written = [write_out(o, r) for o, r in zip(out, result)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if state.grad_enabled and (_requires_grad((result,)) or _requires_grad((out,))):
        raise RuntimeError(
            "functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    if out._array.shape != result._array.shape:
        if out._array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape "
                f"{list(out._array.shape)}, which does not match the required output shape "
                f"{list(result._array.shape)}. This behavior is deprecated, and in a future PyTorch "
                "release outputs will not be resized unless they have zero elements. You can "
                "explicitly reuse an out tensor t by resizing it, inplace, to zero elements with "
                "t.resize_(0).",
                UserWarning,
                stacklevel=3,
            )
        out._array = np.empty(result._array.shape, out._array.dtype)
    store(out, result)
    return out


def with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the ``out=`` argument to a composite function."""

    @functools.wraps(function)
    def wrapped(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else write_out(out, result)

    return wrapped


def wrap_dim(dim: Any, ndim: int) -> int:
    """``dim`` counted from the front; IndexError if there is no such dimension."""
    if type(dim) is not int:
        if isinstance(dim, bool) or not hasattr(dim, "__index__"):
            raise TypeError(f"dim must be int, not {type(dim).__name__}")
        dim = int(dim)
    n = ndim or 1
    if -n <= dim < n:
        return dim if dim >= 0 else dim + n
    raise IndexError(
        f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
    )


def wrap_dims(dim: Any, ndim: int) -> tuple[int, ...]:
    """Dims from an int, a sequence, or None (all); RuntimeError if one occurs twice."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        if not len(dim):
            return tuple(range(ndim))
        dims = tuple([wrap_dim(d, ndim) for d in dim])
        if len(set(dims)) != len(dims):
            twice = next(d for d in dims if dims.count(d) > 1)
            raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
        return dims if ndim else ()
    d = wrap_dim(dim, ndim)
    return (d,) if ndim else ()


def shape_args(args: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as separate ints or as one sequence."""
    for a in args:
        if type(a) is not int:
            break
    else:
        return args
    if (len(args) == 1 and not isinstance(args[0], int) and not hasattr(args[0], "__index__")) or (
        len(args) == 1 and isinstance(args[0], (tuple, list))
    ):
        args = tuple(args[0])
    try:
        return tuple([a if type(a) is int else a.__index__() for a in args])
    except AttributeError:
        wrong = next(a for a in args if not hasattr(a, "__index__"))
        raise TypeError(
            f"shape must be a sequence of ints, but found an element of type {type(wrong).__name__}"
        ) from None


def broadcast_error(a: Any, b: Any) -> RuntimeError:
    """The error for two shapes that do not broadcast."""
    sa, sb = np.shape(a), np.shape(b)
    n = max(len(sa), len(sb))
    pa, pb = (1,) * (n - len(sa)) + sa, (1,) * (n - len(sb)) + sb
    for i in range(n - 1, -1, -1):
        if pa[i] != pb[i] and pa[i] != 1 and pb[i] != 1:
            return RuntimeError(
                f"The size of tensor a ({pa[i]}) must match the size of tensor b ({pb[i]}) at "
                f"non-singleton dimension {i}"
            )
    return RuntimeError(f"shapes {list(sa)} and {list(sb)} do not broadcast")
