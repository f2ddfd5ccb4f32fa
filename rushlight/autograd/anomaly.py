"""Finding the operation behind a failing or NaN gradient."""

import traceback
import warnings
from typing import Any

import numpy as np

from rushlight.autograd.node import Grads, Node
from rushlight.core.state import defaults, set_anomaly
from rushlight.core.tensor import Tensor


class set_detect_anomaly:
    """Switches anomaly detection on or off, at once; as a context manager, until its end.

    While it is on, each recorded operation remembers where it was called, a backward step that
    fails prints that, and a NaN gradient raises RuntimeError.

    Args:
        mode: on or off.
        check_nan: whether NaN gradients raise.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.previous = defaults.anomaly, defaults.anomaly_nan
        set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        set_anomaly(*self.previous)


class detect_anomaly(set_detect_anomaly):
    """Anomaly detection inside a ``with`` block. Args: ``check_nan`` as above."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return defaults.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it raises for NaN gradients."""
    return defaults.anomaly_nan


def remember(node: Node) -> None:
    """Notes where ``node`` is being recorded."""
    node.more().trace = traceback.format_stack()[:-2]


def checked_apply(node: Node, grads: Grads) -> tuple[Any, ...]:
    """``node.apply`` with the reports of anomaly mode."""
    try:
        results = node.apply(grads)
    except Exception:
        _tell(node)
        raise
    if defaults.anomaly_nan:
        for i, g in enumerate(results):
            if isinstance(g, Tensor) and bool(np.isnan(g._array).any()):
                _tell(node)
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {i}th output."
                )
    return results


def _tell(node: Node) -> None:
    trace = node.extra.trace if node.extra is not None else None
    if trace:
        warnings.warn(
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n"
            + "".join(trace),
            UserWarning,
            stacklevel=2,
        )
    else:
        warnings.warn(
            f"Error detected in {node.name()}. No forward pass information available. Enable "
            "detect anomaly during forward pass for more information.",
            UserWarning,
            stacklevel=2,
        )
