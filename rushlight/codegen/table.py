"""What the machine code of builtins agrees on: the table of constants, a tensor's layout.

Note: constants
    Addresses that differ from process to process (the fallback, the kernel, NumPy's types) are
    never written into the code. They stand in a table of words: for a builtin behind the header
    of the bytes object that is its `self`, for a method in a global variable of its own copy of
    the code.
"""

from rushlight.codegen.signature import DTYPES

# The table's words.
FALLBACK, KERNEL, NDARRAY, NEW_FROM_DESCR, ENSURE, DESCRS = 0, 1, 2, 3, 4, 5
CLASS = DESCRS + len(DTYPES)
GUARD = CLASS + 1
RECORDER = GUARD + 1
RECORD = RECORDER + 1
FIELDS = RECORD + 1
MAX_FIELDS = 12
TABLE_WORDS = FIELDS + MAX_FIELDS

GIL_WORK = 16384  # elements from which on the interpreter's lock is released
POOL_WORK = 1 << 18  # elements from which on the pool of large blocks is made the allocator
MAX_DIMS = 64


class Layout:
    """Where generated code finds the fields of a tensor, and what a new one holds.

    Args:
        array: offset of the field that holds the array.
        edge: offset of the field that is None for a tensor without history.
        plain: offsets of further fields that must be None for the fast path.
        fields: offsets of the fields that a new tensor gets; the values are in the table.
    """

    def __init__(
        self, array: int, edge: int, plain: tuple[int, ...], fields: tuple[int, ...]
    ) -> None:
        if len(fields) > MAX_FIELDS:
            raise ValueError(f"a tensor has more than {MAX_FIELDS} fields")
        self.array = array
        self.edge = edge
        self.plain = plain
        self.fields = fields

    def key(self) -> str:
        """Part of the key of code made for this layout."""
        return f"{self.array} {self.edge} {self.plain} {self.fields}"
