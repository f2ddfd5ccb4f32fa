"""The zip container of PyTorch's files, byte for byte as PyTorch lays it out.

Note [Layout]
Records are stored, not compressed. Each is preceded by a local header whose extra field (id "FB")
pads it so that the data starts at a multiple of 64 bytes, and followed by a data descriptor. The
directory at the end is always a zip64 one. So a file can be mapped into memory, and PyTorch can
compute where each storage lies without reading the directory.
"""

import struct
import sys
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np

ALIGNMENT = 64
_LIMIT = 0xFFFFFFFF
_UTF8, _DESCRIPTOR = 0x0800, 0x0008  # flags of a record
_CORRUPT = (
    " This is an internal miniz error. If you are seeing this error, there is a high likelihood "
    "that your checkpoint file is corrupted. This can happen if the checkpoint was not saved "
    "properly, was transferred incorrectly, or the file was modified after saving."
)


def corrupt(what: str) -> RuntimeError:
    """PyTorch's error for a file that cannot be read."""
    return RuntimeError(f"PytorchStreamReader failed {what}.{_CORRUPT}")


class Writer:
    """Writes records, one after the other, then the directory."""

    def __init__(self, file: Any, name: str) -> None:
        self.file = file
        self.name = name
        self.position = 0
        self.directory: list[bytes] = []
        self.names_crc = 0
        self.data_crc = 0

    def _put(self, data: Any) -> None:
        self.file.write(data)
        self.position += len(data)

    def record(self, name: str, data: Any) -> None:
        """Adds a record; ``data`` is bytes or a one-dimensional array of bytes."""
        path = f"{self.name}/{name}".encode()
        view = memoryview(data)
        size = view.nbytes
        crc = zlib.crc32(view) if size else 0
        header = self.position
        big = size >= _LIMIT or header >= _LIMIT
        wide = b""
        if big:  # sizes are in the data descriptor; the field only announces their width
            wide = struct.pack("<HHQQ", 1, 16, 0, 0)
        start = header + 30 + len(path) + len(wide) + 4
        padding = ALIGNMENT - start % ALIGNMENT
        extra = wide + b"FB" + struct.pack("<H", padding) + b"Z" * padding
        sizes = (_LIMIT, _LIMIT) if big else (0, 0)
        flags = _UTF8 | (_DESCRIPTOR if size else 0)
        self._put(
            struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, flags, 0, 0, 0, 0, *sizes,
                        len(path), len(extra)) + path + extra
        )  # fmt: skip
        if size:
            self._put(view)
            width = "QQ" if big else "II"
            self._put(struct.pack("<II" + width, 0x08074B50, crc, size, size))
        self._enter(path, crc, size, header)
        self.names_crc = zlib.crc32(path, self.names_crc)
        self.data_crc = zlib.crc32(struct.pack("<I", crc), self.data_crc)

    def _enter(self, path: bytes, crc: int, size: int, header: int) -> None:
        wide = b""
        if size >= _LIMIT:
            wide += struct.pack("<QQ", size, size)
        if header >= _LIMIT:
            wide += struct.pack("<Q", header)
        if wide:
            wide = struct.pack("<HH", 1, len(wide)) + wide
        short = min(size, _LIMIT)
        flags = _UTF8 | (_DESCRIPTOR if size else 0)
        self.directory.append(
            struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0, 0, flags, 0, 0, 0, crc, short, short,
                        len(path), len(wide), 0, 0, 0, 0, min(header, _LIMIT)) + path + wide
        )  # fmt: skip

    def finish(self) -> None:
        """Writes the last records and the directory."""
        self.record("version", b"3\n")
        self.record(".data/serialization_id", b"%020d%020d" % (self.names_crc, self.data_crc))
        start = self.position
        for entry in self.directory:
            self._put(entry)
        size = self.position - start
        end = self.position
        count = len(self.directory)
        self._put(
            struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x031E, 45, 0, 0, count, count, size, start)
            + struct.pack("<IIQI", 0x07064B50, 0, end, 1)
            + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, min(count, 0xFFFF), min(count, 0xFFFF),
                          min(size, _LIMIT), min(start, _LIMIT), 0)
        )  # fmt: skip


def is_zip(file: BinaryIO) -> bool:
    """Whether the file, from its present position, starts like a zip archive."""
    start = file.tell()
    found = file.read(4)
    file.seek(start)
    return found == b"PK\x03\x04"


class Reader:
    """Reads records. Storages are read straight into their arrays."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        file.seek(0, 2)
        if file.tell() < 22:
            raise corrupt("reading zip archive: not a ZIP archive")
        try:
            self.zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, UnicodeDecodeError, struct.error, ValueError, OSError) as error:
            raise corrupt("reading zip archive: failed finding central directory") from error
        names = self.zip.namelist()
        if not names:
            raise corrupt("reading zip archive: archive does not contain any files")
        self.name, slash, _ = names[0].partition("/")
        if not slash:
            raise RuntimeError(f"file in archive is not in a subdirectory: {names[0]}")
        if not self.has("version"):
            raise RuntimeError('Expected hasRecord("version") to be true, but got false.')

    def has(self, name: str) -> bool:
        """Whether there is such a record."""
        return f"{self.name}/{name}" in self.zip.NameToInfo

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self.zip.NameToInfo[f"{self.name}/{name}"]
        except KeyError:
            raise corrupt(f"locating file {name}: file not found") from None

    def read(self, name: str) -> bytes:
        """A whole record, its checksum verified."""
        try:
            return self.zip.read(self._info(name))
        except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError) as error:
            raise corrupt(f"reading file {name}: file read failed") from error

    def offset(self, name: str) -> int:
        """Where the data of a record starts in the file."""
        info = self._info(name)
        self.file.seek(info.header_offset)
        head = self.file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise corrupt(f"reading file {name}: invalid header or archive is corrupted")
        path, extra = struct.unpack("<HH", head[26:30])
        return info.header_offset + 30 + int(path) + int(extra)

    def storage(self, name: str, nbytes: int) -> np.ndarray:
        """A record as a new array of bytes; it must hold ``nbytes`` of them."""
        info = self._info(name)
        if info.file_size != nbytes:
            raise RuntimeError(
                f"record size ({info.file_size} bytes) does not match expected size ({nbytes} "
                f"bytes = {nbytes} elements * 1 bytes/element) for dtype Byte"
            )
        if info.compress_type != zipfile.ZIP_STORED:
            return np.frombuffer(bytearray(self.read(name)), np.uint8)
        out = np.empty(nbytes, np.uint8)
        self.file.seek(self.offset(name))
        if fill(self.file, out) != nbytes:
            raise corrupt(f"reading file {name}: file read failed")
        return out


def fill(file: BinaryIO, out: np.ndarray) -> int:
    """Reads from ``file`` into ``out`` until it is full or the file ends; the bytes read."""
    view = memoryview(out)
    done = 0
    readinto = getattr(file, "readinto", None)
    while done < out.nbytes:
        if readinto is not None:
            count = readinto(view[done:])
        else:
            data = file.read(out.nbytes - done)
            count = len(data)
            view[done : done + count] = data
        if not count:
            break
        done += count
    return done


def write_head(writer: Writer, pickled: bytes) -> None:
    """The records before the storages."""
    writer.record("data.pkl", pickled)
    writer.record(".format_version", b"1")
    writer.record(".storage_alignment", str(ALIGNMENT).encode())
    writer.record("byteorder", sys.byteorder.encode())
