"""Parameters that are computed from others: ``module.weight`` becomes ``parametrization(original)``.

The original is kept in ``module.parametrizations.weight``; the module gets a class of its own, with a
property in place of the parameter.
"""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

from rushlight.autograd.modes import no_grad
from rushlight.core.tensor import Tensor, bump_version
from rushlight.nn.modules.container import ModuleDict, ModuleList
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]  # fmt: skip


class _Cache:
    depth = 0
    values: dict[tuple[int, str], Any] = {}  # noqa: RUF012


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once."""
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.values = {}


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _set(target: Any, source: Tensor) -> None:
    """Gives ``target`` the memory of ``source``."""
    target._array = source._array
    bump_version(target)


def _check_same(found: Any, wanted: Any, start: str, names: tuple[str, str]) -> None:
    """Raises ValueError if dtype or shape were changed."""
    for what in ("dtype", "shape"):
        mine, theirs = getattr(wanted, what), getattr(found, what)
        if mine != theirs:
            raise ValueError(
                f"{start.format(what)}\n{names[0]}{what}: {mine}\n{names[1]}{what}: {theirs}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and its original.

    Args:
        modules: the parametrizations.
        original: the tensor.
        unsafe: do not check that dtype and shape stay the same.
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before: Any = original.detach()
        with no_grad():
            new = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with contextlib.suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if original.dtype != new.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            _set(original, new)
            _register(self, "original", original)
        else:
            self._register_several(original, new)
        if not unsafe:
            result = self()
            if not isinstance(result, Tensor):
                raise ValueError(
                    f"A parametrization must return a tensor. Got {type(result).__name__}."
                )
            _check_same(
                result, before,
                "Registering a parametrization may not change the {} of the tensor, unless "
                "`unsafe` flag is enabled.", ("unparametrized ", "parametrized "),
            )  # fmt: skip

    def _register_several(self, original: Any, new: Sequence[Any]) -> None:
        for i, part in enumerate(new):
            if not isinstance(part, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors "
                    f"(list, tuple...). Got element {i} of the sequence with type "
                    f"{type(part).__name__}."
                )
            value: Any = part.detach()  # type: ignore[attr-defined]
            if isinstance(original, Parameter):
                value = Parameter(value, original.requires_grad)  # type: ignore[attr-defined]
            _register(self, f"original{i}", value)

    def right_inverse(self, value: Any) -> None:
        """Changes the original so that the tensor becomes ``value``."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(
                        f"`right_inverse` should return a tensor. Got {type(value).__name__}"
                    )
                if value.dtype != self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while "
                        f"`original` has dtype {self.original.dtype}"
                    )
                _set(self.original, value)
                return
            if len(value) != self.ntensors:
                raise ValueError(
                    "'right_inverse' must return a sequence of tensors of length "
                    f"{self.ntensors}. Got a sequence of length {len(value)}."
                )
            for i, part in enumerate(value):
                _set(getattr(self, f"original{i}"), part)

    def forward(self) -> Any:
        modules = list(self)
        if self.is_tensor:
            x = modules[0](self.original)
        else:
            x = modules[0](*[getattr(self, f"original{i}") for i in range(self.ntensors)])
        for module in modules[1:]:
            x = module(x)
        return x


def _inject_new_class(module: Module) -> None:
    """Gives the module a subclass of its class, to put properties on."""
    cls = type(module)

    def deep_copy(self: Any, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = object.__new__(type(self))
            found.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return found

    def get_state(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    fields: dict[str, Any] = {"__getstate__": get_state}
    if not hasattr(cls, "__deepcopy__"):
        fields["__deepcopy__"] = deep_copy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), fields)


def _inject_property(module: Module, name: str) -> None:
    def get(self: Any) -> Any:
        parametrization = self.parametrizations[name]
        if not _Cache.depth:
            return parametrization()
        key = (id(self), name)
        found = _Cache.values.get(key)
        if found is None:
            found = _Cache.values[key] = parametrization()
        return found

    def set_original(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set_original))


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False
) -> Any:
    """Makes ``module.<tensor_name>`` the result of ``parametrization`` of what it was.

    A method ``right_inverse`` of the parametrization, if there is one, is asked for the original.

    Args:
        module: the module.
        tensor_name: a parameter or buffer of it, or a tensor that is parametrized already.
        parametrization: a module.
        unsafe: do not check that dtype and shape stay the same.

    Examples::

        >>> class Symmetric(nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).mT
        >>> layer = nn.utils.parametrize.register_parametrization(
        ...     nn.Linear(3, 3), "weight", Symmetric())
        >>> bool((layer.weight == layer.weight.T).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_further(module, tensor_name, parametrization)
        held = module.parametrizations[tensor_name]
        held.append(parametrization)
        held.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        held = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = held
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with "
            f"name '{tensor_name}'"
        )
    return module


def _check_further(module: Any, name: str, parametrization: Any) -> None:
    """Checks a parametrization that is added to others."""
    before = getattr(module, name)
    after = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    _check_same(
        after, before,
        "Registering a parametrization may not change the {} of the tensor, unless the `unsafe` "
        "flag is enabled.", (f"module.{name}.", f"parametrization(module.{name})."),
    )  # fmt: skip
    if hasattr(parametrization, "right_inverse"):
        with contextlib.suppress(NotImplementedError):
            back = parametrization.right_inverse(after)
            if not isinstance(back, Tensor):
                raise ValueError(
                    f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
                )
            _check_same(
                back, before,
                "The tensor returned by parametrization.right_inverse must have the same {} as "
                f"module.{name}, unless the `unsafe` flag is enabled.",
                (f"module.{name}.", "returned "),
            )  # fmt: skip


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether ``module`` (or that tensor of it) is parametrized."""
    held = getattr(module, "parametrizations", None)
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Makes ``module.<tensor_name>`` a parameter or buffer again.

    Args:
        leave_parametrized: with the present value; otherwise with the original.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    held = module.parametrizations[tensor_name]
    if held.is_tensor:
        original = held.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            _set(original, value)
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class that ``module`` had before it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Any, to_module: Any, tensor_name: str | None = None
) -> Any:
    """Parametrizes ``to_module`` like ``from_module``, with the same originals."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        originals = (
            ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]
        )
        for original in originals:
            setattr(target, original, getattr(source, original))
    return to_module
