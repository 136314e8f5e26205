r"""Dropout: in training, features are left out at random.

`Dropout` is for what passes between layers. Inside a recurrence, noise that is drawn anew at each
step wears the memory away; `VariationalDropout` and `Zoneout` are two ways around that.
"""

from typing import Any

import numpy as np

from tinygrad_rnn.engine import Tensor
from tinygrad_rnn.engine.nesting import leaves, mapped, structure
from tinygrad_rnn.nn.arguments import check_probability
from tinygrad_rnn.nn.cells import Carry
from tinygrad_rnn.nn.init import Seed
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.wrappers import InnerWrapper, Wrapper
from tinygrad_rnn.ops import dropout, where


class Dropout(Module):
    r"""Sets features to zero with probability `p` in training, and does nothing in use.

    Those that stay are divided by $1 - p$, so that the expected sum is the same in both modes
    (Srivastava et al. 2014, "inverted").

    Args:
        p: the probability, in [0, 1].
        seed: an integer, or the generator to draw from.

    Attributes:
        generator: the generator, of its own unless one was given.

    Raises:
        ValueError: if `p` is no probability.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> drop = nn.Dropout(0.5, seed=0)
        >>> drop(np.ones(6))
        array([2., 2., 2., 0., 0., 0.])
        >>> drop.eval()(np.ones(6))
        array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, *, seed: Seed = None) -> None:
        check_probability("Dropout", "p", p)
        self.p = p
        self.generator = np.random.default_rng(seed)

    def forward(self, x: Any) -> Any:
        """Drop features of `x`, of any shape, if in training."""
        return dropout(x, self.p, self.generator) if self.training else x

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


class VariationalDropout(InnerWrapper):
    r"""A cell whose input and state are seen through one dropout mask for the whole sequence.

    $$x_t \to m_x \odot x_t / (1 - p_x), \qquad h_{t-1} \to m_h \odot h_{t-1} / (1 - p_h)$$

    wherever a weight matrix reads them (Gal & Ghahramani 2016, arXiv:1512.05287). A unit that is
    dropped is dropped at every step, as a weight that is missing would be. What is carried stays
    whole: of a GRU's two uses of $h_{t-1}$, only the one in products is masked.

    The masks are drawn before the loop, for each sequence of the batch; each call draws anew. A
    row that holds several documents, by `reset`, has one mask for all.

    Args:
        cell: an `AffineCell`, such as any of those here, or `LayerNormalized` around one.
        p_input: the probability $p_x$ with which a feature of the input is dropped,
        p_state: and $p_h$, of the state.
        seed: an integer, or the generator to draw from.

    Attributes:
        generator: the generator, of its own unless one was given.

    Raises:
        ValueError: if a probability is none.
        TypeError: if the cell has no products to act on.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.VariationalDropout(nn.LSTMCell(3, 4, seed=0), 0.2, 0.3, seed=1)
        >>> output, (h, c) = nn.Recurrent(cell)(np.ones((5, 2, 3), "float32"))
        >>> output.shape
        (5, 2, 4)
    """

    def __init__(
        self, cell: Any, p_input: float = 0.25, p_state: float = 0.25, *, seed: Seed = None
    ) -> None:
        super().__init__(cell)
        check_probability("VariationalDropout", "p_input", p_input)
        check_probability("VariationalDropout", "p_state", p_state)
        self.p_input, self.p_state = p_input, p_state
        self.generator = np.random.default_rng(seed)

    def noise(self, T: int, *batch: int) -> tuple[Any, ...]:
        """A mask for the input and one for the state, the same at every step; None in use."""
        if not self.training:
            return (None, None, *super().noise(T, *batch))
        weights = self.core.weight_ih, self.core.weight_hh
        masks = (
            dropout(np.ones((*batch, w.shape[1]), w.dtype), p, self.generator)
            for w, p in zip(weights, (self.p_input, self.p_state), strict=True)
        )
        return (
            *(Tensor(np.broadcast_to(mask, (T, *mask.shape))) for mask in masks),
            *super().noise(T, *batch),
        )

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the masked input, and the mask of the state."""
        mask_x, mask_h, *others = noise
        return super().project(masked(x, mask_x), *others), mask_h

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step; `x` is the projected input and the mask of the state."""
        a, mask = x

        def from_state(h: Any, group: int | None = None) -> Any:
            return self.from_state(masked(h, mask), group)

        carry, y = self.inner(from_state=from_state).recur(carry, a)
        return carry, y

    def extra_repr(self) -> str:
        """The probabilities."""
        return f"p_input={self.p_input}, p_state={self.p_state}"


def masked(x: Any, mask: Any) -> Any:
    """What is left of `x`; all of it if there is no mask."""
    return x if mask is None else x * mask


class Zoneout(Wrapper):
    r"""A cell whose units sometimes keep their old value (Krueger et al. 2017, arXiv:1606.01305).

    $$s_t = z_t \odot s_{t-1} + (1 - z_t) \odot \tilde s_t, \qquad z_t \sim
      \operatorname{Bernoulli}(p),$$

    for each part $s$ of the carry, where $\tilde s_t$ is what the cell makes of it. A kept unit
    passes its gradient on as it is, where dropout would cut it. In use $z_t$ is its expectation,
    $p$. An output that is a part of the carry, as $h_t$ is, is shown as it was carried; one that a
    wrapper inside has made from it is not, so wrap the cell first and its output later.

    The masks are drawn before the loop, for all steps.

    Args:
        cell: any cell.
        p: the probability of keeping, one for all or a nest of the carry's structure, such as
            `(0.05, 0.5)` for the h and c of an LSTM.
        seed: an integer, or the generator to draw from.

    Attributes:
        generator: the generator, of its own unless one was given.

    Raises:
        ValueError: if `p` is no probability, or is a nest of another structure than the carry.

    Example:
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> cell = nn.Zoneout(nn.LSTMCell(3, 4, seed=0), (0.05, 0.5), seed=1)
        >>> output, (h, c) = nn.Recurrent(cell)(np.ones((5, 2, 3), "float32"))
        >>> np.array_equal(output[-1].numpy(), h.numpy())
        True
    """

    def __init__(self, cell: Any, p: Any = 0.1, *, seed: Seed = None) -> None:
        super().__init__(cell)
        expected = structure(cell.initial())
        self.p = mapped(lambda _: p, cell.initial()) if structure(p) == "*" else p
        if structure(self.p) != expected:
            raise ValueError(
                f"Zoneout: got p={p!r}; expected one probability, or one for each part of the "
                f"carry of {type(cell).__name__}, {expected}"
            )
        for value in leaves(self.p):
            check_probability("Zoneout", "p", value)
        self.generator = np.random.default_rng(seed)

    def noise(self, T: int, *batch: int) -> tuple[Any, ...]:
        """For each part of the carry, which units keep their value at which step; None in use."""
        if not self.training:
            return (None, *super().noise(T, *batch))

        def kept(part: Any, p: float) -> Tensor:
            return Tensor(self.generator.random((T, *part.shape), dtype=np.float32) < p)

        return (mapped(kept, self.cell.initial(*batch), self.p), *super().noise(T, *batch))

    def project(self, x: Any, *noise: Any) -> Any:
        """The projection of the cell inside, and the masks."""
        masks, *others = noise
        return super().project(x, *others), masks

    def recur(self, carry: Carry, x: Any) -> tuple[Carry, Any]:
        """One step; `x` is the projected input and the masks."""
        a, masks = x
        new, y = self.cell.recur(carry, a)
        if masks is None:
            mixed = mapped(lambda s, old, p: p * old + (1 - p) * s, new, carry, self.p)
        else:
            mixed = mapped(lambda s, old, keep: where(keep, old, s), new, carry, masks)
        carried = list(zip(leaves(new), leaves(mixed), strict=True))
        y = mapped(lambda out: next((m for s, m in carried if s is out), out), y)
        return mixed, y

    def extra_repr(self) -> str:
        """The probabilities."""
        values = leaves(self.p)
        return f"p={values[0] if len(set(values)) == 1 else self.p}"
