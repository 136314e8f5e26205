"""The ops, one module per family, each declared once beside its derivation."""

from tinygrad_rnn.ops.elementwise import *
from tinygrad_rnn.ops.selection import *
from tinygrad_rnn.ops.activations import *
from tinygrad_rnn.ops.reduce import *
from tinygrad_rnn.ops.shape import *
