"""Recurrent estimators do what scikit-learn expects of any, on sequences."""

import io
import pickle
import subprocess
import sys
from contextlib import redirect_stdout

import numpy as np
import pytest

import tinygrad_rnn as tg

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tinygrad_rnn.interop import RNNClassifier, RNNRegressor

QUICK = {"hidden_size": 8, "learning_rate": 0.05, "random_state": 0}
BOTH = pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])


@pytest.fixture(autouse=True)
def eager():
    """Small problems of many shapes are not worth compiling for."""
    with tg.eager():
        yield


def beginnings(n=60, steps=4):
    """Sequences, and whether each began above 0."""
    X = np.random.default_rng(0).standard_normal((n, steps, 2))
    return X, np.where(X[:, 0, 0] > 0, "up", "down")


def ragged(n=60):
    """Sequences of 1 to 5 steps, and their running sums."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((k, 1)) for k in rng.integers(1, 6, n)]
    return X, [x[:, 0].cumsum() for x in X]


# They compare to within 1e-9; in float32, what else is in a batch moves the last bit or does not.
UNSTEADY = ("check_methods_sample_order_invariance", "check_methods_subset_invariance")


@parametrize_with_checks(
    [
        # Sizes and rates that learn enough in the checks' five iterations, whatever the seed.
        RNNClassifier(cell="rnn", hidden_size=8, learning_rate=0.1),
        RNNRegressor(cell="rnn", hidden_size=32, learning_rate=0.005, batch_size=8),
    ]
)
def test_what_scikit_learn_asks_of_every_estimator(estimator, check):
    if check.func.__name__ in UNSTEADY:
        pytest.skip("asks for more digits than float32 has")
    check(estimator)


class TestLearning:
    def test_a_digit_is_told_from_its_rows_one_after_the_other(self):
        digits = load_digits()  # 8 rows of 8 pixels are 8 steps of 8 features
        X, X_test, y, y_test = train_test_split(
            digits.images / 16, digits.target, test_size=0.3, random_state=0
        )
        classifier = RNNClassifier("gru", 32, max_iter=12, random_state=0).fit(X, y)
        assert classifier.score(X_test, y_test) > 0.93
        assert DummyClassifier().fit(X[:, 0], y).score(X_test[:, 0], y_test) < 0.15
        assert classifier.predict_proba(X_test[:5]).sum(axis=1) == pytest.approx(1)

    def test_numbers_are_predicted_in_their_own_units(self):
        X = np.random.default_rng(0).standard_normal((100, 4, 1))
        y = 1e4 + 1e3 * X[:, -1, 0]
        regressor = RNNRegressor(**QUICK).fit(X, y)
        assert regressor.score(X, y) > 0.95
        assert regressor.predict(X).mean() == pytest.approx(1e4, rel=0.05)

    def test_several_numbers_are_predicted_at_once(self):
        X = np.random.default_rng(0).standard_normal((80, 3, 2))
        regressor = RNNRegressor(**QUICK).fit(X, X[:, -1])
        assert regressor.predict(X).shape == (80, 2)
        assert regressor.score(X, X[:, -1]) > 0.8

    def test_sequences_of_different_lengths_end_where_they_end(self):
        X, sums = ragged()
        y = [s[-1] for s in sums]
        regressor = RNNRegressor(**QUICK).fit(X, y)
        assert regressor.score(X, y) > 0.9
        alone = [regressor.predict([x])[0] for x in X[:5]]  # without padding
        np.testing.assert_allclose(regressor.predict(X)[:5], alone, rtol=1e-3, atol=1e-4)

    def test_a_number_is_predicted_at_every_step(self):
        X, sums = ragged()
        regressor = RNNRegressor(per_step=True, **QUICK).fit(X, sums)
        found = regressor.predict(X)
        assert [p.shape for p in found] == [s.shape for s in sums]
        assert regressor.score(X, sums) > 0.9

    def test_a_class_is_predicted_at_every_step(self):
        X = np.random.default_rng(0).standard_normal((60, 5, 1))
        y = np.where(X[..., 0].cumsum(axis=1) > 0, "up", "down")
        classifier = RNNClassifier(per_step=True, **QUICK).fit(X, y)
        assert classifier.predict(X).shape == (60, 5)
        assert classifier.predict_proba(X).shape == (60, 5, 2)
        assert classifier.score(X, y) > 0.9
        items = [np.asarray(x) for x in X]
        assert isinstance(classifier.predict(items), list)
        assert classifier.fit(items, list(y)).score(items, list(y)) > 0.9

    @pytest.mark.parametrize("cell", ["rnn", "lstm"])
    def test_other_cells_layers_and_directions_learn_too(self, cell):
        X, y = beginnings()
        options = {**QUICK, "num_layers": 2, "bidirectional": True, "dropout": 0.1}
        assert RNNClassifier(cell, **options).fit(X, y).score(X, y) > 0.9


class TestModelSelection:
    def test_settings_are_searched_and_pipelines_passed_through(self):
        X, y = beginnings()
        pipeline = make_pipeline(
            FunctionTransformer(np.negative), RNNClassifier(**QUICK, max_iter=15)
        )
        grid = {"rnnclassifier__hidden_size": [1, 8], "rnnclassifier__cell": ["rnn"]}
        search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
        assert search.best_score_ > 0.8
        assert search.best_estimator_[-1].n_features_in_ == 2

    def test_lists_are_cross_validated(self):
        X, sums = ragged()
        y = [s[-1] for s in sums]
        assert cross_val_score(RNNRegressor(**QUICK), X, y, cv=2).mean() > 0.7

    def test_a_table_is_scaled_by_its_columns(self):
        X, y = beginnings()
        model = make_pipeline(StandardScaler(), RNNClassifier(**QUICK)).fit(X[..., 0] * 100, y)
        assert model.score(X[..., 0] * 100, y) > 0.9
        assert model[-1].n_features_in_ == 4

    @BOTH
    def test_a_clone_has_the_settings_and_nothing_else(self, kind):
        X, _ = beginnings()
        fitted = kind("lstm", **QUICK, max_iter=1).fit(X, X[:, 0, 0] > 0)
        copy = clone(fitted)
        assert copy.get_params() == fitted.get_params()
        with pytest.raises(NotFittedError, match="not fitted yet"):
            copy.predict(X)

    @BOTH
    def test_a_pickled_one_predicts_the_same(self, kind):
        X, _ = beginnings()
        fitted = kind(**QUICK, max_iter=2).fit(X, X[:, 0, 0] > 0)
        again = pickle.loads(pickle.dumps(fitted))
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))

    def test_they_say_what_they_are(self):
        assert is_classifier(RNNClassifier())
        assert is_regressor(RNNRegressor())


class TestTraining:
    def test_the_same_random_state_gives_the_same_bits(self):
        X, y = beginnings()
        first, second = (RNNClassifier(**QUICK, max_iter=3).fit(X, y) for _ in range(2))
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
        other = RNNClassifier(**{**QUICK, "random_state": 1}, max_iter=3).fit(X, y)
        assert (first.predict_proba(X) != other.predict_proba(X)).any()

    def test_it_stops_when_the_loss_no_longer_falls(self):
        X, y = beginnings()
        classifier = RNNClassifier(**QUICK, tol=10.0, n_iter_no_change=2, max_iter=50).fit(X, y)
        assert classifier.n_iter_ == len(classifier.loss_curve_) == 3
        assert classifier.validation_curve_ == []

    def test_early_stopping_keeps_the_weights_of_the_best_iteration(self):
        X, _ = beginnings(100)
        noise = np.random.default_rng(1).integers(0, 2, 100)  # nothing to learn but by heart
        options = {"early_stopping": True, "validation_fraction": 0.5, "max_iter": 20}
        classifier = RNNClassifier(**QUICK, n_iter_no_change=20, **options).fit(X, noise)
        curve = classifier.validation_curve_
        assert classifier.best_loss_ == min(curve) < curve[-1]
        assert classifier.score(X, noise) < 0.8

    def test_progress_is_told(self):
        X, y = beginnings()
        told = io.StringIO()
        with redirect_stdout(told):
            RNNClassifier(**QUICK, max_iter=2, early_stopping=True, verbose=True).fit(X, y)
        lines = told.getvalue().splitlines()
        assert len(lines) == 2
        assert lines[0].startswith("Iteration 1: loss 0.")
        assert ", held out 0." in lines[0]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"cell": "mlp"}, "RNNClassifier: got cell='mlp'; expected one of rnn, lstm, gru"),
            ({"max_iter": 0}, "RNNClassifier: got max_iter=0; expected 1 or more"),
            ({"batch_size": 0}, "RNNClassifier: got batch_size=0; expected 1 or more"),
            ({"hidden_size": 0}, "hidden_size"),
        ],
    )
    def test_options_out_of_range(self, options, says):
        with pytest.raises(ValueError, match=says):
            RNNClassifier(**options).fit(*beginnings())

    @BOTH
    def test_other_features_than_in_fit(self, kind):
        X, _ = beginnings()
        fitted = kind(**QUICK, max_iter=1).fit(X, X[:, 0, 0] > 0)
        with pytest.raises(
            ValueError, match=r"X has 3 features, but RNN.* is expecting 2 features"
        ):
            fitted.predict(np.ones((4, 5, 3)))
        with pytest.raises(
            ValueError, match=r"X has 1 features, but RNN.* is expecting 2 features"
        ):
            fitted.predict([np.ones(5)])
        table = kind(**QUICK, max_iter=1).fit(X[..., 0], X[:, 0, 0] > 0)
        with pytest.raises(
            ValueError, match=r"X has 3 features, but RNN.* is expecting 4 features"
        ):
            table.predict(np.ones((4, 3)))

    def test_items_that_differ_in_their_features(self):
        with pytest.raises(ValueError, match=r"X has 3 features, but RNNRegressor is expecting 2"):
            RNNRegressor().fit([np.ones((4, 2)), np.ones((4, 3))], [0.0, 1.0])

    def test_steps_without_targets(self):
        X, sums = ragged()
        says = (
            r"y has targets of shape \(1,\) for sequence 0, which has 5 steps; with per_step=True"
        )
        with pytest.raises(ValueError, match=says):
            RNNRegressor(per_step=True).fit(X, [s[:1] for s in sums])

    @BOTH
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_numbers_that_are_none(self, kind, bad):
        X, _ = beginnings()
        X[3, 1, 0] = bad
        with pytest.raises(ValueError, match="Input X contains"):
            kind().fit(X, np.arange(60) % 2)
        with pytest.raises(ValueError, match="Input X contains"):
            kind().fit(list(X), np.arange(60) % 2)


def test_asking_for_an_estimator_imports_scikit_learn_and_nothing_else_does():
    code = (
        "import sys, tinygrad_rnn.interop as interop\n"
        "print('sklearn' in sys.modules)\n"
        "interop.RNNClassifier\n"
        "print('sklearn' in sys.modules)\n"
        "sys.modules['sklearn.base'] = None\n"
        "del sys.modules['tinygrad_rnn.interop.estimators'], interop.estimators\n"
        "try:\n    interop.RNNClassifier\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second, error = run.stdout.splitlines()
    assert (first, second) == ("False", "True")
    assert error == "estimators need scikit-learn: python -m pip install scikit-learn"
