"""Data parallelism over several devices, of which there is only one: the CPU."""

from typing import Any

from rushlight.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls ``module``, as PyTorch's does where there is no GPU.

    Args:
        module: the module; its parameters are found under ``module.``.
        device_ids, output_device, dim: accepted and not used.

    Examples::

        >>> nn.DataParallel(nn.Linear(2, 3))
        DataParallel(
          (module): Linear(in_features=2, out_features=3, bias=True)
        )
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """``module(*inputs, **module_kwargs)``."""
    if not isinstance(inputs, tuple):
        inputs = (inputs,)
    return module(*inputs, **(module_kwargs or {}))
