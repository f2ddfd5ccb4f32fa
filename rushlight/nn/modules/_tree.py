"""Walking over modules: parameters, buffers, children, and finding them by name."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from rushlight.core.tensor import Tensor
from rushlight.nn.parameter import Parameter

if TYPE_CHECKING:
    from rushlight.nn.modules.module import Module


class TreeMixin:
    """The part of ``Module`` that walks over it and its descendants."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Any],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """Names and values of what ``get_members_fn`` gives for each module."""
        seen: set[int] = set()
        modules: Any = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and (with ``recurse``) of all below it.

        Examples::

            >>> [p.numel() for p in nn.Linear(2, 3).parameters()]
            [6, 3]
        """
        for _, param in self._named_members(_parameters_of, "", recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of name and parameter.

        Args:
            prefix: goes before each name.
            recurse: include the modules below this one.
            remove_duplicate: list a shared parameter once.
        """
        return self._named_members(_parameters_of, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and (with ``recurse``) of all below it."""
        for _, buffer in self._named_members(_buffers_of, "", recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of name and buffer. Args: as for :meth:`named_parameters`."""
        return self._named_members(_buffers_of, prefix, recurse, remove_duplicate)

    def children(self) -> Iterator["Module"]:
        """The modules directly below this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Pairs of name and module, for the modules directly below this one."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator["Module"]:
        """This module and all below it, each once.

        Examples::

            >>> [type(m).__name__ for m in nn.Sequential(nn.ReLU(), nn.Tanh()).modules()]
            ['Sequential', 'ReLU', 'Tanh']
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """Pairs of path and module, for this module (path: ``prefix``) and all below it.

        Args:
            memo: a set of modules to leave out; those that are listed are added.
            prefix: goes before each path.
            remove_duplicate: list a shared module once.
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def get_submodule(self, target: str) -> "Module":
        """The module below this one at the path ``target``; AttributeError if there is none.

        Examples::

            >>> nn.Sequential(nn.Sequential(nn.Tanh())).get_submodule("0.0")
            Tanh()
        """
        module: Any = self
        for name in target.split(".") if target else ():
            module = _get(module, name)
            if not isinstance(module, TreeMixin):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """Puts ``module`` at the path ``target``.

        Args:
            strict: there must be a module at that path already.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, TreeMixin):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        must_be = strict or hasattr(parent, name)
        if must_be and not isinstance(_get(parent, name), TreeMixin):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the path ``target``; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        found = _get(self.get_submodule(path), name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the path ``target``; AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = _get(module, name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Calls ``fn`` with each module below this one, and with this one last; returns it.

        Examples::

            >>> def fill(module):
            ...     if isinstance(module, nn.Linear):
            ...         nn.init.ones_(module.weight)
            >>> nn.Sequential(nn.Linear(1, 2, bias=False)).apply(fill)[0].weight
            Parameter containing:
            tensor([[1.],
                    [1.]], requires_grad=True)
        """
        for module in self.children():
            module.apply(fn)
        fn(self)  # type: ignore[arg-type]
        return self


def _parameters_of(module: Any) -> Any:
    return module._parameters.items()


def _buffers_of(module: Any) -> Any:
    return module._buffers.items()


def _get(module: Any, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)
