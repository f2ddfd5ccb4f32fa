"""``torch.version`` under the alias: which PyTorch rushlight stands for."""

from collections.abc import Iterable
from typing import Any

from rushlight.base.version import TORCH_VERSION
from rushlight.base.version import __version__ as _own

_STAGES = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "post": 1}


class TorchVersion(str):
    """A version string that compares as a version: with strings and with tuples of numbers.

    Examples::

        >>> from rushlight.alias.version import TorchVersion
        >>> TorchVersion("2.13.0") > "2.9"
        True
        >>> TorchVersion("2.13.0+rushlight.0.1") >= (2, 13)
        True
    """

    __slots__ = ()

    def __gt__(self, other: Any) -> bool:
        return _key(self) > _key(other)

    def __lt__(self, other: Any) -> bool:
        return _key(self) < _key(other)

    def __ge__(self, other: Any) -> bool:
        return _key(self) >= _key(other)

    def __le__(self, other: Any) -> bool:
        return _key(self) <= _key(other)

    def __eq__(self, other: object) -> bool:
        return _key(self) == _key(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _key(version: Any) -> tuple[Any, ...]:
    """What versions are ordered by: numbers, then the stage of a pre-release, then the local part."""
    if not isinstance(version, str):
        if not isinstance(version, Iterable):
            version = str(version)
        else:
            version = ".".join(map(str, version))
    public, _, local = str.lower(version).lstrip("v").partition("+")
    release: list[int] = []
    stage: tuple[int, int] = (0, 0)
    for part in public.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            release.append(int(digits))
        rest = part[len(digits) :]
        if rest:
            word = rest.rstrip("0123456789")
            stage = (_STAGES.get(word, -1), int(rest[len(word) :] or 0))
    while release and not release[-1]:
        release.pop()
    tail = [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in local.split(".") if p]
    return tuple(release), stage, tuple(tail)


__version__ = TorchVersion(f"{TORCH_VERSION}+rushlight.{_own}")
VISION_VERSION = f"0.28.0+rushlight.{_own}"
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = "rushlight"
