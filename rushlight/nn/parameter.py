"""Tensors that belong to modules: parameters, buffers, and those whose shape is not known yet."""

from collections import OrderedDict
from typing import Any

import numpy as np

from rushlight.autograd.access import get_requires_grad
from rushlight.base import dtypes
from rushlight.base.device import check_device
from rushlight.core.printing import tensor_repr
from rushlight.core.state import defaults
from rushlight.core.tensor import LEAF, Tensor, init_fields

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


def _make_subclass(cls: type, data: Tensor, requires_grad: bool) -> Any:
    """A leaf of class ``cls`` on the memory of ``data``."""
    array = data._array
    if requires_grad and data.dtype.category < dtypes.FLOATING:
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
    out = object.__new__(cls)
    init_fields(out, array)  # type: ignore[arg-type]
    out._storage = data.storage_version()  # type: ignore[attr-defined]
    if requires_grad:
        out._edge = LEAF  # type: ignore[attr-defined]
    return out


class _ParameterMeta(type):
    """Lets tensors of other classes be parameters: ``Parameter(custom)`` sets ``_is_param``."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Parameter
            and isinstance(instance, Tensor)
            and instance.__dict__.get("_is_param", False)
        )


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that a module registers as its parameter when it is assigned as an attribute.

    Args:
        data: the values; memory is shared with it. Default: an empty tensor.
        requires_grad: whether gradients are recorded, also when made under ``no_grad``.

    Examples::

        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> "Parameter":
        if data is None:
            return _make_subclass(cls, _empty(None, None), requires_grad)
        if type(data) is Tensor or type(data) is Parameter:
            return _make_subclass(cls, data, requires_grad)
        out: Any = data.detach()  # type: ignore[attr-defined]
        out = out.requires_grad_(requires_grad)
        if type(out) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that "
                "detach() returns an instance of the same type, but return type "
                f"{type(out).__name__} was found instead. To use the type as a Parameter, please "
                "correct the detach() semantics defined by its __torch_dispatch__() implementation."
            )
        out._is_param = True
        return out

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> "Parameter":
        found = memo.get(id(self))
        if found is None:
            copied = self._array.copy(order="K")
            found = object.__new__(type(self))
            init_fields(found, copied)
            if get_requires_grad(self):
                found._edge = LEAF
            memo[id(self)] = found
        return found

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return "Parameter containing:\n" + tensor_repr(self, tensor_contents=tensor_contents)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        arguments = (self.data, self.requires_grad, OrderedDict())  # type: ignore[attr-defined]
        if not self.__dict__:
            return _rebuild_parameter, arguments
        return _rebuild_parameter_with_state, (*arguments, self.__dict__)


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """What a pickled parameter is made from."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: dict[str, Any]
) -> Parameter:
    """What a pickled parameter with attributes of its own is made from."""
    out = Parameter(data, requires_grad)
    out.__dict__.update(state)
    return out


class _BufferMeta(type):
    """``isinstance(t, Buffer)`` asks for the flag that ``Buffer(...)`` sets."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Buffer
            and isinstance(instance, Tensor)
            and instance.__dict__.get("_is_buffer", False)
        )


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a module registers as a buffer when it is assigned as an attribute.

    Args:
        data: the values; memory is shared with it.
        persistent: whether it is part of the module's ``state_dict``.

    Examples::

        >>> module = torch.nn.Module()
        >>> module.steps = torch.nn.Buffer(torch.zeros(1))
        >>> list(module.state_dict())
        ['steps']
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        if data is None:
            data = _empty(None, None)
        out: Any = data.detach()  # type: ignore[attr-defined]
        out.requires_grad_(data.requires_grad)  # type: ignore[attr-defined]
        out.persistent = persistent
        out._is_buffer = True
        return out


def _empty(device: Any, dtype: dtypes.dtype | None) -> Tensor:
    check_device(device)
    out = object.__new__(Tensor)
    init_fields(out, np.empty(0, (dtype or defaults.dtype).np))
    return out


# What an uninitialized tensor can do: everything else needs values and raises ValueError.
_ALLOWED = frozenset(
    [
        "__class__",
        "__dict__",
        "__doc__",
        "__init__",
        "__module__",
        "__new__",
        "__hash__",
        "__repr__",
        "__str__",
        "__deepcopy__",
        "__reduce__",
        "__reduce_ex__",
        "__getstate__",
        "__setattr__",
        "__getattribute__",
        "__format__",
        "__eq__",
        "__weakref__",
        "_edge",
        "_grad",
        "_index",
        "_meta",
        "_storage",
        "_kind",
        "_is_buffer",
        "_is_param",
        "_like",
        "_reject",
        "persistent",
        "cls_to_become",
        "materialize",
        "shape",
        "share_memory_",
        "data",
        "dtype",
        "device",
        "grad",
        "requires_grad",
        "requires_grad_",
        "is_leaf",
        "grad_fn",
        "is_meta",
        "is_complex",
        "is_floating_point",
        "to",
        "cpu",
        "cuda",
        "half",
        "float",
        "double",
        "bfloat16",
        "char",
        "short",
        "int",
        "long",
        "set_kind",
    ]
)


class UninitializedTensorMixin:
    """A tensor without shape or values; :meth:`materialize` gives it both."""

    cls_to_become: type = Tensor

    def __getattribute__(self, name: str) -> Any:
        if name in _ALLOWED:
            return object.__getattribute__(self, name)
        cls = object.__getattribute__(self, "__class__").__name__
        raise ValueError(
            f"Attempted to use an uninitialized parameter in {name}. "
            "This error happens when you are using a `LazyModule` or explicitly manipulating "
            f"`torch.nn.parameter.{cls}` objects. When using LazyModules Call `forward` with a "
            "dummy batch to initialize the parameters before calling torch functions"
        )

    def materialize(
        self, shape: Any, device: Any = None, dtype: dtypes.dtype | None = None
    ) -> None:
        """Turns it into an ordinary tensor of this shape with arbitrary values.

        Args:
            shape: the dimensions.
            device: only the CPU.
            dtype: default: the dtype that it was made with.
        """
        check_device(device)
        kind = (dtype or self._kind).np
        del self.__dict__["_kind"]
        self.__class__ = self.cls_to_become
        self._array = np.empty(tuple(shape), kind)

    @property
    def shape(self) -> Any:
        """Raises RuntimeError: there is no shape yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. "
            "This error usually happens in `load_state_dict` when trying to load "
            "an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    @property
    def dtype(self) -> dtypes.dtype:
        """The type that the elements will have."""
        return self._kind

    @property
    def data(self) -> Any:
        """The tensor itself: it has no values."""
        return self

    def set_kind(self, dtype: dtypes.dtype) -> None:
        """Changes the type that the elements will have."""
        self._kind = dtype

    def _like(self, dtype: dtypes.dtype) -> Any:
        return type(self)(self.requires_grad, None, dtype)

    def to(self, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        """As for tensors: one of another dtype."""
        for a in args:
            if isinstance(a, dtypes.dtype):
                dtype = a
            elif a is not None and not isinstance(a, bool):
                device = a
        check_device(device)
        return self if dtype is None or dtype is self._kind else self._like(dtype)

    def cpu(self) -> Any:
        """Itself."""
        return self

    def cuda(self, device: Any = None) -> Any:
        """Raises AssertionError: rushlight computes on the CPU."""
        check_device("cuda")

    def half(self) -> Any:
        """One of dtype float16."""
        return self._like(dtypes.float16)

    def float(self) -> Any:
        """One of dtype float32."""
        return self._like(dtypes.float32)

    def double(self) -> Any:
        """One of dtype float64."""
        return self._like(dtypes.float64)

    def bfloat16(self) -> Any:
        """One of dtype bfloat16."""
        return self._like(dtypes.bfloat16)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._kind.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self._kind.is_complex

    def share_memory_(self) -> Any:
        """Raises RuntimeError: there is no memory yet."""
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. "
            "Call `forward` to initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (self.requires_grad,)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            found = memo[id(self)] = self._like(self._kind)
        return found


def is_lazy(param: Any) -> bool:
    """Whether ``param`` is an uninitialized parameter or buffer."""
    return isinstance(param, UninitializedTensorMixin)


def _uninitialized(cls: type, requires_grad: bool, device: Any, dtype: Any) -> Any:
    out = _make_subclass(cls, _empty(device, dtype), requires_grad)
    out._kind = dtype or defaults.dtype
    return out


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter whose shape is not known yet; lazy modules find it out from their first input.

    Args:
        requires_grad: whether gradients are recorded.
        device, dtype: of the tensor that it will become.
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return _uninitialized(cls, requires_grad, device, dtype)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose shape is not known yet. Args: as for :class:`UninitializedParameter`.

    ``persistent``: whether it is part of the module's ``state_dict``.
    """

    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        out = _uninitialized(cls, requires_grad, device, dtype)
        out.persistent = persistent
        out._is_buffer = True
        return out
