import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tinygrad_rnn.data import one_hot


@given(
    hnp.arrays(
        np.int32,
        hnp.array_shapes(min_dims=0, min_side=0),
        elements={"min_value": 0, "max_value": 6},
    )
)
def test_each_row_has_a_single_one_at_its_id(ids):
    vectors = one_hot(ids, 7)
    assert vectors.shape == (*ids.shape, 7)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.eye(7)[ids])


def test_a_product_with_a_matrix_selects_a_row():
    W = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(one_hot([4, 1], 5, np.float64) @ W, W[[4, 1]])


@pytest.mark.parametrize("ids", [[3], [-1]])
def test_ids_out_of_range_are_refused(ids):
    with pytest.raises(ValueError, match=f"id {ids[0]} is outside 0 … 2; .* size=3"):
        one_hot(ids, 3)


def test_ids_must_be_integers():
    with pytest.raises(TypeError, match="dtype float64; expected integers"):
        one_hot([0.5], 3)
