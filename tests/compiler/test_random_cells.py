"""Whatever a step is made of, its compiled loop gives what its definition gives."""

from hypothesis import given, settings

import tinygrad_rnn as tg
from tests.compiler.comparing import equal_to_eager
from tests.compiler.random_cells import cells

# Single precision keeps 7 digits, and a step of ten ops over four time steps loses some of them.
SINGLE = 2e-4


def some(examples):
    return settings(max_examples=examples, derandomize=True, database=None)


@some(150)
@given(cells(most_lines=5))
def test_a_small_cell_compiled_is_the_cell(cell):
    equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, **cell.options)


@some(80)
@given(cells(most_lines=16))
def test_a_large_cell_compiled_is_the_cell(cell):
    equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, **cell.options)


@some(60)
@given(cells("float32"))
def test_a_cell_in_single_precision_compiled_is_the_cell(cell):
    equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, bound=SINGLE, **cell.options)


@some(40)
@given(cells())
def test_a_cell_without_gradients_compiled_is_the_cell(cell):
    with tg.no_grad():
        equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, **cell.options)


@some(25)
@given(cells(most_lines=6))
def test_second_derivatives_of_a_compiled_cell_are_those_of_the_cell(cell):
    equal_to_eager(cell.step, cell.init, cell.xs, cell.weights, twice=True, **cell.options)
