"""Operations by name, for gradient rules and composites that need one of another family.

Families import each other only downwards. A rule that needs an operation from above writes
``late.where(...)``; ``ops.table`` fills this in when all families are loaded.
"""

from typing import Any


class Late:
    """Every public operation, as attributes."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no operation called {name!r} is registered in ops.table")


late = Late()
