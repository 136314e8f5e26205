"""`python -m tinygrad_rnn` is the `tg` command."""

from tinygrad_rnn.cli import main

main()
