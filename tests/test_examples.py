"""The programs in examples/, run unchanged, print what PyTorch printed."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "tests" / "golden" / "logs"
SUBSET = ROOT / "rushlight" / "vision" / "datasets" / "_subset"
NUMBER = re.compile(r"[-+]?\d+\.\d+(?:e[-+]?\d+)?")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """The package's part of Fashion-MNIST, laid out as FashionMNIST and as MNIST."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("FashionMNIST", "MNIST"):
        raw = folder / name / "raw"
        raw.mkdir(parents=True)
        for file in SUBSET.glob("*.gz"):
            os.symlink(file, raw / file.name)
    return str(folder)


@pytest.fixture
def example(run_python):
    def run(name, *arguments, timeout=280):
        path = ROOT / "examples" / name
        return run_python("-m", "rushlight", "run", path, *arguments, timeout=timeout).stdout

    return run


def assert_same_log(found, name, rel=5e-4, least=2e-4, until=None):
    """Equal text, and numbers that agree to four digits (or to ``least``)."""
    expected = (LOGS / f"{name}.txt").read_text()
    if until is not None:
        found, expected = found.partition(until)[0], expected.partition(until)[0]
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected)
    pairs = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    for a, b in pairs:
        difference = abs(float(a) - float(b))
        assert difference <= max(least, rel * abs(float(b))), f"{a} is not PyTorch's {b}"


def test_quickstart(example, small_data):
    assert_same_log(example("quickstart.py", small_data, 2), "quickstart")


def test_cnn_mnist(example, small_data):
    found = example("cnn_mnist.py", small_data, 3000)
    assert_same_log(found, "cnn_mnist", rel=2e-3, until="right")
    right = int(re.search(r"right: (\d+) of 1000", found)[1])
    known = int(re.search(r"right: (\d+) of", (LOGS / "cnn_mnist.txt").read_text())[1])
    assert abs(right - known) <= 3


def test_onehot(example, small_data):
    assert_same_log(example("onehot.py", small_data), "onehot")


def test_alexnet(example):
    assert_same_log(example("alexnet.py"), "alexnet", rel=2e-3)


@pytest.mark.slow
def test_vgg16_save_load(example):
    assert_same_log(example("vgg16_save_load.py"), "vgg16_save_load")


def test_csv_dataset(example):
    pytest.importorskip("pandas")
    lines = example("csv_dataset.py").splitlines()
    assert len(lines) == 3
    assert all(line.startswith("torch.Size([2, 3, 4, 5]) torch.float32 tensor([") for line in lines)


@pytest.mark.data
@pytest.mark.slow
def test_quickstart_on_all_data(example, data_folder):
    assert_same_log(example("quickstart.py", data_folder, 5), "quickstart_full")


@pytest.mark.data
@pytest.mark.slow
def test_cnn_mnist_on_all_data(example, data_folder):
    found = example("cnn_mnist.py", data_folder, 6000)
    assert_same_log(found, "cnn_mnist_full", rel=2e-3, until="right")
