"""Batches from one process to another.

Note [Transport]
A message is pickled with protocol 5, which leaves the memory of arrays out. If there is much of it,
the sender puts it into an anonymous file in memory (``memfd``) and sends the file's descriptor
along; the receiver maps the file and builds its arrays on the mapping. Nothing has a name, so nothing
can be left behind, whichever process dies first. Where there are no such files the bytes themselves
go through the socket.
"""

import io
import mmap
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from rushlight.autograd.node import edge_of
from rushlight.base import dtypes
from rushlight.core.tensor import LEAF, Tensor, wrap

_SHARE_FROM_BYTES = 16384  # below, copying twice through the socket costs less than a mapping
_ALIGN = 64
_HAS_MEMFD = hasattr(os, "memfd_create")
NO_FILE, FILE = b"\0", b"\1"


def _rebuild(array: np.ndarray, requires_grad: bool) -> Tensor:
    kind = dtypes.from_numpy(array.dtype).np
    if array.dtype is not kind:  # unpickled: equal to the usual object, which kernels look for
        array = array.view(kind)
    out = wrap(array)
    if requires_grad:
        out._edge = LEAF
    return out


class _Pickler(pickle.Pickler):
    """Tensors as their arrays, whose memory is then handed to ``buffer_callback``."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Tensor:
            return NotImplemented
        edge = edge_of(obj)
        if edge is not None and edge is not LEAF and not isinstance(edge, Tensor):
            raise RuntimeError(
                "Cowardly refusing to serialize non-leaf tensor which requires_grad, since "
                "autograd does not support crossing process boundaries.  If you just want to "
                "transfer the data, call detach() on the tensor before serializing (e.g., putting "
                "it on the queue)."
            )
        return _rebuild, (
            np.ascontiguousarray(obj._array).reshape(obj._array.shape),
            edge is not None,
        )


class Message:
    """A pickled object, with its large memory beside it."""

    __slots__ = ("descriptor", "head")

    def __init__(self, obj: Any) -> None:
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        _Pickler(stream, protocol=5, buffer_callback=buffers.append).dump(obj)
        raw = [b.raw() for b in buffers]
        total = sum(r.nbytes + _ALIGN for r in raw)
        self.descriptor = -1
        places: list[Any] = []
        if _HAS_MEMFD and total >= _SHARE_FROM_BYTES:
            self.descriptor = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
            os.ftruncate(self.descriptor, total)
            offset = 0
            for r in raw:
                os.pwrite(self.descriptor, r, offset)
                places.append((offset, r.nbytes))
                offset += -(-r.nbytes // _ALIGN) * _ALIGN
        else:
            places = [bytearray(r) for r in raw]
        self.head = pickle.dumps((stream.getvalue(), places), protocol=5)

    def send(self, connection: Connection) -> None:
        """Sends it; the descriptor is closed on this side."""
        if self.descriptor < 0:
            connection.send_bytes(NO_FILE + self.head)
            return
        try:
            connection.send_bytes(FILE + self.head)
            reduction.send_handle(connection, self.descriptor, 0)
        finally:
            os.close(self.descriptor)


def receive(connection: Connection) -> Any:
    """The next object that was sent; EOFError or OSError if the other side is gone."""
    message = connection.recv_bytes()
    if message[:1] == NO_FILE:
        body, places = pickle.loads(memoryview(message)[1:])
        return pickle.loads(body, buffers=places)
    descriptor = reduction.recv_handle(connection)
    try:
        memory = memoryview(mmap.mmap(descriptor, 0))
    finally:
        os.close(descriptor)
    body, places = pickle.loads(memoryview(message)[1:])
    return pickle.loads(body, buffers=[memory[start : start + size] for start, size in places])
