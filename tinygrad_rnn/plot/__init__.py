"""Pictures: computation graphs, loss curves, heat maps, and what else a network is looked at with.

=============  ===============================================================
`drawing`      `graph`: a computation graph as SVG
`stepper`      `steps`: the same graph as a walk, for the site's widget
`curves`       `loss_curve`, `loss_curves`, `gradient_by_lag`
`heatmaps`     `state_heatmap`, `matrix_heatmap`, `text_heatmap`
`gates`        `step_values` of any cell, and `gate_heatmap` over a text
`spectra`      `state_jacobians`, and `jacobian_spectrum` in the complex plane
`alignments`   `attention_map`: source and target tokens
`embeddings`   `principal_plane`, `neighbour_plane`, and `embedding_map`
`fans`         `forecast_fan`: quantiles, what came, and a baseline
`confusions`   `confusion_heatmap`: what is taken for what
`rooflines`    `roofline`: speeds below what a machine can do
`palette`      the book's colours
`style`        what matplotlib is told; `styled`, `as_svg`
`labelling`    labels beside their points, none over another
`replay`       a live graph, read for drawing
`layout`       where boxes and lines go
`notation`     how numbers, ops and names are written
=============  ===============================================================

Graphs need NumPy only. All else is a matplotlib figure, which notebooks show by themselves: `pip
install "tinygrad-rnn[book]"`. Functions take plain arrays, and draw into given `axes` if these were
made inside of `styled`:

    with plot.styled():
        figure = plot.new_figure(9, 3)
        left, right = figure.subplots(1, 2)
    plot.loss_curves(runs, axes=left)
"""

from tinygrad_rnn.plot.alignments import attention_map
from tinygrad_rnn.plot.confusions import confusion_heatmap
from tinygrad_rnn.plot.curves import gradient_by_lag, loss_curve, loss_curves, loss_series
from tinygrad_rnn.plot.drawing import Drawing, graph
from tinygrad_rnn.plot.embeddings import embedding_map, neighbour_plane, principal_plane
from tinygrad_rnn.plot.fans import forecast_fan
from tinygrad_rnn.plot.gates import gate_heatmap, step_values
from tinygrad_rnn.plot.heatmaps import matrix_heatmap, state_heatmap, text_heatmap
from tinygrad_rnn.plot.palette import DARK, LIGHT, SERIES, Palette, variable
from tinygrad_rnn.plot.rooflines import attainable, roofline
from tinygrad_rnn.plot.spectra import (
    jacobian_products,
    jacobian_spectrum,
    singular_values,
    spectrum_series,
    state_jacobians,
)
from tinygrad_rnn.plot.stepper import steps
from tinygrad_rnn.plot.style import as_svg, new_figure, styled

__all__ = [
    "DARK",
    "LIGHT",
    "SERIES",
    "Drawing",
    "Palette",
    "as_svg",
    "attainable",
    "attention_map",
    "confusion_heatmap",
    "embedding_map",
    "forecast_fan",
    "gate_heatmap",
    "gradient_by_lag",
    "graph",
    "jacobian_products",
    "jacobian_spectrum",
    "loss_curve",
    "loss_curves",
    "loss_series",
    "matrix_heatmap",
    "neighbour_plane",
    "new_figure",
    "principal_plane",
    "roofline",
    "singular_values",
    "spectrum_series",
    "state_heatmap",
    "state_jacobians",
    "step_values",
    "steps",
    "styled",
    "text_heatmap",
    "variable",
]
