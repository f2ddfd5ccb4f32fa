"""Window functions, and the short-time Fourier transform that uses them."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from rushlight.base import dtypes
from rushlight.base.dtypes import dtype as Dtype
from rushlight.core.state import defaults
from rushlight.core.tensor import Tensor, wrap
from rushlight.kernels import special_functions as values
from rushlight.ops import fourier
from rushlight.ops._late import late
from rushlight.ops.elementwise import div, mul
from rushlight.ops.shape import narrow, reshape, transpose


def _make(
    name: str, count: Any, sym: bool, dtype: Dtype | None, requires_grad: bool, formula: Any
) -> Tensor:
    """A window of ``count`` points; ``formula`` maps positions 0 to n - 1, and n, to values."""
    kind = dtype or defaults.dtype
    if not kind.is_floating_point:
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    if count < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={count}")
    points = count if sym or count <= 1 else count + 1
    if count <= 1:
        found = np.ones(count)
    else:
        found = formula(np.arange(points, dtype=np.float64), points)[:count]
    out = wrap(np.asarray(found, kind.np))
    return out.requires_grad_(requires_grad)  # type: ignore[attr-defined, no-any-return]


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    r"""A sum of cosines, :math:`\sum_i (-1)^i a_i \cos(2 \pi i n / (M - 1))`.

    Args:
        M: the number of points.
        a: the coefficients.
        sym: symmetric (for filters) rather than periodic (for spectra).
    """
    weights = list(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")

    def formula(n: np.ndarray, points: int) -> np.ndarray:
        angle = 2 * math.pi * n / (points - 1)
        total = np.zeros_like(n)
        for i, w in enumerate(weights):
            total += (-1) ** i * w * np.cos(i * angle)
        return total

    return _make("general_cosine", M, sym, dtype, requires_grad, formula)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, **options: Any) -> Tensor:
    """``alpha - (1 - alpha) cos``. Args: as for :func:`general_cosine`."""
    return general_cosine(M, a=[alpha, 1 - alpha], sym=sym, **options)


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The Hamming window. Args: as for :func:`general_cosine`."""
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The Hann window. Args: as for :func:`general_cosine`."""
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The Blackman window. Args: as for :func:`general_cosine`."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """The minimum four-term Blackman-Harris window by Nuttall."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(
    M: int,
    *,
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The triangular window that ends at zero."""
    return _make("bartlett", M, sym, dtype, requires_grad,
                 lambda n, points: 1 - np.abs(2 * n / (points - 1) - 1))  # fmt: skip


def cosine(
    M: int,
    *,
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Half a period of a sine."""
    return _make("cosine", M, sym, dtype, requires_grad,
                 lambda n, points: np.sin(math.pi * (n + 0.5) / points))  # fmt: skip


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``exp(-|n - center| / tau)``."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def formula(n: np.ndarray, points: int) -> np.ndarray:
        middle = (points - 1) / 2 if center is None else center
        return np.asarray(np.exp(-np.abs(n - middle) / tau))

    return _make("exponential", M, sym, dtype, requires_grad, formula)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Gaussian of standard deviation ``std`` points."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _make("gaussian", M, sym, dtype, requires_grad,
                 lambda n, points: np.exp(-(((n - (points - 1) / 2) / std) ** 2) / 2))  # fmt: skip


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: Dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The Kaiser window with shape ``beta``."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def formula(n: np.ndarray, points: int) -> np.ndarray:
        position = 2 * n / (points - 1) - 1
        inner = values.i0(beta * np.sqrt(np.maximum(0, 1 - position * position)))
        return np.asarray(inner / values.i0(np.array(float(beta))))

    return _make("kaiser", M, sym, dtype, requires_grad, formula)


# the older names of torch ---------------------------------------------------------------------


def _old(name: str, function: Any) -> Any:
    def window(
        window_length: int, periodic: bool = True, *args: Any, dtype: Dtype | None = None,
        layout: Any = None, device: Any = None, requires_grad: bool = False, **named: Any,
    ) -> Tensor:  # fmt: skip
        kind = dtype or defaults.dtype
        if not kind.is_floating_point:
            raise RuntimeError(
                f"{name}(): expected floating point dtype, but got {dtypes.SCALAR_TYPE_NAMES[kind]}"
            )
        if window_length < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got window_length="
                               f"{window_length}")  # fmt: skip
        shape = _shape_options(name, args, named)
        return function(  # type: ignore[no-any-return]
            window_length, sym=not periodic, dtype=kind, requires_grad=requires_grad, **shape
        )

    window.__name__ = window.__qualname__ = name
    window.__doc__ = (
        f"The {name.removesuffix('_window')} window; periodic unless ``periodic=False``."
    )
    return window


def _shape_options(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    if name == "kaiser_window":
        return {"beta": args[0] if args else named.get("beta", 12.0)}
    if name == "hamming_window":
        alpha = args[0] if args else named.get("alpha", 0.54)
        beta = args[1] if len(args) > 1 else named.get("beta", 0.46)
        return {"a": [alpha, beta]}
    return {}


hann_window = _old("hann_window", hann)
blackman_window = _old("blackman_window", blackman)
bartlett_window = _old("bartlett_window", bartlett)
kaiser_window = _old("kaiser_window", kaiser)
hamming_window = _old("hamming_window", general_cosine)


# short-time Fourier transform -----------------------------------------------------------------


def _prepared_window(window: Tensor | None, n_fft: int, win_length: int, kind: Any) -> Tensor:
    if window is None:
        window = wrap(np.ones(win_length, kind))
    if win_length < n_fft:
        left = (n_fft - win_length) // 2
        window = late.pad(window, (left, n_fft - win_length - left))
    return window


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """Fourier transforms of overlapping windows of a signal.

    Args:
        input: (T) or (B, T).
        n_fft: the size of each transform.
        hop_length: between windows (default: a quarter of ``n_fft``).
        win_length: of the window (default: ``n_fft``), which is padded to ``n_fft``.
        window: default: ones.
        center: pad the signal so that window t is centred at ``t * hop_length``.
        normalized: divide by the root of ``n_fft``.
        onesided: only the first half (default for real signals).
        return_complex: must be True for real signals and windows.

    Shape: (B, N, frames), N = n_fft // 2 + 1 if one-sided.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None and not is_complex:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs, and will further "
            "require that return_complex=True in a future PyTorch release."
        )
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.dim()}D tensor")
    single = input.dim() == 1
    x = late.unsqueeze(input, 0) if single else input
    if center:
        x = reshape(late.pad(late.unsqueeze(x, 1), (n_fft // 2, n_fft // 2), pad_mode), (
            x._array.shape[0], -1))  # fmt: skip
    if not 0 < n_fft <= x._array.shape[1]:
        raise RuntimeError(
            f"stft(...): expected 0 < n_fft < {x._array.shape[1]}, but got n_fft={n_fft}"
        )
    if hop <= 0:
        raise RuntimeError(f"stft(...): expected hop_length > 0, but got hop_length={hop}")
    if not 0 < width <= n_fft:
        raise RuntimeError(
            f"stft(...): expected 0 < win_length <= n_fft, but got win_length={width}"
        )
    frames = late.unfold(x, 1, n_fft, hop)
    real_kind = np.empty(0, x._array.dtype).real.dtype
    frames = frames * _prepared_window(window, n_fft, width, real_kind)
    norm = "ortho" if normalized else None
    half = not is_complex if onesided is None else onesided
    if half and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    found = fourier.rfft(frames, norm=norm) if half else fourier.fft(frames, norm=norm)
    found = transpose(found, 1, 2)
    found = late.squeeze(found, 0) if single else found
    wanted = is_complex if return_complex is None else return_complex
    return found if wanted else late.view_as_real(found)  # type: ignore[no-any-return]


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The inverse of :func:`stft`, by overlapping and adding. Args: as there.

    Args:
        length: of the signal (default: as long as the windows reach).

    Raises RuntimeError if the windows leave gaps.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    single = input.dim() == 2
    x = late.unsqueeze(input, 0) if single else input
    count = x._array.shape[2]
    real_kind = np.empty(0, x._array.dtype).real.dtype
    shaped = _prepared_window(window, n_fft, width, real_kind)
    spectra = transpose(x, 1, 2)
    norm = "ortho" if normalized else None
    if return_complex:
        frames = fourier.ifft(spectra, norm=norm)
    else:  # of two-sided spectra the first half counts
        frames = fourier.irfft(narrow(spectra, -1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    total = n_fft + hop * (count - 1)
    signal = _overlap_add(frames * shaped, total, hop)
    square = late.expand(mul(shaped, shaped), (1, count, n_fft))
    envelope = _overlap_add(square, total, hop)
    start = n_fft // 2 if center else 0
    end = total - (n_fft // 2 if center else 0)
    if length is not None:
        end = start + length
    usable = min(end, total) - start
    signal, envelope = narrow(signal, 1, start, usable), narrow(envelope, 1, start, usable)
    if usable and float(np.abs(envelope._array).min()) < 1e-11:
        raise RuntimeError(
            f"window overlap add min: {float(np.abs(envelope._array).min())} is too small"
        )
    out = div(signal, envelope)
    if end > total:
        out = late.pad(out, (0, end - total))
    return late.squeeze(out, 0) if single else out  # type: ignore[no-any-return]


def _overlap_add(frames: Tensor, total: int, hop: int) -> Tensor:
    """The sum of (B, count, width) frames laid ``hop`` apart: the adjoint of ``unfold``."""
    batch, count, width = frames._array.shape
    places = (np.arange(count)[:, None] * hop + np.arange(width)).reshape(-1)
    zeros = wrap(np.zeros((batch, total), frames._array.dtype))
    return late.index_add(zeros, 1, wrap(places), reshape(frames, (batch, -1)))  # type: ignore[no-any-return]
