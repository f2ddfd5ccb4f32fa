"""Muon: momentum made orthogonal."""

import math
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.core.tensor import Tensor
from rushlight.optim.optimizer import Optimizer, as_float, lerp, zeros_for

__all__ = ["Muon"]


def _orthogonal(
    update: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float
) -> np.ndarray:
    """The nearest (semi-)orthogonal matrix, by a Newton-Schulz iteration.

    Values are rounded to bfloat16 after each operation, as PyTorch computes them.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    bfloat16 = dtypes.bfloat16.np

    def rounded(x: Any) -> Any:
        return np.asarray(x, np.float32).astype(bfloat16).astype(np.float32)

    tall = update.shape[0] > update.shape[1]
    x = rounded(update.T if tall else update)
    norm = max(float(rounded(np.sqrt((x * x).sum()))), float(rounded(eps)))
    x = rounded(x / np.float32(norm))
    for _ in range(steps):
        gram = rounded(x @ x.T)
        mixed = rounded(b * gram + c * (gram @ gram))
        x = rounded(a * x + mixed @ x)
    return x.T if tall else x  # type: ignore[no-any-return]


class Muon(Optimizer):
    """SGD with momentum whose update is replaced by the nearest orthogonal matrix.

    For the 2-d parameters of hidden layers. From Jordan et al., "Muon: an optimizer for hidden layers
    in neural networks", 2024.

    Args:
        params: see :class:`Optimizer`; matrices only.
        lr: the learning rate.
        weight_decay: ``p *= 1 - lr * weight_decay`` before each step.
        momentum, nesterov: of the update.
        ns_coefficients, ns_steps, eps: of the Newton-Schulz iteration.
        adjust_lr_fn: "original" or "match_rms_adamw": how the rate depends on the shape.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not as_float(lr) >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        options = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, options)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with "
                        f"size: {p.shape}"
                    )

    def _update(self, group: dict[str, Any], params: list[Any]) -> None:
        lr, momentum = as_float(group["lr"]), group["momentum"]
        for p in params:
            if p._array.dtype.kind == "c":
                raise RuntimeError("Muon does not support complex parameters")
            state = self.state[p]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = zeros_for(p._grad)
            g, buffer = p._grad._array, state["momentum_buffer"]._array
            lerp(buffer, g, 1 - momentum)
            update = buffer
            if group["nesterov"]:
                update = g.copy()
                lerp(update, buffer, momentum)
            update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
            rows, columns = p._array.shape
            if group["adjust_lr_fn"] == "match_rms_adamw":
                rate = lr * 0.2 * math.sqrt(max(rows, columns))
            else:
                rate = lr * math.sqrt(max(1, rows / columns))
            p._array *= 1 - lr * group["weight_decay"]
            p._array += update * -rate
