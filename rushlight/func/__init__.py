"""``torch.func``: functions that make functions: derivatives, maps over a dimension.

Derivatives are taken with the backward pass. ``vmap`` calls the function once for each slice and
stacks the results: the same values and gradients as PyTorch's batching, not its speed.
"""

from rushlight.func.derivatives import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from rushlight.func.functional_module import functional_call, stack_module_state
from rushlight.func.refused import functionalize
from rushlight.func.vmap import vmap

__all__ = [
    "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev",
    "jvp", "linearize", "stack_module_state", "vjp", "vmap",
]  # fmt: skip
