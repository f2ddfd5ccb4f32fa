"""Hooks of modules: how they are registered, and the call that runs them.

Note [Calls]
``Module.__call__`` goes straight to ``forward`` when neither the module nor the program has hooks;
only otherwise does ``call_with_hooks`` run. The dicts and their names are PyTorch's, so that whole
modules can be saved and loaded.
"""

import functools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rushlight.autograd.access import get_grad_fn, get_requires_grad
from rushlight.autograd.node import Node, edge_of, next_sequence
from rushlight.core.state import state
from rushlight.core.tensor import Tensor, wrap
from rushlight.utils.hooks import RemovableHandle

Hooks = OrderedDict[int, Any]

global_parameter_registration: Hooks = OrderedDict()
global_buffer_registration: Hooks = OrderedDict()
global_module_registration: Hooks = OrderedDict()

global_backward_pre: Hooks = OrderedDict()
global_backward: Hooks = OrderedDict()
global_forward_pre: Hooks = OrderedDict()
global_forward: Hooks = OrderedDict()
global_forward_with_kwargs: Hooks = OrderedDict()
global_forward_always: Hooks = OrderedDict()
any_global: Hooks = OrderedDict()  # an entry for each hook of the four kinds that calls run


class _BackwardKind:
    """Whether the global backward hooks are full ones: None as long as there was none."""

    full: bool | None = None


def _register_global(hooks: Hooks, hook: Any, *extra: Hooks) -> RemovableHandle:
    handle = RemovableHandle(hooks, extra_dict=[any_global, *extra])
    hooks[handle.id] = hook
    any_global[handle.id] = True
    return handle


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, param)`` whenever a module registers a parameter.

    What it returns, if not None, is registered instead. Returns a handle that removes the hook.
    """
    handle = RemovableHandle(global_parameter_registration)
    global_parameter_registration[handle.id] = hook
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` whenever a module registers a buffer."""
    handle = RemovableHandle(global_buffer_registration)
    global_buffer_registration[handle.id] = hook
    return handle


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` whenever a module registers a child."""
    handle = RemovableHandle(global_module_registration)
    global_module_registration[handle.id] = hook
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, args)`` before the ``forward`` of every module of the program."""
    return _register_global(global_forward_pre, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after the ``forward`` of every module of the program.

    Args:
        with_kwargs: the hook is called as ``hook(module, args, kwargs, output)``.
        always_call: it is called even when ``forward`` raises.
    """
    extra = (global_forward_with_kwargs, global_forward_always)
    handle = _register_global(global_forward, hook, *extra)
    if with_kwargs:
        global_forward_with_kwargs[handle.id] = True
    if always_call:
        global_forward_always[handle.id] = True
    return handle


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` before the backward pass of every module."""
    return _register_global(global_backward_pre, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` after the backward pass of every module."""
    if _BackwardKind.full is False:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _BackwardKind.full = True
    return _register_global(global_backward, hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The old form of :func:`register_module_full_backward_hook`."""
    if _BackwardKind.full is True:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _BackwardKind.full = False
    return _register_global(global_backward, hook)


class WrappedHook:
    """A hook that gets the module it was registered on as its first argument."""

    def __init__(self, hook: Callable[..., Any], module: Any = None) -> None:
        self.hook = hook
        functools.update_wrapper(self, hook)
        self.with_module = module is not None
        self.module = weakref.ref(module) if module is not None else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.module is None:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        module = self.module() if self.module is not None else None
        return {"hook": self.hook, "with_module": self.with_module, "module": module}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        self.hook = saved["hook"]
        self.with_module = saved["with_module"]
        if self.with_module and saved["module"] is None:
            raise RuntimeError("You are trying to revive the hook of a dead Module!")
        self.module = weakref.ref(saved["module"]) if self.with_module else None


class BackwardHookFunctionBackward(Node):
    """Passes gradients on unchanged; the hooks of a module hang on it."""

    __slots__ = ()

    def apply(self, grads: Any) -> Any:
        return tuple(grads)


def _pass_through(tensors: list[Tensor]) -> tuple[list[Tensor], Node]:
    """The same tensors as outputs of a node that hooks can be put on."""
    node = BackwardHookFunctionBackward()
    node.edges = tuple([edge_of(t) for t in tensors])
    node.outputs = len(tensors)
    node.extra = None
    node.sequence = next_sequence()
    results = []
    for index, t in enumerate(tensors):
        out = wrap(t._array)
        out._storage = t.storage_version()
        if t.dtype.category >= 2:
            out._edge, out._index = node, index
        results.append(out)
    return results, node


def _insert(values: tuple[Any, ...]) -> tuple[Any, list[int] | None, Node | None]:
    """``values`` with their tensors passed through a node, which of them, and that node."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    if not state.grad_enabled or not any(get_requires_grad(values[i]) for i in places):
        return values, None, None
    results, node = _pass_through([values[i] for i in places])
    changed = list(values)
    for i, t in zip(places, results):
        changed[i] = t
    plain = type(values) is tuple
    return tuple(changed) if plain else type(values)(*changed), places, node


def _spread(places: list[int] | None, values: Any, size: int) -> tuple[Any, ...]:
    spread: list[Any] = [None] * size
    for place, value in zip(places or (), values):
        spread[place] = value
    return tuple(spread)


class BackwardHook:
    """Runs the full backward hooks of one call of a module."""

    def __init__(self, module: Any, hooks: list[Any], pre_hooks: list[Any]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: Any = None
        self.n_inputs = self.n_outputs = -1
        self.inputs: list[int] | None = None
        self.outputs: list[int] | None = None

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments to call ``forward`` with, so that their gradients pass by here."""
        changed, self.inputs, node = _insert(args)
        self.n_inputs = len(args)
        if node is not None:
            node.register_hook(self.after)
        return changed  # type: ignore[no-any-return]

    def setup_output_hook(self, result: Any) -> Any:
        """The result to return, so that the gradients of the output pass by here."""
        values = result if isinstance(result, tuple) else (result,)
        changed, self.outputs, node = _insert(values)
        self.n_outputs = len(values)
        if node is not None:
            node.register_hook(self.before)
        return changed if isinstance(result, tuple) else changed[0]

    def before(self, _: Any, grad_output: Any) -> Any:
        """Runs the pre-hooks when the gradients of the outputs are known."""
        self.grad_outputs = _spread(self.outputs, grad_output, self.n_outputs)
        expected = len(self.grad_outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != expected:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(changed)}, but expected {expected}"
                )
            self.grad_outputs = changed
        local = self.grad_outputs
        if self.inputs is None:
            self.without_inputs()
        return tuple([local[i] for i in self.outputs or ()])

    def without_inputs(self) -> None:
        """Runs the hooks at once where no input requires grad: there is nothing to wait for."""
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
            "register_full_backward_hook for more details.",
            stacklevel=5,
        )
        grad_inputs = _spread(None, (), self.n_inputs)
        for hook in self.hooks:
            found = hook(self.module, grad_inputs, self.grad_outputs)
            if found is None or (isinstance(found, tuple) and all(g is None for g in found)):
                continue
            raise RuntimeError(
                "Backward hook for Modules where no input requires gradient should always "
                "return None or None for all gradients."
            )
        self.grad_outputs = None

    def after(self, grad_input: Any, _: Any) -> Any:
        """Runs the hooks when the gradients of the inputs are known."""
        if self.grad_outputs is None:
            return None  # an input that reached the loss without passing through the output
        found = _spread(self.inputs, grad_input, self.n_inputs)
        for hook in self.hooks:
            changed = hook(self.module, found, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != len(found):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(changed)}, but expected {len(found)}"
                )
            found = changed
        self.grad_outputs = None
        return tuple([found[i] for i in self.inputs or ()])


def _backward_hooks(module: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The full backward hooks, the old ones, and the pre-hooks of ``module`` and the program."""
    full: list[Any] = []
    old: list[Any] = []
    for kind, hooks in (
        (_BackwardKind.full, global_backward),
        (module._is_full_backward_hook, module._backward_hooks),
    ):
        (full if kind else old).extend(hooks.values())
    return full, old, [*global_backward_pre.values(), *module._backward_pre_hooks.values()]


def _run_pre_hooks(module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    for hook_id, hook in (*global_forward_pre.items(), *module._forward_pre_hooks.items()):
        if hook_id in module._forward_pre_hooks_with_kwargs:
            found = hook(module, args, kwargs)
            if found is None:
                continue
            if not isinstance(found, tuple) or len(found) != 2:
                raise RuntimeError(
                    "forward pre-hook must return None or a tuple "
                    f"of (new_args, new_kwargs), but got {found}."
                )
            args, kwargs = found
        else:
            found = hook(module, args)
            if found is not None:
                args = found if isinstance(found, tuple) else (found,)
    return args, kwargs


def _run_one(module: Any, hook_id: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
    if hook_id in module._forward_hooks_with_kwargs or hook_id in global_forward_with_kwargs:
        found = hook(module, args, kwargs, result)
    else:
        found = hook(module, args, result)
    return result if found is None else found


def call_with_hooks(module: Any, args: Any, kwargs: Any) -> Any:
    """``module(*args, **kwargs)`` with all hooks."""
    done: set[int] = set()
    result = None
    try:
        args, kwargs = _run_pre_hooks(module, args, kwargs)
        full, old, pre = _backward_hooks(module)
        backward = None
        if full or pre:
            backward = BackwardHook(module, full, pre)
            args = backward.setup_input_hook(args)
        result = module.forward(*args, **kwargs)
        for hook_id, hook in (*global_forward.items(), *module._forward_hooks.items()):
            if hook_id in module._forward_hooks_always_called or hook_id in global_forward_always:
                done.add(hook_id)
            result = _run_one(module, hook_id, hook, args, kwargs, result)
        if backward is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple "
                    f"of Tensors but received {type(result)}",
                    stacklevel=2,
                )
            result = backward.setup_output_hook(result)
        if old:
            _add_old_hooks(module, old, args, result)
        return result
    except Exception:
        _run_always_called(module, done, args, kwargs, result)
        raise


def _run_always_called(module: Any, done: set[int], args: Any, kwargs: Any, result: Any) -> None:
    """After an exception: the hooks that are called in any case and were not yet."""
    for kind, hooks, always in (
        ("global module", global_forward, global_forward_always),
        ("module", module._forward_hooks, module._forward_hooks_always_called),
    ):
        for hook_id, hook in hooks.items():
            if hook_id not in always or hook_id in done:
                continue
            try:
                result = _run_one(module, hook_id, hook, args, kwargs, result)
            except Exception as error:
                warnings.warn(
                    f"{kind} forward hook with ``always_call=True`` raised an exception "
                    f"that was silenced as another error was raised in forward: {error}",
                    stacklevel=3,
                )


def _add_old_hooks(module: Any, hooks: list[Any], args: Any, result: Any) -> None:
    """Backward hooks of the old kind: they see only the last node of the module."""
    found = result
    while not isinstance(found, Tensor):
        if isinstance(found, dict):
            found = next(v for v in found.values() if isinstance(v, Tensor))
        else:
            found = found[0]
    grad_fn = get_grad_fn(found)
    if grad_fn is None:
        return
    for hook in hooks:
        grad_fn.register_hook(WrappedHook(hook, module))
    _warn_about_old_hooks(args, result, grad_fn)


def _warn_about_old_hooks(args: Any, result: Any, grad_fn: Node) -> None:
    start = "Using a non-full backward hook when "
    end = " is deprecated and will be removed in future versions. This hook will be missing "
    use = "Please use register_full_backward_hook to get the documented behavior."
    outputs = result if isinstance(result, tuple) else (result,)
    message = None
    if not all(isinstance(r, Tensor) for r in outputs):
        message = (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a "
            f"tuple of Tensors{end}some of the grad_output. {use}"
        )
    elif not all(isinstance(a, Tensor) for a in args):
        message = (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor "
            f"or a tuple of Tensors{end}some of the grad_input. {use}"
        )
    else:
        nodes = {get_grad_fn(r) for r in outputs} - {None}
        if not nodes or (len(nodes) == 1 and grad_fn not in nodes):
            message = f"{start}outputs are nested in python data structure{end}some grad_output."
        elif len(nodes) > 1:
            message = f"{start}outputs are generated by different autograd Nodes{end}some grad_output. {use}"
        elif {get_grad_fn(a) for a in args} - {None} != {n[0] for n in grad_fn.next_functions}:
            message = (
                f"{start}the forward contains multiple autograd Nodes{end}some grad_input. {use}"
            )
    if message is not None:
        warnings.warn(message, FutureWarning, stacklevel=5)
