"""The base class of all modules.

Note [Paths in errors]
An exception that passes through modules gets a note (PEP 678) with the path of the module it comes
from, "in Net.features.3 (Conv2d)". Each level it passes adds its own part: the innermost module
leaves itself on the exception, and every module above finds below which of its children it lies.
Nothing of this costs anything unless there is an exception.
"""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Self

from rushlight.autograd.access import get_grad_fn
from rushlight.autograd.modes import no_grad
from rushlight.base.device import check_device
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.tensor import Tensor
from rushlight.nn.modules import _hooks
from rushlight.nn.modules._hooks import (
    any_global,
    call_with_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from rushlight.nn.modules._state import IncompatibleKeys as _IncompatibleKeys  # noqa: F401
from rushlight.nn.modules._state import StateMixin
from rushlight.nn.modules._tree import TreeMixin
from rushlight.nn.parameter import Buffer, Parameter, is_lazy
from rushlight.ops.creation import empty_like
from rushlight.ops.native_methods import native_getattr
from rushlight.utils.hooks import RemovableHandle

__all__ = [
    "Module", "register_module_backward_hook", "register_module_buffer_registration_hook",
    "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook", "register_module_parameter_registration_hook",
]  # fmt: skip

_HOOK_DICTS = (
    "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)  # fmt: skip


def typename(obj: Any) -> str:
    """The full name of the type of ``obj`` (or of the class ``obj``), in PyTorch's words.

    Examples::

        >>> torch.typename(torch.ones(1))
        'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return str(obj.type())  # type: ignore[attr-defined]
    cls = obj if hasattr(obj, "__qualname__") and hasattr(obj, "__module__") else type(obj)
    module = cls.__module__ or ""
    if module in ("", "builtins", "__builtin__"):
        return str(cls.__qualname__)
    if module.partition(".")[0] == "rushlight":
        module = "torch" + module[len("rushlight") :]
    return f"{module}.{cls.__qualname__}"


def _add_indent(text: str, spaces: int, keep_blank: bool = False) -> str:
    """``text`` with all lines but the first indented."""
    first, *rest = text.split("\n")
    start = " " * spaces
    return "\n".join([first, *[start + r if r.strip() or keep_blank else "" for r in rest]])


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """The computation of the module. Subclasses define it."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


def _note_path(module: "Module", error: Exception) -> None:
    """Extends the note on ``error`` that tells in which module it was raised."""
    try:
        held = error.__dict__.get("_module_path")
        if held is None:
            inner, path, note = module, "", ""
        else:
            inner, child, path, note = held
            if child is module:
                return
            name = next((n for n, m in module.named_modules() if m is child), "")
            if not name:
                return
            path = f"{name}.{path}" if path else name
        notes = getattr(error, "__notes__", [])
        if note in notes:
            notes.remove(note)
        place = f"{module._get_name()}.{path}" if path else module._get_name()
        note = f"in {place} ({inner._get_name()})" if path else f"in {place}"
        error.__dict__["_module_path"] = (inner, module, path, note)
        error.add_note(note)
    except Exception:  # the error itself matters more than the note
        return


class Module(StateMixin, TreeMixin):
    """Base class of all neural network modules.

    A subclass calls ``super().__init__()``, assigns parameters and other modules as attributes
    (which registers them), and defines ``forward``.

    Examples::

        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.linear = nn.Linear(4, 2)
        ...     def forward(self, x):
        ...         return self.linear(x).relu()
        >>> Net()
        Net(
          (linear): Linear(in_features=4, out_features=2, bias=True)
        )
    """

    dump_patches = False
    call_super_init = False
    _compiled_call_impl: Callable[..., Any] | None = None
    training: bool
    _is_full_backward_hook: bool | None
    _forward_hooks: Any
    _forward_pre_hooks: Any
    _backward_hooks: Any
    _backward_pre_hooks: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = type(self).__name__
            if kwargs:
                raise TypeError(
                    f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        fields = self.__dict__
        fields["training"] = True
        fields["_parameters"] = {}
        fields["_buffers"] = {}
        fields["_non_persistent_buffers_set"] = set()
        fields["_is_full_backward_hook"] = None
        for name in _HOOK_DICTS:
            fields[name] = OrderedDict()
        fields["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or any_global
                or self._compiled_call_impl
            ):
                if self._compiled_call_impl is not None:
                    return self._compiled_call_impl(*args, **kwargs)
                return call_with_hooks(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            _note_path(self, error)
            raise

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        """The call without the compiled form."""
        return call_with_hooks(self, args, kwargs)

    # Registration

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a buffer: a tensor that belongs to the module's state but is not trained.

        Args:
            name: the attribute under which it is found.
            tensor: the buffer; None reserves the name.
            persistent: whether it is part of the ``state_dict``.

        Examples::

            >>> module = nn.Module()
            >>> module.register_buffer("mean", torch.zeros(2))
            >>> module.mean
            tensor([0., 0.])
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._check_name("buffer", name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        for hook in _hooks.global_buffer_registration.values():
            found = hook(self, name, tensor)
            tensor = tensor if found is None else found
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter.

        Args:
            name: the attribute under which it is found.
            param: the parameter; None reserves the name.
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._check_name("parameter", name, self._parameters)
        if param is None:
            self._parameters[name] = None
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if get_grad_fn(param) is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, compute "
                "the value in the forward() method."
            )
        for hook in _hooks.global_parameter_registration.values():
            found = hook(self, name, param)
            param = param if found is None else found
        self._parameters[name] = param

    def _check_name(self, kind: str, name: Any, registered: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            got = f", got: {name}" if kind == "module" else ""
            raise KeyError(f'{kind} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in registered and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def add_module(self, name: str, module: "Module | None") -> None:
        """Adds a child module.

        Args:
            name: the attribute under which it is found.
            module: the child; None reserves the name.
        """
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("module", name, self._modules)
        self._modules[name] = self._registered(name, module)

    def register_module(self, name: str, module: "Module | None") -> None:
        """Alias of :meth:`add_module`."""
        self.add_module(name, module)

    def _registered(self, name: str, module: Any) -> Any:
        """``module``, or what the registration hooks make of it."""
        for hook in _hooks.global_module_registration.values():
            found = hook(self, name, module)
            module = module if found is None else found
        return module

    # Attributes

    def __getattr__(self, name: str) -> Any:
        fields = self.__dict__
        if "_parameters" in fields:
            found = fields["_parameters"]
            if name in found:
                return found[name]
            found = fields.get("_modules", ())
            if name in found:
                return found[name]
            found = fields.get("_buffers", ())
            if name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        fields = self.__dict__
        params = fields.get("_parameters")
        if isinstance(value, Parameter):
            if params is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, fields, self._buffers, self._modules)
            self.register_parameter(name, value)
        elif params is not None and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            modules = fields.get("_modules")
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, fields, self._parameters, self._buffers)
            modules[name] = self._registered(name, value)
        elif params is not None and name in fields["_modules"]:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            fields["_modules"][name] = self._registered(name, None)
        elif isinstance(value, Tensor) and isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)  # type: ignore[attr-defined]
        elif params is not None and name in fields["_buffers"]:
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(torch.nn.Buffer, torch.Tensor or None expected)"
                )
            self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str, *places: dict[str, Any]) -> None:
        for place in places:
            place.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def __getstate__(self) -> dict[str, Any]:
        fields = self.__dict__.copy()
        fields.pop("_compiled_call_impl", None)
        return fields

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = self.__dict__
        fields.update(state)
        for name in _HOOK_DICTS:  # what old files do not have
            fields.setdefault(name, OrderedDict())
        fields.setdefault("_non_persistent_buffers_set", set())
        fields.setdefault("_is_full_backward_hook", None)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules]
        return sorted([n for n in [*names, *self._buffers] if not n[0].isdigit()])

    # Conversion

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Replaces the values of parameters, gradients and buffers by ``fn`` of them."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with no_grad():
                changed = fn(param)
            if is_lazy(param):
                param.set_kind(changed.dtype)
                continue
            grad = param.grad
            param.data = changed
            if grad is not None:
                with no_grad():
                    grad.data = fn(grad)
                param._grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Casts the floating-point parameters and buffers, in place; returns the module.

        Called as ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)`` or ``to(memory_format=...)``.
        Raises TypeError for an integer dtype, an error for a device other than the CPU.

        Examples::

            >>> nn.Linear(2, 2).to(torch.float64).weight.dtype
            torch.float64
        """
        dtype, device = kwargs.get("dtype"), kwargs.get("device")
        memory_format = kwargs.get("memory_format")
        for a in args:
            if isinstance(a, Dtype):
                dtype = a
            elif isinstance(a, Tensor):
                dtype = a.dtype
            elif a is not None and not isinstance(a, bool):
                device = a
        check_device(device)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex "
                f"dtypes, but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors as "
                "parameters or buffers. Please file an issue at "
                "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
                "if a complex module does not work as expected.",
                stacklevel=2,
            )

        def convert(t: Any) -> Any:
            kind = dtype if t.is_floating_point() or t.is_complex() else None
            if memory_format is not None and not is_lazy(t) and t.dim() in (4, 5):
                return t.to(dtype=kind, memory_format=memory_format)
            return t.to(dtype=kind)

        return self._apply(convert)

    def cpu(self) -> Self:
        """The module itself: it is on the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Raises AssertionError if there are parameters: rushlight computes on the CPU."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type: Any) -> Self:
        """Casts all parameters and buffers to ``dst_type``, in place."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Casts all floating-point parameters and buffers to float32, in place."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Casts all floating-point parameters and buffers to float64, in place."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Casts all floating-point parameters and buffers to float16, in place."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Casts all floating-point parameters and buffers to bfloat16, in place."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Gives parameters and buffers new memory with arbitrary values."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def share_memory(self) -> Self:
        """Moves parameters and buffers to memory that processes share."""
        return self._apply(lambda t: t.share_memory_())

    # Training

    def train(self, mode: bool = True) -> Self:
        """Sets training mode (or, with ``mode=False``, evaluation mode) here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Sets evaluation mode, in which ``Dropout``, ``BatchNorm`` and some others act otherwise."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets ``requires_grad`` of all parameters."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)  # type: ignore[attr-defined]
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of all parameters, or sets them to zero."""
        for p in self.parameters():
            if p._grad is None:
                continue
            if set_to_none:
                p._grad = None
            else:
                p._grad = p._grad.detach()  # type: ignore[attr-defined]
                p._grad.zero_()

    # Hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        Args:
            prepend: run before the hooks that are there already.
            with_kwargs: the hook is called as ``hook(module, args, kwargs)`` and returns both.

        Returns:
            A handle that removes the hook.
        """
        handle = self._add_hook(self._forward_pre_hooks, hook, prepend,
                                self._forward_pre_hooks_with_kwargs)  # fmt: skip
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after ``forward``; it may return another output.

        Args:
            prepend: run before the hooks that are there already.
            with_kwargs: the hook is called as ``hook(module, args, kwargs, output)``.
            always_call: it is called even when ``forward`` raises.

        Returns:
            A handle that removes the hook.
        """
        handle = self._add_hook(self._forward_hooks, hook, prepend,
                                self._forward_hooks_with_kwargs,
                                self._forward_hooks_always_called)  # fmt: skip
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` when the gradients of the output are known."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the gradients of the input are known.

        It may return a tuple that replaces ``grad_input``.
        """
        self._set_backward_kind(True)
        return self._add_hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The old form of :meth:`register_full_backward_hook`: it sees the last operation only."""
        self._set_backward_kind(False)
        return self._add_hook(self._backward_hooks, hook, False)

    def _set_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is not None and self._is_full_backward_hook is not full:
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a "
                "single Module. Please use only one of them."
            )
        self._is_full_backward_hook = full

    @staticmethod
    def _add_hook(hooks: Any, hook: Any, prepend: bool, *extra: Any) -> RemovableHandle:
        handle = RemovableHandle(hooks, extra_dict=list(extra))
        hooks[handle.id] = hook
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    # Printed form

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """What to print between the parentheses; for subclasses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        simple = len(lines) == 1 and not self._modules
        for name, module in self._modules.items():
            lines.append(f"({name}): {_add_indent(repr(module), 2)}")
        if not lines:
            return f"{self._get_name()}()"
        if simple:
            return f"{self._get_name()}({lines[0]})"
        body = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {body}\n)"


native_getattr(Module)
