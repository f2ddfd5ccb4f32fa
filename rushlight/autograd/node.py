"""The graph: what each differentiable result remembers.

Note [Edges]
An edge says where the gradient of an input goes: None (nowhere), a ``Node`` (its output 0), a pair
``(Node, index)``, or, for a leaf, the leaf tensor itself. A leaf has no node of its own: the engine
adds to its ``grad`` directly, so parameters form no reference cycles with their graph.
"""

import itertools
import weakref
from typing import Any

from rushlight.base import dtypes
from rushlight.core.state import set_grad, state
from rushlight.core.tensor import LEAF, Storage, Tensor, View, wrap

Grads = list[Tensor | None]
next_sequence = itertools.count().__next__


class Extra:
    """What only nodes with hooks need."""

    __slots__ = ("metadata", "post_hooks", "pre_hooks", "retains", "tensor_hooks", "trace")

    def __init__(self) -> None:
        self.tensor_hooks: dict[int, dict[int, Any]] = {}  # by output, then by handle
        self.retains: dict[int, weakref.ref[Tensor]] = {}
        self.pre_hooks: dict[int, Any] = {}
        self.post_hooks: dict[int, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.trace: list[str] | None = None


class Node:
    """One step of the recorded computation; ``apply`` maps gradients of outputs to those of inputs."""

    __slots__ = ("__weakref__", "edges", "extra", "outputs", "sequence")
    outputs: int
    edges: tuple[Any, ...]
    extra: Extra | None
    sequence: int

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs, given those of the outputs (None: zero)."""
        raise NotImplementedError

    def release(self) -> None:
        """Drops what was saved for the backward pass."""

    def name(self) -> str:
        """The name that is printed as ``grad_fn=<...>``."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def more(self) -> Extra:
        """The record of hooks, made when first asked for."""
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict for the user's notes about this node."""
        return self.more().metadata

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """For each input, the node that its gradient goes to and which of its outputs it is."""
        result = []
        for e in self.edges:
            if isinstance(e, Tensor):
                result.append((accumulator(e), 0))
            else:
                result.append(e if isinstance(e, tuple) else (e, 0))
        return tuple(result)

    def register_hook(self, hook: Any) -> "Handle":
        """Calls ``hook(grad_inputs, grad_outputs)`` after this node ran; it may replace the former."""
        return Handle.add(self.more().post_hooks, hook)

    def register_prehook(self, hook: Any) -> "Handle":
        """Calls ``hook(grad_outputs)`` before this node runs; it may replace them."""
        return Handle.add(self.more().pre_hooks, hook)

    def __call__(self, *grads: Tensor | None) -> Any:
        result = self.apply(list(grads))
        return result[0] if len(result) == 1 else result


class Handle:
    """Removes the hook that it was returned for."""

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = next(Handle._ids)
        self.hooks = hooks

    @classmethod
    def add(cls, hooks: dict[int, Any], hook: Any) -> "Handle":
        """Registers ``hook`` at the end of ``hooks``."""
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *args: object) -> None:
        self.remove()


class AccumulateGrad(Node):
    """What a user sees as the end of the graph: the place where a leaf's gradient gathers."""

    __slots__ = ("variable",)

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable
        self.edges = ()
        self.outputs = 1
        self.extra = None
        self.sequence = -1


def accumulator(leaf: Tensor) -> AccumulateGrad:
    """The AccumulateGrad of ``leaf``, the same object as long as somebody holds it."""
    meta = leaf.meta()
    found = meta.accumulator() if meta.accumulator is not None else None
    if found is None:
        found = AccumulateGrad(leaf)
        meta.accumulator = weakref.ref(found)
    return found


class Released:
    """The value of ``saved`` after the backward pass."""


RELEASED: Any = Released()


class OpNode(Node):
    """The node of a primitive, by its plan.

    ``saved`` are the inputs that its rules read, ``out`` tensors on the memory of those outputs
    that they read, without history (a node that held its outputs would be a cycle). ``versions``
    are the version counts of both, in this order; None for what is no tensor.
    """

    __slots__ = ("out", "params", "plan", "saved", "shapes", "versions")

    saved: tuple[Any, ...]
    versions: tuple[int | None, ...]
    out: tuple[Tensor | None, ...] | None
    params: tuple[Any, ...]
    shapes: tuple[Any, ...] | None  # of all inputs; None: nobody asks, or all are the output's
    plan: Any

    def __getattr__(self, name: str) -> Any:
        """``_saved_self``, ``_saved_result`` and others: what the node keeps."""
        if name.startswith("_saved_"):
            plan, wanted = self.plan, name.removeprefix("_saved_")
            primitive = plan.primitive
            names = [primitive.inputs[i] for i in plan.saved] + ["result"] * plan.save_out
            values = self.unpack() if plan.keeps else []
            values, names = [*values, *self.params], [*names, *primitive.params]
            if wanted == "self":
                wanted = "input"
            if wanted in names:
                return values[names.index(wanted)]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        plan = self.plan
        values = [*self.unpack(), *self.params] if plan.keeps else [*self.params]
        if plan.reads_shapes:
            values += self.shapes  # type: ignore[arg-type]
        g: Any = grads[0] if self.outputs == 1 else plan.materialize(self, grads)
        if plan.joint:
            values.append(plan.needs)
            found = plan.rules[0](g, *[values[i] for i in plan.places[0]])
            return found if type(found) is tuple else (found,)
        results: list[Tensor | None] = []
        for rule, places in zip(plan.rules, plan.places, strict=True):
            if rule is None:
                results.append(None)
                continue
            r = rule(g, *[values[i] for i in places])
            if plan.broadcast and self.shapes is not None:
                shape = self.shapes[len(results)]
                if r._array.shape != shape:
                    r = plan.sum_to_size(r, shape)
            results.append(r)
        return tuple(results)

    def release(self) -> None:
        if self.plan.keeps:
            self.saved = RELEASED
            self.out = None

    def unpack(self) -> list[Any]:
        """The saved inputs and outputs, after a check that nobody changed them since."""
        saved, versions = self.saved, self.versions
        if saved is RELEASED:
            raise RuntimeError(FREED)
        for t, version in zip(saved, versions):
            if version is not None and t._storage is not None and t._storage.version != version:
                raise changed_error(t._array, version, t._storage, t._edge, t._index)
        if self.out is None:
            return [*saved]
        outs = [
            None if t is None else self._output(t, index, versions[len(saved) + index])
            for index, t in enumerate(self.out)
        ]
        return [*saved, outs[0] if self.outputs == 1 else tuple(outs)]

    def _output(self, t: Tensor, index: int, version: int | None) -> Tensor:
        storage = t._storage
        assert storage is not None
        assert version is not None
        if storage.version != version:
            raise changed_error(t._array, version, storage, self, index)
        if state.grad_enabled:
            t = twin(t)
            t._edge, t._index = self, index
        return t


def twin(t: Tensor) -> Tensor:
    """A tensor on the memory of ``t`` without its history."""
    out = wrap(t._array)
    out._storage = t.storage_version()
    return out


FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


def changed_error(
    array: Any, version: int, storage: Storage, node: Any, index: int
) -> RuntimeError:
    """The error for a saved tensor that was changed in place."""
    kind = dtypes.SCALAR_TYPE_NAMES[dtypes.from_numpy(array.dtype)]
    origin = f", which is output {index} of {plain_name(node)}," if isinstance(node, Node) else ""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [torch.{kind}Tensor {list(array.shape)}]{origin} is at version "
        f"{storage.version}; expected version {version} instead. Hint: enable anomaly detection to find the operation that failed to compute its "
        "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def plain_name(node: Node) -> str:
    """The name that messages give a node: "Exp" for ``ExpBackward0``, "Fill2" for ``FillBackward2``."""
    name = node.name()
    if name in ("CopySlices", "CopyBackwards"):
        return f"torch::autograd::{name}"
    stem, found, number = name.rpartition("Backward")
    return stem + number.removesuffix("0") if found else name


def edge_of(t: Tensor) -> Any:
    """Where the gradient of ``t`` goes: see Note [Edges]. Views of changed memory are refreshed."""
    if t._meta is not None and t._meta.view is not None:
        refresh_view(t, t._meta.view)
    e = t._edge
    if e is None:
        return None
    if e is LEAF:
        return t
    return e if t._index == 0 else (e, t._index)


def refresh_view(t: Tensor, view: View) -> None:
    """Gives a view whose base was changed in place its new history."""
    storage = t._storage
    if storage is None or view.version == storage.version:
        return
    view.version = storage.version
    if view.creation is None and view.base._edge is not None:
        fresh = replay(view.steps, view.base)
        t._edge, t._index = fresh._edge, fresh._index


def replay(steps: tuple[Any, ...], base: Tensor) -> Tensor:
    """The view that ``steps`` make of ``base``, recorded whatever the grad mode."""
    previous = state.grad_enabled
    set_grad(True)
    try:
        for primitive, params in steps:
            base = primitive.view_of(base, params)
    finally:
        set_grad(previous)
    return base


class CopySlices(Node):
    """The node of a base after the part that ``steps`` select was replaced by ``source``."""

    __slots__ = ("helpers", "steps")

    def __init__(self, base: Tensor, source: Tensor, steps: tuple[Any, ...], helpers: Any) -> None:
        self.edges = (edge_of(base), edge_of(source))
        self.steps = steps
        self.helpers = helpers
        self.outputs = 1
        self.extra = None
        self.sequence = next_sequence()

    def apply(self, grads: Grads) -> tuple[Tensor | None, ...]:
        whole = self.helpers.clone(grads[0])
        part = whole
        for primitive, params in self.steps:
            part = primitive.view_of(part, params)
        of_source = self.helpers.clone(part)
        self.helpers.zero_(part)
        return whole, of_source


def rebase(input: Tensor, result: Tensor, helpers: Any) -> None:
    """Gives ``input``, which now has the values of ``result``, its history.

    A view's base is told that the part was replaced, and the view is made anew from it.
    """
    view = input._meta.view if input._meta is not None else None
    if view is None:
        node = input._edge = result._edge
        input._index = result._index
        if isinstance(node, OpNode) and node.out is not None and node.outputs == 1:
            node.out = (twin(input),)
            node.versions = (*node.versions[:-1], input._version)
        return
    view.base._edge = CopySlices(view.base, result, view.steps, helpers)
    view.base._index = 0
    view.version = -1
    refresh_view(input, view)
