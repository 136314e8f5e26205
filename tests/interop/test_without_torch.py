"""What works of `interop.torch` where PyTorch is not installed."""

import sys

import numpy as np
import pytest

from tinygrad_rnn import nn
from tinygrad_rnn.interop import InteropError, load_torch_state, to_torch, torch_state


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


def test_a_state_dict_of_arrays_loads():
    layer = nn.Linear(2, 1, seed=0)
    load_torch_state(layer, {"weight": np.ones((1, 2), "f"), "bias": np.zeros(1, "f")})
    assert layer(np.ones((1, 2), "f")).item() == 2


def test_the_error_says_what_to_install():
    for make in (to_torch, torch_state):
        with pytest.raises(ModuleNotFoundError, match="PyTorch modules need torch: python -m pip"):
            make(nn.Linear(2, 1))


def test_what_is_no_module_of_pytorch_is_named():
    from tinygrad_rnn.interop import from_torch

    with pytest.raises(InteropError, match=r"builtins\.int has no counterpart here"):
        from_torch(3)
