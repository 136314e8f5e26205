r"""First values for parameters: each function fills a tensor, or a module, and returns it.

Layers start as PyTorch's do. To start otherwise, fill their parameters before training:

    >>> from tinygrad_rnn import nn
    >>> gru = nn.GRU(3, 4, seed=0)
    >>> _ = nn.init.orthogonal_(gru.weight_hh_l0, seed=1)

`seed` is an integer, a NumPy generator, from which several calls may draw in turn, or None for
values that differ in every run.
"""

import math
from typing import Any, TypeVar

import numpy as np

from tinygrad_rnn.engine import ShapeError, Tensor
from tinygrad_rnn.nn.module import Module

Seed = int | np.random.Generator | None
T = TypeVar("T", bound=Tensor)
M = TypeVar("M", bound=Module)


def uniform_(x: T, low: float = 0.0, high: float = 1.0, *, seed: Seed = None) -> T:
    """Fill with numbers drawn evenly from [low, high)."""
    return write(x, np.random.default_rng(seed).uniform(low, high, x.shape))


def normal_(x: T, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None) -> T:
    """Fill with numbers drawn from a normal distribution."""
    return write(x, np.random.default_rng(seed).normal(mean, std, x.shape))


def constant_(x: T, value: float) -> T:
    """Fill with one number."""
    return write(x, value)


def zeros_(x: T) -> T:
    """Fill with zeros."""
    return write(x, 0.0)


def ones_(x: T) -> T:
    """Fill with ones."""
    return write(x, 1.0)


def eye_(x: T) -> T:
    """Fill with the identity matrix, padded with zeros if it is not square.

    Raises:
        ShapeError: if `x` is not a matrix.
    """
    if x.ndim != 2:
        raise ShapeError(f"eye_: got shape {x.shape}; expected a matrix, with 2 axes")
    rows, columns = x.shape
    return write(x, np.eye(rows, columns))


def xavier_uniform_(x: T, gain: float = 1.0, *, seed: Seed = None) -> T:
    r"""Fill evenly from $\pm\,g\sqrt{6/(n_\text{in} + n_\text{out})}$.

    The variance is then $2g^2/(n_\text{in} + n_\text{out})$, a compromise between keeping that
    of the values and that of the gradients (Glorot & Bengio 2010, equation 16).
    """
    bound = gain * math.sqrt(6 / sum(fans("xavier_uniform_", x)))
    return uniform_(x, -bound, bound, seed=seed)


def xavier_normal_(x: T, gain: float = 1.0, *, seed: Seed = None) -> T:
    r"""Fill from a normal distribution of variance $2g^2/(n_\text{in} + n_\text{out})$."""
    return normal_(x, 0.0, gain * math.sqrt(2 / sum(fans("xavier_normal_", x))), seed=seed)


def kaiming_uniform_(x: T, a: float = 0.0, mode: str = "fan_in", *, seed: Seed = None) -> T:
    r"""Fill evenly from $\pm\sqrt{6/((1 + a^2)\,n)}$, for (leaky) rectifiers.

    A rectifier with slope $a$ on its negative side keeps $(1 + a^2)/2$ of the mean square, which
    the weights make up for (He et al. 2015, equation 14).

    Args:
        x: a weight (out, in, …).
        a: the slope.
        mode: "fan_in" for $n = n_\text{in}$, which keeps the size of values from layer to layer,
            or "fan_out" for $n_\text{out}$, which keeps that of gradients.
        seed: what it is drawn from.

    Raises:
        ShapeError: if `x` has fewer than 2 axes.
        ValueError: if `mode` is another.
    """
    bound = math.sqrt(6 / ((1 + a * a) * fan("kaiming_uniform_", x, mode)))
    return uniform_(x, -bound, bound, seed=seed)


def kaiming_normal_(x: T, a: float = 0.0, mode: str = "fan_in", *, seed: Seed = None) -> T:
    r"""Fill from a normal distribution of variance $2/((1 + a^2)\,n)$; see `kaiming_uniform_`."""
    n = fan("kaiming_normal_", x, mode)
    return normal_(x, 0.0, math.sqrt(2 / ((1 + a * a) * n)), seed=seed)


def orthogonal_(x: T, gain: float = 1.0, *, seed: Seed = None) -> T:
    r"""Fill with a random matrix $Q$ of orthonormal rows or columns, whichever are fewer.

    $\lVert Qh \rVert = \lVert h \rVert$, so a recurrence that begins with it neither explodes nor
    vanishes (Saxe, McClelland & Ganguli, arXiv:1312.6120). $Q$ comes from the QR decomposition
    of a normal matrix; it is evenly distributed once the diagonal of $R$ is made positive
    (Mezzadri, arXiv:math-ph/0609050).

    Raises:
        ShapeError: if `x` has fewer than 2 axes. Those after the first count as one.
    """
    rows, columns = matrix_shape("orthogonal_", x)
    tall = np.random.default_rng(seed).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diagonal(r))
    return write(x, (gain * (q if rows >= columns else q.T)).reshape(x.shape))


def irnn_(rnn: M, scale: float = 1.0, std: float = 0.001, *, seed: Seed = None) -> M:
    r"""Make an IRNN of a recurrent network of rectifiers (Le, Jaitly & Hinton, arXiv:1504.00941).

    $W_{hh}$ becomes the identity, biases 0 and $W_{ih}$ small. At first
    $h_t = [h_{t-1} + W_{ih} x_t]_+$: a state that is positive is kept and added to, and its
    gradient comes back through any number of steps as it is.

    Args:
        rnn: an `RNNCell` or `RNN` with rectifiers; all layers and directions of it.
        scale: what the identity is multiplied by; less than 1 to forget.
        std: the standard deviation of $W_{ih}$.
        seed: what $W_{ih}$ is drawn from.

    Raises:
        TypeError: if it has no nonlinearity to choose.
        ValueError: if its nonlinearity is another.

    Example:
        >>> from tinygrad_rnn import nn
        >>> rnn = nn.init.irnn_(nn.RNN(3, 2, nonlinearity="relu"), seed=0)
        >>> rnn.weight_hh_l0.numpy()
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    name, nonlinearity = type(rnn).__name__, getattr(rnn, "nonlinearity", None)
    if nonlinearity is None:
        raise TypeError(f"irnn_: got {name}; expected nn.RNNCell or nn.RNN, whose units are plain")
    if nonlinearity != "relu":
        raise ValueError(
            f"irnn_: got {name} with nonlinearity={nonlinearity!r}; make it with 'relu', which "
            "keeps what is positive as it is"
        )
    rng = np.random.default_rng(seed)
    for path, x in rnn.named_parameters():
        if path.startswith("weight_hh"):
            write(eye_(x), scale * x.data)
        elif path.startswith("weight_ih"):
            normal_(x, 0.0, std, seed=rng)
        else:
            zeros_(x)
    return rnn


def forget_bias_(lstm: M, value: float = 1.0) -> M:
    r"""Have every LSTM in a model remember at first: its forget gates get a bias.

    With $b_f = 0$ a gate starts near $\sigma(0) = 0.5$, so a memory is halved at every step;
    with 1 it keeps 0.73 of it, with 3 it keeps 0.95 (Gers, Schmidhuber & Cummins 2000; Jozefowicz,
    Zaremba & Sutskever 2015). Where there are two biases the second becomes 0, so that their sum
    is `value`.

    Args:
        lstm: an `LSTM`, an `LSTMCell`, or any module that has some below it.
        value: the bias.

    Raises:
        TypeError: if there is no LSTM.
        ValueError: if it has no biases.

    Example:
        >>> from tinygrad_rnn import nn
        >>> lstm = nn.init.forget_bias_(nn.LSTM(3, 2, num_layers=2, seed=0))
        >>> (lstm.bias_ih_l1 + lstm.bias_hh_l1)[2:4].tolist()
        [1.0, 1.0]
    """
    cells = [cell for module in lstm.modules() for cell in lstm_cells(module)]
    if not cells:
        raise TypeError(
            f"forget_bias_: got {type(lstm).__name__}; expected nn.LSTM, nn.LSTMCell or a module "
            "with one below it, since other cells have no forget gate"
        )
    for cell in cells:
        cell.reset_forget_bias(value)
        cell.bias_ih.mark_written()
        cell.bias_hh.mark_written()
    return lstm


def lstm_cells(module: Any) -> list[Any]:
    """The LSTM cells that a module itself is, or has: one for each layer and direction."""
    if hasattr(module, "reset_forget_bias"):
        return [module]
    if not hasattr(getattr(module, "cell_type", None), "reset_forget_bias"):
        return []
    return [module.cell(k, side) for k in range(module.num_layers) for side in module.directions]


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    r"""What to multiply weights by before a nonlinearity, so that variance passes it unchanged.

    1 for "linear", "sigmoid" and convolutions, $5/3$ for "tanh", $\sqrt 2$ for "relu",
    $\sqrt{2/(1 + a^2)}$ for "leaky_relu" with slope $a$, and $3/4$ for "selu", as in PyTorch.

    Args:
        nonlinearity: its name.
        param: the slope of a leaky rectifier, 0.01 unless told.

    Raises:
        ValueError: if there is no gain for it.

    Example:
        >>> from tinygrad_rnn import nn
        >>> weight = nn.Parameter([[0.0, 0.0], [0.0, 0.0]])
        >>> _ = nn.init.xavier_uniform_(weight, nn.init.calculate_gain("tanh"), seed=0)
    """
    slope = 0.01 if param is None else param
    gains = {
        **dict.fromkeys(("linear", "conv1d", "conv2d", "sigmoid"), 1.0),
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope * slope)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: got {nonlinearity!r}; expected one of {', '.join(gains)}"
        )
    return gains[nonlinearity]


def fan(name: str, x: Tensor, mode: str) -> int:
    """One of the two `fans` of a weight.

    Raises:
        ValueError: if there is no such mode.
    """
    into, out = fans(name, x)
    modes = {"fan_in": into, "fan_out": out}
    if mode not in modes:
        raise ValueError(f"{name}: got mode={mode!r}; expected 'fan_in' or 'fan_out'")
    return modes[mode]


def fans(name: str, x: Tensor) -> tuple[int, int]:
    """How many numbers go into each output of a weight (out, in, …), and how many come out."""
    out, into = matrix_shape(name, x)
    return into, out * math.prod(x.shape[2:])


def matrix_shape(name: str, x: Tensor) -> tuple[int, int]:
    """The shape of a weight seen as a matrix (out, in · …).

    Raises:
        ShapeError: if it has fewer than 2 axes.
    """
    if x.ndim < 2:
        raise ShapeError(
            f"{name}: got shape {x.shape}; expected a weight (out, in) with 2 axes or more: for a "
            "bias use zeros_, constant_ or uniform_"
        )
    return x.shape[0], math.prod(x.shape[1:])


def write(x: T, values: object) -> T:
    """Overwrite a tensor, so that a backward which still needs the old values will say so."""
    x.data[...] = values
    x.mark_written()
    return x
