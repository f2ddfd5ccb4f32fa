"""Calling a module with other parameters than its own."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["functional_call"]


def _place(module: Any, path: str) -> tuple[Any, str]:
    """The dict that holds a parameter or buffer, and its key."""
    owner, _, name = path.rpartition(".")
    held = module.get_submodule(owner)
    for fields in (held._parameters, held._buffers):
        if name in fields:
            return fields, name
    return held.__dict__, name


def _with_tied(module: Any, given: dict[str, Any]) -> dict[str, Any]:
    """``given`` with the other names of tensors that the module shares."""
    names: dict[int, list[str]] = {}
    for members in (module.named_parameters, module.named_buffers):
        for name, t in members(remove_duplicate=False):
            names.setdefault(id(t), []).append(name)
    result = dict(given)
    for tied in names.values():
        found = [n for n in tied if n in given]
        if len({id(given[n]) for n in found}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(tied)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if found:
            result.update(dict.fromkeys(tied, given[found[0]]))
    return result


def _check_keys(module: Any, given: dict[str, Any]) -> None:
    known = {n for n, _ in module.named_parameters(remove_duplicate=False)}
    known |= {n for n, _ in module.named_buffers(remove_duplicate=False)}
    problems = []
    for title, keys in (
        ("Unexpected", [k for k in given if k not in known]),
        ("Missing", [k for k in sorted(known) if k not in given]),
    ):
        if keys:
            problems.append(f"{title} key(s): {', '.join(map(repr, keys))}.")
    if problems:
        raise RuntimeError(
            f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(problems)
        )


@contextmanager
def _reparametrize_module(
    module: Any, parameters_and_buffers: dict[str, Any], tie_weights: bool, strict: bool
) -> Iterator[None]:
    given = _with_tied(module, parameters_and_buffers) if tie_weights else parameters_and_buffers
    if strict:
        _check_keys(module, given)
    places = [(*_place(module, path), path) for path in given]
    missing = object()
    before = [fields.get(name, missing) for fields, name, _ in places]
    try:
        for fields, name, path in places:
            fields[name] = given[path]
        yield
    finally:
        for (fields, name, path), value in zip(places, before):
            if path in parameters_and_buffers:  # buffers that were replaced in the call
                parameters_and_buffers[path] = fields[name]
            if value is missing:
                del fields[name]
            else:
                fields[name] = value


def _functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the given tensors in place of its own."""
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls ``module`` with the given tensors in place of its parameters and buffers.

    Deprecated: see ``torch.func.functional_call``.

    Args:
        module: the module.
        parameters_and_buffers: tensors by name.
        args, kwargs: of the call.
        tie_weights: tensors that are shared are replaced under all their names.
        strict: all names must be given, and no others.
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be "
        "removed in a future version of PyTorch. Please use `torch.func.functional_call` instead "
        "which is a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
