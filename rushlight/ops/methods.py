"""Gives ``Tensor`` its methods, properties and operators, from one table."""

from typing import Any

import numpy as np

from rushlight.autograd import access
from rushlight.base import dtypes
from rushlight.base.device import check_device
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core import bridge, printing
from rushlight.core.tensor import Tensor
from rushlight.ops import complex as complex_numbers
from rushlight.ops import elementwise, indexing, native_methods, protocols, shape
from rushlight.ops._primitive import on_first_kernel
from rushlight.ops._promote import cast
from rushlight.ops.creation import from_numpy
from rushlight.ops.linear_algebra import matmul
from rushlight.ops.table import METHODS


def to(
    input: Tensor,
    *args: Any,
    dtype: Dtype | None = None,
    device: Any = None,
    copy: bool = False,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """``input`` with another dtype (or device: only the CPU); ``input`` itself if nothing changes.

    Called as ``to(dtype)``, ``to(device, dtype)`` or ``to(other_tensor)``.

    Examples::

        >>> torch.ones(2).to(torch.int64)
        tensor([1, 1])
    """
    for a in args:
        if isinstance(a, (Dtype, type)):
            dtype = a  # type: ignore[assignment]
        elif isinstance(a, Tensor):
            dtype = a.dtype
        elif a is not None and not isinstance(a, bool):
            device = a
    if device is not None:
        check_device(device)
    result = input if dtype is None else cast(input, dtype)
    if copy and result is input:
        result = shape.clone(input)
    if memory_format is not None and getattr(memory_format, "name", "") == "contiguous_format":
        result = shape.contiguous(result)
    return result


_LEGACY = {f"torch.{name}Tensor": d for d, name in dtypes.SCALAR_TYPE_NAMES.items()}


def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """``input`` cast to ``dtype``; without one, the name of its type, as a string.

    Examples::

        >>> torch.ones(1).type()
        'torch.FloatTensor'
    """
    if dtype is None:
        return f"torch.{dtypes.SCALAR_TYPE_NAMES[input.dtype]}Tensor"
    if isinstance(dtype, str):
        if dtype not in _LEGACY:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = _LEGACY[dtype]
    if not isinstance(dtype, Dtype):
        dtype = getattr(dtype, "dtype", None) or {float: dtypes.float64, int: dtypes.int64,
                                                  bool: dtypes.bool_}[dtype]  # fmt: skip
    return cast(input, dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` with the dtype of ``other``."""
    return cast(input, other.dtype)


def _caster(to: Dtype) -> Any:
    def method(input: Tensor, memory_format: Any = None) -> Tensor:
        return cast(input, to)

    method.__doc__ = f"``input`` as {to!r}."
    return method


def cpu_(input: Tensor, memory_format: Any = None) -> Tensor:
    """``input`` itself: it is on the CPU."""
    return input


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Raises AssertionError: rushlight computes on the CPU."""
    check_device("cuda")
    return input


def size(input: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of one dimension."""
    return input.shape if dim is None else input._array.shape[shape.wrap_dim(dim, input.ndim)]


def _bool(input: Tensor) -> bool:
    if input._array.size != 1:
        if input._array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(input._array.item())


def _number(kind: Any) -> Any:
    def convert(input: Tensor) -> Any:
        if input._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return kind(input._array.item())

    return convert


def _index(input: Tensor) -> int:
    if input._array.dtype.kind not in "iub" or input._array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(input._array.item())


def _len(input: Tensor) -> int:
    if input._array.ndim == 0:
        raise TypeError("len() of a 0-d tensor")
    return len(input._array)


def _iter(input: Tensor) -> Any:
    if input._array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(shape.unbind(input, 0))


def _new(cls: type[Tensor], *args: Any, **kwargs: Any) -> Tensor:
    return protocols.new_tensor_like(cls, dtypes.float32, args)


def _reversed_operands(function: Any) -> Any:
    def method(input: Tensor, other: Any) -> Any:
        return function(other, input)

    return method


def _or_not_implemented(function: Any, backwards: bool = False) -> Any:
    """An operator that gives way to the other operand where it does not know it."""

    def method(input: Tensor, other: Any) -> Any:
        try:
            return function(input, other)
        except TypeError:
            if isinstance(other, (Tensor, bool, int, float, complex)):
                raise
            if isinstance(other, np.ndarray) and not backwards:
                return function(input, from_numpy(other))
            return NotImplemented

    return method


def _not_of_numbers(operator: Any) -> Any:
    def method(input: Tensor, other: Any) -> Any:
        if isinstance(other, (bool, int, float, complex)):
            return NotImplemented
        return operator(input, other)

    return method


def _equal(compare: Any) -> Any:
    def method(input: Tensor, other: Any) -> Any:
        if isinstance(other, (Tensor, bool, int, float, complex, np.generic)):
            return compare(input, other)
        if isinstance(other, np.ndarray):
            return compare(input, from_numpy(other))
        return NotImplemented

    return method


OPERATORS: dict[str, Any] = {
    "__neg__": elementwise.neg,
    "__pos__": elementwise.positive,
    "__abs__": elementwise.abs,
    "__bool__": _bool,
    "__float__": _number(float),
    "__int__": _number(int),
    "__complex__": _number(complex),
    "__index__": _index,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
    "__len__": _len,
    "__iter__": _iter,
    "__hash__": lambda t: id(t),
    "__array__": bridge.array_protocol,
    "__repr__": printing.tensor_repr,
    "__format__": printing.tensor_format,
    "__eq__": _equal(elementwise.eq),
    "__ne__": _equal(elementwise.ne),
}
for _name, _function in {
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "truediv": elementwise.true_divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": matmul,
}.items():
    OPERATORS[f"__{_name}__"] = _or_not_implemented(_function)
    if _name in ("add", "mul"):  # PyTorch swaps the operands: the tensor is the first edge
        OPERATORS[f"__r{_name}__"] = OPERATORS[f"__{_name}__"]
    else:
        OPERATORS[f"__r{_name}__"] = _or_not_implemented(_reversed_operands(_function), True)
for _name in ("lt", "le", "gt", "ge"):
    OPERATORS[f"__{_name}__"] = _or_not_implemented(getattr(elementwise, _name))
for _name, _inplace in {
    "add": "add_", "sub": "sub_", "mul": "mul_", "truediv": "div_", "floordiv": "floor_divide_",
    "mod": "remainder_", "pow": "pow_",
}.items():  # fmt: skip
    OPERATORS[f"__i{_name}__"] = METHODS[_inplace]
for _name in ("__matmul__", "__rmatmul__"):
    OPERATORS[_name] = _not_of_numbers(OPERATORS[_name])
OPERATORS.update(protocols.operators(_or_not_implemented, _reversed_operands))

OPERATORS["__div__"] = OPERATORS["__truediv__"]  # old names that PyTorch still has
OPERATORS["__rdiv__"] = OPERATORS["__rtruediv__"]
OPERATORS["__idiv__"] = OPERATORS["__itruediv__"]

PROPERTIES: dict[str, Any] = {
    "requires_grad": property(access.get_requires_grad, access.set_requires_grad),
    "grad": property(access.get_grad, access.set_grad, lambda t: access.set_grad(t, None)),
    "grad_fn": property(access.get_grad_fn),
    "is_leaf": property(access.get_is_leaf),
    "retains_grad": property(access.get_retains_grad),
    "data": property(access.get_data, access.set_data),
    "_base": property(access.get_base),
    "T": property(shape.numpy_T),
    "mT": property(shape.mT),
    "H": property(lambda t: shape.t(METHODS["conj"](t))),
    "mH": property(lambda t: shape.mT(METHODS["conj"](t))),
    "real": property(complex_numbers.real),
    "imag": property(complex_numbers.imag),
    "is_cuda": property(lambda t: False),
    "is_cpu": property(lambda t: True),
    "is_mps": property(lambda t: False),
    "is_meta": property(lambda t: False),
    "is_sparse": property(lambda t: False),
    "is_quantized": property(lambda t: False),
    "is_nested": property(lambda t: False),
}

PLAIN: dict[str, Any] = {
    "backward": access.tensor_backward,
    "requires_grad_": access.requires_grad_,
    "detach": access.detach,
    "detach_": access.detach_,
    "register_hook": access.register_hook,
    "register_post_accumulate_grad_hook": access.register_post_accumulate_grad_hook,
    "_is_view": access.is_view,
    "retain_grad": access.retain_grad,
    "item": bridge.item,
    "tolist": bridge.tolist,
    "numpy": bridge.numpy,
    "stride": bridge.stride,
    "storage_offset": bridge.storage_offset,
    "data_ptr": bridge.data_ptr,
    "is_contiguous": bridge.is_contiguous,
    "to": to,
    "type": type_,
    "type_as": type_as,
    "cpu": cpu_,
    "cuda": cuda,
    "size": size,
    "nelement": Tensor.numel,
    "ndimension": Tensor.dim,
    "element_size": lambda t: t._array.itemsize,
    "is_floating_point": lambda t: t.dtype.is_floating_point,
    "is_complex": lambda t: t.dtype.is_complex,
    "is_signed": lambda t: t.dtype.is_signed,
    "is_inference": lambda t: t._meta is not None and t._meta.inference,
    "is_conj": lambda t: False,
    "is_neg": lambda t: False,
    "resolve_conj": lambda t: t,
    "resolve_neg": lambda t: t,
    "is_pinned": lambda t, device=None: False,
    "pin_memory": lambda t, device=None: t,
    "get_device": lambda t: -1,
}
for _name, _dtype in {**dtypes.ALIASES, "bool": dtypes.bool_, "byte": dtypes.uint8,
                      "char": dtypes.int8, "bfloat16": dtypes.bfloat16}.items():  # fmt: skip
    PLAIN[_name] = _caster(_dtype)


def attach_methods() -> None:
    """Puts everything on the class. Called once, when the package is imported."""
    for table in (METHODS, PLAIN, OPERATORS, PROPERTIES, protocols.PROTOCOLS):
        for name, value in table.items():
            setattr(Tensor, name, value)
    Tensor.__new__ = _new  # type: ignore[method-assign, assignment]


attach_methods()
on_first_kernel.append(native_methods.install)
