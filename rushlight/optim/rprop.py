"""Resilient backpropagation."""

from typing import Any

import numpy as np

from rushlight.core.tensor import wrap
from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_lr,
    gradient,
    real,
    zeros_for,
)

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps by the sign of the gradient, for full batches.

    The step of each element grows by ``etas[1]`` while the sign stays and shrinks by ``etas[0]`` when
    it changes. From "A direct adaptive method for faster backpropagation learning", Riedmiller and
    Braun, 1993.

    Args:
        params: see :class:`Optimizer`.
        lr: the first step.
        etas: the factors.
        step_sizes: the smallest and the largest step.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted (``differentiable=True`` is not supported).
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "foreach": None, "maximize": False, "differentiable": False, "capturable": False,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        options = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr = as_float(group["lr"])
        eta_minus, eta_plus = group["etas"]
        smallest, largest = group["step_sizes"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["prev"] = zeros_for(p)
                initial = complex(lr, lr) if p._array.dtype.kind == "c" else lr
                state["step_size"] = wrap(np.full_like(p._array, initial))
            advance(state)
            g = real(gradient(p, group)).copy()
            previous, size = real(state["prev"]._array), real(state["step_size"]._array)
            turn = g * previous
            factor = np.where(turn > 0, eta_plus, np.where(turn < 0, eta_minus, 1.0))
            size *= factor.astype(size.dtype)
            np.clip(size, smallest, largest, out=size)
            g[turn < 0] = 0
            param = real(p._array)
            param += np.sign(g) * -size
            previous[...] = g
