"""Every optimizer goes where PyTorch's goes, and every schedule sets the same rates.

`goldens.npz` holds PyTorch's answers; `generate_goldens.py` says how they were made.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import optim

with np.load(Path(__file__).with_name("goldens.npz")) as archive:
    GOLDENS = {name: archive[name] for name in archive.files}
CASES = json.loads(bytes(GOLDENS["index"]))


def named(cases):
    """Each case with its number, called by what it is."""
    return [
        pytest.param(
            i, *case, id="-".join([*case[:-1], *(f"{k}={v}" for k, v in case[-1].items())])
        )
        for i, case in enumerate(cases)
    ]


def trajectory(kind, options):
    """The parameters after the watched steps of a descent, started like PyTorch's."""
    a, b, c, start = GOLDENS["coefficients"]
    w = tg.tensor(start, dtype="float64", requires_grad=True)
    optimizer = getattr(optim, kind)([w], **options)
    points = []
    for t in range(1, GOLDENS["watched"][-1] + 1):
        optimizer.zero_grad()
        (a * tg.sin(b * w) + c * w * w).sum().backward()
        optimizer.step()
        if t in GOLDENS["watched"]:
            points.append(w.data.copy())
    return points


def rates(name, kind, options):
    """Rate and momentum before each step."""
    extra = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(optim, kind)([tg.tensor([0.0], requires_grad=True)], lr=0.5, **extra)
    schedule = getattr(optim, name)(optimizer, **options)
    seen = []
    for measure in GOLDENS["measures"]:
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        schedule.step(*([measure] if name == "ReduceLROnPlateau" else []))
    return seen


@pytest.mark.parametrize(("number", "kind", "options"), named(CASES["optimizers"]))
def test_fifty_steps_end_where_pytorchs_do(number, kind, options):
    expected = GOLDENS["trajectories"][number]
    np.testing.assert_allclose(trajectory(kind, options), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("number", "name", "kind", "options"), named(CASES["schedules"]))
def test_rates_and_momenta_are_those_of_pytorch(number, name, kind, options):
    expected = GOLDENS["rates"][number]
    np.testing.assert_allclose(rates(name, kind, options), expected, rtol=1e-12, atol=1e-15)
