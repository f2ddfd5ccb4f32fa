"""Hooks on saved tensors: what a node keeps for the backward pass may be stored in another form.

Inside ``graph.saved_tensors_hooks`` each tensor that a node saves is given to ``pack``, whose result
is kept in its place; ``unpack`` turns it into a tensor again when the backward pass asks for it.
"""

from typing import Any

from rushlight.autograd.node import FREED, RELEASED, Grads, Node, OpNode, edge_of, next_sequence
from rushlight.core.state import set_grad, state
from rushlight.core.tensor import Tensor, wrap


class Packed:
    """The packed form of a tensor.

    Args:
        t: the tensor.
        output: whether it is an output of the node that saves it: then the node must not hold it.
    """

    __slots__ = ("edge", "unpack", "value")

    def __init__(self, t: Tensor, output: bool = False) -> None:
        pack, self.unpack = state.saved_hooks[-1]
        self.edge = None if output else edge_of(t)
        previous = state.grad_enabled
        set_grad(False)
        try:
            self.value = pack(t)
        finally:
            set_grad(previous)

    def get(self) -> Tensor:
        """The tensor again, with its history if gradients are recorded."""
        t = self.unpack(self.value)
        if not isinstance(t, Tensor):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(t)}"
            )
        out = wrap(t._array)
        out._storage = t.storage_version()
        if state.grad_enabled and self.edge is not None:
            out._edge = Restored(self.edge)
        return out


class Restored(Node):
    """Leads from an unpacked tensor to the history of the packed one."""

    __slots__ = ()

    def __init__(self, edge: Any) -> None:
        self.edges = (edge,)
        self.extra = None
        self.outputs = 1
        self.sequence = next_sequence()

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        return (grads[0],)


def _unpack(node: OpNode) -> list[Any]:
    """``OpNode.unpack`` of a node whose saved tensors are packed."""
    if node.saved is RELEASED:
        raise RuntimeError(FREED)
    values = [p.get() if isinstance(p, Packed) else p for p in node.saved]
    if node.out is None:
        return values
    outs: list[Any] = []
    for index, p in enumerate(node.out):
        t: Any = p.get() if isinstance(p, Packed) else None
        if t is not None and state.grad_enabled:
            t._edge, t._index = node, index
        outs.append(t)
    return [*values, outs[0] if node.outputs == 1 else tuple(outs)]


_classes: dict[type[OpNode], type[OpNode]] = {}


def pack_node(node: OpNode) -> None:
    """Packs what a node has saved, with the hooks of this thread."""
    if not node.plan.keeps:
        return
    saved = [Packed(t) if isinstance(t, Tensor) else t for t in node.saved]
    if node.out is not None:
        outs: Any = [None if t is None else Packed(t, output=True) for t in node.out]
        node.out = tuple(outs)
    node.saved = tuple(saved)
    kind = type(node)
    if kind not in _classes:
        _classes[kind] = type(kind.__name__, (kind,), {"__slots__": (), "unpack": _unpack})
    node.__class__ = _classes[kind]
    node.more()  # machine code leaves nodes with extras to Python
