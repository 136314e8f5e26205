"""From a cell to a loop over time.

===============  =====================================================================
`scanning`       `scan`: a step, run over a sequence, compiled where that pays
`ways`           `eager`, `compiled`: telling scans how to run
`stepping`       a scan as the program of one step
`likeness`       when one such program serves many scans
`preparing`      the plan for it, and its inputs
`unrolling`      the same, op by op: the definition
`tracing`        run a function on symbols; get the program of ops that it runs
`simplifying`    few and large products in place of many
`hoisting`       what does not depend on the carry, for all steps at once
`differentiating`  the backward lines of a program, by the ops' own rules
`lowering`       what a line does to each sequence of a batch
`scheduling`     in which order, and what is kept in memory
`naming`         what the author of a step called its values
`fusing`         chains of elementwise lines, as source of one loop each
`emitting`       a loop over time, as source
`grouping`       products for several steps at a time
`writing`        both loops of a step, and where what they keep is kept
`plans`          what a plan says
`planning`       all of that, put together
`loading`        the source on disk, imported and compiled
`running`        the loops over slices of the batch, on threads
`slicing`        the arrays that they take
`workspace`      memory that is lent from run to run, with loops bound to it
`weights`        what is made of weights before, and its gradients after
`collecting`     the gradients that they leave behind
`explaining`     what a scan becomes, and why
===============  =====================================================================
"""

from tinygrad_rnn.compiler.explaining import explain
from tinygrad_rnn.compiler.scanning import Scan, scan, scans
from tinygrad_rnn.compiler.tracing import Program, Sym, trace
from tinygrad_rnn.compiler.ways import compiled, eager
from tinygrad_rnn.kernels.threads import get_num_threads, set_num_threads

__all__ = [
    "Program",
    "Scan",
    "Sym",
    "compiled",
    "eager",
    "explain",
    "get_num_threads",
    "scan",
    "scans",
    "set_num_threads",
    "trace",
]
