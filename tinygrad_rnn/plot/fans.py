"""Forecast fans: what was observed, what may come, and how sure the forecast is of it.

Example:
    >>> quantiles = {0.1: [9.0, 8.0], 0.5: [10.0, 10.0], 0.9: [11.0, 12.0]}
    >>> figure = forecast_fan([8.0, 9.0, 10.0], quantiles, baseline=[8.0, 9.0])
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['80 %', 'baseline', 'forecast', 'median', 'observed']
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.curves import Label, Look, label_ends
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import DASHES, figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

BAND = 0.16  # ink of each band; where bands lie over each other they add up


def forecast_fan(
    observed: ArrayLike,
    quantiles: Mapping[float, ArrayLike],
    *,
    actual: ArrayLike | None = None,
    baseline: ArrayLike | None = None,
    baseline_name: str = "baseline",
    times: ArrayLike | None = None,
    title: str = "",
    x_label: str = "step",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw a forecast as bands of quantiles that open where the observations end.

    Args:
        observed: (N,), what was known when the forecast was made.
        quantiles: (K,) for each level between 0 and 1: 0.5 is the median, and levels that are
            equally far from it, such as 0.1 and 0.9, are the edges of a band.
        actual: (K,), what came then.
        baseline: (K,), a simple forecast to compare with,
        baseline_name: and what it is called.
        times: (N + K,), numbers or `datetime64`; 0, 1, 2, … unless told.
        title: what is measured, with its unit.
        x_label: what runs to the right.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if a level has no partner on the other side of the median, quantiles cross,
            or something has the wrong length.
    """
    past = np.asarray(observed, float)
    levels = {level: np.asarray(quantiles[level], float) for level in sorted(quantiles)}
    others = {"actual": actual, baseline_name: baseline}
    given = {name: np.asarray(ys, float) for name, ys in others.items() if ys is not None}
    check_fan(past, levels, given)
    K = len(next(iter(levels.values())))
    t = np.arange(len(past) + K) if times is None else np.asarray(times)
    if t.shape != (len(past) + K,):
        raise ValueError(
            f"forecast_fan: got times {t.shape}; expected ({len(past) + K},): {len(past)} for what "
            f"was observed and {K} for the forecast"
        )
    known, ahead = t[: len(past)], t[len(past) - 1 :]  # lines begin at the last observation
    with styled():
        axes = titled(new_figure(6.4, 3.4) if axes is None else axes, title, x_label)
        mark_present(axes, known[-1])
        axes.plot(known, past, color=LIGHT.ink, linewidth=1.4)
        labels, keys = draw_bands(axes, ahead, past[-1], levels)
        looks: dict[str, Look] = {
            "median": {"color": LIGHT.value},
            baseline_name: {"color": LIGHT.ochre, "linestyle": DASHES[1], "linewidth": 1.4},
            "actual": {"color": LIGHT.ink, "linestyle": "", "marker": "o", "markersize": 3.0},
        }
        lines = given | ({"median": levels[0.5]} if 0.5 in levels else {})
        for name, look in looks.items():
            if name in lines:
                axes.plot(ahead, [past[-1], *lines[name]], **look, markevery=slice(1, None))
                labels.append((name, float(lines[name][-1]), LIGHT.ink))
                keys.append(look)
        axes.set_xlim(t[0], t[-1])
        mark_dates(axes, t)
        label_ends(axes, labels, keys)
    return figure_of(axes)


def check_fan(past: Floats, levels: Mapping[float, Floats], given: Mapping[str, Floats]) -> None:
    """Refuse quantiles that make no bands, and series that do not fit them."""
    sides = [round(min(level, 1 - level), 9) for level in levels if level != 0.5]
    if (
        not levels
        or min(levels) <= 0
        or max(levels) >= 1
        or any(sides.count(s) != 2 for s in sides)
    ):
        raise ValueError(
            f"forecast_fan: got quantiles at {[float(level) for level in levels]}; expected levels "
            "between 0 and 1 in pairs around 0.5, such as 0.1 and 0.9"
        )
    K = next(iter(levels.values())).size
    series = {f"quantile {level:g}": ys for level, ys in levels.items()} | dict(given)
    for name, ys in series.items():
        if ys.shape != (K,) or not K:
            raise ValueError(
                f"forecast_fan: got {name} of shape {ys.shape}; expected ({K},) like the first "
                "quantile, a value for each step ahead"
            )
    if past.ndim != 1 or not past.size:
        raise ValueError(
            f"forecast_fan: got observations {past.shape}; expected (N,), with at least the last "
            "one before the forecast"
        )
    if np.any(np.diff(list(levels.values()), axis=0) < 0):
        raise ValueError(
            "forecast_fan: got quantiles that cross; expected each to be at least the one below: "
            "sort them at each step, as in np.sort(quantiles, axis=0)"
        )


def draw_bands(
    axes: "Axes", ahead: NDArray[Any], last: float, levels: Mapping[float, Floats]
) -> tuple[list[Label], list[Look | None]]:
    """Bands, the widest first, each between thin edges; what to write at their upper ends."""
    ordered = list(levels.items())
    labels: list[Label] = []
    keys: list[Look | None] = []
    for depth, ((low, below), (high, above)) in enumerate(
        zip(ordered[: len(ordered) // 2], reversed(ordered), strict=False), start=1
    ):
        edges = [[last, *below], [last, *above]]
        axes.fill_between(ahead, edges[0], edges[1], color=LIGHT.value, alpha=BAND, linewidth=0)
        for edge in edges:
            axes.plot(ahead, edge, color=LIGHT.value, linewidth=0.6, alpha=0.6)
        labels.append((f"{100 * (high - low):.3g} %", float(above[-1]), LIGHT.ink))
        ink = 1 - (1 - BAND) ** depth
        swatch = {"linewidth": 8.0, "solid_capstyle": "butt", "alpha": ink}
        keys.append({"color": LIGHT.value, **swatch})
    return labels, keys


def mark_present(axes: "Axes", now: Any) -> None:
    """A line between what was known and what was not, and what stands on either side of it."""
    axes.axvline(now, color=LIGHT.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    for text, side, away in (("observed", "right", -6.0), ("forecast", "left", 6.0)):
        axes.annotate(
            text,
            xy=(now, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(away, -1.0),
            textcoords="offset points",
            size=8.5,
            color=LIGHT.muted,
            ha=side,
        )


def mark_dates(axes: "Axes", t: NDArray[Any]) -> None:
    """Ticks at whole hours, days or months, if time is given in dates."""
    if t.dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter: Any = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
