"""Averaged stochastic gradient descent."""

from typing import Any

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

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """SGD that averages the parameters, in ``state[p]["ax"]``, from step ``t0`` on.

    ``p *= 1 - lambd * eta``, ``p -= eta * g``, ``eta = lr / (1 + lambd * lr * t)**alpha``. From
    "Acceleration of stochastic approximation by averaging", Polyak and Juditsky, 1992.

    Args:
        params: see :class:`Optimizer`.
        lr, lambd, alpha, t0: see the formulas.
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
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay, "weight_decay")
        options = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize, "differentiable": differentiable,
            "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr, lambd = as_float(group["lr"]), group["lambd"]
        for p in params:
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                state["eta"] = _number(lr)
                state["mu"] = _number(1.0)
                state["ax"] = zeros_for(p)
            step = advance(state)
            g = real(gradient(p, group, group["weight_decay"]))
            param, average = real(p._array), real(state["ax"]._array)
            eta, mu = state["eta"]._array, state["mu"]._array
            param *= 1 - lambd * eta.item()
            param += g * -eta.item()
            if mu.item() != 1:
                average += (param - average) * mu.item()
            else:
                average[...] = param
            eta[()] = lr / (1 + lambd * lr * step) ** group["alpha"]
            mu[()] = 1 / max(1, step - group["t0"])
