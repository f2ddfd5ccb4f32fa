"""Nested lists, tuples and dicts as flat lists of leaves, and back."""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any


class TreeSpec:
    """The shape of a nest: what kind each container is, and its contents."""

    __slots__ = ("children", "context", "kind")

    def __init__(self, kind: Any, context: Any, children: list["TreeSpec"]) -> None:
        self.kind = kind  # None: a leaf
        self.context = context
        self.children = children

    @property
    def num_leaves(self) -> int:
        """How many leaves the nest has."""
        return 1 if self.kind is None else sum([c.num_leaves for c in self.children])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        return f"TreeSpec({self.kind.__name__}, {self.context}, {self.children})"


_DICTS = (dict, OrderedDict, defaultdict)


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _open(value: Any) -> tuple[Any, Any, list[Any]] | None:
    """The kind, the context and the contents of a container; None for a leaf."""
    kind = type(value)
    if kind in (list, tuple, deque):
        return kind, None, list(value)
    if kind in _DICTS:
        context = [list(value), value.default_factory if kind is defaultdict else None]
        return kind, context, list(value.values())
    if _is_namedtuple(value):
        return kind, None, list(value)
    return None


def _close(spec: TreeSpec, values: list[Any]) -> Any:
    if spec.kind in _DICTS:
        pairs = zip(spec.context[0], values)
        if spec.kind is defaultdict:
            return defaultdict(spec.context[1], pairs)
        return spec.kind(pairs)
    if hasattr(spec.kind, "_fields"):
        return spec.kind(*values)
    return spec.kind(values)


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves, from left to right, and the shape of the nest.

    Examples::

        >>> from rushlight.utils._pytree import tree_flatten
        >>> tree_flatten({"a": 1, "b": [2, 3]})[0]
        [1, 2, 3]
    """
    opened = None if is_leaf is not None and is_leaf(tree) else _open(tree)
    if opened is None:
        return [tree], TreeSpec(None, None, [])
    kind, context, contents = opened
    leaves, children = [], []
    for value in contents:
        found, spec = tree_flatten(value, is_leaf)
        leaves += found
        children.append(spec)
    return leaves, TreeSpec(kind, context, children)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The nest of the given shape with these leaves."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec "
            f"refers to a pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    return _build(iter(leaves), treespec)


def _build(leaves: Any, spec: TreeSpec) -> Any:
    if spec.kind is None:
        return next(leaves)
    return _close(spec, [_build(leaves, child) for child in spec.children])


def tree_map(
    func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """The nest with ``func`` applied to each leaf (and those of further nests of its shape)."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf)[0] for rest in rests]
    return tree_unflatten([func(*values) for values in zip(leaves, *others)], spec)


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """The nest with ``func`` applied to the leaves of a type (or types)."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves, from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The shape of the nest."""
    return tree_flatten(tree, is_leaf)[1]


def broadcast_prefix(prefix: Any, spec: TreeSpec) -> list[Any] | None:
    """The leaves of ``prefix``, each repeated for all leaves of ``spec`` below it; None if it does
    not fit."""
    opened = None if prefix is None or spec.kind is None else _open(prefix)
    if opened is None:
        if _open(prefix) is not None and prefix is not None and spec.kind is None:
            return None
        return [prefix] * spec.num_leaves
    kind, context, contents = opened
    if kind is not spec.kind or context != spec.context or len(contents) != len(spec.children):
        return None
    result = []
    for value, child in zip(contents, spec.children):
        found = broadcast_prefix(value, child)
        if found is None:
            return None
        result += found
    return result
