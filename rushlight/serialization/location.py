"""``map_location``: where the storages of a file are to be put."""

from collections.abc import Callable
from typing import Any

from rushlight.base.device import device
from rushlight.base.errors import unsupported
from rushlight.core.storage import UntypedStorage

Restore = Callable[[UntypedStorage, str], UntypedStorage]


def restorer(map_location: Any) -> Restore:
    """The function that puts a storage, saved at a location, where ``map_location`` says."""
    if map_location is None:
        return place
    if isinstance(map_location, dict):
        return lambda storage, location: place(storage, map_location.get(location, location))
    if isinstance(map_location, (str, bytes, device)):
        where = map_location.decode() if isinstance(map_location, bytes) else str(map_location)
        return lambda storage, location: place(storage, where)

    def restore(storage: UntypedStorage, location: str) -> UntypedStorage:
        result = map_location(storage, location)
        return place(storage, location) if result is None else result

    return restore


def place(storage: UntypedStorage, location: Any) -> UntypedStorage:
    """The storage itself if it belongs on the CPU, else RuntimeError."""
    name = str(location)
    kind = name.split(":", maxsplit=1)[0]
    if kind == "cpu":
        return storage
    if kind == "meta":
        raise unsupported("loading to the 'meta' device")
    if kind in ("cuda", "xpu", "hpu", "mtia"):
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind.upper()} device but "
            f"torch.{kind}.is_available() is False. If you are running on a CPU-only machine, "
            "please use torch.load with map_location=torch.device('cpu') to map your storages to "
            "the CPU."
        )
    raise RuntimeError(
        "don't know how to restore data location of torch.storage.UntypedStorage (tagged with "
        f"{name})"
    )
