"""Opening what ``save`` and ``load`` are given; writing files so that a crash loses nothing."""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import Any

from rushlight.base.errors import with_notes


def is_path(f: Any) -> bool:
    """Whether ``f`` names a file (and is not an open one)."""
    return isinstance(f, (str, os.PathLike))


def _direct(path: str) -> bool:
    """Whether ``path`` is something like a pipe or a device, which a rename would replace."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def replacing(path: str) -> Iterator[Any]:
    """A file to write, which takes the place of ``path`` when all is written and on the disk.

    If anything fails, a full disk included, ``path`` is left as it was.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    if os.path.isdir(path):
        raise RuntimeError(
            "[enforce fail at inline_container.cc] . open file failed with strerror: Is a directory"
        )
    if _direct(path):
        with open(path, "wb") as file:
            yield file
        return
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except OSError as error:
        raise RuntimeError(
            f"[enforce fail at inline_container.cc] . open file failed with strerror: "
            f"{error.strerror}, file path: {path}"
        ) from error
    try:
        with open(handle, "wb", buffering=1 << 16) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):  # a new file gets the usual mode
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def opened_for_writing(f: Any) -> Iterator[Any]:
    """The file named ``f``, or ``f`` itself if it is one already."""
    if not is_path(f):
        if not hasattr(f, "write"):
            raise AttributeError(
                "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
            )
        yield f
        if hasattr(f, "flush"):
            f.flush()
        return
    path = os.fspath(f)
    parent = os.path.dirname(path)
    if parent and not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {parent} does not exist.")
    written: Any = None
    try:
        with replacing(path) as written:
            yield written
    except OSError as error:
        at = 0
        with contextlib.suppress(OSError, ValueError, AttributeError):
            at = written.tell()
        raise with_notes(
            RuntimeError(
                f"[enforce fail at inline_container.cc] . unexpected pos {at}: "
                f"{error.strerror or error}"
            ),
            f"{path} is as it was before.",
        ) from error


@contextlib.contextmanager
def opened_for_reading(f: Any) -> Iterator[Any]:
    """The file named ``f``, or ``f`` itself if it can be read and sought."""
    if is_path(f):
        with open(f, "rb") as file:
            yield file
        return
    try:
        f.seek(f.tell())
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the "
            "data into a buffer like io.BytesIO and try to load from it instead."
        ) from None
    yield f
