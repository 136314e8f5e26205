r"""Curves, each labelled where it ends: how a loss fell, how a gradient fades with its lag.

Every function takes data and returns a matplotlib `Figure`, which notebooks show by themselves.

Example:
    >>> journal = [
    ...     {"step": 1, "tokens": 100, "bits": 6.1},
    ...     {"step": 2, "tokens": 200, "bits": 4.2},
    ...     {"step": 2, "held_out_bits": 4.4},
    ... ]
    >>> figure = loss_curve(journal, baselines={"uniform": 6.6})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['uniform 6.60', 'training 4.20', 'held out 4.40']
"""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.layout import spread
from tinygrad_rnn.plot.palette import LIGHT, SERIES
from tinygrad_rnn.plot.style import DASHES, MARKERS, figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Label = tuple[str, float, str]  # what to write, the value beside which, its colour
Look = dict[str, Any]  # how a line is drawn
Points = ArrayLike | Mapping[str, ArrayLike]
Journal = str | PathLike[str] | Iterable[Mapping[str, Any]]

AXES = {"tokens": "characters", "seconds": "seconds", "step": "step"}
LINE_HEIGHT = 13.0  # points
DOTTED: Look = {"color": LIGHT.muted, "linewidth": 1.0, "linestyle": (0, (2, 2))}


def loss_series(
    journal: Journal, x: str = "tokens", *, train: str = "bits", held_out: str = "held_out_bits"
) -> dict[str, dict[str, Floats]]:
    """The training and held-out curves of a journal, as data that a figure is drawn from.

    Evaluations that a journal dates by step alone are placed between its training entries.

    Args:
        journal: the path of a training's journal, or its entries.
        x: what runs to the right: `tokens`, `seconds` or `step`.
        train: the key of the training loss,
        held_out: and that of the held-out one, which may be missing.

    Returns:
        `{"train": {"x": …, "y": …}, "held_out": {"x": …, "y": …}}`.

    Raises:
        ValueError: if no entry has a training loss.

    Example:
        >>> series = loss_series([{"step": 1, "tokens": 64, "bits": 5.0}])
        >>> series["train"]
        {'x': array([64.]), 'y': array([5.])}
    """
    entries = entries_of(journal)
    steps, xs, ys = columns(entries, "step", x, train)
    if not ys.size:
        keys = ", ".join(sorted({key for entry in entries for key in entry})) or "nothing"
        raise ValueError(
            f"loss_series: no entry of the journal has both {x!r} and {train!r}; its entries hold "
            f"{keys}: name two of those as x= and train="
        )
    when, later = columns(entries, "step", held_out)
    return {
        "train": {"x": xs, "y": ys},
        "held_out": {"x": np.interp(when, steps, xs) if when.size else when, "y": later},
    }


def entries_of(journal: Journal) -> list[Mapping[str, Any]]:
    """A journal's entries, read from its file if need be."""
    if isinstance(journal, str | PathLike):
        from tinygrad_rnn.train.journal import read_journal

        return list(read_journal(str(journal)))
    return list(journal)


def columns(entries: Sequence[Mapping[str, Any]], *keys: str) -> list[Floats]:
    """The values of those entries that have all of some keys, key by key."""
    rows = [[entry[key] for key in keys] for entry in entries if all(key in entry for key in keys)]
    return list(np.array(rows, float).reshape(-1, len(keys)).T)


def loss_curve(
    data: Journal | Mapping[str, Mapping[str, ArrayLike]],
    x: str = "tokens",
    *,
    smoothing: float = 0.0,
    baselines: Mapping[str, float] | None = None,
    title: str = "bits per character",
    x_label: str | None = None,
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw how the training and the held-out loss of one run fell; for several see `loss_curves`.

    Args:
        data: a journal's path or entries, or what `loss_series` made of them.
        x: what runs to the right, if a journal is given: `tokens`, `seconds` or `step`.
        smoothing: the weight that a value loses per entry in a running mean of the training loss,
            0 to below 1; what was measured then stays behind it, faint.
        baselines: losses to compare with, as named lines.
        title: what is measured.
        x_label: what runs to the right, in words.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if there is no training loss, or `smoothing` is out of range.
    """
    check_smoothing("loss_curve", smoothing)
    series = data if isinstance(data, Mapping) else loss_series(data, x)
    train, held_out = series["train"], series.get("held_out", {"x": (), "y": ()})
    with styled():
        axes = titled(
            new_figure(6.4, 3.4) if axes is None else axes, title, x_label or AXES.get(x, x)
        )
        xs, ys = np.asarray(train["x"], float), np.asarray(train["y"], float)
        labels = draw_baselines(axes, baselines or {})
        if smoothing:
            axes.plot(xs, ys, color=LIGHT.value, linewidth=0.8, alpha=0.35)
            ys = smoothed(ys, smoothing)
        axes.plot(xs, ys, color=LIGHT.value)
        labels.append((f"training {ys[-1]:.2f}", ys[-1], LIGHT.value))
        later = np.asarray(held_out["y"], float)
        if later.size:
            style = {"marker": "o", "markersize": 4.0, "linestyle": DASHES[1]}
            axes.plot(held_out["x"], later, color=LIGHT.cotangent, **style)
            labels.append((f"held out {later[-1]:.2f}", later[-1], LIGHT.cotangent))
        axes.set_xlim(left=0, right=max(xs[-1], *np.asarray(held_out["x"], float), 1e-9))
        axes.xaxis.set_major_formatter(thousands)
        label_ends(axes, labels)
    return figure_of(axes)


def check_smoothing(caller: str, weight: float) -> None:
    """Refuse a weight with which there is no mean."""
    if not 0 <= weight < 1:
        raise ValueError(f"{caller}: got smoothing={weight}; expected 0 up to, but not, 1")


def draw_baselines(axes: "Axes", baselines: Mapping[str, float]) -> list[Label]:
    """A dotted line across for each loss to compare with; what to write at their ends."""
    for level in baselines.values():
        axes.axhline(level, **DOTTED, zorder=1)
    return [(f"{name} {level:.2f}", level, LIGHT.muted) for name, level in baselines.items()]


def loss_curves(
    runs: Mapping[str, Points],
    *,
    held_out: Mapping[str, Points] | None = None,
    smoothing: float = 0.0,
    baselines: Mapping[str, float] | None = None,
    title: str = "bits per character",
    x_label: str = "step",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw the losses of several runs: what was measured faint, its running mean strong.

    Args:
        runs: for each name its training losses, (N,) at steps 1 to N, or `{"x": …, "y": …}`, such
            as the parts of `loss_series`. What is not finite is left out.
        held_out: held-out losses of some of the runs, drawn dashed with hollow marks.
        smoothing: the weight that a value loses per entry in the running mean, 0 to below 1.
        baselines: losses to compare with, as named lines.
        title: what is measured.
        x_label: what runs to the right.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if there is no run, or more than can be told apart; if losses are not a
            vector with a finite number, or not as many as their places; if held-out losses are
            of no run; or if `smoothing` is out of range.

    Example:
        >>> figure = loss_curves({"rnn": [4.1, 3.0, 2.6], "lstm": [4.1, 2.7, 2.2]}, smoothing=0.5)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['rnn 2.93', 'lstm 2.61']
    """
    check_number("loss_curves", len(runs), "runs")
    check_smoothing("loss_curves", smoothing)
    if strangers := set(held_out or ()) - set(runs):
        raise ValueError(
            f"loss_curves: got held-out losses of {', '.join(sorted(strangers))}; expected only "
            f"names of runs, {', '.join(runs)}"
        )
    with styled():
        axes = titled(new_figure(6.4, 3.4) if axes is None else axes, title, x_label)
        labels = draw_baselines(axes, baselines or {})
        keys: list[Look | None] = [DOTTED] * len(labels)
        end = 0.0
        for name, role, marker in zip(runs, SERIES, MARKERS, strict=False):
            look = {"color": getattr(LIGHT, role), "marker": marker, "markersize": 4.5}
            xs, ys = points_of(name, runs[name])
            if smoothing:
                axes.plot(xs, ys, color=look["color"], linewidth=0.8, alpha=0.35)
                ys = smoothed(ys, smoothing)
            lines = [(name, xs, ys, look)]
            if held_out and name in held_out:
                hollow = {"markerfacecolor": LIGHT.paper, "linestyle": DASHES[1], "linewidth": 1.2}
                points = points_of(name, held_out[name])
                lines.append((f"{name}, held out", *points, look | hollow))
            for text, xs, ys, how in lines:
                few = (len(xs) - 1, -1 - len(xs) // 7)  # marks, from the last one back
                axes.plot(xs, ys, **how, markevery=few, clip_on=False)
                labels.append((f"{text} {ys[-1]:.2f}", float(ys[-1]), LIGHT.ink))
                keys.append(how)
                end = max(end, float(xs[-1]))
        axes.set_xlim(0, end)
        axes.xaxis.set_major_formatter(thousands)
        label_ends(axes, labels, keys)
    return figure_of(axes)


def points_of(name: str, losses: Points) -> tuple[Floats, Floats]:
    """Where a run's finite losses were measured, and what they are."""
    series: Mapping[str, Any] = losses if isinstance(losses, Mapping) else {"y": losses}
    ys = np.asarray(series["y"], float)
    xs = np.asarray(series["x"] if "x" in series else np.arange(1, ys.size + 1), float)
    if ys.ndim != 1 or xs.shape != ys.shape or not np.isfinite(ys).any():
        raise ValueError(
            f"loss_curves: got losses {ys.shape} at places {xs.shape} for {name!r}; expected two "
            "vectors of one length, with at least one finite loss"
        )
    return xs[np.isfinite(ys)], ys[np.isfinite(ys)]


def smoothed(ys: ArrayLike, weight: float) -> Floats:
    r"""A running mean that looks both ways, so that it does not lag behind.

    $$m_t = \frac{\sum_s w^{|t-s|} y_s}{\sum_s w^{|t-s|}}$$

    Example:
        >>> smoothed([4.0, 2.0, 2.0], 0.5)
        array([3.14285714, 2.5       , 2.28571429])
    """
    y = np.asarray(ys, float)
    past = decayed_sums(y, weight), decayed_sums(np.ones_like(y), weight)
    future = decayed_sums(y[::-1], weight)[::-1], past[1][::-1]
    means: Floats = (past[0] + future[0] - y) / (past[1] + future[1] - 1.0)
    return means


def decayed_sums(ys: Floats, weight: float) -> Floats:
    r"""$s_t = w s_{t-1} + y_t$, from $s_0 = 0$."""
    sums, total = np.empty_like(ys), 0.0
    for t, y in enumerate(ys):
        sums[t] = total = weight * total + y
    return sums


def gradient_by_lag(
    curves: Mapping[str, ArrayLike],
    *,
    title: str = "gradient norm",
    x_label: str = "steps back in time",
    axes: "Axes | None" = None,
) -> "Figure":
    r"""Draw how the gradient $\lVert \partial L_T / \partial h_{T-k} \rVert$ fades or grows with k.

    Args:
        curves: for each name the norms at lag 0, 1, 2, …; what is not positive is left out.
        title: what is measured.
        x_label: what runs to the right.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if there is no curve, or more than there are colours.

    Example:
        >>> figure = gradient_by_lag({"tanh": [1.0, 0.1, 0.01], "identity": [1.0, 1.0, 1.0]})
        >>> figure.axes[0].get_yscale()
        'log'
    """
    check_number("gradient_by_lag", len(curves), "curves")
    with styled():
        axes = titled(new_figure(6.4, 3.4) if axes is None else axes, title, x_label)
        axes.set_yscale("log")
        labels, longest = [], 1
        for (name, norms), role, dash in zip(curves.items(), SERIES, DASHES, strict=False):
            ys = np.asarray(norms, float)
            ys = np.where(ys > 0, ys, np.nan)
            colour = getattr(LIGHT, role)
            axes.plot(np.arange(ys.size), ys, color=colour, linestyle=dash)
            seen = ys[np.isfinite(ys)]
            if seen.size:
                labels.append((name, float(seen[-1]), colour))
            longest = max(longest, ys.size - 1)
        axes.set_xlim(0, longest)
        axes.minorticks_off()
        label_ends(axes, labels)
    return figure_of(axes)


def check_number(caller: str, count: int, what: str) -> None:
    """Refuse more lines or groups than there are ways to tell them apart."""
    if not 1 <= count <= len(SERIES):
        raise ValueError(
            f"{caller}: got {count} {what}; expected 1 to {len(SERIES)}, which can be told apart"
        )


def label_ends(
    axes: "Axes", labels: Sequence[Label], keys: Sequence[Look | None] | None = None
) -> None:
    """Write a name beside the right end of each line, apart from each other.

    Args:
        axes: with all lines drawn.
        labels: for each line its text, the value where it ends, and its colour.
        keys: for each how its line is drawn, to stand before the text as a key; None for no key.
    """
    height = 0.7 * axes.figure.bbox.height / axes.figure.dpi * 72  # of the axes, in points, about
    height *= share_of_height(axes)
    axes.autoscale_view()  # limits are set late, and the labels need them now
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform((0.0, y))[1]) * height for _, y, _ in labels]
    order = sorted(range(len(labels)), key=lambda i: ends[i])
    places = spread([ends[i] for i in order], [LINE_HEIGHT] * (len(order) - 1))
    shift = {i: place - ends[i] for i, place in zip(order, places, strict=True)}
    for i, (text, y, colour) in enumerate(labels):
        key = keys[i] if keys else None
        if key:
            draw_key_beside(axes, y, shift[i], key)
        axes.annotate(
            text,
            xy=(1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(7.0 if key is None else 29.0, shift[i]),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
        )


def draw_key_beside(axes: "Axes", y: float, up: float, look: Look) -> None:
    """A short sample of a line, right of the axes at the height y and `up` points more."""
    from matplotlib.lines import Line2D
    from matplotlib.offsetbox import AnnotationBbox, DrawingArea

    sample = DrawingArea(18.0, 0.0)
    sample.add_artist(Line2D([0.0, 9.0, 18.0], [0.0, 0.0, 0.0], markevery=[1], **look))
    beside: Look = {"xybox": (16.0, up), "boxcoords": "offset points", "annotation_clip": False}
    where: Look = {"xy": (1.0, y), "xycoords": ("axes fraction", "data")}
    axes.add_artist(AnnotationBbox(sample, **where, **beside, frameon=False, pad=0.0))


def share_of_height(axes: "Axes") -> float:
    """How much of their figure's height is the axes': all of it, if they are its only row."""
    place = axes.get_subplotspec()
    if place is None:
        return float(axes.get_position().height) / 0.7
    ratios = np.asarray(place.get_gridspec().get_height_ratios(), float)
    return float(ratios[place.rowspan.start : place.rowspan.stop].sum() / ratios.sum())


def thousands(x: float, _: float = 0.0) -> str:
    """A tick's number: 1500000 as 1.5 M.

    Example:
        >>> thousands(1_500_000), thousands(20_000), thousands(7)
        ('1.5 M', '20 k', '7')
    """
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(x) >= size:
            return f"{x / size:g}{unit}"
    return f"{x:g}"
