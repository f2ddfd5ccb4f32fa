"""What ``rushlight train`` does, apart from showing it.

Note [Resuming]
A checkpoint is written after every epoch. Besides weights it holds the optimizer's state and that of
the random generator, from which shuffling, dropout and the workers' seeds are drawn. So a resumed
run draws the numbers that an uninterrupted one would have drawn.
"""

import csv
import io
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rushlight import nn, optim
from rushlight.autograd.modes import no_grad
from rushlight.cli import data as data_sets
from rushlight.cli import networks
from rushlight.core.generator import get_rng_state, manual_seed, set_rng_state
from rushlight.serialization import load, save
from rushlight.serialization.files import replacing
from rushlight.utils.data import DataLoader

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
LEARNING_RATES = {"sgd": 0.05, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}
FORMAT = 1
COLUMNS = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds",
           "images_per_second")  # fmt: skip


@dataclass
class Settings:
    """What a run is made of; kept in its checkpoints."""

    dataset: str = "fashion-mnist"
    model: str = "mlp"
    epochs: int = 5
    batch_size: int = 64
    lr: float = 1e-3
    optimizer: str = "adam"
    seed: int = 0


@dataclass
class Epoch:
    """The figures of one epoch."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float


@dataclass
class Evaluation:
    """What a model makes of the test set."""

    loss: float
    accuracy: float
    predicted: np.ndarray
    labels: np.ndarray


@dataclass
class Run:
    """A run: its settings, its parts and how far it has come."""

    settings: Settings
    out: str
    data: data_sets.Data
    workers: int = 0
    folder: str | None = None  # where the user said the data is
    history: list[Epoch] = field(default_factory=list)
    best: float = -1.0

    def __post_init__(self) -> None:
        s = self.settings
        manual_seed(s.seed)
        self.model = networks.build(
            s.model, data_sets.shape_of(s.dataset), len(self.data.classes)
        )  # initial values are drawn first, then the order of the pictures
        self.optimizer = make_optimizer(s, self.model.parameters())
        self.loss_fn = nn.CrossEntropyLoss()
        options: dict[str, Any] = {"batch_size": s.batch_size, "num_workers": self.workers}
        self.train_loader = DataLoader(self.data.train, shuffle=True, **options)
        self.test_loader = DataLoader(self.data.test, **options)

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Goes on from a checkpoint. CheckpointError if the run had other data."""
        before, now = checkpoint["pictures"], len(self.data.train)
        if before != now:
            raise CheckpointError(
                f"the run was made with {before:,} pictures, but {self.data.origin} has {now:,}; "
                "--data names the folder of the data"
            )
        self.model.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.history = [Epoch(**row) for row in checkpoint["history"]]
        self.best = checkpoint["best"]
        set_rng_state(checkpoint["random"])

    def train_epoch(self, step: Callable[[int, float], None]) -> Epoch:
        """One pass over the training set and one over the test set.

        Args:
            step: called after each batch with the number of its pictures and the loss.
        """
        self.model.train()
        start = time.perf_counter()
        total, right, count = 0.0, 0, 0
        for x, y in self.train_loader:
            output = self.model(x)
            loss = self.loss_fn(output, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            value, size = loss.item(), len(y)
            total += value * size
            right += _correct(output, y)
            count += size
            step(size, value)
        rate = count / (time.perf_counter() - start)
        test = evaluate(self.model, self.test_loader)
        done = Epoch(len(self.history) + 1, total / count, right / count, test.loss, test.accuracy,
                     time.perf_counter() - start, rate)  # fmt: skip
        self.history.append(done)
        self.keep(test.accuracy)
        return done

    def keep(self, accuracy: float) -> None:
        """Writes the checkpoints and the figures."""
        better = accuracy > self.best
        self.best = max(self.best, accuracy)
        checkpoint = {
            "format": FORMAT,
            "settings": asdict(self.settings),
            "classes": self.data.classes,
            "pictures": len(self.data.train),
            "data": self.folder,
            "epoch": len(self.history),
            "best": self.best,
            "history": [asdict(row) for row in self.history],
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": get_rng_state(),
        }
        save(checkpoint, os.path.join(self.out, "last.pth"))
        if better:
            save(checkpoint, os.path.join(self.out, "best.pth"))
        write_metrics(os.path.join(self.out, "metrics.csv"), self.history)


def make_optimizer(settings: Settings, parameters: Any) -> Any:
    """The optimizer that the settings name."""
    name, lr = settings.optimizer, settings.lr
    if name == "sgd":
        return optim.SGD(parameters, lr=lr, momentum=0.9)
    return {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop}[name](
        parameters, lr=lr
    )


def _correct(output: Any, y: Any) -> int:
    return int((output.detach().numpy().argmax(1) == y.numpy()).sum())


@no_grad()
def evaluate(model: Any, loader: Any) -> Evaluation:
    """Loss, accuracy and predictions over all batches of ``loader``."""
    model.eval()
    loss_fn = nn.CrossEntropyLoss(reduction="sum")
    total = 0.0
    predicted, labels = [], []
    for x, y in loader:
        output = model(x)
        total += loss_fn(output, y).item()
        predicted.append(output.numpy().argmax(1))
        labels.append(y.numpy().copy())
    found, known = np.concatenate(predicted), np.concatenate(labels)
    return Evaluation(total / len(known), float((found == known).mean()), found, known)


def write_metrics(path: str, history: list[Epoch]) -> None:
    """The figures of all epochs as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in history:
        writer.writerow([_shown(getattr(row, name)) for name in COLUMNS])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def _shown(value: float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class CheckpointError(Exception):
    """A file is no checkpoint of ``rushlight train``; the text says why, for the user."""


def read_checkpoint(path: str) -> dict[str, Any]:
    """A checkpoint that a run has written."""
    try:
        found = load(path)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except (pickle.UnpicklingError, EOFError):
        found = None
    except Exception as error:
        raise CheckpointError(f"{path}: {str(error).splitlines()[0][:200]}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or "settings" not in found:
        raise CheckpointError(f"{path} is not a checkpoint that `rushlight train` has written")
    return found
