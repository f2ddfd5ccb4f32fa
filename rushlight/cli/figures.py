"""The pictures of a run: curves, confusion matrix, predictions. They need matplotlib."""

import os
from typing import Any

import numpy as np

from rushlight.cli.training import Epoch, Evaluation

MISSING = "no pictures: they need matplotlib (pip install 'rushlight[plot]')"
_BLUE, _ORANGE, _GREEN, _RED = "#3b6ea5", "#d9822b", "#2a7d4f", "#b3362c"


def _figure(width: float, height: float) -> Any:
    """A figure that draws to files only, whatever the user's settings."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def available() -> bool:
    """Whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        return False
    return True


def _write(figure: Any, path: str) -> None:
    part = f"{path}.part"
    figure.savefig(part, format="png")
    os.replace(part, path)


def curves(history: list[Epoch], path: str) -> None:
    """Loss and accuracy over the epochs, training and test."""
    figure = _figure(9, 3.6)
    epochs = [row.epoch for row in history]
    for place, kind, title in ((121, "loss", "Loss"), (122, "accuracy", "Accuracy")):
        axes = figure.add_subplot(place)
        for part, color in (("train", _BLUE), ("test", _ORANGE)):
            values = [getattr(row, f"{part}_{kind}") for row in history]
            axes.plot(epochs, values, color=color, marker="o", markersize=4, label=part)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if kind == "accuracy":
            lowest = min(min(row.train_accuracy, row.test_accuracy) for row in history)
            axes.yaxis.set_major_formatter(_percent(1 if lowest > 0.8 else 0))
        axes.legend(frameon=False)
    _write(figure, path)


def _percent(digits: int) -> Any:
    return lambda value, _: f"{value:.{digits}%}"


def confusion(found: Evaluation, classes: list[str], path: str) -> None:
    """How often each class was taken for each other one."""
    n = len(classes)
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (found.labels, found.predicted), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(14.0, 2.5 + 0.48 * n)
    figure = _figure(side + 1, side)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_short(c) for c in classes]
    axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"Test set: {found.accuracy:.1%} right", loc="left", fontsize=11)
    axes.tick_params(length=0)
    if n <= 30:
        for i in range(n):
            for k in range(n):
                if counts[i, k]:
                    color = "white" if shares[i, k] > 0.5 else "#222222"
                    axes.text(k, i, str(counts[i, k]), ha="center", va="center", color=color,
                              fontsize=7 if n <= 12 else 5)  # fmt: skip
    _write(figure, path)


def predictions(
    pictures: list[np.ndarray], found: Evaluation, classes: list[str], path: str
) -> None:
    """Some pictures of the test set with their labels, wrong ones in red.

    Args:
        pictures: the first of the test set, height x width or height x width x 3.
    """
    columns = 8
    rows = -(-len(pictures) // columns)
    figure = _figure(columns * 1.25, rows * 1.5 + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for i, picture in enumerate(pictures):
        axes = grid.flat[i]
        axes.imshow(picture, cmap="gray" if picture.ndim == 2 else None, interpolation="nearest")
        said, true = int(found.predicted[i]), int(found.labels[i])
        text = _short(classes[said])
        if said != true:
            text += f"\n(is {_short(classes[true])})"
        axes.set_title(text, fontsize=7.5, color=_GREEN if said == true else _RED, pad=3)
    figure.suptitle("First pictures of the test set, as predicted", fontsize=11, x=0.01, ha="left")
    _write(figure, path)


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"


def first_pictures(data: Any, count: int) -> list[np.ndarray]:
    """The first pictures of a test set as arrays, scaled back to what they look like."""
    result = []
    for i in range(min(count, len(data))):
        picture = np.asarray(data[i][0].numpy(), np.float32)
        low, high = picture.min(), picture.max()
        picture = (picture - low) / max(high - low, 1e-6)
        result.append(picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0))
    return result
