"""Adam with Nesterov momentum."""

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

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov momentum: the step uses the momentum of the next one.

    ``mu(t) = b1 * (1 - 0.96**(t * momentum_decay) / 2)`` is the momentum. From "Incorporating
    Nesterov momentum into Adam", Dozat, 2016.

    Args:
        params: see :class:`Optimizer`.
        lr: the learning rate.
        betas: ``b1`` and ``b2``.
        eps: see :class:`Adam`.
        weight_decay: ``weight_decay * p`` is added to the gradient.
        momentum_decay: see the formula.
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
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative(momentum_decay, "momentum_decay")
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["mu_product"] = _number(1.0)
                state["exp_avg"] = zeros_for(p)
                state["exp_avg_sq"] = zeros_for(p)
            self._one(group, p, state)

    def _one(self, group: dict[str, Any], p: Any, state: dict[str, Any]) -> None:
        lr, decay, psi = as_float(group["lr"]), group["weight_decay"], group["momentum_decay"]
        beta1, beta2 = group["betas"]
        step = advance(state)
        param = real(p._array)
        if decay != 0 and group["decoupled_weight_decay"]:
            param *= 1 - lr * decay
            decay = 0
        g = real(gradient(p, group, decay))
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * psi))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * psi))
        state["mu_product"]._array[()] *= mu
        product = state["mu_product"]._array.item()
        average, square = real(state["exp_avg"]._array), real(state["exp_avg_sq"]._array)
        lerp(average, g, 1 - beta1)
        square *= beta2
        square += (g * (1 - beta2)) * g
        root = np.sqrt(square / (1 - beta2**step)) + group["eps"]
        param += (g * (-lr * (1.0 - mu) / (1.0 - product))) / root
        param += (average * (-lr * mu_next / (1.0 - product * mu_next))) / root
