"""Loops as machine code: threads, caches, memory, processes.

What loops compute is tested without a compiler, in `test_compiled` and `test_random_cells`. Each
loop that is compiled here takes seconds, so tests share a few.
"""

import functools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tinygrad_rnn as tg
from tests.compiler import one_loop
from tests.compiler.comparing import assert_close, compiled, results, weighted_squares
from tests.compiler.random_cells import COMBINING, ELEMENTWISE
from tinygrad_rnn import nn
from tinygrad_rnn.compiler import loading, running, slicing
from tinygrad_rnn.engine.nesting import mapped
from tinygrad_rnn.kernels.memory import pool

pytest.importorskip("numba")

D, H = 5, 6
BOUNDS = {"float64": 1e-12, "float32": 1e-5}
CELLS = {"LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


@functools.cache
def cell_of(name, dtype="float32"):
    return CELLS[name](D, H, dtype=dtype, seed=0)


def sequence(batch, dtype="float32", steps=6):
    return np.random.default_rng(batch).normal(size=(steps, batch, D)).astype(dtype)


def results_of(name, dtype, batch, steps=6):
    """A cell's outputs and gradients over a sequence, in whatever way scans run now."""
    cell = cell_of(name, dtype)
    start = mapped(lambda s: s.data, cell.initial(batch))
    weights = dict(cell.named_parameters())
    return results(cell.step, start, sequence(batch, dtype, steps), weights)


# Threads.


@pytest.fixture
def any_work_is_shared(monkeypatch):
    """Threads share the sequences of a batch, however little there is to do."""
    monkeypatch.setattr(slicing, "WORTH", 0)
    yield
    tg.set_num_threads(None)


NARROW, WIDE = (1, 7), (16, 33)  # batches; each of the two groups has loops of its own
COMPILED = [
    ("LSTM", "float32", NARROW),
    ("LSTM", "float32", WIDE),
    ("LSTM", "float64", WIDE),
    ("GRU", "float32", WIDE),
    ("GRU", "float64", NARROW),
]


@pytest.mark.parametrize(("name", "dtype", "batches"), COMPILED)
def test_loops_give_the_same_on_any_number_of_threads(name, dtype, batches, any_work_is_shared):
    for batch in batches:
        with tg.eager():
            expected = results_of(name, dtype, batch)
        for count in (1, 2, 3):
            tg.set_num_threads(count)
            with compiled("numba") as loops:
                assert_close(results_of(name, dtype, batch), expected, BOUNDS[dtype])
            assert loops.count


def test_the_order_in_which_threads_take_slices_makes_no_difference(
    any_work_is_shared, monkeypatch
):
    tg.set_num_threads(3)
    with compiled("numba"):
        found = results_of("LSTM", "float32", 33)
        monkeypatch.setattr(running, "side_by_side", one_by_one_from_the_last)
        again = results_of("LSTM", "float32", 33)
    for name, numbers in found.items():
        np.testing.assert_array_equal(again[name], numbers, err_msg=name)


def one_by_one_from_the_last(tasks):
    for task in reversed(tasks):
        task()


def test_python_threads_may_run_one_layer_at_once(any_work_is_shared):
    layer = nn.Recurrent(cell_of("LSTM"))

    def run(scale):
        x = tg.tensor(sequence(16) * scale)
        with tg.backend("numba"), tg.compiled():
            output, _ = layer(x)
            gradient = tg.grad(lambda x: weighted_squares(*layer(x)))(x)
        return output.data, gradient.data

    scales = [1, 2, 3, 4]
    alone = [run(scale) for scale in scales]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(run, scales * 8))
    for found, expected in zip(together, alone * 8, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_process_that_was_forked_may_run_loops(any_work_is_shared):
    tg.set_num_threads(2)

    def run():
        with tg.backend("numba"), tg.compiled():
            return {name: x.tolist() for name, x in results_of("LSTM", "float32", 33).items()}

    expected = run()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=lambda: there.send(run()))
    child.start()
    assert here.poll(60), "the child is stuck"
    assert here.recv() == expected
    child.join()


# What is compiled, and what it does.


def test_longer_sequences_and_larger_batches_are_not_compiled_for():
    with compiled("numba"):
        results_of("LSTM", "float32", 16)
        before = loading.loop_by.cache_info().misses
        for batch, steps in ((16, 9), (33, 6), (40, 1)):
            results_of("LSTM", "float32", batch, steps)
    assert loading.loop_by.cache_info().misses == before


def plan_of(kind, x):
    cell = cell_of(kind)
    with compiled():
        _, output = cell.run(cell.initial(16), x)
    (bundle,) = output.inputs
    return bundle.params["runs"].runs[0].plan


def test_an_lstm_has_one_product_forward_and_one_backward():
    plan = plan_of("LSTM", tg.tensor(sequence(16)))
    forward, backward = plan.source.split("\ndef forward(")[1].split("\ndef backward(")
    assert forward.count("product(") == 1
    assert backward.count("product(") == 1


@pytest.mark.parametrize(("wanted", "rows"), [(True, D + H), (False, H)])
def test_no_cotangent_is_computed_of_what_wants_none(wanted, rows):
    """Nor of the ones that biases are multiplied by: one row more may cost a whole tile."""
    plan = plan_of("LSTM", tg.tensor(sequence(16), requires_grad=wanted))
    (panels,) = (slot for slot in plan.backward if slot.role == "panels")
    x, left = panels.holds
    assert (x.shape if left else x.shape[::-1]) == (rows, 4 * H)


@pytest.mark.parametrize("w_dtype", ["float32", "float64"])
@pytest.mark.parametrize("b_dtype", ["float32", "float64"])
@pytest.mark.parametrize("u_dtype", ["float32", "float64"])
def test_what_is_multiplied_and_added_may_have_different_dtypes(w_dtype, b_dtype, u_dtype):
    shapes = {"w": ((D, H), w_dtype), "b": ((H,), b_dtype), "u": ((H, H), u_dtype)}
    draw = np.random.default_rng(0).normal
    weights = {
        name: tg.tensor(draw(size=shape).astype(dtype), requires_grad=True)
        for name, (shape, dtype) in shapes.items()
    }

    def step(h, x):
        w, b, u = weights.values()
        total, alone = tg.tanh(x @ w + b + h @ u + b), tg.sin(h @ u.T)
        return (total * alone).astype("float32"), total

    given = np.zeros((16, H), "float32"), sequence(16), weights
    with tg.eager():
        expected = results(step, *given)
    with compiled("numba") as loops:
        found = results(step, *given)
    assert loops.count
    assert_close(found, expected, 1e-5)  # the singles of one way may be the doubles of the other


def test_training_needs_no_new_memory_after_its_first_step():
    cell = cell_of("LSTM")
    layer, x = nn.Recurrent(cell), tg.tensor(sequence(16))

    def train():
        for p in cell.parameters():
            p.grad = None
        output, _ = layer(x)
        (output * output).sum().backward()
        return pool().made

    with compiled("numba"):
        made = [train() for _ in range(4)]
    assert made == made[:1] * 4


def test_an_output_that_is_kept_is_never_written_to_again():
    layer, x = nn.Recurrent(cell_of("LSTM")), tg.tensor(sequence(16))
    with compiled("numba"), tg.no_grad():
        kept = [layer(x * k)[0] for k in range(4)]
        copies = [y.data.copy() for y in kept]
        for k in range(4, 8):
            layer(x * k)
    for y, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(y.data, copy)


def test_a_run_that_is_over_holds_on_to_nothing_of_its_caller():
    layer, x = nn.Recurrent(cell_of("LSTM")), tg.tensor(sequence(16), requires_grad=True)
    with compiled("numba") as loops:
        output = layer(x)[0]
        output.sum().backward()
    assert loops.count
    given = [weakref.ref(array) for array in (x.data, output.data, x.grad.data)]
    del x, output
    assert [array() for array in given] == [None] * 3


def test_machine_code_treats_nan_and_infinities_as_the_ops_do():
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, 1e300, -1e300])
    a, b = (x.reshape(1, -1) for x in np.meshgrid(special, special))

    def step(carry, x):
        names = {"tg": tg, "a": carry[0], "b": carry[1]}
        return carry, tuple(eval(line, names) for line in ELEMENTWISE + COMBINING)

    given = (a, b), np.zeros((1, 1))
    with np.errstate(all="ignore"), tg.no_grad():
        with tg.eager():
            expected = results(step, *given, {})
        with compiled("numba") as loops:
            found = results(step, *given, {})
    assert loops.count
    assert_close(found, expected)


LOOKING_UP = """
from tinygrad_rnn.kernels.blocks import look_up


def forward(T, b, first, stride, table, ids, y):
    look_up(table, ids, y, 1)
"""


def test_an_error_inside_machine_code_is_named_by_numpy():
    roles = ("table", "float64"), ("block", "int64"), ("block", "float64")
    loop = loading.loop_by(LOOKING_UP, "forward", roles, "numba")
    table, y = np.arange(6.0).reshape(3, 2), np.empty(4)
    call, step = loop.call(slice(0, 2), [table, np.array([2, 0]), y]), range(1)
    call.task(step, {})()
    np.testing.assert_array_equal(y, [4, 0, 5, 1])
    call.task(step, {0: 2 * table})()
    np.testing.assert_array_equal(y, [8, 0, 10, 2])
    wrong = call.task(step, {1: np.array([2, 7])})
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 with size 3"):
        wrong()


# The folder in which loops are kept.


def started(folder):
    """A new process that compiles a small loop."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.compiler.one_loop"],
        env={**os.environ, "TINYGRAD_RNN_CACHE": str(folder)},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said_by(process):
    """What such a process says."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return json.loads(out)


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """A folder, and what two processes say that compile the same loop there at once."""
    folder = tmp_path_factory.mktemp("twins")
    return folder, [said_by(p) for p in [started(folder), started(folder)]]


def test_two_processes_may_compile_the_same_loop_at_once(twins):
    _, (one, other) = twins
    assert one["loops"] == 1
    assert one["said"] == []
    assert one == other
    with tg.eager():
        h, gradient = one_loop.results()
    np.testing.assert_allclose(one["results"][0], h, rtol=1e-12)
    np.testing.assert_allclose(one["results"][1], gradient, rtol=1e-12)


def test_a_damaged_folder_costs_time_only(twins, tmp_path):
    folder, (whole, _) = twins
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    files = [path for path in damaged.rglob("*") if path.is_file()]
    assert len(files) > 2
    for path in files:
        path.write_bytes(b"\0 this is no loop")
    again = said_by(started(damaged))
    assert again["results"] == whole["results"]


def test_a_folder_that_cannot_be_written_costs_a_warning(twins, tmp_path):
    _, (whole, _) = twins
    (tmp_path / "file").touch()
    again = said_by(started(tmp_path / "file" / "folder"))
    assert again["results"] == whole["results"]
    assert any("cannot be kept on disk" in text for text in again["said"])


def test_threads_of_python_may_run_the_first_loops_of_a_process_at_once(tmp_path):
    program = """
import threading
import numpy as np
import tinygrad_rnn as tg
from tinygrad_rnn import nn

gradients = []

def run():
    layer, x = nn.LSTM(24, 32, seed=0), tg.tensor(np.ones((60, 32, 24), "float32"))
    for _ in range(3):
        layer(x)[0].sum().backward()
    gradients.append(layer.weight_hh_l0.grad.numpy())

threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(gradients), all((g == gradients[0]).all() for g in gradients))
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TINYGRAD_RNN_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "4 True\n"), said.stderr
