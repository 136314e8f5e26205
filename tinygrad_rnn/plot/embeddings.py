r"""Vectors on a plane: words that are used alike lie side by side.

Two ways down to two dimensions. `principal_plane` looks at all vectors from the side from which
they differ most: straight, the same every time, and distances mean something. `neighbour_plane` is
t-SNE, which keeps neighbours together and tells nothing by how far groups lie apart. Either gives
plain points, to be recorded, and `embedding_map` draws them with their names.

Example:
    >>> import numpy as np
    >>> words = ["왕", "여왕", "남자", "여자"]
    >>> points, shares = principal_plane([[1, 1, 0.1], [1, 0, 0], [0, 1, 0], [0, 0, 0.1]])
    >>> figure = embedding_map(points, words, groups=["royal", "royal", "common", "common"])
    >>> sorted(text.get_text() for text in figure.axes[0].texts)
    ['남자', '여왕', '여자', '왕']
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.plot.curves import Look, check_number
from tinygrad_rnn.plot.labelling import label_points
from tinygrad_rnn.plot.palette import LIGHT, SERIES
from tinygrad_rnn.plot.style import MARKERS, figure_of, new_figure, styled, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

FEW = 300  # vectors, up to which t-SNE need not approximate to be fast


def principal_plane(vectors: ArrayLike) -> tuple[Floats, Floats]:
    r"""The two directions in which vectors vary most, and where they lie along them (PCA).

    With the mean taken off, $X = U \Sigma V^\top$; the points are the first two columns of
    $U \Sigma$. The sign of each is chosen such that its greatest coordinate is positive.

    Args:
        vectors: (N, D), N and D at least 2.

    Returns:
        The points (N, 2), and the share of the variance that lies along each of the two axes.

    Raises:
        ValueError: if the vectors have another shape, or are not finite.

    Example:
        >>> points, shares = principal_plane([[0, 0, 0], [4, 0, 0], [0, 2, 0], [4, 2, 0]])
        >>> shares
        array([0.8, 0.2])
    """
    x = as_vectors("principal_plane", vectors)
    u, sigma, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    points = u[:, :2] * sigma[:2]
    points = points * np.where(points[np.abs(points).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return points, sigma[:2] ** 2 / max(np.sum(sigma**2), np.finfo(float).tiny)


def neighbour_plane(vectors: ArrayLike, *, perplexity: float = 15.0, seed: int = 0) -> Floats:
    r"""Points on a plane that have the same neighbours as vectors have (t-SNE, scikit-learn).

    Source: van der Maaten and Hinton, "Visualizing data using t-SNE" (2008). Distances between
    groups, and the sizes of groups, mean nothing in it.

    Args:
        vectors: (N, D).
        perplexity: about how many neighbours each vector has, below N.
        seed: of what is drawn.

    Returns:
        The points (N, 2).

    Raises:
        ValueError: if the vectors have another shape, or are fewer than the perplexity asks for.
        ImportError: if scikit-learn is not installed, with the command that installs it.

    Example:
        >>> neighbour_plane(np.eye(6), perplexity=2).shape
        (6, 2)
    """
    x = as_vectors("neighbour_plane", vectors)
    if not 1 <= perplexity < len(x):
        raise ValueError(
            f"neighbour_plane: got perplexity={perplexity} and {len(x)} vectors; expected 1 or "
            "more, and less than there are vectors"
        )
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError(
            "neighbour_plane: t-SNE comes from scikit-learn, which is not installed; run "
            'pip install "tinygrad-rnn[book]"'
        ) from None
    method = "exact" if len(x) <= FEW else "barnes_hut"
    way_down = TSNE(perplexity=perplexity, init="pca", method=method, random_state=seed)
    points: Floats = way_down.fit_transform(x.astype(np.float32)).astype(float)
    return points


def as_vectors(caller: str, vectors: ArrayLike) -> Floats:
    """Vectors that span a plane, as an array."""
    x = np.asarray(vectors, float)
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise ValueError(
            f"{caller}: got vectors {x.shape}{'' if np.isfinite(x).all() else ' with NaN or inf'}; "
            "expected finite (N, D), both at least 2"
        )
    return x


def embedding_map(
    points: ArrayLike,
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    shares: Sequence[float] | None = None,
    title: str = "",
    axes: "Axes | None" = None,
) -> "Figure":
    """Draw points on a plane with their names beside them, none over another.

    Args:
        points: (N, 2), as the functions above give them.
        labels: N names; an empty one stays a point without a name.
        groups: N names of groups, which get a colour and a mark each.
        shares: of the variance along both axes, to be written beside them.
        title: what is shown.
        axes: where to draw, if not into a new figure.

    Raises:
        ValueError: if points, names and groups are not equally many, or there are more groups
            than can be told apart.

    Note:
        Names for which there is no room are left out, and the figure says how many.
    """
    p = np.asarray(points, float)
    check_map(p, labels, groups)
    with styled():
        axes = titled(new_figure(6.4, 5.4) if axes is None else axes, title)
        named = np.array(groups if groups is not None else [""] * len(p))
        for group, role, marker in zip(
            dict.fromkeys(named.tolist()), SERIES, MARKERS, strict=False
        ):
            look: Look = {"color": getattr(LIGHT, role), "marker": marker}
            axes.plot(*p[named == group].T, **look, linestyle="", markersize=5.0, label=group)
        frame(axes, shares)
        if groups is not None:
            where: Look = {
                "loc": "upper left",
                "bbox_to_anchor": (0.0, -0.02 if shares is None else -0.06),
            }
            axes.legend(**where, ncols=5, handletextpad=0.2, columnspacing=1.4, borderpad=0.0)
        if unplaced := label_points(axes, p, labels):
            note = f"{unplaced} of {sum(map(bool, labels))} names had no room"
            axes.set_title(note, loc="right", size=8.5, color=LIGHT.muted)
    return figure_of(axes)


def check_map(p: Floats, labels: Sequence[str], groups: Sequence[str] | None) -> None:
    """Refuse points, names and groups that do not belong together."""
    if p.ndim != 2 or p.shape[1] != 2 or not len(p) or not np.isfinite(p).all():
        raise ValueError(
            f"embedding_map: got points {p.shape}; expected finite (N, 2): bring vectors down to a "
            "plane with principal_plane or neighbour_plane"
        )
    for what, names in (("labels", labels), ("groups", groups)):
        if names is not None and len(names) != len(p):
            raise ValueError(
                f"embedding_map: got {len(names)} {what} for {len(p)} points; expected one for each"
            )
    check_number("embedding_map", len(set(groups or [""])), "groups")


def frame(axes: "Axes", shares: Sequence[float] | None) -> None:
    """Limits with room for names, one unit as long across as up, and no ticks."""
    axes.margins(x=0.13, y=0.09)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=LIGHT.rule)
    if shares is not None:
        axes.set_xlabel(f"first axis, {100 * shares[0]:.0f} % of the variance")
        axes.set_ylabel(f"second axis, {100 * shares[1]:.0f} %")
