"""The tensor's fields.

A tensor is a NumPy array, a strided view on some memory, plus autograd's fields. This file holds
the fields and what can be read from them; operations are attached by ``ops.methods``.

Note [Fields]
    _array    the data, always an ``np.ndarray`` (0-d for scalars)
    _edge     None: needs no gradient; LEAF: a leaf that does; else the node that made the tensor
    _index    which output of that node it is
    _storage  None, or the version counter that it shares with all views of the same memory.
              It is made when the first view is taken or the first in-place change happens, so that
              the many results that see neither do without
    _grad     the accumulated gradient of a leaf
    _meta     None, or a Meta with what few tensors have (see there)
"""

from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.device import cpu, device
from rushlight.base.size import Size, make_size
from rushlight.core.state import python_calls, state


class Storage:
    """The version counter of a piece of memory, shared by all tensors that look at it."""

    __slots__ = ("version",)

    def __init__(self, version: int = 0) -> None:
        self.version = version


class View:
    """How a tensor came from its base: needed when one of them is changed in place.

    ``steps`` are (primitive, params) pairs; replayed on ``base`` they give the view. ``version``
    is the storage's version for which the view's ``_edge`` is right.
    """

    __slots__ = ("base", "creation", "steps", "version")

    def __init__(
        self, base: "Tensor", steps: tuple[Any, ...], version: int, creation: str | None
    ) -> None:
        self.base = base
        self.steps = steps
        self.version = version
        self.creation = creation  # None, "no_grad", "multi" or "inference": in-place is limited


class Meta:
    """Rare things about a tensor."""

    __slots__ = (
        "accumulate_hooks", "accumulator", "hooks", "inference", "name", "retains_grad", "view",
    )  # fmt: skip

    def __init__(self) -> None:
        self.view: View | None = None
        self.hooks: dict[int, Any] | None = None  # of a leaf; a node keeps those of its outputs
        self.accumulate_hooks: dict[int, Any] | None = None
        self.accumulator: Any = None  # weak reference to the AccumulateGrad shown to the user
        self.retains_grad = False
        self.inference = False
        self.name: str | None = None


class Leaf:
    """The type of LEAF, the edge of a leaf that requires grad."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LEAF"


LEAF = Leaf()


class Tensor:
    """A multi-dimensional array of one dtype, with automatic differentiation."""

    __slots__ = (
        "__dict__", "__weakref__", "_array", "_edge", "_grad", "_index", "_meta", "_storage",
    )  # fmt: skip
    __module__ = "torch"
    __array_priority__ = 1000  # NumPy's operators give way to ours

    _array: np.ndarray
    _edge: Any
    _index: int
    _storage: Storage | None
    _grad: "Tensor | None"
    _meta: Meta | None

    @property
    def shape(self) -> Size:
        """The dimensions."""
        return make_size(self._array.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        found = dtypes.FROM_NUMPY.get(self._array.dtype)
        return found if found is not None else dtypes.from_numpy(self._array.dtype)

    @property
    def device(self) -> device:
        """Where the elements are: always the CPU."""
        return cpu

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return int(self._array.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return int(self._array.nbytes)

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return int(self._array.size)

    def meta(self) -> Meta:
        """The record of rare things, made when first asked for."""
        found = self._meta
        if found is None:
            found = self._meta = Meta()
        return found

    def storage_version(self) -> Storage:
        """The shared version counter, made when first asked for."""
        found = self._storage
        if found is None:
            found = self._storage = Storage()
        return found

    @property
    def _version(self) -> int:
        """How often the memory was changed in place."""
        if self._meta is not None and self._meta.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._storage is None else self._storage.version


_new = object.__new__


def wrap(array: np.ndarray) -> Tensor:
    """A new tensor on ``array``, without history."""
    out = _new(Tensor)
    out._array = array
    out._edge = None
    out._index = 0
    out._storage = None
    out._grad = None
    out._meta = None
    if python_calls[0]:
        mark_inference(out)
    return out


def mark_inference(t: Tensor) -> None:
    """Notes that ``t`` was made in inference mode, if it was."""
    if state.inference:
        t.meta().inference = True


def init_fields(out: Tensor, array: np.ndarray) -> None:
    """Gives a new instance of a subclass its fields."""
    out._array = array
    out._edge = None
    out._index = 0
    out._storage = None
    out._grad = None
    out._meta = None
    if python_calls[0]:
        mark_inference(out)


def check_inference(t: Tensor) -> None:
    """Raises RuntimeError for a change in place, outside of inference mode, of what was made in it."""
    if t._meta is not None and t._meta.inference and not state.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a "
            "clone to get a normal tensor before doing inplace update.See "
            "https://github.com/pytorch/rfcs/pull/17 for more details."
        )


def bump_version(t: Tensor) -> None:
    """Counts an in-place change of the memory of ``t``."""
    if t._meta is not None:
        check_inference(t)
    if t._storage is None:
        t._storage = Storage(1)
    else:
        t._storage.version += 1
