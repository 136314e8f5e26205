"""Nests of tensors, taken apart and put together again."""

from collections import namedtuple

import pytest

from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt, structure

State = namedtuple("State", "h c")
NESTS = [1, (1, 2), [1, (2, 3)], {"a": 1, "b": (2,)}, State(1, 2), (1, None, 2), ()]


@pytest.mark.parametrize("nest", NESTS)
def test_a_nest_is_rebuilt_from_its_leaves(nest):
    again = rebuilt(nest, leaves(nest))
    assert again == nest
    assert type(again) is type(nest)


def test_functions_map_over_nests_of_one_structure():
    assert mapped(lambda a, b: a + b, {"x": 1, "y": (2,)}, {"x": 10, "y": (20,)}) == {
        "x": 11,
        "y": (22,),
    }


def test_a_structure_shows_where_leaves_are():
    assert structure((1, {"a": 2})) == ("*", {"a": "*"})
