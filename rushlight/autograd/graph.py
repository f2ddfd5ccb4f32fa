"""``torch.autograd.graph``: the recorded graph, and hooks on it."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rushlight.autograd.access import register_hook
from rushlight.autograd.node import Handle, Node, accumulator, edge_of
from rushlight.base.errors import unsupported
from rushlight.core.state import count_python_calls, set_saved_hooks, state
from rushlight.core.tensor import Tensor, bump_version


class GradientEdge(NamedTuple):
    """A place in the graph: output ``output_nr`` of ``node``."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of ``tensor`` goes.

    Examples::

        >>> x = torch.ones(2, requires_grad=True)
        >>> torch.autograd.graph.get_gradient_edge(x * 2).node.name()
        'MulBackward0'
    """
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    if isinstance(edge, Tensor):
        return GradientEdge(accumulator(edge), 0)
    return GradientEdge(*edge) if isinstance(edge, tuple) else GradientEdge(edge, 0)


class saved_tensors_hooks:
    """Inside the block, tensors that are saved for the backward pass are kept in another form.

    Args:
        pack_hook: takes a tensor, returns anything; called when a tensor is saved.
        unpack_hook: takes that, returns a tensor of the same values.

    Examples::

        >>> x = torch.ones(2, requires_grad=True)
        >>> hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), torch.tensor)
        >>> with hooks:
        ...     y = (x * x).sum()
        >>> y.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.hooks = (pack_hook, unpack_hook)

    def __enter__(self) -> None:
        if _disabled.message is not None:
            raise RuntimeError(_disabled.message)
        set_saved_hooks((*state.saved_hooks, self.hooks))

    def __exit__(self, *args: object) -> None:
        set_saved_hooks(state.saved_hooks[:-1])


class save_on_cpu(saved_tensors_hooks):
    """Keeps copies of saved tensors in main memory, where they are anyway.

    Args:
        pin_memory, device_type: accepted.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda t: t.detach().clone(), lambda t: t)  # type: ignore[attr-defined]


class _Disabled(threading.local):
    message: str | None = None


_disabled = _Disabled()


class disable_saved_tensors_hooks:
    """Inside the block, :class:`saved_tensors_hooks` raises RuntimeError.

    Args:
        error_message: the message.
    """

    def __init__(self, error_message: str) -> None:
        self.message = error_message

    def __enter__(self) -> None:
        self.previous = _disabled.message
        if state.saved_hooks:
            raise RuntimeError(self.message)
        _disabled.message = self.message

    def __exit__(self, *args: object) -> None:
        _disabled.message = self.previous


class MultiHandle:
    """Removes the hooks of several tensors. Until then all operations go through Python."""

    def __init__(self, handles: Sequence[Handle]) -> None:
        self.handles = tuple(handles)
        count_python_calls(1)

    def remove(self) -> None:
        """Takes them away; a second call does nothing."""
        for handle in self.handles:
            handle.remove()
        if self.handles:
            self.handles = ()
            count_python_calls(-1)

    def __enter__(self) -> "MultiHandle":
        return self

    def __exit__(self, *args: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> MultiHandle:
    """Calls ``fn`` once in a backward pass, when the gradients of all ``tensors`` are known.

    Args:
        fn: gets the list of gradients (None for tensors that the pass does not reach), with
            ``mode="any"`` the first gradient.
        mode: "all", or "any" to call it for the first one that is known.

    With "all", ``fn`` is called when the last of the tensors that the pass reaches has its
    gradient. While the hook is there, operations take the slower way through Python.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    gather = _Gather(tensors, fn, mode)
    handles = [
        register_hook(t, gather.hook_of(i)) for i, t in enumerate(tensors) if edge_of(t) is not None
    ]
    return MultiHandle(handles)


class _Gather:
    """The gradients of one pass."""

    def __init__(self, tensors: Sequence[Tensor], fn: Callable[..., Any], mode: str) -> None:
        self.fn = fn
        self.mode = mode
        self.tensors = tensors
        self.roots: Any = None  # of the pass that the gradients belong to

    def hook_of(self, index: int) -> Callable[[Tensor], None]:
        def hook(grad: Tensor) -> None:
            roots = state.backward_roots
            if self.roots is not roots:
                self.roots = roots
                self.grads: list[Tensor | None] = [None] * len(self.tensors)
                self.left = _reached(roots, self.tensors) if self.mode == "all" else 1
            self.grads[index] = grad
            self.left -= 1
            if self.left == 0:
                self.fn(grad if self.mode == "any" else self.grads)

        return hook


def _reached(roots: Sequence[Any], tensors: Sequence[Tensor]) -> int:
    """How many of ``tensors`` a pass from the edges ``roots`` reaches."""
    found: set[Any] = set()
    pending = list(roots)
    seen: set[int] = set()
    while pending:
        edge = pending.pop()
        if edge is None:
            continue
        if isinstance(edge, Tensor):
            found.add(id(edge))
            continue
        node, index = edge if isinstance(edge, tuple) else (edge, 0)
        found.add((id(node), index))
        if id(node) not in seen:
            seen.add(id(node))
            pending.extend(node.edges)
    return sum([_key(t) in found for t in tensors])


def _key(t: Tensor) -> Any:
    edge = edge_of(t)
    if isinstance(edge, Tensor):
        return id(edge)
    return (id(edge[0]), edge[1]) if isinstance(edge, tuple) else (id(edge), 0)


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Counts an in-place change of one tensor or several."""
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        bump_version(t)


def allow_mutation_on_saved_tensors() -> Any:
    """Not supported: raises NotImplementedError."""
    raise unsupported(
        "torch.autograd.graph.allow_mutation_on_saved_tensors", "clone() what is changed in place"
    )


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip
