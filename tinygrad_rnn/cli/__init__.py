r"""The `tg` command, also `python -m tinygrad_rnn`.

Each command is a thin layer over the library: it reads options, calls public functions and shows
what they return. Everything heavy is imported by the command that needs it, so that help is quick.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run `tg` with the arguments of this process, and exit with its code."""
    try:
        from tinygrad_rnn.cli.application import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.exit(
            f"tg needs {error.name}, which is not installed; the library itself works without "
            'it. Install the command with: python -m pip install "tinygrad-rnn[train]"'
        )
    run()
