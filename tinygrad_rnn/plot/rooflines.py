r"""Rooflines: how near to what a machine can do a program comes, and what holds it back.

A program that does $I$ operations for each byte that it fetches from memory can do at most
$\min(P, I \cdot B)$ operations in a second, where $P$ is the machine's peak and $B$ its bandwidth:
the slope is memory's roof, the level one arithmetic's. Source: Williams, Waterman and Patterson,
"Roofline: an insightful visual performance model" (2009, doi:10.1145/1498765.1498785).

Example:
    >>> figure = roofline({"LSTM": (20.0, 60.0), "tanh": (0.25, 3.0)}, peak=120.0, bandwidth=20.0)
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['LSTM, 50 %', 'memory 20 GB/s', 'peak 120 GFLOP/s', 'tanh, 60 %']
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.curves import Look
from tinygrad_rnn.plot.labelling import label_points
from tinygrad_rnn.plot.palette import LIGHT, SERIES
from tinygrad_rnn.plot.style import MARKERS, figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

DROP: Look = {"color": LIGHT.muted, "linewidth": 0.8, "linestyle": (0, (1, 2))}
ROOM = 3.0  # how far beyond the outermost point or corner axes go, as a factor


def attainable(intensity: ArrayLike, peak: float, bandwidth: float) -> Floats:
    """The roof: the most operations per second at so many operations per byte.

    Example:
        >>> attainable([1.0, 10.0], peak=100.0, bandwidth=20.0)
        array([ 20., 100.])
    """
    roof: Floats = np.minimum(peak, np.asarray(intensity, float) * bandwidth)
    return roof


def roofline(
    points: Mapping[str, tuple[float, float]],
    *,
    peak: float,
    bandwidth: float,
    peak_name: str = "peak",
    bandwidth_name: str = "memory",
    title: str = "GFLOP/s",
    x_label: str = "operations per byte moved, FLOP/byte",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw a machine's roof and how high programs stand under it, as a share of it.

    Args:
        points: for each name its intensity, in FLOP/byte, and its speed, in GFLOP/s.
        peak: the most that arithmetic can do, in GFLOP/s: measured, by a large `sgemm`, say.
        bandwidth: the most that memory can bring, in GB/s.
        peak_name: what the peak is called,
        bandwidth_name: and the bandwidth.
        title: what runs up.
        x_label: what runs to the right.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if there is no point, or something is not positive and finite.
    """
    xy = np.array([tuple(point) for point in points.values()], float).reshape(-1, 2)
    if not len(xy) or not all(np.isfinite(v) and v > 0 for v in (peak, bandwidth, *xy.flat)):
        raise ValueError(
            f"roofline: got {len(xy)} points, peak={peak} and bandwidth={bandwidth}; expected at "
            "least one point, and only positive numbers, since both axes are logarithmic"
        )
    ridge = peak / bandwidth
    roof = attainable(xy[:, 0], peak, bandwidth)
    with styled():
        axes = titled(new_figure(6.4, 4.0) if axes is None else axes, title, x_label)
        axes.set(xscale="log", yscale="log")
        left, right = min(ridge, xy[:, 0].min()) / ROOM, max(ridge, xy[:, 0].max()) * ROOM
        axes.set_xlim(left, right)
        axes.set_ylim(min(left * bandwidth, xy[:, 1].min()) / 1.6, max(peak, xy[:, 1].max()) * 2)
        draw_roof(axes, np.array([left, ridge, right]), peak, bandwidth)
        for k, ((x, y), top) in enumerate(zip(xy, roof, strict=True)):
            look: Look = {"marker": MARKERS[k % 5], "markersize": 6.5}
            axes.plot([x, x], [y, top], **DROP)
            axes.plot([x], [y], color=getattr(LIGHT, SERIES[k % 5]), **look, linestyle="")
        name_roof(axes, left, right, peak, bandwidth, (peak_name, bandwidth_name))
        shares = [
            f"{name}, {100 * y / top:.0f} %"
            for name, y, top in zip(points, xy[:, 1], roof, strict=True)
        ]
        along = np.geomspace(left, right, 200)
        line = np.stack([along, attainable(along, peak, bandwidth)], axis=1)
        gaps = np.stack(
            [np.repeat(xy[:, 0], 20), np.geomspace(xy[:, 1], roof, 20).T.ravel()], axis=1
        )
        tick_decades(axes)
        label_points(axes, xy, shares, size=9.0, radius=5.0, taken=np.concatenate([line, gaps]))
    return figure_of(axes)


def draw_roof(axes: "Axes", xs: Floats, peak: float, bandwidth: float) -> None:
    """The roof, with its corner marked on the axis below."""
    ys = attainable(xs, peak, bandwidth)
    axes.plot(xs, ys, color=LIGHT.ink, linewidth=1.6, solid_joinstyle="round")
    axes.fill_between(xs, ys, ys.max() * 100, color=LIGHT.surface, linewidth=0, zorder=0)


def name_roof(
    axes: "Axes",
    left: float,
    right: float,
    peak: float,
    bandwidth: float,
    names: tuple[str, str],
) -> None:
    """What the level and the slope are, written over them."""
    over: Look = {
        "textcoords": "offset points",
        "color": LIGHT.muted,
        "size": 9.0,
        "va": "baseline",
    }
    level = f"{names[0]} {peak:.3g} GFLOP/s"
    axes.annotate(level, xy=(right, peak), xytext=(-2.0, 5.0), ha="right", **over)
    axes.annotate(
        f"{names[1]} {bandwidth:.3g} GB/s",
        xy=(left, left * bandwidth),
        xytext=(6.0, 14.0),
        rotation=45,
        rotation_mode="anchor",
        transform_rotates_text=True,
        **over,
    )


def tick_decades(axes: "Axes") -> None:
    """Plain numbers at powers of ten, and on a short axis at twice and five times these."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        short = limits[1] < 300 * limits[0]
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.minorticks_off()
