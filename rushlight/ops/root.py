"""What the root namespace holds besides operations: random state, type limits, constants, settings."""

import math
from typing import Any

from rushlight.autograd import access
from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.base.typeinfo import CONSTANTS, finfo, iinfo, layout, memory_format
from rushlight.core import generator, printing, storage
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor
from rushlight.ops import protocols, settings
from rushlight.ops._promote import result_type
from rushlight.ops.table import METHODS


def get_default_dtype() -> Dtype:
    """The dtype of floating-point results of Python numbers: float32 at first."""
    return defaults.dtype


def set_default_dtype(d: Dtype) -> None:
    """Sets the dtype that new floating-point tensors have by default.

    Args:
        d: a floating-point dtype.
    """
    if not isinstance(d, Dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")  # fmt: skip
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    defaults.dtype = d
    defaults.complex_dtype = d.to_complex()


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of ``input`` is a floating-point one."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype of ``input`` is complex."""
    return input.dtype.is_complex


def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(input._array.size)


def can_cast(from_: Dtype, to: Dtype) -> bool:
    """Whether values of dtype ``from_`` may be stored as ``to`` under PyTorch's rules.

    Examples::

        >>> torch.can_cast(torch.double, torch.int)
        False
    """
    return dtypes.can_cast(from_, to)


def typename(obj: Any, /) -> str:
    """The name of the type of ``obj``, with its module; for a tensor as ``obj.type()`` gives it."""
    if isinstance(obj, Tensor):
        return obj.type()  # type: ignore[attr-defined, no-any-return]
    module = getattr(obj, "__module__", "") or ""
    if module in ("builtins", "__builtin__"):
        module = ""
    name = getattr(obj, "__qualname__", None)
    if name is None:
        kind = type(obj)
        module = "" if kind.__module__ == "builtins" else kind.__module__
        name = kind.__qualname__
    if module.startswith("rushlight."):
        module = "torch." + module.removeprefix("rushlight.")
    return f"{module}.{name}" if module else str(name)


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype by a legacy type, such as ``torch.DoubleTensor`` or its name."""
    if isinstance(t, str):
        t = protocols.LEGACY[t.removeprefix("torch.")]
    set_default_dtype(t.dtype)


def is_signed(input: Tensor) -> bool:
    """Whether the dtype of ``input`` has negative numbers."""
    return input.dtype.is_signed


def is_inference(input: Tensor) -> bool:
    """Whether ``input`` was made in inference mode."""
    return input._meta is not None and input._meta.inference


def is_conj(input: Tensor) -> bool:
    """False: conjugates are computed at once."""
    return False


def resolve_conj(input: Tensor) -> Tensor:
    """``input`` itself: conjugates are computed at once."""
    return input


# In-place forms that PyTorch has as functions, too.
_INPLACE = [
    "addmv_",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "conj_physical_",
    "deg2rad_",
    "fill_",
    "frac_",
    "gcd_",
    "lcm_",
    "ldexp_",
    "logit_",
    "nan_to_num_",
    "neg_",
    "negative_",
    "rad2deg_",
    "round_",
    "square_",
    "xlogy_",
    "zero_",
]

ROOT: dict[str, Any] = {
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "pi": math.pi,
    "detach": access.detach,
    "detach_": access.detach_,
    "is_conj": is_conj,
    "is_inference": is_inference,
    "is_neg": is_conj,
    "is_signed": is_signed,
    "resolve_conj": resolve_conj,
    "resolve_neg": resolve_conj,
    "set_default_tensor_type": set_default_tensor_type,
    **{name: METHODS[name] for name in _INPLACE if name in METHODS},
    **{name: getattr(settings, name) for name in settings.NAMES},
    "Generator": generator.Generator,
    "default_generator": generator.default_generator,
    "get_rng_state": generator.get_rng_state,
    "initial_seed": generator.initial_seed,
    "manual_seed": generator.manual_seed,
    "seed": generator.seed,
    "set_rng_state": generator.set_rng_state,
    "finfo": finfo,
    "iinfo": iinfo,
    "layout": layout,
    "memory_format": memory_format,
    "can_cast": can_cast,
    "promote_types": dtypes.promote_types,
    "get_default_dtype": get_default_dtype,
    "set_default_dtype": set_default_dtype,
    "is_complex": is_complex,
    "is_floating_point": is_floating_point,
    "is_tensor": is_tensor,
    "numel": numel,
    "set_printoptions": printing.set_printoptions,
    "get_printoptions": printing.get_printoptions,
    "is_storage": storage.is_storage,
    "UntypedStorage": storage.UntypedStorage,
    "TypedStorage": storage.TypedStorage,
    "from_dlpack": protocols.from_dlpack,
    "result_type": result_type,
    "typename": typename,
    **CONSTANTS,
    **protocols.LEGACY,
}
