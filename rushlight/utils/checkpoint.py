"""Checkpointing: memory for time. What the backward pass needs is computed again when it is needed.

Note [Two ways]
With ``use_reentrant=True`` the function runs without recording, as one node; the backward pass runs
it again with recording and differentiates that. Without, the graph is recorded at once, but saved
tensors are dropped (by hooks on saved tensors); when the first is asked for, the function runs again
and its saved tensors, in the same order, are what is handed out.
"""

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rushlight.autograd.engine import backward as run_backward
from rushlight.autograd.function import Function
from rushlight.autograd.graph import saved_tensors_hooks
from rushlight.autograd.modes import enable_grad
from rushlight.autograd.node import edge_of
from rushlight.core.generator import get_rng_state, set_rng_state
from rushlight.core.state import state
from rushlight.core.tensor import Tensor

Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]


class CheckpointError(RuntimeError):
    """The function did not do the same when it ran again."""


class _Rng:
    """Runs something with the random state of an earlier moment, if that is wanted."""

    def __init__(self, preserve: bool) -> None:
        self.state = get_rng_state() if preserve else None

    def __enter__(self) -> None:
        if self.state is not None:
            self.now = get_rng_state()
            set_rng_state(self.state)

    def __exit__(self, *args: object) -> None:
        if self.state is not None:
            set_rng_state(self.now)


def _detached(args: Iterable[Any]) -> tuple[Any, ...]:
    result = []
    for a in args:
        if isinstance(a, Tensor):
            fresh: Any = a.detach()  # type: ignore[attr-defined]
            a = fresh.requires_grad_() if edge_of(a) is not None else fresh
        result.append(a)
    return tuple(result)


class CheckpointFunction(Function):
    """The node of ``use_reentrant=True``."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve: bool, *args: Any) -> Any:
        """The function's value, without recording."""
        ctx.run_function = run_function
        ctx.rng = _Rng(preserve)
        ctx.inputs = args
        ctx.save_for_backward(*[a for a in args if isinstance(a, Tensor)])
        return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Runs the function again and differentiates."""
        _ = ctx.saved_tensors  # the check for changes in place
        with ctx.rng, enable_grad():
            inputs = _detached(ctx.inputs)
            outputs = ctx.run_function(*inputs)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        pairs = [
            (t, g)
            for t, g in zip(outputs, grads)
            if isinstance(t, Tensor) and edge_of(t) is not None
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        run_backward([t for t, _ in pairs], [g for _, g in pairs])
        return (None, None, *[t.grad if isinstance(t, Tensor) else None for t in inputs])


class _Stop(Exception):
    """All saved tensors are known: the rest of the function need not run again."""


class _Holder:
    """Stands for a saved tensor: which one it is."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class _Frame:
    """One checkpointed call: how many tensors it saved, and what running it again gave."""

    def __init__(self, again: Callable[[], Any], early_stop: bool) -> None:
        self.again = again
        self.early_stop = early_stop
        self.count = 0
        self.metadata: list[Any] = []
        self.found: list[Any] | None = None

    def pack(self, t: Tensor) -> _Holder:
        """Drops a tensor."""
        holder = _Holder(self.count)
        self.count += 1
        self.metadata.append((t.shape, t.dtype))
        return holder

    def unpack(self, holder: _Holder) -> Any:
        """The tensor that was dropped."""
        if self.found is None:
            self._run()
        assert self.found is not None
        t = self.found[holder.index]
        if t is None:
            self._run()  # a second backward pass
            t = self.found[holder.index]
        self.found[holder.index] = None
        return t

    def _run(self) -> None:
        found: list[Any] = []

        def keep(t: Any) -> None:
            if len(found) < self.count and (t.shape, t.dtype) != self.metadata[len(found)]:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have "
                    "different metadata than during the forward pass."
                )
            found.append(t.detach())
            if self.early_stop and len(found) == self.count:
                raise _Stop

        def refuse(_: Any) -> Any:
            raise CheckpointError("torch.utils.checkpoint: trying to backward while recomputing")

        try:
            with enable_grad(), saved_tensors_hooks(keep, refuse):  # type: ignore[arg-type]
                self.again()
        except _Stop:
            pass
        if len(found) < self.count:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and recomputation.\nNumber of tensors saved during forward: "
                f"{self.count}\nNumber of tensors saved during recomputation: {len(found)}."
            )
        self.found = found


def noop_context_fn() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Two contexts that change nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Contexts = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, of which the graph keeps the arguments only.

    The backward pass runs the function again. See Note [Two ways].

    Args:
        use_reentrant: False is recommended; it must be given.
        context_fn: makes two context managers, for the run and for the second run.
        preserve_rng_state: draw the same random numbers when the function runs again.
        early_stop: let the second run end when all saved tensors are known.
        determinism_check, debug: accepted; shapes and dtypes are always checked.

    Examples::

        >>> x = torch.ones(2, requires_grad=True)
        >>> y = torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False)
        >>> y.sum().backward()
        >>> x.grad
        tensor([2.7183, 2.7183])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an "
            "exception. use_reentrant=False is recommended, but if you need to preserve the current "
            "default behavior, you can pass use_reentrant=True. Refer to docs for more details on "
            "the differences between the two variants.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        if state.grad_enabled and not any(
            isinstance(a, Tensor) and edge_of(a) is not None for a in args
        ):
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None",
                UserWarning,
                stacklevel=2,
            )
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    forward_context, second_context = context_fn()
    rng = _Rng(preserve_rng_state)
    if not state.grad_enabled:
        with forward_context:
            return function(*args, **kwargs)

    def again() -> Any:
        with rng, second_context:
            return function(*args, **kwargs)

    frame = _Frame(again, early_stop)
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A sequence of modules in ``segments`` parts, all but the last one checkpointed.

    Args:
        functions: a ``Sequential`` or a list of modules or functions.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. use_reentrant=False is recommended.",
            UserWarning,
            stacklevel=2,
        )
        use_reentrant = True
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(parts) // segments

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for part in parts[start:end]:
                x = part(x)
            return x

        return forward

    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            run(start, end), input, use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
        )  # fmt: skip
    return run(end, len(parts))(input)
