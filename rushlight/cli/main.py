"""The entry point: ``run`` at once, the other commands through typer."""

import sys


def main() -> int:
    """The command ``rushlight``; the exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        from rushlight.cli.script import run  # noqa: PLC0415

        return run(arguments[1:])
    from rushlight.cli.commands import app  # noqa: PLC0415  (typer and rich load here)

    app(prog_name="rushlight")
    return 0


if __name__ == "__main__":
    sys.exit(main())
