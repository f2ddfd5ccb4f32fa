"""Affine maps: ``linear``, ``bilinear``, and matrix products added to a tensor (``addmm`` & co.).

Note [Fused backward]
Where the gradients of several inputs share work, the rule of a primitive runs a second one,
``..._backward``, that computes all of them in one call. It has no rule of its own: when the backward
pass itself is recorded (``create_graph=True``), the rule runs the same formula written in
operations, so that derivatives of every order come from there.
"""

from typing import Any

from rushlight.base.dtypes import CPP_NAMES, SCALAR_TYPE_NAMES, float32
from rushlight.core.state import state
from rushlight.core.tensor import Tensor
from rushlight.ops._dispatch import write_out
from rushlight.ops._elementwise import kernel
from rushlight.ops._late import late
from rushlight.ops._primitive import NotDifferentiable, Primitive, apply, apply2
from rushlight.ops._promote import cast, result_type, type_name
from rushlight.ops.complex import conj
from rushlight.ops.elementwise import add, mul
from rushlight.ops.linear_algebra import MM, bmm, matmul, mm
from rushlight.ops.reduction import sum
from rushlight.ops.shape import expand, reshape, t, transpose, unsqueeze

FUSED = NotDifferentiable("runs only where the backward pass is not recorded")

_linear = kernel("matmul.linear")
_linear_backward = kernel("matmul.linear_backward")

# linear ---------------------------------------------------------------------------------------

LINEAR_BACKWARD = Primitive(
    "linear_backward",
    lambda g, x, w, needs: _linear_backward(g, x, w, *needs),
    inputs=("g", "input", "weight"),
    params=("needs",),
    vjp=FUSED,
)


def _linear_rule(g: Tensor, input: Tensor, weight: Tensor, needs: tuple[bool, ...]) -> Any:
    if state.grad_enabled or g._array.dtype.kind == "c":
        return (
            apply2(MM, g, conj(weight)) if needs[0] else None,
            apply2(MM, t(g), conj(input)) if needs[1] else None,
            sum(g, 0) if needs[2] else None,
        )
    return apply(LINEAR_BACKWARD, (g, input, weight), needs)


LINEAR = Primitive(
    "linear",
    kernel("matmul.linear"),
    inputs=("input", "weight", "bias"),
    vjp=_linear_rule,
    node_name="AddmmBackward0",
)


LINEAR.eager.primitive = LINEAR  # type: ignore[attr-defined]


def _product_rule(g: Tensor, input: Tensor, weight: Tensor, needs: tuple[bool, bool]) -> Any:
    return _linear_rule(g, input, weight, (*needs, False))[:2]


LINEAR_PRODUCT = Primitive(
    "linear_product",
    lambda x, w: _linear(x, w, None),
    inputs=("input", "weight"),
    vjp=_product_rule,
    node_name="MmBackward0",
)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Affine map of the last dimension, :math:`y = x A^T + b`.

    Args:
        input: any number of leading dimensions.
        weight: the matrix A.
        bias: the vector b, or None.

    Shape:
        - input: (*, in_features), weight: (out_features, in_features) or (in_features,)
        - bias: (out_features,), result: (*, out_features)

    Raises RuntimeError if sizes or dtypes do not fit.

    Examples::

        >>> torch.nn.functional.linear(torch.ones(1, 2), torch.tensor([[1., 2.]]), torch.ones(1))
        tensor([[4.]])
    """
    try:
        x, w = input._array, weight._array
    except AttributeError:
        raise _not_tensor("linear", input=input, weight=weight) from None
    if x.ndim != 2 or w.ndim != 2:
        return _linear_of_any_rank(input, weight, bias)
    if x.shape[1] != w.shape[1]:
        raise _shapes_error(x.shape, w.shape[::-1])
    if bias is None:
        if x.dtype != w.dtype:
            raise _dtypes_error(input, weight)
        return apply2(LINEAR_PRODUCT, input, weight)
    b = bias._array
    if x.dtype != w.dtype or b.dtype != w.dtype:
        raise _bias_dtypes_error(input, weight, bias)
    if b.ndim != 1 or b.shape[0] != w.shape[0]:
        return add(apply2(LINEAR_PRODUCT, input, weight), expand(bias, (x.shape[0], w.shape[0])))
    return apply(LINEAR, (input, weight, bias))  # type: ignore[no-any-return]


def _linear_of_any_rank(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    shape, w = input._array.shape, weight._array
    if w.ndim == 1:
        result = (late.mv if len(shape) == 2 else matmul)(input, weight)
        return result if bias is None else add(result, bias)
    if w.ndim != 2 or not shape:
        result = matmul(input, transpose(weight, -1, -2) if w.ndim > 1 else weight)
        return result if bias is None else add(result, bias)
    rows = 1
    for n in shape[:-1]:
        rows *= n
    if shape[-1] != w.shape[1]:
        raise _shapes_error((rows, shape[-1]), w.shape[::-1])
    flat = linear(reshape(input, (rows, shape[-1])), weight, bias)
    return reshape(flat, (*shape[:-1], w.shape[0]))


def _shapes_error(a: Any, b: Any) -> RuntimeError:
    return RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({a[0]}x{a[1]} and {b[0]}x{b[1]})"
    )


def _cpp(a: Tensor) -> str:
    return CPP_NAMES.get(a.dtype, SCALAR_TYPE_NAMES[a.dtype])


def _dtypes_error(a: Tensor, b: Tensor) -> RuntimeError:
    return RuntimeError(
        f"expected m1 and m2 to have the same dtype, but got: {_cpp(a)} != {_cpp(b)}"
    )


def _bias_dtypes_error(input: Tensor, weight: Tensor, bias: Tensor) -> RuntimeError:
    kinds = [SCALAR_TYPE_NAMES[x.dtype] for x in (input, weight, bias)]
    if kinds[0] == kinds[1] or kinds[2] == kinds[0]:
        return RuntimeError(
            f"self and mat2 must have the same dtype, but got {kinds[2]} and {kinds[1]}"
        )
    return RuntimeError(
        f"mat1 and mat2 must have the same dtype, but got {kinds[0]} and {kinds[1]}"
    )


def _not_tensor(name: str, **arguments: Any) -> TypeError:
    for position, (argument, value) in enumerate(arguments.items(), 1):
        if not isinstance(value, Tensor):
            return TypeError(
                f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
                f"{type_name(value)}"
            )
    return TypeError(f"{name}(): invalid arguments")


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""Bilinear map, :math:`y_k = x_1^T A_k x_2 + b_k`.

    Shape:
        - input1: (*, in1_features), input2: (*, in2_features)
        - weight: (out_features, in1_features, in2_features), bias: (out_features,)
        - result: (*, out_features)

    Raises RuntimeError if the sizes do not fit.
    """
    a, b, w = input1._array.shape, input2._array.shape, weight._array.shape
    if len(a) != len(b):
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {len(a)} and {len(b)}")
    for i, (m, n) in enumerate(zip(a[:-1], b[:-1])):
        if m != n:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {i}: got {m} and {n}"
            )
    for k, (have, want) in enumerate(((a[-1], w[1]), (b[-1], w[2])), 1):
        if have != want:
            raise RuntimeError(
                f"bilinear(): input{k} size does not match weight size: got {have} but expected "
                f"{want}"
            )
    if input1.dtype.itemsize <= 2:  # rounded once
        wide = [None if x is None else cast(x, float32) for x in (input1, input2, weight, bias)]
        return cast(bilinear(*wide), input1.dtype)  # type: ignore[arg-type]
    rows = 1
    for n in a[:-1]:
        rows *= n
    x1, x2 = reshape(input1, (rows, a[-1])), reshape(input2, (rows, b[-1]))
    # (rows, in1) times (in1, out * in2), then the product with input2 summed over in2
    spread = mm(x1, reshape(transpose(weight, 0, 1), (w[1], w[0] * w[2])))
    result = sum(mul(reshape(spread, (rows, w[0], w[2])), unsqueeze(x2, 1)), 2)
    result = reshape(result, (*a[:-1], w[0]))
    return result if bias is None else add(result, bias)


# a product added to a tensor --------------------------------------------------------------------


def _blend(input: Tensor, product: Tensor, beta: Any, alpha: Any, dtype_like: Tensor) -> Tensor:
    """``beta * input + alpha * product``; with beta 0 the values of ``input`` do not count."""
    if input._array.dtype != dtype_like._array.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{SCALAR_TYPE_NAMES[input.dtype]} and {SCALAR_TYPE_NAMES[dtype_like.dtype]}"
        )
    if dtype_like._array.dtype.kind in "iub":
        alpha, beta = int(alpha), int(beta)
    scaled = product if _is_one(alpha) else mul(product, alpha)
    start = expand(input, product._array.shape)
    if beta == 0:
        return add(scaled, late.zeros_like(start))
    return add(start if _is_one(beta) else mul(start, beta), scaled)


def _is_low(t: Tensor) -> bool:
    return t.dtype.category == 2 and t.dtype.itemsize <= 2


def _rounded_once(function: Any, tensors: tuple[Tensor, ...], beta: Any, alpha: Any) -> Tensor:
    """``function`` computed in float32, its result in the dtype of the last tensor."""
    wide = [cast(t, float32) for t in tensors]
    return cast(function(*wide, beta=beta, alpha=alpha), tensors[-1].dtype)


def _is_one(value: Any) -> bool:
    return not isinstance(value, bool) and value == 1


def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``; with ``beta=0`` the values of ``input`` are ignored.

    Shape:
        - mat1: (n, m), mat2: (m, p), input: broadcastable to (n, p)

    Examples::

        >>> torch.addmm(torch.ones(1, 1), torch.tensor([[1., 2.]]), torch.tensor([[3.], [4.]]))
        tensor([[12.]])
    """
    for name, matrix in (("mat1", mat1), ("mat2", mat2)):
        if matrix._array.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {matrix._array.ndim}-D tensor")
    result = _blend(input, mm(mat1, mat2), beta, alpha, mat2)
    return result if out is None else write_out(out, result)


def addmv(
    input: Tensor,
    mat: Tensor,
    vec: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``.

    Shape:
        - mat: (n, m), vec: (m,), input: broadcastable to (n,)
    """
    if mat._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input._array.ndim}, {mat._array.ndim}, "
            f"{vec._array.ndim}"
        )
    if mat._array.shape[1] != vec._array.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({mat._array.shape[0]}), mat ({mat._array.shape[0]}x"
            f"{mat._array.shape[1]}), vec ({vec._array.shape[0]})"
        )
    product = reshape(mm(mat, unsqueeze(vec, 1)), (mat._array.shape[0],))
    result = _blend(input, product, beta, alpha, vec)
    return result if out is None else write_out(out, result)


def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``.

    Shape:
        - vec1: (n,), vec2: (m,), input: broadcastable to (n, m)
    """
    for name, vector in (("vec1", vec1), ("vec2", vec2)):
        if vector._array.ndim != 1:
            raise RuntimeError(
                f"addr: Expected 1-D argument {name}, but got {vector._array.ndim}-D"
            )
    kind = result_type(input, vec1, vec2)
    for name, value in (("beta", beta), ("alpha", alpha)):
        if kind.category < 2 and isinstance(value, float):
            raise RuntimeError(
                f"For integral input tensors, argument {name} must not be a floating point number."
            )
    if _is_low(input) and kind is input.dtype:
        result = _rounded_once(addr, (input, vec1, vec2), beta, alpha)
        return result if out is None else write_out(out, result)
    product = mul(unsqueeze(vec1, 1), unsqueeze(vec2, 0))
    start = expand(input, product._array.shape)
    if kind.category == 0:
        scaled = product if alpha else late.zeros_like(product)
        result = late.logical_or(scaled, start) if beta else scaled
    else:
        scaled = product if _is_one(alpha) else mul(product, alpha)
        if beta == 0:
            result = add(scaled, late.zeros_like(start))
        else:
            result = add(start if _is_one(beta) else mul(start, beta), scaled)
    return result if out is None else write_out(out, result)


def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    Shape:
        - batch1: (b, n, m), batch2: (b, m, p), input: broadcastable to (b, n, p)
    """
    if _is_low(input) and batch1.dtype is batch2.dtype is input.dtype:
        result = _rounded_once(baddbmm, (input, batch1, batch2), beta, alpha)
    else:
        result = _blend(input, bmm(batch1, batch2), beta, alpha, batch2)
    return result if out is None else write_out(out, result)


def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Any = 1,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``.

    Shape:
        - batch1: (b, n, m), batch2: (b, m, p), input: broadcastable to (n, p)
    """
    if _is_low(input) and batch1.dtype is batch2.dtype is input.dtype:
        result = _rounded_once(addbmm, (input, batch1, batch2), beta, alpha)
    else:
        product = sum(bmm(batch1, batch2), 0, dtype=batch1.dtype)
        result = _blend(input, product, beta, alpha, batch2)
    return result if out is None else write_out(out, result)


BOTH = """
    addbmm addmm addmv addr baddbmm
"""
TORCH = """
    bilinear
"""
INPLACE = """
    addbmm addmm addmv addr baddbmm
"""
