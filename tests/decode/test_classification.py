import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn.decode import confusion

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=25)
@given(pairs)
def test_scores_are_those_of_scikit_learn(labels):
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted = np.array(labels).T
    ours, met = confusion(truth, predicted, names=5), np.unique(labels)
    options = {"labels": met, "average": None, "zero_division": 0}
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, predicted, **options
    )
    np.testing.assert_allclose(ours.precision[met], precision)
    np.testing.assert_allclose(ours.recall[met], recall)
    np.testing.assert_allclose(ours.f1[met], f1)
    np.testing.assert_array_equal(ours.support[met], support)
    np.testing.assert_array_equal(
        ours.counts, metrics.confusion_matrix(truth, predicted, labels=range(5))
    )
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert ours.macro_f1 == pytest.approx(
        metrics.f1_score(truth, predicted, average="macro", zero_division=0)
    )


def test_a_class_that_is_neither_there_nor_predicted_has_no_scores():
    scores = confusion([0, 0, 2], [0, 2, 2], names=4)
    np.testing.assert_array_equal(np.isnan(scores.f1), [False, True, False, True])
    assert scores.macro_f1 == pytest.approx(2 / 3)
    assert np.isnan(scores.precision[1])
    assert np.isnan(scores.recall[3])


def test_rows_are_the_truth_and_columns_the_prediction():
    np.testing.assert_array_equal(confusion([0, 0, 1], [1, 1, 1]).counts, [[0, 2], [0, 1]])


def test_labels_may_have_any_shape_and_integer_dtype():
    truth = np.array([[0, 1], [1, 1]], np.uint8)
    assert confusion(truth, truth.astype(np.int16)).accuracy == 1


def test_the_table_names_the_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = str(confusion([0, 1], [0, 0], names=["고양이", "dog", "none"]))
    assert [line.split()[0] for line in table.splitlines()[1:]] == [
        "고양이",
        "dog",
        "none",
        "macro",
        "accuracy",
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0, 1], [0]), {}, r"shape \(2,\) and predicted ones of \(1,\); expected the same"),
        (([], []), {}, "with at least one"),
        (([0.0], [1]), {}, "dtypes float64 and int64; expected integers: take the argmax"),
        (([-1], [0]), {}, "classes from -1 to 0; expected 0 to 0"),
        (([0], [2]), {"names": ["a", "b"]}, "from 0 to 2; expected 0 to 1, as there are 2 names"),
    ],
)
def test_what_cannot_be_compared_is_explained(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        confusion(*arguments, **options)
