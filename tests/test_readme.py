"""The README's program and commands are what they say."""

import re
import subprocess
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.base.version import TORCH_VERSION

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    """The code blocks of a language."""
    found = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
    return [text for kind, text in found if kind == language]


def test_program(capsys):
    (program,) = blocks("python")
    (expected,) = [b for b in blocks("") if b.startswith("tensor")]
    exec(program, {})
    assert capsys.readouterr().out == expected


def test_it_starts_with_the_two_commands():
    lines = README.splitlines()
    assert lines[2].split("#")[0].split() == ["./setup", "train"]
    assert lines[3].split("#")[0].split() == ["./setup", "test"]
    assert (ROOT / "setup").stat().st_mode & 0o111


def test_setup_is_valid_shell():
    subprocess.run(["sh", "-n", ROOT / "setup"], check=True)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/index.md"])
def test_links_lead_somewhere(document):
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_version_of_the_specification():
    assert TORCH_VERSION.rpartition(".")[0] in README
    assert torch.__version__


@pytest.mark.parametrize("command", ["train", "predict", "info"])
def test_commands_exist(run_python, command):
    done = run_python("-m", "rushlight", command, "--help", env={"COLUMNS": "200"})
    assert "Usage: rushlight" in done.stdout
    for option in re.findall(rf"rushlight {command} (.*)", README):
        for name in re.findall(r"--[a-z-]+", option):
            assert name in done.stdout
