"""`tg.explain` says what a scan became, and why."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn


@pytest.fixture(autouse=True)
def without_numba():
    with tg.backend("numpy"):
        yield


def sequence(features):
    x = np.random.default_rng(0).standard_normal((5, 8, features)).astype("float32")
    return tg.tensor(x, requires_grad=True)


def test_a_layer_is_explained_by_its_loops():
    report = tg.explain(nn.LSTM(3, 4, seed=0), sequence(3))
    (scan,) = report.scans
    assert scan.steps == 5
    assert "one loop for a batch of 8" in report.summary()
    assert "def forward(" in report.source
    assert "def backward(" in report.source
    assert all(part in str(report) for part in ("as it was traced", "matmul", scan.source))


def test_its_costs_are_counted():
    report = tg.explain(nn.LSTM(3, 4, seed=0), sequence(3))
    products = 2 * 8 * 16 * (3 + 4 + 2)  # the last rows are the biases
    assert f"{products:,} floating point operations in products" in report.summary()
    # c; what the gates and tanh gave; [x, h, 1, 1]; the cotangents of the product
    kept = 4 * 8 * (4 + 5 * 4 + 9 + 16)
    assert f"{kept:,} bytes a step" in report.summary()


def test_a_cell_is_run_over_the_sequence():
    report = tg.explain(nn.GRUCell(3, 4, seed=0), sequence(3))
    assert "one loop" in report.summary()


def test_layers_on_top_of_each_other_are_scans_of_their_own():
    report = tg.explain(nn.GRU(3, 4, num_layers=2, bidirectional=True, seed=0), sequence(3))
    assert len(report.scans) == 4


def test_the_reason_of_a_fallback_is_told():
    def step(h, x):
        h = tg.tanh(h + x) - tg.einsum("bi,bj->bi", h, x)
        return h, h

    report = tg.explain(tg.scan, step, np.zeros((8, 3)), sequence(3))
    assert report.source == ""
    assert "op by op, because" in report.summary()
    assert "loops do not have the op einsum" in report.summary()


def test_eager_scans_say_that_they_were_told_to():
    with tg.eager():
        report = tg.explain(nn.RNN(3, 4, seed=0), sequence(3))
    assert "op by op, because it was told to, by tg.eager()" in report.summary()


def test_a_call_without_a_scan_is_no_error():
    assert tg.explain(tg.tanh, tg.tensor([1.0])).summary() == "there was no scan"
