"""Memory as the root namespace offers it: what is held, and giving it back."""

from rushlight.kernels import conv
from rushlight.runtime import memory


def memory_stats() -> dict[str, int]:
    """What the pool of large blocks holds, in bytes and counts.

    Returns:
        A dict; ``live_bytes`` are in use, ``idle_bytes`` wait to be reused.

    Examples::

        >>> torch.memory_stats()["idle_bytes"] >= 0
        True
    """
    return memory.memory_stats()


def empty_cache() -> None:
    """Gives all memory that is not in use back to the system."""
    conv.release_memory()
    memory.empty_cache()
