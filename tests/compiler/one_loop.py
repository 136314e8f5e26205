"""A process that compiles one small loop and says what came of it, for `test_loops`."""

import json
import sys
import warnings

import numpy as np

import tinygrad_rnn as tg
from tests.compiler.comparing import compiled


def step(h, x):
    h = tg.tanh(h * 0.5 + x)
    return h, h


def results():
    """The last carry and the gradient of the inputs, in whatever way scans run now."""
    x = tg.tensor(np.linspace(-1, 1, 24).reshape(4, 2, 3), requires_grad=True)
    h, _ = tg.scan(step, tg.tensor(np.zeros((2, 3))), x)
    h.sum().backward()
    return h.data.tolist(), x.grad.data.tolist()


def main():
    with warnings.catch_warnings(record=True) as caught, compiled("numba") as loops:
        warnings.simplefilter("always")
        found = results()
    said = sorted({str(warning.message) for warning in caught})
    json.dump({"loops": loops.count, "said": said, "results": found}, sys.stdout)


if __name__ == "__main__":
    main()
