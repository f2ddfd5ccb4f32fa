"""Operations that copy what the view operation of the same name shows: ``permute_copy`` and kin."""

from typing import Any

from rushlight.core.tensor import Tensor
from rushlight.ops import rearrange, shape, strided
from rushlight.ops._dispatch import write_out


def _copying(name: str, function: Any) -> Any:
    def copied(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(input, *args, **kwargs)
        if isinstance(result, tuple):
            result = tuple([shape.clone(part) for part in result])
        else:
            result = shape.clone(result)
        return result if out is None else write_out(out, result)

    copied.__name__ = copied.__qualname__ = name
    copied.__doc__ = f"A copy of what ``{name.removesuffix('_copy')}`` shows."
    return copied


def _expand(input: Tensor, size: Any, *, implicit: bool = False) -> Tensor:
    return shape.expand(input, tuple(size))


def _slice(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    index = (slice(None),) * (dim % max(input._array.ndim, 1)) + (slice(start, end, step),)
    return input[index]


def _split(input: Tensor, sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    return shape.split(input, sizes if isinstance(sizes, int) else list(sizes), dim)


alias_copy = _copying("alias_copy", shape.alias)
as_strided_copy = _copying("as_strided_copy", strided.as_strided)
detach_copy = _copying("detach_copy", lambda t: t.detach())
diagonal_copy = _copying("diagonal_copy", strided.diagonal)
expand_copy = _copying("expand_copy", _expand)
narrow_copy = _copying("narrow_copy", shape.narrow)
permute_copy = _copying("permute_copy", shape.permute)
slice_copy = _copying("slice_copy", _slice)
select_copy = _copying("select_copy", shape.select)
split_copy = _copying("split_copy", _split)
split_with_sizes_copy = _copying("split_with_sizes_copy", _split)
squeeze_copy = _copying("squeeze_copy", shape.squeeze)
t_copy = _copying("t_copy", shape.t)
transpose_copy = _copying("transpose_copy", shape.transpose)
unbind_copy = _copying("unbind_copy", shape.unbind)
unfold_copy = _copying("unfold_copy", strided.unfold)
unsqueeze_copy = _copying("unsqueeze_copy", shape.unsqueeze)
view_as_complex_copy = _copying("view_as_complex_copy", rearrange.view_as_complex)
view_as_real_copy = _copying("view_as_real_copy", rearrange.view_as_real)
view_copy = _copying("view_copy", shape.view)
