"""tinygrad_rnn: a micro autograd for NumPy arrays, and recurrent networks made of it."""

from tinygrad_rnn.engine import *  # noqa: F403
from tinygrad_rnn.ops import *  # noqa: F403
__version__ = "0.1.0"
