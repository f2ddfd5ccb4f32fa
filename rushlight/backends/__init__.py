"""``torch.backends``: what the machine offers, and switches of the kernels."""

from types import SimpleNamespace
from typing import Any

from rushlight.core.state import defaults
from rushlight.kernels import conv


def _absent(**switches: Any) -> SimpleNamespace:
    """A backend that is not there; its switches can be set and have no effect."""
    return SimpleNamespace(
        is_available=lambda: False, is_built=lambda: False, version=lambda: None, **switches
    )


class _Convolution:
    """Switches of the convolution kernels.

    Attributes:
        exact: False (default): 3x3 and 5x5 convolutions may use Winograd's algorithm, whose float32
            results differ from the direct sum by up to 2e-6 of the largest output (512 channels);
            True: never.
    """

    @property
    def exact(self) -> bool:
        """Whether Winograd's algorithm is left alone."""
        return defaults.exact_convolution

    @exact.setter
    def exact(self, value: bool) -> None:
        defaults.exact_convolution = bool(value)
        conv.exact = bool(value)


convolution = _Convolution()
cudnn = _absent(
    enabled=True, benchmark=False, deterministic=False, allow_tf32=True, benchmark_limit=10
)
cuda = _absent(matmul=SimpleNamespace(allow_tf32=False, fp32_precision="none"))
mps = _absent()
mkldnn = _absent(enabled=True)
mkl = _absent()
openmp = _absent()
opt_einsum = _absent(enabled=False, strategy=None)
cpu = SimpleNamespace(get_cpu_capability=lambda: "DEFAULT")
