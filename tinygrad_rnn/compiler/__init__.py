"""From a cell to a loop over time.

===========  =====================================================================
`tracing`    run a function on symbols; get the program of ops that it runs
`unrolling`  `scan`: a step, run over a sequence
===========  =====================================================================
"""

from tinygrad_rnn.compiler.tracing import Program, Sym, trace
from tinygrad_rnn.compiler.unrolling import scan

__all__ = ["Program", "Sym", "scan", "trace"]
