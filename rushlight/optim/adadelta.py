"""Adadelta."""

from typing import Any

import numpy as np

from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_lr,
    check_not_negative,
    gradient,
    real,
    zeros_for,
)

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """``v = rho * v + (1 - rho) * g**2``, ``p -= lr * sqrt(u + eps) / sqrt(v + eps) * g``.

    ``u`` is the running average of the squared changes. From "ADADELTA: an adaptive learning rate
    method", Zeiler, 2012.

    Args:
        params: see :class:`Optimizer`.
        lr, rho, eps: see the formula.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted (``differentiable=True`` is not supported).
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "foreach": None, "maximize": False, "differentiable": False, "capturable": False,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_not_negative(weight_decay, "weight_decay")
        options = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr, rho, eps = as_float(group["lr"]), group["rho"], group["eps"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["square_avg"] = zeros_for(p)
                state["acc_delta"] = zeros_for(p)
            advance(state)
            g = real(gradient(p, group, group["weight_decay"]))
            square, change = real(state["square_avg"]._array), real(state["acc_delta"]._array)
            square *= rho
            square += (g * (1 - rho)) * g
            delta = np.sqrt(change + eps) / np.sqrt(square + eps) * g
            change *= rho
            change += (delta * (1 - rho)) * delta
            param = real(p._array)
            param += delta * -lr
