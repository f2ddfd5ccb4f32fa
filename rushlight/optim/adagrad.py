"""Adagrad."""

from typing import Any

import numpy as np

from rushlight.core.tensor import wrap
from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_lr,
    check_not_negative,
    gradient,
    real,
)

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """``s += g**2``, ``p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)``.

    From "Adaptive subgradient methods for online learning and stochastic optimization", Duchi et
    al., 2011.

    Args:
        params: see :class:`Optimizer`.
        lr, lr_decay, eps: see the formula.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        initial_accumulator_value: what ``s`` starts with.
        maximize: go up instead of down.
        foreach, differentiable, fused: accepted (``differentiable=True`` is not supported).
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "foreach": None, "maximize": False, "differentiable": False, "fused": None,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(lr_decay, "lr_decay")
        check_not_negative(weight_decay, "weight_decay")
        check_not_negative(initial_accumulator_value, "initial_accumulator_value")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        options = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, options)
        for group in self.param_groups:
            for p in group["params"]:
                self._start(p, initial_accumulator_value)

    def _start(self, p: Any, value: float) -> None:
        initial = complex(value, value) if p._array.dtype.kind == "c" else value
        state = self.state[p]
        state["step"] = _number(0.0)
        state["sum"] = wrap(np.full_like(p._array, initial))

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr, eps = as_float(group["lr"]), group["eps"]
        for p in params:
            state = self.state[p]
            if not state:
                self._start(p, self.defaults["initial_accumulator_value"])
            step = advance(state)
            g = real(gradient(p, group, group["weight_decay"]))
            rate = lr / (1 + (step - 1) * group["lr_decay"])
            total, param = real(state["sum"]._array), real(p._array)
            total += g * g
            param += (g * -rate) / (np.sqrt(total) + eps)

    def share_memory(self) -> None:
        """Moves the sums to memory that processes share."""
        for state in self.state.values():
            state["sum"].share_memory_()
