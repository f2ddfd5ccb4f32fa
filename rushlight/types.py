"""``torch.types``: names for the kinds of arguments, for annotations."""

import builtins
import os
from collections.abc import Sequence
from typing import IO, TypeAlias

from rushlight.base.device import device as _device
from rushlight.base.size import Size
from rushlight.core.storage import TypedStorage, UntypedStorage
from rushlight.core.tensor import Tensor

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = UntypedStorage | TypedStorage
_bool, _bytes, _complex, _float, _int, _str = (
    builtins.bool, builtins.bytes, builtins.complex, builtins.float, builtins.int, builtins.str,
)  # fmt: skip
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]

__all__ = ["Device", "FileLike", "Number", "Storage"]
