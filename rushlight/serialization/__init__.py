"""PyTorch's files without PyTorch: the zip container, the pickle in it, restricted loading."""

from rushlight.base.typeinfo import _get_layout  # files name it
from rushlight.core.storage import UntypedStorage
from rushlight.serialization.api import DEFAULT_PROTOCOL, load, save
from rushlight.serialization.location import place as default_restore_location
from rushlight.serialization.storage import StorageType
from rushlight.serialization.weights_only import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)

__all__ = [
    "DEFAULT_PROTOCOL", "StorageType", "UntypedStorage", "_get_layout", "add_safe_globals", "clear_safe_globals",
    "default_restore_location", "get_safe_globals", "load", "safe_globals", "save",
]  # fmt: skip
