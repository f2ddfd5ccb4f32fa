"""Adafactor."""

from typing import Any

import numpy as np

from rushlight.core.tensor import Tensor, wrap
from rushlight.optim.optimizer import Optimizer, _number, advance, as_float, gradient, lerp

__all__ = ["Adafactor"]


def _norm(array: np.ndarray) -> float:
    flat = array.ravel()
    return float(np.sqrt(np.dot(flat, flat)))


class Adafactor(Optimizer):
    """Adaptive steps whose variances are kept as a row and a column, not as a matrix.

    From "Adafactor: adaptive learning rates with sublinear memory cost", Shazeer and Stern, 2018.

    Args:
        params: see :class:`Optimizer`.
        lr: the largest relative step, and the rate of the weight decay.
        beta2_decay: the variances' decay rate at step t is ``1 - t**beta2_decay``.
        eps: the smallest variance's root (default: the dtype's eps) and the smallest scale.
        d: updates of larger root mean square are clipped to it.
        weight_decay: ``p *= 1 - lr * weight_decay`` before each step.
        foreach: accepted.
        maximize: go up instead of down.
    """

    _defaults_of_old_groups = {"foreach": None}  # noqa: RUF012

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not as_float(lr) >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        options = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay,
            "foreach": foreach, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, options)

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        for p in params:
            if p._array.dtype.kind == "c":
                raise RuntimeError("Adafactor does not support complex parameters")
            state = self.state[p]
            if not state:
                state["step"] = _number(0.0)
                shape, kind = p._array.shape, p._array.dtype
                if len(shape) > 1:
                    state["row_var"] = wrap(np.zeros((*shape[:-1], 1), kind))
                    state["col_var"] = wrap(np.zeros((*shape[:-2], 1, shape[-1]), kind))
                else:
                    state["variance"] = wrap(np.zeros(shape, kind))
            self._one(group, p, state)

    def _one(self, group: dict[str, Any], p: Any, state: dict[str, Any]) -> None:
        lr, (eps1, eps2) = as_float(group["lr"]), group["eps"]
        param, g = p._array, gradient(p, group)
        if eps1 is None:
            eps1 = float(np.finfo(param.dtype).eps)
        step = advance(state)
        weight = step ** group["beta2_decay"]
        alpha = max(eps2, _norm(param) / param.size**0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            param *= 1 - lr * group["weight_decay"]
        if g.ndim > 1:
            row, column = state["row_var"]._array, state["col_var"]._array
            lerp(row, (g * g).mean(-1, keepdims=True), weight)
            lerp(column, (g * g).mean(-2, keepdims=True), weight)
            estimate = row @ column
            estimate /= np.maximum(row.mean(-2, keepdims=True), eps1)
        else:
            variance = state["variance"]._array
            lerp(variance, g * g, weight)
            estimate = variance.copy()
        update = g / np.sqrt(np.maximum(estimate, eps1 * eps1))
        clip = max(1.0, _norm(update) / (update.size**0.5 * group["d"]))
        param += update * (-alpha / clip)
