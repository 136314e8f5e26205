"""Random windows that slide over an input, and what they meet by the definition."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tinygrad_rnn.kernels.convolution import output_extents

unhurried = settings(deadline=None, max_examples=50)


@st.composite
def sliding(draw, *, narrowest=0):
    """Extents, window, stride, padding and dilation that fit each other, on one or two axes.

    The extents are at least `narrowest` times the window's span.
    """
    axes = []
    for _ in range(draw(st.integers(1, 2))):
        k, s, d = (draw(st.integers(1, 3)) for _ in range(3))
        span = d * (k - 1) + 1
        p = draw(st.integers(0, span // 2))
        axes.append((draw(st.integers(max(span - 2 * p, narrowest * span, 1), 9)), k, s, p, d))
    return tuple(zip(*axes, strict=True))


def patches_by_loops(x, window, stride, padding, dilation, outside):
    """`{place: {tap: x there, or `outside`}}`, straight from the definition."""
    extents = x.shape[2:]
    places = output_extents(extents, window, stride, padding, dilation)
    for place in np.ndindex(*places):
        taps = {}
        for tap in np.ndindex(*window):
            at = tuple(
                o * s - p + k * d
                for o, s, p, k, d in zip(place, stride, padding, tap, dilation, strict=True)
            )
            inside = all(0 <= i < n for i, n in zip(at, extents, strict=True))
            taps[tap] = x[(..., *at)] if inside else np.full(x.shape[:2], outside)
        yield place, taps
