"""The part of a tensor's interface that is about gradients."""

import warnings
import weakref
from typing import Any

from rushlight.autograd.engine import backward, note_leaf_hook, run_backward
from rushlight.autograd.node import Handle, Node, edge_of
from rushlight.base import dtypes
from rushlight.core.state import state
from rushlight.core.tensor import LEAF, Tensor, wrap

_NOT_A_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
    "attribute won't be populated during autograd.backward(). If you indeed want the .grad field "
    "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you "
    "access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead."
)
_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def get_requires_grad(t: Tensor) -> bool:
    """Whether operations on the tensor are recorded."""
    return t._edge is not None or (t._meta is not None and edge_of(t) is not None)


def set_requires_grad(t: Tensor, value: bool) -> None:
    """Sets it for a leaf; RuntimeError for others and for integer tensors."""
    edge = edge_of(t)
    if edge is not None and edge is not t:
        if not value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        return
    if t._meta is not None and t._meta.inference and not state.inference:
        raise RuntimeError(
            f"Setting requires_grad={value} on inference tensor outside InferenceMode is not allowed."
        )
    if value and t.dtype.category < 2:
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    t._edge = LEAF if value else None


def requires_grad_(t: Tensor, requires_grad: bool = True) -> Tensor:
    """Sets ``requires_grad``, in place."""
    set_requires_grad(t, requires_grad)
    return t


def get_grad_fn(t: Tensor) -> Node | None:
    """The node that made the tensor; None for leaves."""
    edge = edge_of(t)
    if edge is None or edge is t:
        return None
    return edge[0] if isinstance(edge, tuple) else edge  # type: ignore[no-any-return]


def get_is_leaf(t: Tensor) -> bool:
    """Whether the tensor has no history."""
    edge = edge_of(t)
    return edge is None or edge is t


def get_grad(t: Tensor) -> Tensor | None:
    """The accumulated gradient."""
    if t._grad is None and t._edge is not None and t._edge is not LEAF and not get_retains_grad(t):
        warnings.warn(_NOT_A_LEAF, UserWarning, stacklevel=2)
    return t._grad


def set_grad(t: Tensor, grad: Tensor | None) -> None:
    """Sets the gradient, which must match in shape and dtype."""
    if grad is None:
        t._grad = None
        return
    if not isinstance(grad, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(grad).__name__}")  # fmt: skip
    if grad._array.shape != t._array.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(grad._array.shape)}' to a tensor of "
            f"size '{list(t._array.shape)}'. Please ensure that the gradient and the tensor are "
            "the same size"
        )
    if grad._array.dtype != t._array.dtype:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{_C_NAMES.get(grad.dtype.name, grad.dtype.name)}' to a "
            f"tensor with grad_dtype '{dtypes.SCALAR_TYPE_NAMES[t.dtype]}'. The gradient must "
            "match the tensor's dtype."
        )
    t._grad = grad


def detach(t: Tensor) -> Tensor:
    """A tensor on the same memory without history."""
    out = wrap(t._array)
    out._storage = t.storage_version()
    if t._meta is not None or out._meta is not None:
        out.meta().inference = t._meta is not None and t._meta.inference
    return out


def detach_(t: Tensor) -> Tensor:
    """Cuts the tensor off its history, in place."""
    if t._meta is not None and t._meta.view is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using "
            "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
            "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
            "these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
            "function in torch/optim/optimizer.py as the solution."
        )
    t._edge, t._index = None, 0
    return t


def get_data(t: Tensor) -> Tensor:
    """A tensor on the same memory, without history and with a version count of its own."""
    return wrap(t._array)


def set_data(t: Tensor, value: Tensor) -> None:
    """Replaces the memory of the tensor."""
    t._array = value._array


def tensor_backward(
    t: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradients of this tensor to the leaves that it depends on.

    Args:
        gradient: the gradient to start from; not needed for a single element.
        retain_graph: keep the graph for another pass (default: the value of ``create_graph``).
        create_graph: record the backward pass itself.
        inputs: accumulate only into these tensors.
    """
    if inputs is None:
        run_backward((t,), (gradient,), retain_graph, create_graph)
    else:
        backward(t, gradient, retain_graph, create_graph, inputs=inputs)


def register_hook(t: Tensor, hook: Any) -> Handle:
    """Calls ``hook(grad)`` when the gradient is known; what it returns replaces the gradient."""
    edge = edge_of(t)
    if edge is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if edge is t:
        meta = t.meta()
        if meta.hooks is None:
            meta.hooks = {}
        note_leaf_hook()
        return Handle.add(meta.hooks, hook)
    return Handle.add(t._edge.more().tensor_hooks.setdefault(t._index, {}), hook)


def register_post_accumulate_grad_hook(t: Tensor, hook: Any) -> Handle:
    """Calls ``hook(tensor)`` after a gradient was added to this leaf."""
    edge = edge_of(t)
    if edge is None:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if edge is not t:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    meta = t.meta()
    if meta.accumulate_hooks is None:
        meta.accumulate_hooks = {}
    note_leaf_hook()
    return Handle.add(meta.accumulate_hooks, hook)


def retain_grad(t: Tensor) -> None:
    """Makes a non-leaf keep its gradient in ``grad``."""
    edge = edge_of(t)
    if edge is None:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if edge is not t:
        t._edge.more().retains[t._index] = weakref.ref(t)
        t.meta().retains_grad = True


def get_retains_grad(t: Tensor) -> bool:
    """Whether ``retain_grad`` was called."""
    return t._meta is not None and t._meta.retains_grad


def is_view(t: Tensor) -> bool:
    """Whether the tensor is recorded as a view of another."""
    return get_base(t) is not None


def get_base(t: Tensor) -> Tensor | None:
    """The tensor that this one is a view of, or None."""
    view = t._meta.view if t._meta is not None else None
    return view.base if view is not None else None
