"""The commands that people read: train, predict, info."""

import os
import sys
from enum import Enum
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from rushlight.base.version import __version__
from rushlight.cli import data as data_sets
from rushlight.cli import figures, networks, training
from rushlight.cli.prediction import PictureError, Predictor
from rushlight.cli.script import USAGE
from rushlight.cli.system import describe
from rushlight.cli.training import CheckpointError, Epoch, Run, Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="PyTorch's programming model for the machines everybody has.",
)
console = Console(highlight=False)


def _choice(name: str, values: tuple[str, ...]) -> Any:
    return Enum(name, {v: v for v in values}, type=str)


DatasetName = _choice("DatasetName", data_sets.NAMES)
ModelName = _choice("ModelName", networks.NAMES)
OptimizerName = _choice("OptimizerName", training.OPTIMIZERS)


def _fail(text: str, code: int = 1) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"rushlight: {escape(text)}", soft_wrap=True)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"rushlight {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """PyTorch's programming model for the machines everybody has."""


@app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
def run(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run a PyTorch script, unchanged: rushlight run SCRIPT [ARGUMENTS...]"""
    console.print(USAGE, end="")  # the entry point has handled it; this is for --help


@app.command()
def train(
    dataset: Annotated[
        DatasetName | None,
        typer.Option(
            metavar="NAME",
            show_default="fashion-mnist",
            help=f"What to learn: {', '.join(data_sets.NAMES)}.",
        ),
    ] = None,
    model: Annotated[
        ModelName | None,
        typer.Option(
            metavar="NAME", show_default="mlp", help=f"The network: {', '.join(networks.NAMES)}."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="5", help="Passes over the data."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="64", help="Pictures in a step."),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(metavar="X", show_default="0.001; sgd: 0.05", help="Learning rate."),
    ] = None,
    optimizer: Annotated[
        OptimizerName | None,
        typer.Option(
            metavar="NAME", show_default="adam", help=f"One of {', '.join(training.OPTIMIZERS)}."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", show_default="0", help="Of all random numbers.")
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", show_default="runs/DATASET-MODEL", help="Folder of the results."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", show_default="rushlight's cache", help="Folder of the data."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last epoch of the run in --out.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes that load data.")] = 0,
) -> None:
    """Train a network on a set of pictures."""
    given = {"dataset": dataset, "model": model, "epochs": epochs, "batch_size": batch_size,
             "lr": lr, "optimizer": optimizer, "seed": seed}  # fmt: skip
    chosen = {k: getattr(v, "value", v) for k, v in given.items() if v is not None}
    if lr is not None and lr <= 0:
        _fail("--lr must be positive", 2)
    checkpoint = None
    if resume:
        folder = out or _last_folder(chosen)
        checkpoint, settings = _resumed(folder, chosen)
    else:
        name = chosen.get("optimizer", Settings.optimizer)
        settings = Settings(**{"lr": training.LEARNING_RATES[name], **chosen})
        folder = _new_folder(out, settings)
    if checkpoint is not None and data is None:
        data = checkpoint["data"]
    try:
        work = _prepare(settings, folder, data, workers, checkpoint)
        _train(work)
    except (data_sets.DataError, CheckpointError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _interrupted(folder)


def _last_folder(chosen: dict[str, Any]) -> str:
    """The newest run of this data set and model in the usual place."""
    base = _base(chosen.get("dataset", Settings.dataset), chosen.get("model", Settings.model))
    found = [base] if os.path.exists(f"{base}/last.pth") else []
    number = 2
    while os.path.exists(f"{base}-{number}/last.pth"):
        found.append(f"{base}-{number}")
        number += 1
    if not found:
        _fail(f"nothing to resume: there is no {base}/last.pth (--out names another folder)")
    return found[-1]


def _base(dataset: str, model: str) -> str:
    return os.path.join("runs", f"{dataset}-{model}")


def _new_folder(out: str | None, settings: Settings) -> str:
    """The folder for a new run; one that holds a run already is left alone."""
    if out is not None:
        if os.path.exists(os.path.join(out, "last.pth")):
            _fail(
                f"{out} holds a run already: --resume goes on with it, --out names another folder"
            )
        folder = out
    else:
        folder = base = _base(settings.dataset, settings.model)
        number = 2
        while os.path.exists(os.path.join(folder, "last.pth")):
            folder = f"{base}-{number}"
            number += 1
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        _fail(f"cannot make the folder {folder}: {error.strerror}")
    return folder


def _resumed(folder: str, chosen: dict[str, Any]) -> tuple[dict[str, Any], Settings]:
    """The last checkpoint and its settings; only the number of epochs may be another."""
    try:
        checkpoint = training.read_checkpoint(os.path.join(folder, "last.pth"))
    except CheckpointError as error:
        _fail(f"nothing to resume: {error}")
    kept = checkpoint["settings"]
    for name, value in chosen.items():
        if name != "epochs" and kept[name] != value:
            option = "--" + name.replace("_", "-")
            _fail(f"the run in {folder} has {option} {kept[name]}; it cannot go on with {value}")
    return checkpoint, Settings(**{**kept, **chosen})


def _prepare(
    settings: Settings,
    folder: str,
    data: str | None,
    workers: int,
    checkpoint: dict[str, Any] | None,
) -> Run:
    shape = data_sets.shape_of(settings.dataset)
    channels, size = networks.input_of(settings.model, shape)
    transform = data_sets.transform_for(settings.dataset, size, channels)
    found = data_sets.load(settings.dataset, data, transform, _say)
    work = Run(settings, folder, found, workers, data and os.path.abspath(data))
    if checkpoint is not None:
        work.restore(checkpoint)
    count = sum(p.numel() for p in work.model.parameters())
    console.print(
        f"[bold]{settings.model}[/] ({count:,} parameters) on [bold]{settings.dataset}[/] "
        f"({len(found.train):,} + {len(found.test):,} pictures, {len(found.classes)} classes)"
    )
    console.print(
        f"{settings.optimizer}, learning rate {settings.lr:g}, batches of {settings.batch_size}, "
        f"seed {settings.seed}\n"
    )
    return work


def _say(text: str) -> None:
    console.print(escape(text), soft_wrap=True)


def _train(work: Run) -> None:
    """The epochs, with a bar, then the pictures."""
    total = work.settings.epochs
    if len(work.history) >= total:
        console.print(f"the run has its {total} epochs already; --epochs N goes on to more")
    else:
        console.print(_heading())
        for row in work.history:
            console.print(_line(row, total), style="dim")
    while len(work.history) < total:
        console.print(_line(_with_bar(work, total), total))
    _draw(work)


def _with_bar(work: Run, total: int) -> Epoch:
    number = len(work.history) + 1
    pictures = len(work.data.train)
    columns = (
        TextColumn(f"epoch {number:>2}/{total}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} images/s"),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal
    with Progress(
        *columns, console=console, transient=True, refresh_per_second=8, disable=not shown
    ) as bar:
        task = bar.add_task("", total=pictures, loss=0.0, rate=0.0)
        smooth = 0.0

        def step(count: int, loss: float) -> None:
            nonlocal smooth
            smooth = loss if not smooth else 0.98 * smooth + 0.02 * loss
            bar.update(task, advance=count, loss=smooth, rate=bar.tasks[0].speed or 0.0)

        return work.train_epoch(step)


def _heading() -> str:
    return "[dim]epoch      train loss  accuracy    test loss  accuracy     images/s   time[/]"


def _line(row: Epoch, total: int) -> str:
    return (
        f"{row.epoch:>3}/{total:<3} {row.train_loss:>14.4f} {row.train_accuracy:>9.2%} "
        f"{row.test_loss:>12.4f} [bold]{row.test_accuracy:>9.2%}[/] "
        f"{row.images_per_second:>12,.0f} {row.seconds:>5.1f}s"
    )


def _draw(work: Run) -> None:
    """Writes the pictures and says what was written."""
    written = ["best.pth", "last.pth", "metrics.csv"]
    if figures.available():
        best = os.path.join(work.out, "best.pth")
        work.model.load_state_dict(training.read_checkpoint(best)["model"])
        found = training.evaluate(work.model, work.test_loader)
        classes = work.data.classes
        figures.curves(work.history, os.path.join(work.out, "curves.png"))
        figures.confusion(found, classes, os.path.join(work.out, "confusion.png"))
        shown = figures.first_pictures(work.data.test, 40)
        path = os.path.join(work.out, "predictions.png")
        figures.predictions(shown, found, classes, path)
        written += ["curves.png", "confusion.png", "predictions.png"]
    else:
        console.print(escape(figures.MISSING))
    top = max(work.history, key=lambda row: row.test_accuracy)
    console.print(
        f"\nbest: {top.test_accuracy:.2%} on the test set, after epoch {top.epoch}\n"
        f"in {escape(work.out)}: {', '.join(written)}",
        soft_wrap=True,
    )


def _interrupted(folder: str) -> NoReturn:
    if os.path.exists(os.path.join(folder, "last.pth")):
        _fail(f"stopped; `rushlight train --resume --out {folder}` goes on", 130)
    _fail("stopped before the first epoch was done", 130)


@app.command()
def predict(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint that `train` has written.")],
    images: Annotated[list[str], typer.Argument(help="Pictures.")],
) -> None:
    """Tell what pictures show."""
    try:
        predictor = Predictor(training.read_checkpoint(checkpoint))
    except CheckpointError as error:
        _fail(str(error))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("picture", "class", "probability", "or"):
        table.add_column(name, justify="right" if name == "probability" else "left")
    bad = inverted = 0
    for path in images:
        try:
            best, turned = predictor.predict(path)
        except PictureError as error:
            bad += 1
            Console(stderr=True, highlight=False).print(f"rushlight: {escape(str(error))}")
            continue
        inverted += turned
        others = ", ".join(f"{name} {share:.1%}" for name, share in best[1:])
        table.add_row(escape(path), f"[bold]{escape(best[0][0])}[/]", f"{best[0][1]:.1%}", others)
    if table.row_count:
        console.print(table)
    if inverted:
        console.print(f"[dim]{inverted} on a light ground: light and dark were exchanged[/]")
    if bad:
        raise typer.Exit(1)


@app.command()
def info() -> None:
    """Show versions, processor, threads, folders."""
    for heading, lines in describe():
        console.print(f"[bold]{heading}[/]")
        width = max(len(what) for what, _ in lines)
        for what, value in lines:
            console.print(f"  [dim]{what:<{width}}[/]  {escape(value)}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(app())
