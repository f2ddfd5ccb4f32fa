"""Modules as functions of their parameters."""

from collections.abc import Sequence
from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops.joining import stack


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other parameters and buffers, which the module does not keep.

    Args:
        parameter_and_buffer_dicts: tensors by name, or a tuple of such dicts.
        args: the arguments, a tuple, or a single one.
        kwargs: the keyword arguments.
        tie_weights: a tensor that the module has under several names is replaced under all.
        strict: raise RuntimeError unless the names are exactly those of the module.

    Examples::

        >>> model = nn.Linear(2, 1, bias=False)
        >>> torch.func.functional_call(model, {"weight": torch.ones(1, 2)}, torch.ones(2)).item()
        2.0
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
            raise ValueError(
                "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
            )
        names = [name for d in parameter_and_buffer_dicts for name in d]
        repeated = sorted({n for n in names if names.count(n) > 1})
        if repeated:
            raise ValueError(
                f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
                "ambiguous"
            )
        given = {n: t for d in parameter_and_buffer_dicts for n, t in d.items()}
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    places = _places(module, given, tie_weights, strict)
    positional = () if args is None else args if isinstance(args, tuple) else (args,)
    before = [(holder, key, holder[key]) for holder, key, _ in places]
    try:
        for holder, key, tensor in places:
            holder[key] = tensor
        return module(*positional, **(kwargs or {}))
    finally:
        for holder, key, tensor in before:
            holder[key] = tensor


def _places(
    module: Any, given: dict[str, Tensor], tie_weights: bool, strict: bool
) -> list[tuple[dict[str, Any], str, Tensor]]:
    """Where each tensor goes: the dict of a submodule, the name in it."""
    known: dict[str, tuple[dict[str, Any], str]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for holder in (part._parameters, part._buffers):
            for key in holder:
                known[f"{prefix}.{key}" if prefix else key] = (holder, key)
    unknown = [name for name in given if name not in known]
    if strict:
        missing = [name for name, (holder, key) in known.items()
                   if name not in given and holder[key] is not None]  # fmt: skip
        if unknown or missing:
            text = f"Error(s) in reparametrizing for {type(module).__name__}:"
            if unknown:
                text += "\n\tUnexpected key(s): " + ", ".join(map(repr, unknown)) + "."
            if missing:
                text += "\n\tMissing key(s): " + ", ".join(map(repr, missing)) + "."
            raise RuntimeError(text)
    given = {name: tensor for name, tensor in given.items() if name in known}
    result = [(*known[name], tensor) for name, tensor in given.items()]
    if tie_weights:
        result += _tied(known, given)
    return result


def _tied(
    known: dict[str, tuple[dict[str, Any], str]], given: dict[str, Tensor]
) -> list[tuple[dict[str, Any], str, Tensor]]:
    by_identity: dict[int, Tensor] = {}
    for name, tensor in given.items():
        holder, key = known[name]
        original = holder[key]
        if original is None:
            continue
        other = by_identity.setdefault(id(original), tensor)
        if other is not tensor:
            raise ValueError(
                f"functional_call got multiple values for keys that are tied, among them {name!r}. "
                "Consider using tie_weights=False"
            )
    return [
        (holder, key, by_identity[id(holder[key])])
        for name, (holder, key) in known.items()
        if name not in given and id(holder[key]) in by_identity
    ]


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of several models of one kind, stacked, by name.

    Examples::

        >>> parameters, buffers = torch.func.stack_module_state([nn.Linear(2, 3) for _ in range(4)])
        >>> parameters["weight"].shape
        torch.Size([4, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or not any(m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {}
    for name, first in models[0].named_parameters():
        stacked: Any = stack([dict(m.named_parameters())[name] for m in models]).detach()  # type: ignore[attr-defined]
        parameters[name] = stacked.requires_grad_(first.requires_grad)
    buffers = {
        name: stack([dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return parameters, buffers
