"""Rectified Adam."""

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

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Adam whose step is rectified while there are too few gradients for the variance.

    ``rho = rho_inf - 2 t b2**t / (1 - b2**t)`` with ``rho_inf = 2 / (1 - b2) - 1`` measures how many
    there are; as long as it is at most 5 the step is ``lr * m'``. From "On the variance of the
    adaptive learning rate and beyond", Liu et al., 2019.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        betas: ``b1`` and ``b2``.
        eps: see :class:`Adam`.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        decoupled_weight_decay: ``p *= 1 - lr * weight_decay`` instead.
        maximize: go up instead of down.
        foreach, capturable, differentiable: accepted (``differentiable=True`` is not supported).
    """

    _defaults_of_old_groups = {  # noqa: RUF012
        "foreach": None, "maximize": False, "differentiable": False, "capturable": False, "decoupled_weight_decay": False,
    }  # fmt: skip

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        check_not_negative(weight_decay, "weight_decay")
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["exp_avg"] = zeros_for(p)
                state["exp_avg_sq"] = zeros_for(p)
            self._one(group, p, state)

    def _one(self, group: dict[str, Any], p: Any, state: dict[str, Any]) -> None:
        lr, decay = as_float(group["lr"]), group["weight_decay"]
        beta1, beta2 = group["betas"]
        step = advance(state)
        param = real(p._array)
        if decay != 0 and group["decoupled_weight_decay"]:
            param *= 1 - lr * decay
            decay = 0
        g = real(gradient(p, group, decay))
        average, square = real(state["exp_avg"]._array), real(state["exp_avg_sq"]._array)
        lerp(average, g, 1 - beta1)
        square *= beta2
        square += (g * (1 - beta2)) * g
        correction2 = 1 - beta2**step
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * step * beta2**step / correction2
        update = average / (1 - beta1**step) * lr
        if rho > 5.0:
            adaptive = correction2**0.5 / (np.sqrt(square) + group["eps"])
            variance = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
            update = update * adaptive * variance**0.5
        param -= update
