"""rushlight train, predict, info."""

import csv
import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import rushlight as torch
from rushlight.base.config import config
from rushlight.cli import data as data_sets
from rushlight.cli import figures, training
from rushlight.cli.commands import app
from rushlight.vision.datasets import FashionMNISTSubset


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """An empty working folder and cache, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "cache_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(data_sets, "_unreachable", lambda name: "no network")
    return tmp_path


def call(*arguments, code=0):
    """What a command prints."""
    done = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "120"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def figures_of(folder):
    """The columns of metrics.csv that do not depend on time."""
    with open(os.path.join(folder, "metrics.csv")) as file:
        return [row[:5] for row in csv.reader(file)]


def small_run(out, *more, model="mlp", epochs=1):
    return call("train", "--dataset", "fake", "--model", model, "--epochs", epochs,
                "--batch-size", 100, "--out", out, *more)  # fmt: skip


def test_without_data_and_network():
    pytest.importorskip("matplotlib")
    output = call("train", "--epochs", 1)
    first = output.splitlines()[0]
    assert first.startswith("Fashion-MNIST is not in ")
    assert "cannot be downloaded (no network); using the 6,000 + 1,000 pictures" in first
    folder = "runs/fashion-mnist-mlp"
    assert sorted(os.listdir(folder)) == [
        "best.pth", "confusion.png", "curves.png", "last.pth", "metrics.csv", "predictions.png",
    ]  # fmt: skip
    rows = figures_of(folder)
    assert rows[0] == ["epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    assert float(rows[1][4]) > 0.7
    for name in ("confusion.png", "curves.png", "predictions.png"):
        with Image.open(os.path.join(folder, name)) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 10


@pytest.mark.parametrize(("model", "workers"), [("mlp", 0), ("cnn", 0), ("mlp", 1)])
def test_a_resumed_run_gives_the_same_numbers(model, workers):
    small_run("whole", "--workers", workers, model=model, epochs=3)
    small_run("part", "--workers", workers, model=model, epochs=1)
    output = call("train", "--resume", "--out", "part", "--epochs", 3, "--workers", workers)
    assert figures_of("whole") == figures_of("part")
    assert "1/3" in output
    a, b = torch.load("whole/last.pth"), torch.load("part/last.pth")
    assert all(torch.equal(a["model"][k], b["model"][k]) for k in a["model"])
    assert a["settings"] == b["settings"]


@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
def test_optimizers(optimizer):
    small_run("out", "--optimizer", optimizer, "--lr", 0.01)
    assert torch.load("out/last.pth")["settings"]["optimizer"] == optimizer


@pytest.mark.parametrize("model", ["alexnet", "vgg16", "resnet18"])
def test_models_take_the_pictures(model):
    shape = data_sets.shape_of("fashion-mnist")
    channels, size = training.networks.input_of(model, shape)
    transform = data_sets.transform_for("fashion-mnist", size, channels)
    picture = transform(FashionMNISTSubset(train=False)[0][0])
    assert picture.shape == (3, size, size)
    if model == "resnet18":
        network = training.networks.build(model, shape, 10).eval()
        assert network(picture.unsqueeze(0)).shape == (1, 10)


def test_same_seed_same_numbers():
    small_run("a", "--seed", 5)
    small_run("b", "--seed", 5)
    small_run("c", "--seed", 6)
    assert figures_of("a") == figures_of("b") != figures_of("c")


def test_runs_are_not_overwritten():
    small_run("out")
    before = os.stat("out/last.pth").st_mtime_ns
    output = call("train", "--dataset", "fake", "--out", "out", code=1)
    assert "out holds a run already" in output
    assert os.stat("out/last.pth").st_mtime_ns == before
    for expected in ("runs/fake-mlp", "runs/fake-mlp-2"):
        call("train", "--dataset", "fake", "--epochs", 1)
        assert os.path.exists(f"{expected}/last.pth")


def test_what_cannot_be_resumed():
    assert "nothing to resume: there is no runs/fashion-mnist-mlp/last.pth" in call(
        "train", "--resume", code=1
    )
    assert "there is no file none/last.pth" in call("train", "--resume", "--out", "none", code=1)
    small_run("out")
    output = call("train", "--resume", "--out", "out", "--lr", 0.5, code=1)
    assert "the run in out has --lr 0.001; it cannot go on with 0.5" in output
    output = call("train", "--resume", "--out", "out")
    assert "the run has its 1 epochs already" in output
    with open("out/last.pth", "r+b") as file:
        file.truncate(1000)
    assert "PytorchStreamReader failed" in call("train", "--resume", "--out", "out", code=1)


def test_interrupted(monkeypatch):
    done = []
    real = training.Run.train_epoch

    def stops(self, step):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return real(self, step)

    monkeypatch.setattr(training.Run, "train_epoch", stops)
    output = call("train", "--dataset", "fake", "--epochs", 3, "--out", "out", code=130)
    assert "stopped; `rushlight train --resume --out out` goes on" in output


def test_without_matplotlib(monkeypatch):
    monkeypatch.setattr(figures, "available", lambda: False)
    output = small_run("out")
    assert "no pictures: they need matplotlib (pip install 'rushlight[plot]')" in output
    assert sorted(os.listdir("out")) == ["best.pth", "last.pth", "metrics.csv"]


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures of two classes: red ones and blue ones."""
    for name, color in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
        folder = tmp_path / "own" / name
        folder.mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng(i).integers(0, 60, (20, 30, 3))
            pixels = np.clip(np.array(color) - noise + 20, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "own"


def test_a_folder_of_pictures(pictures):
    call("train", "--dataset", "folder", "--data", pictures, "--model", "cnn", "--epochs", 6,
         "--batch-size", 4, "--out", "out")  # fmt: skip
    output = call("predict", "out/best.pth", pictures / "red" / "3.png", pictures / "blue/1.png")
    lines = output.splitlines()
    assert [line.split()[1] for line in lines[1:3]] == ["red", "blue"]
    for i in range(3):
        (pictures / "red" / f"{i}.png").unlink()
    output = call("train", "--resume", "--out", "out", "--epochs", 7, code=1)
    assert "the run was made with 16 pictures" in output


def test_folders_that_do_not_do(tmp_path):
    assert "needs --data DIR" in call("train", "--dataset", "folder", code=1)
    output = call("train", "--dataset", "folder", "--data", "none", code=1)
    assert "there is no folder none" in output
    (tmp_path / "empty").mkdir()
    output = call("train", "--dataset", "folder", "--data", "empty", code=1)
    assert "Couldn't find any class folder in empty" in output
    assert "there is no folder none" in call("train", "--data", "none", code=1)
    output = call("train", "--dataset", "mnist", code=1)
    assert "mnist is not in" in output
    assert "cannot be downloaded: no network" in output


def test_data_folder_is_looked_in(data_folder):
    found = data_sets.load("mnist", data_folder, None, print)
    assert len(found.train) == 60000
    found = data_sets.load("fashion-mnist", f"{data_folder}/FashionMNIST/raw", None, print)
    assert len(found.test) == 10000


def test_predict():
    call("train", "--epochs", 1, "--out", "out")
    data = FashionMNISTSubset(train=False)
    shoe = next(picture for picture, label in data if label == 9)
    shoe.save("shoe.png")
    Image.fromarray(255 - np.asarray(shoe)).resize((90, 90)).save("light.png")
    with open("text.txt", "w") as file:
        file.write("no picture")
    output = call("predict", "out/best.pth", "shoe.png", "light.png")
    assert output.count("Ankle boot") == 2
    assert "1 on a light ground: light and dark were exchanged" in output
    output = call("predict", "out/best.pth", "text.txt", "none.png", "shoe.png", code=1)
    assert "text.txt: it is not a picture that Pillow can read" in output
    assert "none.png: No such file or directory" in output
    assert "Ankle boot" in output
    assert "not a checkpoint that" in call("predict", "text.txt", "shoe.png", code=1)
    assert "there is no file x.pth" in call("predict", "x.pth", "shoe.png", code=1)


def test_checkpoints_can_be_loaded_safely():
    small_run("out")
    found = torch.load("out/best.pth")
    assert set(found) >= {"model", "optimizer", "epoch", "settings", "random"}


def test_info():
    output = call("info")
    for word in ("rushlight", "numpy", "follows PyTorch", "2.13.0", "threads", "cache"):
        assert word in output


def test_wrong_options():
    assert "Invalid value" in call("train", "--model", "nonsense", code=2)
    assert "--lr must be positive" in call("train", "--lr", "-1", code=2)
    assert "Usage" in call("train", "--help")
    assert call("--version").startswith("rushlight ")
