"""Functions with a gradient written by the user."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight.autograd.engine import helpers
from rushlight.autograd.node import (
    FREED,
    RELEASED,
    Grads,
    Node,
    changed_error,
    edge_of,
    next_sequence,
    rebase,
)
from rushlight.autograd.saved import Packed
from rushlight.core.state import set_grad, state
from rushlight.core.tensor import Tensor, bump_version, wrap


class FunctionCtx(Node):
    """What ``forward`` and ``backward`` share: the ``ctx`` argument, which is also the node."""

    __slots__ = (
        "__dict__",
        "_dirty",
        "_kept",
        "_materialize",
        "_meta_out",
        "_nondifferentiable",
        "_shapes",
        "needs_input_grad",
    )  # fmt: skip
    needs_input_grad: tuple[bool, ...]
    function: type["Function"]
    _dirty: tuple[Tensor, ...]
    _kept: Any
    _materialize: bool
    _meta_out: list[tuple[Any, Any] | None]
    _nondifferentiable: tuple[Tensor, ...]
    _shapes: list[tuple[Any, Any] | None]

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for ``backward``, which finds them in ``saved_tensors``."""
        self._kept = list(tensors)

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Kept for forward mode, which rushlight does not use."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to ``save_for_backward``; RuntimeError if changed since, or freed."""
        if self._kept is RELEASED:
            raise RuntimeError(FREED)
        return tuple([k.unpack(self) if isinstance(k, Kept) else k for k in self._kept])

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Declares inputs that ``forward`` changed in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Declares outputs that have no gradient."""
        self._nondifferentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients are given to ``backward`` as zeros (the default) or as None."""
        self._materialize = value

    def release(self) -> None:
        if self._kept:
            self._kept = RELEASED

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        if self._materialize:
            for i, meta in enumerate(self._meta_out):
                if grads[i] is None and meta is not None:
                    grads[i] = wrap(np.zeros(*meta))
        found = self.function.backward(self, *grads)
        results = list(found) if isinstance(found, (tuple, list)) else [found]
        n = len(self.edges)
        while len(results) > n and results[-1] is None:
            results.pop()
        if len(results) != n:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {n}, "
                f"got {len(results)})"
            )
        for i, grad in enumerate(results):
            if grad is not None:
                results[i] = self._checked(i, grad)
        return tuple(results)

    def _checked(self, i: int, grad: Any) -> Tensor | None:
        if not isinstance(grad, Tensor):
            raise TypeError(f"expected Variable or None (got {type(grad).__name__})")
        expected = self._shapes[i]
        if expected is None:
            raise RuntimeError(
                f"function {self.name()} returned a gradient different from None at position "
                f"{i + 1}, but the corresponding forward input was not a Variable"
            )
        shape, dtype = expected
        if grad._array.shape != shape:
            try:
                grad = helpers.sum_to_size(grad, shape)
            except RuntimeError:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got "
                    f"{list(grad._array.shape)} but expected shape compatible with {list(shape)}"
                ) from None
        if grad.dtype is not dtype:
            grad = helpers.to_dtype(grad, dtype)
        return grad  # type: ignore[no-any-return]


class Kept:
    """A saved tensor; of an output only the memory is kept, so that no reference cycle forms."""

    __slots__ = ("array", "index", "storage", "tensor", "version")

    def __init__(self, tensor: Tensor, index: int | None) -> None:
        self.storage = tensor.storage_version()
        self.version = self.storage.version
        self.array = tensor._array
        self.index = index
        self.tensor = tensor if index is None else None

    def unpack(self, node: Node) -> Tensor:
        """The tensor, after the check that nobody changed it."""
        if self.storage.version != self.version:
            origin = node if self.index is not None else getattr(self.tensor, "_edge", None)
            raise changed_error(self.array, self.version, self.storage, origin, self.index or 0)
        if self.tensor is not None:
            return self.tensor
        out = wrap(self.array)
        out._storage = self.storage
        out._edge, out._index = node, self.index or 0
        return out


class PackedKept(Kept):
    """The same inside ``graph.saved_tensors_hooks``."""

    __slots__ = ("packed",)

    def __init__(self, tensor: Tensor, index: int | None) -> None:
        self.packed = Packed(tensor, output=index is not None)
        self.index = index

    def unpack(self, node: Node) -> Tensor:
        out = self.packed.get()
        if self.index is not None and state.grad_enabled:
            out._edge, out._index = node, self.index
        return out


class Function:
    """Base class of operations with a ``forward`` and a ``backward`` of their own.

    Subclass it, write both as static methods, and call ``apply``.

    Examples::

        >>> class Cube(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x ** 3
        ...     @staticmethod
        ...     def backward(ctx, grad_output):
        ...         x, = ctx.saved_tensors
        ...         return 3 * x ** 2 * grad_output
        >>> x = torch.tensor(2., requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    __module__ = "torch.autograd.function"
    _ctx_class: type[FunctionCtx] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are "
            "all static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The computation; the first argument is ``ctx`` unless ``setup_context`` is defined."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Saves what ``backward`` needs, if ``forward`` takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """One gradient (or None) for each argument of ``forward``."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Runs ``forward`` and records it."""
        ctx = cls._new_ctx(args)
        recording = state.grad_enabled and any(ctx.needs_input_grad)
        previous = state.grad_enabled
        set_grad(False)
        try:
            if cls.setup_context is not Function.setup_context:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
        finally:
            set_grad(previous)
        single = not isinstance(result, tuple)
        outputs = _finish(ctx, args, (result,) if single else result, recording)
        return outputs[0] if single else outputs

    @classmethod
    def _new_ctx(cls, args: tuple[Any, ...]) -> FunctionCtx:
        if "_ctx_class" not in cls.__dict__ or cls._ctx_class is None:
            cls._ctx_class = type(cls.__name__ + "Backward", (FunctionCtx,), {"function": cls})
        ctx = cls._ctx_class()
        edges = [edge_of(a) if isinstance(a, Tensor) else None for a in args]
        ctx.edges = tuple(edges)
        ctx.extra = None
        ctx.sequence = next_sequence()
        ctx._kept, ctx._dirty, ctx._nondifferentiable = [], (), ()
        ctx._materialize = True
        ctx.needs_input_grad = tuple([e is not None for e in edges])
        ctx._shapes = [(a._array.shape, a.dtype) if isinstance(a, Tensor) else None for a in args]
        return ctx


def _finish(
    ctx: FunctionCtx, args: tuple[Any, ...], results: tuple[Any, ...], recording: bool
) -> tuple[Any, ...]:
    """The outputs with their history."""
    inputs = {id(a) for a in args if isinstance(a, Tensor)}
    dirty = {id(t) for t in ctx._dirty}
    plain = {id(t) for t in ctx._nondifferentiable}
    outputs = []
    for t in results:
        if isinstance(t, Tensor) and id(t) in inputs and id(t) not in dirty:
            fresh = wrap(t._array)
            fresh._storage = t.storage_version()
            outputs.append(fresh)
        else:
            outputs.append(t)
    for t in ctx._dirty:
        bump_version(t)
    ctx.outputs = len(outputs)
    ctx._meta_out = [(t._array.shape, t._array.dtype) if isinstance(t, Tensor) else None
                     for t in outputs]  # fmt: skip
    if not recording:
        ctx._kept = []
        return tuple(outputs)
    positions = {id(t): i for i, t in enumerate(outputs) if isinstance(t, Tensor)}
    positions.update({id(t): i for i, t in enumerate(results) if id(t) not in inputs})
    keep = PackedKept if state.saved_hooks else Kept
    ctx._kept = [keep(t, positions.get(id(t))) if isinstance(t, Tensor) else t for t in ctx._kept]
    for i, t in enumerate(outputs):
        if not isinstance(t, Tensor) or id(t) in plain or t.dtype.category < 2:
            continue
        if id(t) in dirty and t._meta is not None and t._meta.view is not None:
            source = wrap(t._array.copy())
            source._edge, source._index = ctx, i
            rebase(t, source, helpers)
        else:
            t._edge, t._index = ctx, i
    return tuple(outputs)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a ``backward`` that cannot be differentiated again: that raises RuntimeError."""

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        recorded = state.grad_enabled and any(
            isinstance(g, Tensor) and edge_of(g) is not None for g in grads
        )
        previous = state.grad_enabled
        set_grad(False)
        try:
            results = backward(ctx, *grads)
        finally:
            set_grad(previous)
        if recorded:
            outs = results if isinstance(results, tuple) else (results,)
            for t in outs:
                if isinstance(t, Tensor):
                    t._edge = _refusal(grads)
        return results

    return wrapped


class Refusal(Node):
    """The history of a gradient that may not be differentiated again."""

    __slots__ = ()

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def _refusal(grads: tuple[Any, ...]) -> Refusal:
    node = Refusal()
    node.edges = tuple([edge_of(g) if isinstance(g, Tensor) else None for g in grads])
    node.extra, node.outputs, node.sequence = None, 1, next_sequence()
    return node
