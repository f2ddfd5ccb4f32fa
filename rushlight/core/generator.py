"""``torch.Generator``: PyTorch's stream of random numbers.

One 32-bit Mersenne Twister, seeded by Knuth's initialisation. NumPy has the same generator, so its
words come from there, many at a time. ``numpy.random`` is imported when the first one is asked for.

Note [State bytes]
``get_state`` gives PyTorch's 5,056 bytes: the seed (8), how many words are left before the next
block (4), a flag (4), the place of the next word (8), the 624 words as 64-bit numbers, two unused
doubles around the cached normal value with its flag, and the same for a float value.
"""

import os
import struct
from threading import Lock
from typing import Any

import numpy as np

from rushlight.base.device import check_device, cpu, device
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import random as kernels

DEFAULT_SEED = 67280421310721  # c10::detail::default_rng_seed_val
STATE_BYTES = 5056
_HEAD, _WORDS, _TAIL = struct.Struct("<QiiQ"), 624, struct.Struct("<dddi4xf?3x")
_SMALL = 64  # below this many words, the call that costs less
_making = Lock()
if hasattr(os, "register_at_fork"):  # a child must not inherit a lock that nobody gives back
    os.register_at_fork(
        before=_making.acquire, after_in_parent=_making.release, after_in_child=_making.release
    )


class Generator:
    """A source of random numbers with a state of its own.

    Args:
        device: "cpu".

    Examples::

        >>> g = torch.Generator().manual_seed(0)
        >>> torch.rand(2, generator=g)
        tensor([0.4963, 0.7682])
    """

    __slots__ = (
        "__weakref__",
        "_bits",
        "_fill",
        "_place",
        "_raw",
        "_seed",
        "float_normal",
        "normal",
    )
    __module__ = "torch._C"

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        self._bits: Any = None
        self._raw: Any = None
        self._fill: Any = None
        self._place: int | None = None
        self._seed = DEFAULT_SEED
        self.normal: float | None = None  # the second value of a Box-Muller pair
        self.float_normal: float | None = None

    @property
    def device(self) -> device:
        """Where the numbers are made: the CPU."""
        return cpu

    def bits(self) -> Any:
        """NumPy's generator of the words, made when first asked for."""
        found = self._bits
        if found is None:
            # Of two threads that come first, one makes it for both. The import is inside: a fork
            # waits for the lock, and a child cannot import what another thread had begun to.
            with _making:
                from numpy.random import MT19937  # noqa: PLC0415  (loads only when it is used)
                from numpy.random import Generator as NumPyGenerator  # noqa: PLC0415

                found = self._bits
                if found is None:
                    found = MT19937(0)
                    found._legacy_seeding(self._seed & 0xFFFFFFFF)
                    self._fill = NumPyGenerator(found).integers
                    self._raw = found.random_raw
                    self._bits = found
        return found

    def address(self) -> int:
        """Where the state lies, for the kernels that draw; 0 where there is no generated code."""
        place = self._place
        if place is None:
            bits = self.bits()
            place = self._place = bits.ctypes.state_address if kernels.available() else 0
        return place

    def word(self) -> int:
        """The next 32-bit word."""
        if self._raw is None:
            self.bits()
        return self._raw()  # type: ignore[no-any-return]

    def word64(self) -> int:
        """The next two words as one number, the first above the second."""
        high = self.word()
        return high << 32 | self.word()

    def words(self, count: int) -> np.ndarray:
        """The next ``count`` words: uint32, or uint64 for a few."""
        if self._raw is None:
            self.bits()
        if count < _SMALL:
            return self._raw(count)  # type: ignore[no-any-return]
        return self._fill(0, 4294967296, count, np.uint32)  # type: ignore[no-any-return]

    def words64(self, count: int) -> np.ndarray:
        """The next ``2 * count`` words, two to a number, as uint64."""
        words = self.words(2 * count)
        out = words[::2].astype(np.uint64)
        out <<= np.uint64(32)
        out |= words[1::2]
        return out

    def manual_seed(self, seed: int) -> "Generator":
        """Starts the stream that belongs to ``seed``; returns the generator.

        Args:
            seed: from -2**63 to 2**64 - 1; a negative one counts from 2**64 downwards.
        """
        if not isinstance(seed, int):
            if not hasattr(seed, "__index__"):
                raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
            seed = seed.__index__()
        if not -0x8000_0000_0000_0000 <= seed <= 0xFFFF_FFFF_FFFF_FFFF:
            raise ValueError("Overflow when unpacking long long")
        seed &= 0xFFFF_FFFF_FFFF_FFFF
        self._seed = seed
        if self._bits is not None:
            self._bits._legacy_seeding(seed & 0xFFFFFFFF)
        self.normal = self.float_normal = None
        return self

    def seed(self) -> int:
        """Starts the stream of a seed from the system's source of randomness; returns the seed."""
        seed = int.from_bytes(os.urandom(8), "little") & 0x1F_FFFF_FFFF_FFFF
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the current stream."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state as a tensor of bytes, in PyTorch's layout: see Note [State bytes]."""
        inner = self.bits().state["state"]
        key, position = inner["key"], int(inner["pos"])
        left, following = 625 - position, position
        if position == _WORDS and self._is_fresh(key):
            left, following = 1, 0
        normal = 0.0 if self.normal is None else self.normal
        single = 0.0 if self.float_normal is None else self.float_normal
        data = b"".join(
            (
                _HEAD.pack(self._seed, left, 1, following),
                key.astype("<u8").tobytes(),
                _TAIL.pack(0.0, normal, 0.0, self.normal is not None, single,
                           self.float_normal is not None),
            )
        )  # fmt: skip
        return wrap(np.frombuffer(bytearray(data), np.uint8))

    def _is_fresh(self, key: np.ndarray) -> bool:
        fresh = Generator()
        fresh._seed = self._seed
        return bool((fresh.bits().state["state"]["key"] == key).all())

    def set_state(self, new_state: Tensor) -> "Generator":
        """Continues from a state that ``get_state`` gave, here or in PyTorch."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state._array.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        data = np.ascontiguousarray(new_state._array).tobytes()
        if len(data) != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
                f"state size to be {len(data)}"
            )
        seed, left, seeded, following = _HEAD.unpack_from(data)
        if not seeded or not 1 <= left <= _WORDS or not 0 <= following <= _WORDS:
            raise RuntimeError("Invalid mt19937 state")
        key = np.frombuffer(data, "<u8", _WORDS, _HEAD.size).astype(np.uint32)
        tail = _TAIL.unpack_from(data, _HEAD.size + 8 * _WORDS)
        position = following if following else _WORDS
        self.bits().state = {
            "bit_generator": "MT19937", "state": {"key": key, "pos": position},
        }  # fmt: skip
        self._seed = seed
        self.normal = tail[1] if tail[3] else None
        self.float_normal = tail[4] if tail[5] else None
        return self

    def clone_state(self) -> "Generator":
        """Another generator at the same place of the same stream."""
        return Generator().set_state(self.get_state())

    def graphsafe_get_state(self) -> "Generator":
        """As :meth:`clone_state`."""
        return self.clone_state()

    def graphsafe_set_state(self, state: "Generator") -> "Generator":
        """Continues from the state of another generator."""
        return self.set_state(state.get_state())

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _rebuild, (self._seed, self.get_state())

    def __deepcopy__(self, memo: Any) -> "Generator":
        return self.clone_state()


def _rebuild(seed: int, state: Tensor) -> Generator:
    return Generator().set_state(state)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Starts the default stream of random numbers anew; returns the default generator.

    Examples::

        >>> _ = torch.manual_seed(0)
        >>> torch.rand(2)
        tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the system's source of randomness; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, as bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Sets the state of the default generator."""
    default_generator.set_state(new_state)
