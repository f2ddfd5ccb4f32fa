"""Placing object files in memory without LLVM: ELF on x86-64 Linux.

LLVM's output under the large code model is simple: a few sections, 64-bit absolute relocations.
The sections are copied into fresh pages, relocations applied, and the pages of code made
executable and read-only (never writable and executable at once). Pages are never given back:
threads and builtins may run the code until the process ends.
"""

import ctypes
import struct
import sys
from collections.abc import Callable, Sequence

from rushlight.runtime import cpu

_PAGE = 4096
_SECTION = struct.Struct("<IIQQQQIIQQ")  # name type flags addr offset size link info align entsize
_SYMBOL = struct.Struct("<IBBHQQ")  # name info other section value size
_RELOCATION = struct.Struct("<QQq")  # offset, symbol << 32 | type, addend
_PROGBITS, _SYMTAB, _RELA, _NOBITS = 1, 2, 4, 8
_INIT_ARRAY, _FINI_ARRAY = 14, 15
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_UNDEFINED, _ABSOLUTE, _RESERVED = 0, 0xFFF1, 0xFF00

# Names that generated code may use without passing their addresses: the interpreter's own, and
# the functions of libc that LLVM or our emitters call.
_LIBC_NAMES = (
    "memcpy memmove memset memcmp malloc calloc realloc free aligned_alloc "
    "mmap munmap madvise syscall "
    "sched_yield pthread_create pthread_join pthread_sigmask "
    "expf logf sinf cosf tanf powf fmodf tanhf exp log sin cos tan pow fmod tanh "
    "floorf ceilf roundf truncf rintf nearbyintf floor ceil round trunc rint nearbyint fma fmaf"
)
LIBC = tuple(_LIBC_NAMES.split())


_DAMAGE = (struct.error, IndexError, UnicodeDecodeError, OverflowError)  # from reading nonsense


class LoadError(Exception):
    """The object file is damaged, or holds something that this loader does not know."""


def supported() -> bool:
    """Whether this loader can place objects on this platform."""
    return (
        sys.platform.startswith("linux")
        and cpu.architecture() == "x86_64"
        and sys.implementation.name == "cpython"
    )


def address_of(name: str) -> int:
    """The address of one of the standard symbols (the interpreter's or libc's).

    Raises:
        KeyError: if it is not one of them, or this process does not have it.
    """
    if name.startswith(("Py", "_Py")):
        library: ctypes.CDLL = ctypes.pythonapi
    elif name in LIBC:
        library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    else:
        raise KeyError(name)
    try:
        pointer = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    except AttributeError:
        raise KeyError(name) from None
    if not pointer:
        raise KeyError(name)
    return pointer


class _Pages:
    """mmap and mprotect of libc; the mapping outlives every Python object."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.map = libc.mmap
        self.map.restype = ctypes.c_void_p
        self.map.argtypes = [
            ctypes.c_void_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_int,
            ctypes.c_long,
        ]
        self.protect = libc.mprotect
        self.protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self.unmap = libc.munmap
        self.unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

    def reserve(self, size: int) -> int:
        """Fresh zeroed pages, readable and writable."""
        base = self.map(None, size, 3, 0x22, -1, 0)  # read | write, private | anonymous
        if base is None or base == ctypes.c_size_t(-1).value:
            raise MemoryError(f"cannot map {size} bytes for machine code")
        return int(base)


_pages: list[_Pages] = []


def _get_pages() -> _Pages:
    if not _pages:
        _pages.append(_Pages())
    return _pages[0]


class _Object:
    """One parsed object file."""

    def __init__(self, data: bytes) -> None:
        # 64-bit little-endian relocatable ELF for x86-64.
        if data[:6] != b"\x7fELF\x02\x01" or data[16:20] != b"\x01\x00\x3e\x00":
            raise LoadError("not an x86-64 ELF object")
        self.data = data
        (offset,) = struct.unpack_from("<Q", data, 40)
        entry, count = struct.unpack_from("<HH", data, 58)
        if entry != _SECTION.size:
            raise LoadError("section headers of unknown size")
        self.sections = [_SECTION.unpack_from(data, offset + i * entry) for i in range(count)]
        (names,) = struct.unpack_from("<H", data, 62)
        self.names = [self.text(self.sections[names][4] + s[0]) for s in self.sections]
        self.offsets: dict[int, int] = {}
        self.code_bytes = 0  # up to here executable, behind it writable
        self.total_bytes = 0
        self._lay_out()

    def text(self, offset: int) -> str:
        end = self.data.find(b"\0", offset)
        if end < 0:
            raise LoadError("a name runs past the end")
        return self.data[offset:end].decode("ascii")

    def _lay_out(self) -> None:
        position = 0
        for writable in (0, _WRITE):
            for i, section in enumerate(self.sections):
                kind, flags, size, align = section[1], section[2], section[5], section[8]
                if not flags & _ALLOC or flags & _WRITE != writable:
                    continue
                if self.names[i].startswith((".eh_frame", ".note")) or not size:
                    continue
                if kind not in (_PROGBITS, _NOBITS) or flags & _TLS:
                    raise LoadError(f"section {self.names[i]} of kind {kind}")
                if align > _PAGE:
                    raise LoadError(f"section {self.names[i]} aligned to {align}")
                if kind == _PROGBITS and section[4] + size > len(self.data):
                    raise LoadError(f"section {self.names[i]} runs past the end")
                if size > 1 << 26:
                    raise LoadError(f"section {self.names[i]} has {size} bytes")
                align = max(align, 64)
                position = -(-position // align) * align
                self.offsets[i] = position
                position += size
            position = -(-position // _PAGE) * _PAGE
            if not writable:
                self.code_bytes = position
        self.total_bytes = max(position, _PAGE)

    def symbols(self, base: int) -> list[tuple[str, int, int, int]]:
        """(name, binding, section, address or 0) of every symbol."""
        tables = [s for s in self.sections if s[1] == _SYMTAB]
        if len(tables) != 1:
            raise LoadError("no symbol table")
        table = tables[0]
        strings = self.sections[table[6]][4]
        found = []
        for k in range(table[5] // _SYMBOL.size):
            name, info, _, section, value, _ = _SYMBOL.unpack_from(self.data, table[4] + 24 * k)
            if section in self.offsets:
                value += base + self.offsets[section]
            elif section == _UNDEFINED:
                value = 0
            elif section >= _RESERVED and section != _ABSOLUTE:
                raise LoadError(f"symbol in section {section:#x}")
            found.append((self.text(strings + name), info >> 4, section, value))
        return found

    def image(self, base: int, symbols: list[tuple[str, int, int, int]]) -> bytearray:
        """The bytes to be placed at `base`, relocated."""
        image = bytearray(self.total_bytes)
        for i, offset in self.offsets.items():
            section = self.sections[i]
            if section[1] == _PROGBITS:
                size = section[5]
                image[offset : offset + size] = self.data[section[4] : section[4] + size]
        for section in self.sections:
            if section[1] != _RELA or section[7] not in self.offsets:
                continue
            target = self.offsets[section[7]]
            size = self.sections[section[7]][5]
            for k in range(section[5] // _RELOCATION.size):
                entry = _RELOCATION.unpack_from(self.data, section[4] + _RELOCATION.size * k)
                self._relocate(image, base, target, size, entry, symbols)
        return image

    def _relocate(
        self,
        image: bytearray,
        base: int,
        target: int,
        size: int,
        entry: tuple[int, int, int],
        symbols: list[tuple[str, int, int, int]],
    ) -> None:
        offset, info, addend = entry
        kind = info & 0xFFFFFFFF
        name, _, section, value = symbols[info >> 32]
        if section == _UNDEFINED and not value:
            raise LoadError(f"unresolved symbol {name}")
        place = target + offset
        width = 8 if kind in (1, 24) else 4
        if offset < 0 or offset + width > size:
            raise LoadError("relocation outside its section")
        if kind == 1:  # R_X86_64_64
            struct.pack_into("<Q", image, place, (value + addend) & 0xFFFFFFFFFFFFFFFF)
        elif kind == 24:  # R_X86_64_PC64
            struct.pack_into("<q", image, place, value + addend - base - place)
        elif kind in (2, 4):  # R_X86_64_PC32, R_X86_64_PLT32
            distance = value + addend - base - place
            if not -(2**31) <= distance < 2**31:
                raise LoadError(f"{name} is too far away")
            struct.pack_into("<i", image, place, distance)
        else:
            raise LoadError(f"relocation of kind {kind}")


def place(data: bytes, exports: Sequence[str], resolve: Callable[[str], int]) -> dict[str, int]:
    """Place an object file in memory, ready to run.

    Args:
        data: the object file.
        exports: names whose addresses are wanted.
        resolve: gives the address of a symbol that the object needs, or raises KeyError.

    Raises:
        LoadError: when the file is damaged or holds something unknown.
        PermissionError: when the system forbids fresh executable pages.
    """
    pages = _get_pages()
    try:
        parsed = _Object(data)
    except _DAMAGE as error:
        raise LoadError(str(error)) from error
    base = pages.reserve(parsed.total_bytes)
    try:
        found = _fill(parsed, base, exports, resolve)
        if parsed.code_bytes and pages.protect(base, parsed.code_bytes, 5):  # read | execute
            raise PermissionError("executable pages are forbidden")
    except _DAMAGE as error:
        pages.unmap(base, parsed.total_bytes)
        raise LoadError(str(error)) from error
    except BaseException:
        pages.unmap(base, parsed.total_bytes)
        raise
    return found


def _fill(
    parsed: _Object, base: int, exports: Sequence[str], resolve: Callable[[str], int]
) -> dict[str, int]:
    symbols = parsed.symbols(base)
    defined: dict[str, int] = {}
    for i, (name, binding, section, value) in enumerate(symbols):
        if section == _UNDEFINED and name:
            try:
                symbols[i] = (name, binding, section, resolve(name))
            except KeyError:
                raise LoadError(f"unresolved symbol {name}") from None
        elif binding and section in parsed.offsets:
            defined[name] = value
    try:
        found = {name: defined[name] for name in exports}
    except KeyError as error:
        raise LoadError(f"the object defines no symbol {error.args[0]}") from None
    image = parsed.image(base, symbols)
    ctypes.memmove(base, (ctypes.c_char * len(image)).from_buffer(image), len(image))
    return found
