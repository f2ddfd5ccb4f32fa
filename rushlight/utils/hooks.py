"""Handles that remove hooks."""

import weakref
from collections import OrderedDict
from typing import Any


class RemovableHandle:
    """Returned when a hook is registered; removes the hook again.

    Args:
        hooks_dict: the ordered dict that holds the hook under this handle's ``id``.
        extra_dict: another such dict, or a list of them, to be cleaned up as well.

    Examples::

        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
        >>> layer(torch.zeros(1))
        tensor([1.])
        >>> handle.remove()
        >>> layer(torch.zeros(1))
        tensor([0.])
    """

    next_id = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        self.hooks_dict_ref: Any = weakref.ref(hooks_dict)
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref: tuple[Any, ...] = tuple([weakref.ref(d) for d in extra_dict])

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.hooks_dict_ref(), self.id, tuple([ref() for ref in self.extra_dict_ref])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        hooks, self.id = state[:2]
        extra = state[2] if len(state) > 2 and state[2] is not None else ()
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple([weakref.ref(d) for d in extra])
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *args: object) -> None:
        self.remove()


def unserializable_hook(f: Any) -> Any:
    """Marks a hook that is not meant to be saved with its tensor."""
    f.__torch_unserializable__ = True
    return f
