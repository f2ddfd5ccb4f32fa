"""Files of data sets: checking, downloading and unpacking them."""

import contextlib
import gzip
import hashlib
import http.client
import lzma
import os
import shutil
import socket
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from rushlight.vision.datasets._checks import (
    calculate_md5,
    check_integrity,
    check_md5,
    verify_str_arg,
)

__all__ = [
    "calculate_md5", "check_integrity", "check_md5", "download_and_extract_archive",
    "download_file", "download_url", "extract_archive", "is_local_trouble", "replacing", "verify_str_arg",
]  # fmt: skip

_CHUNK_BYTES = 1 << 18
_TRIES = 3
_TIMEOUT_S = 15
_REFUSALS = (401, 403, 404, 410)
_USER_AGENT = "pytorch/vision"


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of ``path`` when all went well.

    If anything goes wrong (a full disk, an interrupt) what was at ``path`` stays as it was.
    """
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise


class _Progress:
    """A line on the terminal that shows how much has come. Silent if stderr is no terminal."""

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.shown = 0.0
        self.visible = sys.stderr is not None and sys.stderr.isatty()

    def add(self, count: int) -> None:
        """Counts bytes that came."""
        self.done += count
        now = time.monotonic()
        if self.visible and (now - self.shown > 0.1 or self.done == self.total):
            self.shown = now
            self._show()

    def _show(self) -> None:
        if self.total:
            share = min(1.0, self.done / self.total)
            bar = "#" * int(30 * share)
            text = f"{share:4.0%} [{bar:<30}] {self.done / 1e6:.1f}/{self.total / 1e6:.1f} MB"
        else:
            text = f"{self.done / 1e6:.1f} MB"
        sys.stderr.write(f"\r{self.name}: {text}")

    def close(self) -> None:
        """Ends the line."""
        if self.visible and self.shown:
            sys.stderr.write("\n")


def _fetch(url: str, path: str, md5: str | None, sha256: str | None = None) -> None:
    """One try to download: the file is verified before it takes its place."""
    message = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})
    sums = [(hashlib.new(name, usedforsecurity=False), wanted)
            for name, wanted in (("md5", md5), ("sha256", sha256)) if wanted]  # fmt: skip
    with urllib.request.urlopen(message, timeout=_TIMEOUT_S) as response, replacing(path) as f:
        total = int(response.headers.get("Content-Length") or 0)
        progress = _Progress(os.path.basename(path), total)
        try:
            while chunk := response.read(_CHUNK_BYTES):
                f.write(chunk)
                for found, _ in sums:
                    found.update(chunk)
                progress.add(len(chunk))
        finally:
            progress.close()
        if total and progress.done != total:
            raise ConnectionError(f"{url} ended after {progress.done} of {total} bytes")
        for found, wanted in sums:
            if not found.hexdigest().startswith(wanted):
                raise RuntimeError("File not found or corrupted.")


# errno: no permission, no such folder, disk full, read-only, quota, ...
_LOCAL_TROUBLE = (1, 2, 13, 17, 20, 21, 27, 28, 30, 122)


def is_local_trouble(error: BaseException) -> bool:
    """Whether a download failed for a reason on this machine, so that another try is useless."""
    return isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE


def _is_final(error: BaseException) -> bool:
    """Whether the server would answer the same again, or is not to be found at all."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _REFUSALS
    return isinstance(getattr(error, "reason", None), socket.gaierror)


def download_file(url: str, path: str, md5: str | None = None, sha256: str | None = None) -> None:
    """Downloads to ``path``, in several tries, and verifies before the file takes its place.

    Raises URLError (or another OSError) if the last try fails, RuntimeError if the sums differ.
    """
    for left in reversed(range(_TRIES)):
        try:
            _fetch(url, path, md5, sha256)
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if not left or is_local_trouble(error) or _is_final(error):
                raise
            time.sleep(1)
        else:
            return


def download_url(
    url: str,
    root: Any,
    filename: Any = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """Downloads a file into a folder, unless it is there and has the right sum.

    Args:
        filename: its name in the folder; default: the last part of the URL.
        md5: what its MD5 sum must be.
    """
    root = os.path.expanduser(root)
    path = os.fspath(os.path.join(root, filename or os.path.basename(url)))
    os.makedirs(root, exist_ok=True)
    if not check_integrity(path, md5):
        download_file(url, path, md5)


def _unpack_single(opener: Callable[..., Any], from_path: str, to_path: str) -> None:
    with opener(from_path, "rb") as packed, replacing(to_path) as f:
        shutil.copyfileobj(packed, f, _CHUNK_BYTES)


def extract_archive(from_path: Any, to_path: Any = None, remove_finished: bool = False) -> str:
    """Unpacks a ``.zip``, ``.tar`` (``.tgz``, ``.tar.gz``, ...), ``.gz`` or ``.xz`` file.

    Args:
        to_path: the folder (for a single packed file also the name) to unpack to; default: beside
            the archive.

    Returns the path; RuntimeError for other kinds of file.
    """
    source = os.fspath(from_path)
    base, suffix = os.path.splitext(source)
    target = os.fspath(to_path) if to_path is not None else os.path.dirname(source)
    if suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            archive.extractall(target)
    elif suffix in (".tar", ".tgz", ".tbz", ".tbz2") or base.endswith(".tar"):
        with tarfile.open(source) as archive:
            archive.extractall(target, filter="data")
    elif suffix in (".gz", ".xz"):
        if to_path is None or os.path.isdir(target):
            target = os.path.join(target, os.path.basename(base))
        _unpack_single(gzip.open if suffix == ".gz" else lzma.open, source, target)
    else:
        raise RuntimeError(f"Unknown compression or archive type: '{suffix}'.")
    if remove_finished:
        os.remove(source)
    return target


def download_and_extract_archive(
    url: str,
    download_root: Any,
    extract_root: Any = None,
    filename: Any = None,
    md5: str | None = None,
    remove_finished: bool = False,
) -> None:
    """``download_url``, then ``extract_archive`` into ``extract_root`` (default: the same folder)."""
    download_root = os.path.expanduser(download_root)
    filename = filename or os.path.basename(url)
    download_url(url, download_root, filename, md5)
    extract_archive(
        os.path.join(download_root, filename), extract_root or download_root, remove_finished
    )
