r"""Jacobians of a recurrent network: how a change of its state grows or fades with time.

A change $dh_{T-k}$ arrives at step $T$ as $J_T J_{T-1} \cdots J_{T-k+1}\, dh_{T-k}$, where
$J_t = \partial h_t / \partial h_{t-1}$ (Pascanu, Mikolov and Bengio, arXiv:1211.5063). The greatest
singular value of the product says by how much it can grow at most; its eigenvalues say what a
linear network with this product as its step would do, were it repeated: fade inside of the unit
circle, explode outside.

Example:
    >>> import numpy as np
    >>> from tinygrad_rnn import nn
    >>> cell = nn.RNNCell(2, 3, dtype="float64", seed=0)
    >>> jacobians = state_jacobians(cell, np.ones((10, 2)))
    >>> jacobians.shape
    (10, 3, 3)
    >>> figure = jacobian_spectrum(jacobians, lags=(1, 5))
    >>> [axes.get_title("left") for axes in figure.axes]
    ['eigenvalues of ∂h(T)/∂h(T−k)\n\nk = 1', 'k = 5']
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_rnn.engine import tensor, vjp
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt
from tinygrad_rnn.nn import Cell
from tinygrad_rnn.ops import concatenate
from tinygrad_rnn.plot.curves import Look
from tinygrad_rnn.plot.gates import sequence_of
from tinygrad_rnn.plot.notation import number
from tinygrad_rnn.plot.palette import LIGHT
from tinygrad_rnn.plot.style import figure_of, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Spectra = Mapping[str, Mapping[str, ArrayLike]]


def state_jacobians(cell: Cell, xs: ArrayLike, hx: Any = None) -> Floats:
    r"""The Jacobian $\partial h_t / \partial h_{t-1}$ of every step of a cell along a sequence.

    What is carried is one vector: for an LSTM both h and c, so that N = 2H.

    Args:
        cell: any cell; one that draws noise should be in `eval` mode.
        xs: (T, I), one sequence.
        hx: the carry before it; the initial one unless told.

    Returns:
        (T, N, N): element [t, i, j] is by how much part j of the carry moves part i of the next.

    Raises:
        TypeError: if it is no cell: a layer's is `layer.cell(0)`.
        ValueError: if `xs` has not two axes.
    """
    steps = sequence_of("state_jacobians", cell, xs)
    carry = cell.carry_from(hx, ())
    jacobians = []
    for x in steps:
        jacobians.append(jacobian_at(cell, carry, x))
        carry = mapped(lambda part: part.detach(), cell.step(carry, tensor(x))[0])
    return np.array(jacobians)


def jacobian_at(cell: Cell, carry: Any, x: NDArray[Any]) -> Floats:
    """One step's Jacobian, in one pass: N copies of the step, each with a cotangent of its own."""
    parts = [part.numpy() for part in leaves(carry)]
    ends = np.cumsum([part.size for part in parts])
    flat = np.concatenate([part.ravel() for part in parts])
    xs = tensor(np.broadcast_to(x, (flat.size, *x.shape)))

    def step(h: Any) -> Any:
        pieces = (h[:, end - part.size : end] for end, part in zip(ends, parts, strict=True))
        following, _ = cell.step(rebuilt(carry, pieces), xs)
        return concatenate(leaves(following), axis=-1)

    _, pullback = vjp(step, np.broadcast_to(flat, (flat.size, flat.size)).copy())
    (rows,) = pullback(np.eye(flat.size, dtype=flat.dtype))
    return np.asarray(rows, float)


def jacobian_products(jacobians: ArrayLike) -> Floats:
    r"""$\partial h_T / \partial h_{T-k}$ for k = 0, 1, …, T: products from the last step back.

    Args:
        jacobians: (T, N, N), of each step.

    Returns:
        (T + 1, N, N), beginning with the identity.

    Raises:
        ValueError: if they are not square matrices, or not finite.

    Example:
        >>> jacobian_products([[[0.5]], [[3.0]]]).ravel()
        array([1. , 3. , 1.5])
    """
    j = np.asarray(jacobians, float)
    if j.ndim != 3 or j.shape[1] != j.shape[2] or not j.size or not np.isfinite(j).all():
        raise ValueError(
            f"jacobian_products: got jacobians {j.shape}; expected finite (T, N, N), as "
            "state_jacobians gives them"
        )
    products = [np.eye(j.shape[1])]
    for step in reversed(j):
        products.append(products[-1] @ step)
    return np.array(products)


def singular_values(jacobians: ArrayLike) -> dict[str, Floats]:
    r"""By how much a change k steps back can grow at most, in the middle, and at least.

    They are singular values of $\partial h_T / \partial h_{T-k}$, as `gradient_by_lag` draws them.

    Args:
        jacobians: (T, N, N), of each step.

    Returns:
        For each of `largest`, `median` and `smallest` T + 1 values, at lag 0, 1, …, T; 0 for what
        is lost in the rounding errors of the largest.

    Example:
        >>> values = singular_values([[[0.5, 0.0], [0.0, 2.0]]] * 3)
        >>> values["largest"], values["smallest"]
        (array([1., 2., 4., 8.]), array([1.   , 0.5  , 0.25 , 0.125]))
    """
    sigma = np.linalg.svd(jacobian_products(jacobians), compute_uv=False)
    sigma = np.where(sigma < np.finfo(float).eps * sigma[:, :1], 0.0, sigma)  # rounding errors
    return {
        "largest": sigma[:, 0],
        "median": np.median(sigma, axis=1),
        "smallest": sigma[:, -1],
    }


def spectrum_series(
    jacobians: ArrayLike, lags: Sequence[int] = (1, 4, 16)
) -> dict[str, dict[str, Floats]]:
    r"""Eigenvalues of $\partial h_T / \partial h_{T-k}$, as data that a figure is drawn from.

    Args:
        jacobians: (T, N, N), of each step.
        lags: the numbers of steps k, from 1 to T.

    Returns:
        For each lag `real` and `imaginary` (N,), and `sigma`, the greatest singular value.

    Raises:
        ValueError: if a lag is out of range, or the jacobians are no square matrices.

    Example:
        >>> spectrum_series([[[0.0, -1.0], [1.0, 0.0]]], lags=[1])["1"]["imaginary"]
        array([ 1., -1.])
    """
    products = jacobian_products(jacobians)
    if not len(lags) or not all(1 <= k < len(products) for k in lags):
        raise ValueError(
            f"spectrum_series: got lags {tuple(lags)} for {len(products) - 1} steps; expected "
            f"numbers from 1 to {len(products) - 1}"
        )
    series = {}
    for k in lags:
        values = np.linalg.eigvals(products[k])
        sigma = np.linalg.norm(products[k], 2)
        series[str(k)] = {"real": values.real, "imaginary": values.imag, "sigma": np.array(sigma)}
    return series


def jacobian_spectrum(
    jacobians: ArrayLike | Spectra,
    lags: Sequence[int] = (1, 4, 16),
    *,
    title: str = "eigenvalues of ∂h(T)/∂h(T−k)",
    axes: "Sequence[Axes] | None" = None,
) -> "Figure":
    r"""Draw the eigenvalues of products of Jacobians in the complex plane, with the unit circle.

    Those outside of it are crosses. Below stand the greatest |λ| and the greatest singular value σ,
    which is the radius of the dotted circle, where there is room for it.

    Args:
        jacobians: (T, N, N), of each step, or what `spectrum_series` made of them.
        lags: the numbers of steps k, a panel for each.
        title: what is shown.
        axes: a list of axes, one for each lag, if not those of a new figure.

    Raises:
        ValueError: if a lag is out of range, there are not as many axes as lags, or the
            jacobians are no square matrices.
    """
    series = jacobians if isinstance(jacobians, Mapping) else spectrum_series(jacobians, lags)
    if axes is not None and len(axes) != len(series):
        raise ValueError(
            f"jacobian_spectrum: got {len(axes)} axes for {len(series)} lags; expected one for each"
        )
    reach = 1.15 * max(1.0, *(np.hypot(s["real"], s["imaginary"]).max() for s in series.values()))
    with styled():
        if axes is None:
            figure = new_figure(min(2.5 * len(series), 9.0) + 0.3, 3.0)
            axes = list(figure.subplots(1, len(series), squeeze=False, sharey=True)[0])
        for panel, (k, spectrum) in zip(axes, series.items(), strict=True):
            draw_plane(panel, spectrum, reach)
            panel.set_title(f"k = {k}")
        axes[0].set_title(f"{title}\n\n{axes[0].get_title('left')}")
    return figure_of(axes[0])


def draw_plane(axes: "Axes", spectrum: Mapping[str, ArrayLike], reach: float) -> None:
    """One panel: axes of the plane, the unit circle, the dotted one, and eigenvalues."""
    x, y = np.asarray(spectrum["real"], float), np.asarray(spectrum["imaginary"], float)
    sigma = float(np.asarray(spectrum["sigma"]))
    around = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(around), np.sin(around)])
    axes.grid(False)
    axes.axhline(0, color=LIGHT.rule, linewidth=0.8, zorder=0)
    axes.axvline(0, color=LIGHT.rule, linewidth=0.8, zorder=0)
    axes.fill(*circle, color=LIGHT.surface, zorder=-1)
    axes.plot(*circle, color=LIGHT.ink, linewidth=1.0)
    if sigma < reach:
        axes.plot(*(sigma * circle), color=LIGHT.muted, linewidth=1.0, linestyle=(0, (1, 2)))
    outside = np.hypot(x, y) > 1
    inside: Look = {"marker": "o", "markerfacecolor": "none", "color": LIGHT.value}
    beyond: Look = {"marker": "x", "color": LIGHT.cotangent}
    for chosen, look in ((~outside, inside), (outside, beyond)):
        axes.plot(x[chosen], y[chosen], **look, linestyle="", markersize=4.5, markeredgewidth=1.2)
    axes.set_aspect("equal")
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_xticks([-1, 0, 1], ["−1", "0", "1"])
    axes.set_yticks([-1, 0, 1], ["−i", "0", "i"])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    largest = np.hypot(x, y).max()
    axes.set_xlabel(f"|λ| ≤ {number(largest)},  σ ≤ {number(sigma)}")
