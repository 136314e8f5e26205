"""The reason of the speed, held fast: loops over elements are made of the widest vectors."""

import inspect
import platform
import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.compiler.loading import loaded
from tinygrad_rnn.kernels.compiling import inner
from tinygrad_rnn.kernels.tiles import features_here

pytest.importorskip("numba")
pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="reads the assembly of x86"
)

ARITHMETIC = re.compile(r"\n\s+v(?:mul|add|sub|div|fn?m(?:add|sub)\d+)ps\s.*")


def loops_of(cell):
    """The loops over elements of a cell that a batch of 16 runs forward and backward."""
    x = tg.tensor(np.ones((3, 16, 8), np.float32), requires_grad=True)
    with tg.compiled(), tg.backend("numpy"):
        report = tg.explain(nn.Recurrent(cell), x)
    module = loaded(report.source)
    return [
        f
        for name, f in inspect.getmembers(module, inspect.isfunction)
        if re.fullmatch(r"(forward|backward)_\d+", name) and re.search(r"[*/]", source_of(f))
    ]


def source_of(f):
    return inspect.getsource(f).partition(":\n")[2]


def instructions(loop):
    """The arithmetic on vectors of float32 that a loop becomes."""
    from numba import types

    array = types.Array(types.float32, 1, "C")
    names = inspect.signature(loop).parameters
    compiled = inner(loop)
    compiled.compile(tuple(types.int64 if name == "b" else array for name in names))
    (assembly,) = compiled.inspect_asm().values()
    return [found[0] for found in ARITHMETIC.finditer(assembly)]


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_loops_over_elements_are_vectors_of_the_widest_set_that_there_is(kind):
    if not {"avx512f", "avx2"} & features_here():
        pytest.skip("this processor has no wide vectors")
    register = "zmm" if "avx512f" in features_here() else "ymm"
    loops = loops_of(kind(8, 32, seed=0))
    assert {loop.__name__.partition("_")[0] for loop in loops} == {"forward", "backward"}
    for loop in loops:
        wide = [line for line in instructions(loop) if register in line]
        # Each product of the source is there for a whole vector; what is there for single numbers
        # besides is for those left over at the end.
        assert len(wide) >= source_of(loop).count("*"), source_of(loop)
