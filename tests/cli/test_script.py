"""rushlight run: like python, with torch."""

import re

import pytest


@pytest.fixture
def program(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def rushlight(run_python):
    def run(*arguments, **kwargs):
        return run_python("-m", "rushlight", *arguments, **kwargs)

    return run


def test_what_a_script_sees(program, rushlight):
    program("VALUE = 7\n", "beside.py")
    path = program(
        "import sys, beside\nimport torch\n"
        "print(sys.argv[1:], sys.argv[0] == __file__, __name__, beside.VALUE)\n"
        "print(sys.modules['__main__'].__file__ == __file__, __spec__, __doc__)\n"
    )
    done = rushlight("run", path, "--epochs", "3", "x y")
    assert done.stdout == "['--epochs', '3', 'x y'] True __main__ 7\nTrue None None\n"


def test_modules(program, rushlight, tmp_path):
    program("", "package/__init__.py")
    program("import sys, torch\nprint(__name__, __package__, sys.argv[1:])\n", "package/part.py")
    done = rushlight("run", "-m", "package.part", "a", cwd=tmp_path)
    assert done.stdout == "__main__ package ['a']\n"


def test_tracebacks_start_in_the_script(program, rushlight):
    path = program("import torch\ndef f():\n    torch.ones(2) + torch.ones(3)\nf()\n")
    done = rushlight("run", path, check=False)
    assert done.returncode == 1
    marks = re.compile(r" *[~^]+")  # under the source lines, as the version of Python likes
    lines = [line for line in done.stderr.splitlines() if not marks.fullmatch(line)]
    assert lines[:4] == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 4, in <module>',
        "    f()",
        f'  File "{path}", line 3, in f',
    ]
    assert "script.py" not in done.stderr
    assert (
        "RuntimeError: The size of tensor a (2) must match the size of tensor b (3)" in done.stderr
    )


def test_missing_method_says_where_the_list_is(program, rushlight):
    path = program("import torch\ntorch.ones(1).nonsense()\n")
    done = rushlight("run", path, check=False)
    assert "AttributeError: 'Tensor' object has no attribute 'nonsense'" in done.stderr
    assert "the list of supported names is docs/support.md" in done.stderr


def test_syntax_errors(program, rushlight):
    path = program("import torch\nx = = 1\n")
    done = rushlight("run", path, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f'  File "{path}", line 2'
    assert "SyntaxError: invalid syntax" in done.stderr


@pytest.mark.parametrize(
    ("end", "code", "error"),
    [("sys.exit()", 0, ""), ("sys.exit(3)", 3, ""), ("sys.exit('bad')", 1, "bad\n"), ("", 0, "")],
)
def test_exit_codes(program, rushlight, end, code, error):
    done = rushlight("run", program(f"import sys\nprint('out')\n{end}\n"), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "out\n", error)


def test_script_that_is_not_there(rushlight):
    done = rushlight("run", "none.py", check=False)
    assert done.returncode == 2
    assert done.stderr == "rushlight run: can't open file 'none.py': No such file or directory\n"


def test_error_of_the_script_about_a_file(program, rushlight):
    path = program("open('none.txt')\n")
    done = rushlight("run", path, check=False)
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr


def test_usage(rushlight):
    assert rushlight("run", check=False).returncode == 2
    assert "rushlight run SCRIPT" in rushlight("run", "--help").stdout
    assert rushlight("run", "-x", check=False).returncode == 2


def test_exit_functions_and_threads_run(program, rushlight):
    path = program(
        "import atexit, threading, time, torch\natexit.register(print, 'bye')\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()\nprint('end')\n"
    )
    assert rushlight("run", path).stdout == "end\nthread\nbye\n"


def test_run_loads_no_library_of_the_command_line(program, rushlight):
    path = program(
        "import sys, torch\nprint([m for m in ('typer', 'rich', 'llvmlite') if m in sys.modules])\n"
    )
    assert rushlight("run", path).stdout == "[]\n"
