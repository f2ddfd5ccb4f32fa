"""Adamax."""

from typing import Any

import numpy as np

from rushlight.optim.optimizer import (
    Optimizer,
    _number,
    advance,
    as_float,
    check_betas,
    check_lr,
    check_not_negative,
    gradient,
    lerp,
    real,
    zeros_for,
)

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """``m = b1 m + (1 - b1) g``, ``u = max(b2 u, |g| + eps)``, ``p -= lr / (1 - b1**t) * m / u``.

    From "Adam: a method for stochastic optimization", Kingma and Ba, 2014.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        betas: ``b1`` and ``b2``.
        eps: see the formula.
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
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative(weight_decay, "weight_decay")
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr, eps = as_float(group["lr"]), group["eps"]
        beta1, beta2 = group["betas"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["exp_avg"] = zeros_for(p)
                state["exp_inf"] = zeros_for(p)
            step = advance(state)
            g = real(gradient(p, group, group["weight_decay"]))
            average, largest = real(state["exp_avg"]._array), real(state["exp_inf"]._array)
            lerp(average, g, 1 - beta1)
            largest *= beta2
            np.maximum(largest, np.abs(g) + eps, out=largest)
            param = real(p._array)
            param += (average * -(lr / (1 - beta1**step))) / largest
