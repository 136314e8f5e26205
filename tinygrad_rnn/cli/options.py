r"""Options that several commands have."""

from typing import Annotated

import typer

__all__ = ["Json", "Port", "Seed"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value, for a program to read.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on localhost; 0 takes a free one.")]
Seed = Annotated[int, typer.Option(min=0, help="Where chance starts.")]
