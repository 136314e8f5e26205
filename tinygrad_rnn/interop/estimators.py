r"""Recurrent networks as scikit-learn's estimators: `RNNClassifier` and `RNNRegressor`.

    >>> import numpy as np
    >>> import tinygrad_rnn as tg
    >>> from sklearn.model_selection import cross_val_score
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((120, 6, 2))  # sequences, steps, features
    >>> y = np.where(X[:, 0, 1] > 0, "up", "down")  # how each began
    >>> classifier = RNNClassifier("gru", hidden_size=8, max_iter=30, random_state=0)
    >>> with tg.eager():  # so small a problem is not worth compiling for
    ...     bool(cross_val_score(classifier, X, y, cv=2).mean() > 0.8)
    True

They work in `Pipeline`, `GridSearchCV` and `cross_val_score`, with `clone` and with pickle. `X` is

- an array (n, steps, features), or
- a list of n arrays (steps, features) or (steps,), each with as many steps as it likes, or
- a table (n, steps) of sequences of one feature, as many columns in use as in `fit`.

A target belongs to a sequence; with `per_step=True` to each step, and `y` is an array (n, steps) or
a list of n arrays (steps,). What is predicted has the form of `X`: a list for a list.
"""

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn import nn
from tinygrad_rnn.data import minibatches, pad
from tinygrad_rnn.engine import no_grad
from tinygrad_rnn.interop.sequences import LastOutput, Outputs
from tinygrad_rnn.ops import cross_entropy, softmax
from tinygrad_rnn.optim import AdamW, clip_grad_norm

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import (
        assert_all_finite,
        check_array,
        check_consistent_length,
        check_random_state,
        column_or_1d,
    )
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "estimators need scikit-learn: python -m pip install scikit-learn"
    ) from error

__all__ = ["RNNClassifier", "RNNRegressor"]

Array = NDArray[Any]
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
IGNORED = -100  # the class of what is no step
READ = 256  # sequences that are read at a time where nothing is learned


def items_of(X: Any) -> list[Array] | None:
    """The arrays of a list of sequences; None if it is a table or an array of one block."""
    if isinstance(X, np.ndarray):
        return [np.asarray(x) for x in X] if X.dtype == object and X.ndim == 1 else None
    if isinstance(X, list | tuple) and any(isinstance(x, np.ndarray) and x.ndim for x in X):
        return [np.asarray(x) for x in X]
    return None


class Data(NamedTuple):
    """Sequences, each (steps, features), and the targets of each."""

    sequences: list[Array]
    targets: list[Array]

    def inputs(self, rows: Array) -> tuple[Array, Array | None]:
        """Some sequences side by side, (T, B, features); and their lengths where these differ."""
        batch = pad([self.sequences[i] for i in rows])
        alike = batch.lengths.min() == batch.lengths.max()
        return batch.values, None if alike else batch.lengths

    def outputs(self, rows: Array, per_step: bool) -> Array:
        """Their targets, (B, …) or (T, B, …); beyond a sequence's end `IGNORED` or NaN."""
        targets = [self.targets[i] for i in rows]
        if not per_step:
            return np.stack(targets)
        return pad(targets, np.nan if targets[0].dtype.kind == "f" else IGNORED).values


class Network(nn.Module):
    """A recurrent layer, read at its end or at each step, and a linear layer."""

    def __init__(self, layer: Any, output: nn.Linear, dropout: nn.Dropout, per_step: bool) -> None:
        self.recurrent = Outputs(layer) if per_step else LastOutput(layer)
        self.dropout, self.output = dropout, output

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """Scores (B, width) or (T, B, width) of sequences (T, B, features)."""
        return self.output(self.dropout(self.recurrent(x, lengths=lengths)))


class RNNEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators have in common: sequences, a network, and how it is trained."""

    table_: bool  # whether `fit` had a table

    def __init__(
        self,
        cell: Literal["rnn", "lstm", "gru"] = "gru",
        hidden_size: int = 64,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        per_step: bool = False,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.0,
        max_norm: float = 1.0,
        batch_size: int = 32,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.per_step = per_step
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train on sequences.

        Args:
            X: n sequences, as the module says.
            y: a target for each; with `per_step` for each of their steps.

        Raises:
            ValueError: if an option is out of its range, numbers are missing or infinite, or there
                are not as many targets as sequences or steps.
        """
        self._check_options()
        sequences = self._sequences(X, first=True)
        data = Data(sequences, self._targets(y, sequences))
        seed = check_random_state(self.random_state).randint(2**31)
        rng = np.random.default_rng(seed)
        self.network_ = self._network(rng)
        self._train(data, *self._split(data, seed), rng)
        self.network_.eval()
        return self

    def _check_options(self) -> None:
        name = type(self).__name__
        if self.cell not in CELLS:
            raise ValueError(f"{name}: got cell={self.cell!r}; expected one of {', '.join(CELLS)}")
        for option in ("max_iter", "batch_size", "n_iter_no_change"):
            if getattr(self, option) < 1:
                raise ValueError(
                    f"{name}: got {option}={getattr(self, option)}; expected 1 or more"
                )

    def _sequences(self, X: Any, first: bool = False) -> list[Array]:
        """The sequences, each (steps, features), of `fit` or of later calls."""
        items, table = items_of(X), False
        X = X if hasattr(X, "ndim") or items else np.asarray(X)
        if items is not None:
            sequences = [self._sequence(x) for x in items]
        elif X.ndim == 3:
            sequences = list(check_array(X, dtype=np.float32, allow_nd=True, input_name="X"))
        else:
            table = bool(first or self.table_)
            sequences = list(self._table(X, first, table)[:, :, None])
        if first:
            self.table_, self.features_ = table, sequences[0].shape[1]
            self.n_features_in_ = len(sequences[0]) if table else self.features_
        for x in sequences:
            if x.shape[1] != self.features_:
                raise ValueError(
                    f"X has {x.shape[1]} features, but {type(self).__name__} is expecting "
                    f"{self.features_} features as input, in every step of every sequence"
                )
        return sequences

    def _table(self, X: Any, first: bool, same_columns: bool) -> Array:
        """Sequences of one feature in a table; it is known by its columns if `fit` had one too."""
        if same_columns:
            return np.asarray(validate_data(self, X, reset=first, dtype=np.float32))
        return np.asarray(check_array(X, dtype=np.float32, input_name="X"))

    def _sequence(self, x: Array) -> Array:
        """One item of a list, (steps, features) or (steps,)."""
        columns = x[:, None] if x.ndim == 1 else x
        checked: Array = check_array(
            columns, dtype=np.float32, input_name="X", ensure_min_samples=0
        )
        return checked

    def _targets(self, y: Any, sequences: list[Array]) -> list[Array]:
        """The targets as numbers, those of each sequence."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        check_consistent_length(sequences, y)
        if not self.per_step:
            return list(self._encode(y))
        ys = [np.asarray(t) for t in y]
        for k, (x, t) in enumerate(zip(sequences, ys, strict=True)):
            if t.shape[:1] != (len(x),):
                raise ValueError(
                    f"y has targets of shape {t.shape} for sequence {k}, which has {len(x)} steps; "
                    "with per_step=True there is one for every step"
                )
        edges = np.cumsum([len(x) for x in sequences])[:-1]
        return np.split(self._encode(np.concatenate(ys)), edges)

    def _network(self, rng: np.random.Generator) -> Network:
        layer = CELLS[self.cell](
            self.features_,
            self.hidden_size,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout if self.num_layers > 1 else 0.0,
            seed=rng,
        )
        output = nn.Linear(self.hidden_size * (1 + self.bidirectional), self._width(), seed=rng)
        return Network(layer, output, nn.Dropout(self.dropout, seed=rng), self.per_step)

    def _split(self, data: Data, seed: int) -> tuple[Array, Array]:
        """Which sequences to train on, and which to hold out."""
        everything = np.arange(len(data.sequences))
        if not self.early_stopping:
            return everything, everything[:0]
        train, held_out = train_test_split(
            everything, test_size=self.validation_fraction, random_state=seed
        )
        return train, held_out

    def _train(self, data: Data, train: Array, held_out: Array, rng: np.random.Generator) -> None:
        parameters = list(self.network_.parameters())
        optimizer = AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)
        self.loss_curve_: list[float] = []
        self.validation_curve_: list[float] = []
        self.best_loss_, stale, best = np.inf, 0, self.network_.state_dict()
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter and stale < self.n_iter_no_change:
            self.n_iter_ += 1
            self.loss_curve_.append(self._epoch(data, train, optimizer, rng))
            watched = self.loss_curve_[-1]
            if len(held_out):
                watched = self._held_out_loss(data, held_out)
                self.validation_curve_.append(watched)
            self._tell()
            stale = 0 if watched < self.best_loss_ - self.tol else stale + 1
            if watched < self.best_loss_:
                self.best_loss_, best = watched, self.network_.state_dict()
        if len(held_out):
            self.network_.load_state_dict(best)

    def _epoch(self, data: Data, rows: Array, optimizer: AdamW, rng: Any) -> float:
        """Train on every sequence once; the mean loss."""
        self.network_.train()
        total = 0.0
        for batch in minibatches(len(rows), self.batch_size, rng):
            optimizer.zero_grad()
            loss = self._loss_of(data, rows[batch])
            loss.backward()
            clip_grad_norm(self.network_.parameters(), self.max_norm)
            optimizer.step()
            total += loss.item() * len(batch)
        return total / len(rows)

    def _held_out_loss(self, data: Data, rows: Array) -> float:
        self.network_.eval()
        with no_grad():
            batches = [rows[b] for b in minibatches(len(rows), READ)]
            total = sum(self._loss_of(data, b).item() * len(b) for b in batches)
        return float(total / len(rows))

    def _loss_of(self, data: Data, rows: Array) -> Any:
        x, lengths = data.inputs(rows)
        return self._loss(self.network_(x, lengths), data.outputs(rows, self.per_step))

    def _tell(self) -> None:
        if self.verbose:
            held_out = f", held out {self.validation_curve_[-1]:.4f}" * bool(self.validation_curve_)
            print(f"Iteration {self.n_iter_}: loss {self.loss_curve_[-1]:.4f}{held_out}")

    def _scores(self, X: Any) -> list[Array]:
        """What the network says of each sequence, (width,) or (steps, width)."""
        check_is_fitted(self)
        data, found = Data(self._sequences(X), []), []
        for rows in minibatches(len(data.sequences), READ):
            x, lengths = data.inputs(rows)
            with no_grad():
                scores = self.network_(x, lengths).data
            if self.per_step:
                found += [scores[: len(data.sequences[i]), b] for b, i in enumerate(rows)]
            else:
                found += list(scores)
        return found

    def _like(self, X: Any, found: list[Array]) -> Any:
        """What was found, as a list where steps of a list were asked for, else as an array."""
        return found if self.per_step and items_of(X) is not None else np.stack(found)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class RNNClassifier(ClassifierMixin, RNNEstimator):  # type: ignore[misc]
    """Says which class a sequence is of, or each of its steps.

    Trained by Adam on the cross-entropy, until that no longer falls.

    Args:
        cell: "rnn", "lstm" or "gru".
        hidden_size: features of the hidden state.
        num_layers: recurrent layers on top of each other.
        bidirectional: whether sequences are read from both ends.
        dropout: fraction of features dropped between layers and before the output.
        per_step: whether every step has a class, rather than every sequence.
        learning_rate: of Adam.
        weight_decay: by how much weights decay, times the learning rate, in each step.
        max_norm: what the norm of the gradient is clipped to.
        batch_size: sequences in a step.
        max_iter: how many times to go through all sequences, at most.
        tol: by how much the loss must fall to count,
        n_iter_no_change: and after how many iterations without that to stop.
        early_stopping: whether the loss that counts is that of sequences held out, and the weights
            are kept for which it was least.
        validation_fraction: how many to hold out.
        random_state: where the first weights and the order come from.
        verbose: whether to print the losses.

    Attributes:
        classes_: the classes, sorted.
        network_: the trained `nn.Module`, from (T, B, features) to scores of the classes.
        n_features_in_: features in a step; for a table its columns.
        n_iter_: iterations made.
        loss_curve_: the mean loss in each of them,
        validation_curve_: and that of sequences held out.
        best_loss_: the least of what counts.

    Example:
        >>> import tinygrad_rnn as tg
        >>> X = [np.ones((3, 1)), -np.ones((5, 1)), np.ones((4, 1)), -np.ones((2, 1))]
        >>> y = ["high", "low", "high", "low"]
        >>> with tg.eager():
        ...     classifier = RNNClassifier(hidden_size=4, max_iter=20, random_state=0).fit(X, y)
        ...     classifier.predict([np.ones((6, 1))])
        array(['high'], dtype='<U4')
    """

    def _width(self) -> int:
        return len(self.classes_)

    def _encode(self, y: Any) -> Array:
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        return np.asarray(codes, np.int64)

    def _loss(self, scores: Any, targets: Array) -> Any:
        return cross_entropy(scores, targets, ignore_index=IGNORED)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, (n, classes); with `per_step` (n, steps, classes).

        Raises:
            NotFittedError: before `fit`.
            ValueError: if X has other features than in `fit`.
        """
        return self._like(X, [softmax(scores) for scores in self._scores(X)])

    def predict(self, X: Any) -> Any:
        """The likeliest class of each sequence, (n,); with `per_step` of each step, (n, steps).

        Raises:
            NotFittedError: before `fit`.
            ValueError: if X has other features than in `fit`.
        """
        found = self._scores(X)
        return self._like(X, [self.classes_[scores.argmax(axis=-1)] for scores in found])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The fraction of sequences, or steps, whose class is predicted."""
        if not self.per_step:
            return float(super().score(X, y, sample_weight))
        return float(accuracy_score(np.concatenate([*y]), np.concatenate([*self.predict(X)])))


class RNNRegressor(RegressorMixin, RNNEstimator):  # type: ignore[misc]
    """Predicts one or more numbers for a sequence, or for each of its steps.

    Trained by Adam on the mean squared error, in units of the targets' standard deviations, until
    that no longer falls.

    Args:
        cell: as for `RNNClassifier`, and so are all others.
        hidden_size: features of the hidden state.
        num_layers: recurrent layers on top of each other.
        bidirectional: whether sequences are read from both ends.
        dropout: fraction of features dropped.
        per_step: whether every step has a target, rather than every sequence.
        learning_rate: of Adam.
        weight_decay: by how much weights decay.
        max_norm: what the norm of the gradient is clipped to.
        batch_size: sequences in a step.
        max_iter: how many times to go through all sequences, at most.
        tol: by how much the loss must fall to count.
        n_iter_no_change: after how many iterations without that to stop.
        early_stopping: whether the loss that counts is that of sequences held out.
        validation_fraction: how many to hold out.
        random_state: where the first weights and the order come from.
        verbose: whether to print the losses.

    Attributes:
        target_mean_: of each target, (targets,),
        target_scale_: and its standard deviation.
        network_: the trained `nn.Module`, from (T, B, features) to standardized targets.
        n_features_in_: features in a step; for a table its columns.
        n_iter_: iterations made.
        loss_curve_: the mean loss in each of them,
        validation_curve_: and that of sequences held out.
        best_loss_: the least of what counts.

    Example:
        >>> import tinygrad_rnn as tg
        >>> X = np.random.default_rng(0).standard_normal((64, 3, 1))
        >>> with tg.eager():
        ...     regressor = RNNRegressor(hidden_size=8, random_state=0).fit(X, X.sum(axis=(1, 2)))
        ...     bool(regressor.score(X, X.sum(axis=(1, 2))) > 0.9)
        True
    """

    def _width(self) -> int:
        return len(self.target_mean_)

    def _encode(self, y: Any) -> Array:
        numbers = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        self.single_target_ = numbers.ndim == 1
        columns = numbers.reshape(len(numbers), -1)
        self.target_mean_, deviation = columns.mean(axis=0), columns.std(axis=0)
        self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        standard: Array = (columns - self.target_mean_) / self.target_scale_
        return standard.astype(np.float32)

    def _loss(self, scores: Any, targets: Array) -> Any:
        known = ~np.isnan(targets)
        error = (scores - np.where(known, targets, 0)) * known.astype(targets.dtype)
        return (error * error).sum() / max(1, known.sum())

    def predict(self, X: Any) -> Any:
        """The targets of each sequence, (n,) or (n, targets); with `per_step` (n, steps, …).

        Raises:
            NotFittedError: before `fit`.
            ValueError: if X has other features than in `fit`.
        """
        found = [s * self.target_scale_ + self.target_mean_ for s in self._scores(X)]
        return self._like(X, [s[..., 0] for s in found] if self.single_target_ else found)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination, $R^2$, over sequences or steps."""
        if not self.per_step:
            return float(super().score(X, y, sample_weight))
        return float(r2_score(np.concatenate([*y]), np.concatenate([*self.predict(X)])))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
