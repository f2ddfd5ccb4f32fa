"""Tuples with names, as ``torch.max(x, dim)`` and others return them."""

from typing import Any


class NamedResult(tuple[Any, ...]):
    """Base of the result types; subclasses name their fields."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()
    __match_args__: tuple[str, ...] = ()

    def __new__(cls, *values: Any) -> "NamedResult":
        if len(values) == 1 and len(cls._fields) != 1:
            values = tuple(values[0])
        return tuple.__new__(cls, values)

    def __repr__(self) -> str:
        parts = ",\n".join(f"{n}={v!r}" for n, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{parts})"

    def __reduce__(self) -> tuple[Any, ...]:
        return result_of, (type(self).__name__, tuple(self))


TYPES: dict[str, type[NamedResult]] = {}


def result_type(name: str, *fields: str) -> type[NamedResult]:
    """A new result type, such as ``torch.return_types.max`` with ``values`` and ``indices``."""
    body: dict[str, Any] = {"__slots__": (), "_fields": fields, "__match_args__": fields}
    for i, field in enumerate(fields):
        body[field] = property(lambda self, i=i: self[i])
    made = TYPES[name] = type(name, (NamedResult,), body)
    return made


def result_of(name: str, values: tuple[Any, ...]) -> NamedResult:
    """A result of the type called ``name``: how one is unpickled."""
    return TYPES[name](*values)
