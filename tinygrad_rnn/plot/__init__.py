"""Pictures: computation graphs from live tensors, loss curves, heat maps of hidden states.

=============  ===============================================================
`drawing`      `graph`: a computation graph as SVG
`stepper`      `steps`: the same graph as a walk, for the site's widget
`curves`       `loss_curve`, `gradient_by_lag`
`heatmaps`     `state_heatmap`, `matrix_heatmap`
`palette`      the book's colours
`style`        what matplotlib is told; `styled`, `as_svg`
`replay`       a live graph, read for drawing
`layout`       where boxes and lines go
`notation`     how numbers, ops and names are written
=============  ===============================================================

Graphs need NumPy only. Curves and heat maps are matplotlib figures: `pip install
"tinygrad-rnn[book]"`.
"""

from tinygrad_rnn.plot.curves import gradient_by_lag, loss_curve, loss_series
from tinygrad_rnn.plot.drawing import Drawing, graph
from tinygrad_rnn.plot.heatmaps import matrix_heatmap, state_heatmap
from tinygrad_rnn.plot.palette import DARK, LIGHT, SERIES, Palette, variable
from tinygrad_rnn.plot.stepper import steps
from tinygrad_rnn.plot.style import as_svg, new_figure, styled

__all__ = [
    "DARK",
    "LIGHT",
    "SERIES",
    "Drawing",
    "Palette",
    "as_svg",
    "gradient_by_lag",
    "graph",
    "loss_curve",
    "loss_series",
    "matrix_heatmap",
    "new_figure",
    "state_heatmap",
    "steps",
    "styled",
    "variable",
]
