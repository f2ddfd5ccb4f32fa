"""What makes a tensor a good citizen of Python and NumPy: operators on bits, copying, pickling,
NumPy's and DLPack's protocols, legacy constructors, and rare methods."""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import SCALAR_TYPE_NAMES
from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.typeinfo import CONSTANTS
from rushlight.core import bridge, storage
from rushlight.core.tensor import LEAF, Tensor, bump_version, init_fields, wrap
from rushlight.ops import creation, logical
from rushlight.ops._dispatch import shape_args
from rushlight.ops.rearrange import flip
from rushlight.ops.table import METHODS


def _invert(input: Tensor) -> Tensor:
    if input._array.dtype.kind not in "iub":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return logical.bitwise_not(input)


def _contains(input: Tensor, element: Any) -> bool:
    if isinstance(element, Tensor):
        element = element._array
    elif not isinstance(element, (bool, int, float, complex, np.generic)):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )
    return bool(np.any(input._array == element))


def _array_wrap(input: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """The result of a NumPy function on a tensor, as a tensor. Truth values come as uint8."""
    array = np.asarray(array)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    return creation.from_numpy(array)


def _dlpack(
    input: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
    copy: bool | None = None,
) -> Any:  # fmt: skip
    """A DLPack capsule of the memory."""
    if input._edge is not None:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    keywords: dict[str, Any] = {}
    if max_version is not None:
        keywords["max_version"] = max_version
    if copy is not None:
        keywords["copy"] = copy
    return input._array.__dlpack__(**keywords)


class _Capsule:
    """Hands a bare capsule to NumPy."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of an object with the DLPack protocol (or of a capsule).

    Examples::

        >>> torch.from_dlpack(np.arange(3))
        tensor([0, 1, 2])
    """
    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
    array = np.from_dlpack(source)
    return wrap(array.copy() if copy else array)


def _dir(input: Tensor) -> list[str]:
    hidden = ("_array", "_edge", "_grad", "_index", "_meta", "_storage")
    return sorted([name for name in object.__dir__(input) if name not in hidden])


def new_tensor_like(cls: Any, kind: Dtype, args: tuple[Any, ...]) -> Tensor:
    """The legacy constructors: sizes give arbitrary values, a sequence or tensor gives its values."""
    out = object.__new__(cls)
    if len(args) == 1 and isinstance(args[0], Tensor):
        source = args[0]
        if source.dtype is not kind:
            raise TypeError(f"expected {_type_name(kind)} (got {_type_name(source.dtype)})")
        init_fields(out, source._array)
        out._storage = source.storage_version()
        return out  # type: ignore[no-any-return]
    if len(args) == 1 and isinstance(args[0], (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(args[0]).__name__}'")
    if len(args) == 1 and isinstance(args[0], (list, tuple, np.ndarray)) and not hasattr(args[0], "numel"):  # fmt: skip
        init_fields(out, creation.as_array(args[0], kind, copy=True))
        return out  # type: ignore[no-any-return]
    if len(args) == 1 and not hasattr(args[0], "__index__") and not hasattr(args[0], "numel"):
        raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
    shape = creation.check_shape(shape_args(args)) if args else (0,)
    init_fields(out, np.empty(shape, kind.np))
    return out  # type: ignore[no-any-return]


def _type_name(kind: Dtype) -> str:
    return f"torch.{SCALAR_TYPE_NAMES[kind]}Tensor"


class tensortype:
    """``torch.FloatTensor`` and its kin: constructors that fix the dtype."""

    __module__ = "torch"
    __slots__ = ("dtype",)
    is_cuda = False
    is_sparse = False

    def __init__(self, dtype: Dtype) -> None:
        self.dtype = dtype

    def __call__(self, *args: Any, device: Any = None) -> Tensor:
        return new_tensor_like(Tensor, self.dtype, args)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is self.dtype

    @property
    def __name__(self) -> str:
        return f"{SCALAR_TYPE_NAMES[self.dtype]}Tensor"

    def __repr__(self) -> str:
        return f"<class '{_type_name(self.dtype)}'>"


_LEGACY = (
    dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16, dtypes.uint8, dtypes.int8,
    dtypes.int16, dtypes.int32, dtypes.int64, dtypes.bool_,
)  # fmt: skip
LEGACY: dict[str, Any] = {f"{SCALAR_TYPE_NAMES[d]}Tensor": tensortype(d) for d in _LEGACY}


def new(input: Tensor, *args: Any, device: Any = None) -> Tensor:
    """A legacy constructor with the dtype of ``input``."""
    return new_tensor_like(Tensor, input.dtype, args)


def as_subclass(input: Tensor, cls: type) -> Any:
    """The same memory and history as an instance of a subclass of Tensor."""
    out = object.__new__(cls)
    init_fields(out, input._array)  # type: ignore[arg-type]
    for name in ("_storage", "_edge", "_index"):
        setattr(out, name, getattr(input, name))
    return out


def make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """An instance of a subclass of Tensor on the memory of ``data``, as a leaf."""
    out = object.__new__(cls)
    init_fields(out, data._array)  # type: ignore[arg-type]
    out._storage = data.storage_version()  # type: ignore[attr-defined]
    if require_grad:
        out._edge = LEAF  # type: ignore[attr-defined]
    return out


def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both look at the same memory in the same way."""
    a, b = input._array, tensor._array
    return a.shape == b.shape and a.strides == b.strides and bridge.address(a) == bridge.address(b)


def apply_(input: Tensor, callable: Any) -> Tensor:
    """Replaces each element by what a function gives for it, in place. Slow."""
    flat = [callable(v) for v in input._array.ravel().tolist()]
    input._array[...] = np.array(flat).reshape(input._array.shape)
    bump_version(input)
    return input


def map_(input: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replaces each element by ``callable(element, element of tensor)``, in place. Slow."""
    other = np.broadcast_to(tensor._array, input._array.shape)
    pairs = zip(input._array.ravel().tolist(), other.ravel().tolist())
    values = [callable(a, b) for a, b in pairs]
    input._array[...] = np.array(values).reshape(input._array.shape)
    bump_version(input)
    return input


def operators(or_not_implemented: Any, reverse: Any) -> dict[str, Any]:
    """The operators on bits, wrapped as the arithmetic ones are."""
    table: dict[str, Any] = {}
    for sign, name in {
        "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
        "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
    }.items():  # fmt: skip
        function = getattr(logical, name)
        table[f"__{sign}__"] = or_not_implemented(function)
        table[f"__r{sign}__"] = or_not_implemented(reverse(function))
        table[f"__i{sign}__"] = METHODS[name + "_"]
    return table


PROTOCOLS: dict[str, Any] = {
    "__invert__": _invert,
    "__contains__": _contains,
    "__array_wrap__": _array_wrap,
    "__deepcopy__": storage.deepcopy,
    "__reduce_ex__": storage.reduce,
    "__dlpack__": _dlpack,
    "__dlpack_device__": lambda t: (1, 0),
    "__dir__": _dir,
    "__reversed__": lambda t: flip(t, 0) if t._array.ndim else t,
    "_make_subclass": staticmethod(make_subclass),
    "_typed_storage": storage.typed_storage,
    "apply_": apply_,
    "as_subclass": as_subclass,
    "dim_order": lambda t: tuple(sorted(range(t.ndim), key=lambda d: -t.stride()[d])),
    "is_ipu": property(lambda t: False),
    "is_set_to": is_set_to,
    "is_shared": lambda t: False,
    "layout": property(lambda t: CONSTANTS["strided"]),
    "map_": map_,
    "name": property(lambda t: None if t._meta is None else t._meta.name),
    "new": new,
    "output_nr": property(lambda t: t._index),
    "share_memory_": lambda t: t,
    "storage": storage.typed_storage,
    "to_dense": lambda t, dtype=None: t,
    "untyped_storage": storage.untyped_storage,
}
