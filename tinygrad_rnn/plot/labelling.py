r"""Labels beside their points, so that none covers another: small and deterministic.

In each of some rounds every label that has no place yet tries those around its point, a step
farther away than in the round before, and first the ones that lead away from other points; it takes
the first that is free. The most crowded points choose first, because they have the least choice. A
label that finds no place is left out: a name that cannot be read is worse than none.

For what else there is see Christensen, Marks and Shieber, "An empirical study of algorithms for
point-feature label placement" (1995).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import figure_of, measured_alike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDS, STEP = 12, 4.0  # how many distances are tried, and how many points lie between two of them
DIRECTIONS = 16
APART = 2.2  # how much more room there is around another point's mark
ROOM = 1.5  # points of bare paper around a label
NEAR = 10.0  # a label that begins farther from its point gets a line to it


def free_places(
    points: ArrayLike,
    sizes: ArrayLike,
    extent: tuple[float, float],
    *,
    radius: float = 4.0,
    taken: ArrayLike = (),
) -> Floats:
    r"""Centres of boxes beside points, such that no box covers another, a point, or the edge.

    Args:
        points: (N, 2).
        sizes: (N, 2), the width and height of each label's box.
        extent: width and height of the area, whose corner is (0, 0).
        radius: of the points' marks.
        taken: (M, 2), more points that no box may cover.

    Returns:
        (N, 2), NaN for boxes that found no place.

    Raises:
        ValueError: if there is not one size for each point.

    Example:
        >>> free_places([[50, 50], [56, 50]], [[20, 10], [20, 10]], (100, 100))
        array([[34.5, 50. ],
               [71.5, 50. ]])
    """
    p, boxes = (np.reshape(np.asarray(a, float), (-1, 2)) for a in (points, sizes))
    if p.shape != boxes.shape:
        raise ValueError(
            f"free_places: got {len(p)} points and {len(boxes)} sizes; expected a size for each"
        )
    marks = np.concatenate([p, np.reshape(np.asarray(taken, float), (-1, 2))])
    half, mark, centres = boxes / 2 + ROOM, np.full(2, 0.7 * radius), np.full_like(p, np.nan)
    leaders = np.empty((0, 2, 2))
    away, crowd = neighbourhoods(p)
    waiting = np.argsort(-crowd, kind="stable").tolist()
    for distance in radius + ROOM + STEP * np.arange(ROUNDS):
        for i in tuple(waiting):
            tried = candidates(p[i], boxes[i], distance, away[i])
            leads = np.stack([np.broadcast_to(p[i], tried.shape), tried], axis=1)
            leads[:, 1] = nearest(p[i], tried, boxes[i] / 2)
            done = np.isfinite(centres[:, 0])
            others = np.hypot(*(marks - p[i]).T) > 2 * radius
            free = np.all((tried >= half[i]) & (tried <= np.asarray(extent) - half[i]), axis=1)
            free &= ~touching(tried, half[i], marks, mark).any(axis=1)
            strangers = np.delete(p, i, axis=0)  # too near to one, it would seem to be its label
            free &= ~touching(tried, half[i], strangers, APART * mark).any(axis=1)
            free &= ~touching(tried, half[i], centres[done], half[done]).any(axis=1)
            free &= ~through(leads, centres[done], half[done]).any(axis=1)
            free &= ~through(leads, marks[others], mark).any(axis=1)
            free &= ~through(leaders, tried, half[i]).any(axis=0)
            free &= ~crossing(leads, leaders).any(axis=1)
            if free.any():
                centres[i] = tried[free.argmax()]
                leaders = np.concatenate([leaders, leads[free.argmax()][None]])
                waiting.remove(i)
    return centres


def neighbourhoods(p: Floats) -> tuple[Floats, Floats]:
    """For each point which way leads away from the others, and how crowded it is there."""
    apart = p[:, None] - p
    weights = 1 / (np.sum(apart**2, axis=-1) + 1.0)
    away = np.einsum("ijk,ij->ik", apart, weights)
    return away.round(6), weights.sum(axis=1).round(6)  # rounded, so that ties are ties


def candidates(point: Floats, box: Floats, distance: float, away: Floats) -> Floats:
    """Centres of a box around a point, at a distance from it, the best first."""
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1).round(6)
    ways = ways[np.argsort(-(ways @ away).round(6), kind="stable")]
    sides = np.clip(1.6 * ways, -1, 1) * box / 2  # boxes turn a side to the point, not their middle
    centres: Floats = point + distance * ways + sides
    return centres


def nearest(point: Floats, centres: Floats, half: Floats) -> Floats:
    """The point of each box that is nearest to a point."""
    there: Floats = np.clip(point, centres - half, centres + half)
    return there


def touching(a: Floats, half_a: Floats, b: Floats, half_b: Floats) -> Bools:
    """Which boxes (N, 2) touch which others (M, 2), given by centres and half their sizes: (N, M).

    Example:
        >>> touching(np.zeros((1, 2)), np.ones(2), np.array([[1.5, 0.0], [2.5, 0.0]]), np.ones(2))
        array([[ True, False]])
    """
    touch: Bools = np.all(np.abs(a[:, None] - b) < half_a + half_b, axis=-1)
    return touch


def through(lines: Floats, b: Floats, half: Floats) -> Bools:
    """Which lines (N, 2, 2), from their start to their end, lead through which boxes: (N, M)."""
    steps = np.linspace(0.0, 1.0, 25)[:, None, None]
    traced = lines[:, 0] + steps * (lines[:, 1] - lines[:, 0])
    met = touching(traced.reshape(-1, 2), np.zeros(2), b, half)
    return np.asarray(met.reshape(len(steps), len(lines), len(b)).any(axis=0))


def crossing(a: Floats, b: Floats) -> Bools:
    """Which lines (N, 2, 2) cross which others (M, 2, 2): (N, M).

    Example:
        >>> lines = np.array([[[0, 0], [2, 2]], [[0, 2], [2, 0]], [[3, 3], [4, 4]]])
        >>> crossing(lines[:1], lines[1:])
        array([[ True, False]])
    """
    a, b = a[:, None], b[None]
    parted = side(a, b[..., 0, :]) * side(a, b[..., 1, :]) < 0
    both: Bools = parted & (side(b, a[..., 0, :]) * side(b, a[..., 1, :]) < 0)
    return both


def side(line: Floats, point: Floats) -> Floats:
    """On which side of a line a point lies: positive, negative, or 0 on it."""
    along, to = line[..., 1, :] - line[..., 0, :], point - line[..., 0, :]
    on: Floats = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
    return on


def label_points(
    axes: "Axes",
    points: ArrayLike,
    labels: Sequence[str],
    *,
    size: float = 8.5,
    radius: float = 4.0,
    taken: ArrayLike = (),
) -> int:
    """Write a name beside each point of axes whose limits are set, none over another.

    Args:
        axes: with everything else drawn.
        points: (N, 2), in the units of the axes.
        labels: N names; an empty one is not written.
        size: of the text,
        radius: and of the points' marks, in points.
        taken: (M, 2), in the units of the axes: what no label may cover.

    Returns:
        How many labels found no place.
    """
    with measured_alike():
        figure_of(axes).draw_without_rendering()  # the axes have no size before this
    corner, unit = axes.bbox.p0, 72 / figure_of(axes).dpi
    there, others = (
        (axes.transData.transform(np.reshape(xs, (-1, 2))) - corner) * unit
        for xs in (points, taken)
    )
    named = [i for i, label in enumerate(labels) if label]
    others = np.concatenate([others, np.delete(there, named, axis=0)])
    boxes = [(width_of(labels[i], size), 1.2 * size) for i in named]
    extent = axes.bbox.width * unit, axes.bbox.height * unit
    centres = free_places(there[named], boxes, extent, radius=radius, taken=others)
    for i, box, centre in zip(named, boxes, centres, strict=True):
        if np.isfinite(centre).all():
            way = centre - there[i]
            corner = nearest(np.zeros(2), way, np.array(box) / 2)
            axes.annotate(
                labels[i],
                xy=tuple(np.reshape(points, (-1, 2))[i]),
                xytext=tuple(way.round(2)),
                textcoords="offset points",
                size=size,
                ha="center",
                va="center",
                arrowprops=leader(radius, 0.5 + (corner - way) / box)
                if np.hypot(*corner) > NEAR
                else None,
            )
    return int(np.isnan(centres[:, 0]).sum())


def leader(radius: float, start: Floats) -> dict[str, Any]:
    """How matplotlib draws a line from a place in a label's box, of side 1, to its point."""
    look = {"arrowstyle": "-", "color": LIGHT.muted, "linewidth": 0.6}
    return look | {"relpos": tuple(start), "shrinkA": 0.0, "shrinkB": radius}
