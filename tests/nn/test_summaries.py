import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

B, T, V, E, H = 2, 5, 9, 4, 3


def rows_of(model, shape, dtype=None):
    return {row.path: row for row in nn.summary(model, shape, dtype).rows}


def flops(model, shape, dtype=None):
    return nn.summary(model, shape, dtype).flops


# Counted by hand.


def test_a_product_counts_two_for_each_weight_and_sample_and_a_bias_one():
    assert flops(nn.Linear(E, H), (B, E)) == 2 * B * E * H + B * H
    assert flops(nn.Linear(E, H, bias=False), (T, B, E)) == 2 * T * B * E * H


def test_a_convolution_counts_two_for_each_tap_and_place():
    places = 3 * 2
    layer = nn.Conv2d(4, 6, (2, 3), groups=2)
    assert flops(layer, (B, 4, 4, 4)) == B * 6 * places * (2 * (4 // 2) * 2 * 3 + 1)


def test_an_elementwise_function_counts_one_for_each_number_of_its_result():
    assert flops(nn.Sequential(tg.tanh), (T, B)) == T * B
    assert flops(nn.Sequential(lambda x: x + x[:1]), (T, B)) == T * B
    assert flops(nn.Sequential(lambda x: x[:, None] * x), (T, T)) == T**3


def test_a_fold_counts_one_for_each_number_that_it_reads():
    assert flops(nn.Sequential(tg.sum), (T, B)) == T * B
    assert flops(nn.MaxPool1d(2), (B, 1, 4)) == B * 4


def test_an_einstein_sum_counts_two_for_each_product():
    pairs = nn.Sequential(lambda x: tg.einsum("tbe,sbe->bts", x, x))
    assert flops(pairs, (T, B, E)) == 2 * T * T * B * E


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.reshape((B, T, E)).permute((2, 0, 1))[1:],
        lambda x: tg.concatenate([x, x]),
        lambda x: tg.stack(tg.split(x, 2, axis=-1)),
    ],
)
def test_what_only_moves_numbers_counts_nothing(move):
    assert flops(nn.Sequential(move), (T, B, E)) == 0


def test_an_embedding_counts_nothing():
    assert flops(nn.Embedding(V, E), (T, B), "int64") == 0


def test_a_recurrent_layer_counts_each_of_its_steps():
    biases = H  # their sum, once
    frames = T * B * (2 * E * H + H)  # all at once: the product and the biases
    step = B * (2 * H * H + H + H)  # the product, the sum and tanh
    assert flops(nn.RNN(E, H), (T, B, E)) == biases + frames + T * step


def test_an_lstm_counts_its_gates():
    biases, frames = 4 * H, T * B * (2 * E * 4 * H + 4 * H)
    gates = 2 * H * 4 * H + 4 * H + 4 * H  # the product, the sum and the squashing
    memory = 3 * H + 2 * H  # two products and a sum; tanh and what is shown
    assert flops(nn.LSTM(E, H), (T, B, E)) == biases + frames + T * B * (gates + memory)


def test_layers_directions_and_wrapped_cells_are_counted():
    once = flops(nn.RNN(E, H), (T, B, E))
    assert flops(nn.RNN(E, H, bidirectional=True), (T, B, E)) == 2 * once
    assert flops(nn.Recurrent(nn.RNNCell(E, H)), (T, B, E)) == once
    residual = nn.Recurrent(nn.Residual(nn.RNNCell(H, H)))
    plain = nn.Recurrent(nn.RNNCell(H, H))
    assert flops(residual, (T, B, H)) == flops(plain, (T, B, H)) + T * B * H


def test_attention_counts_scores_and_means():
    S, Q, A, M = 6, 4, 3, 5
    model = nn.AdditiveAttention(Q, M, A)
    query, keys = 2 * B * Q * A + B * A, 2 * B * S * M * A
    scores = 2 * B * S * A + 2 * B * S * A  # the sum and tanh, and the product with v
    softmax, context = B * S, 2 * B * S * M
    assert flops(model, [(B, Q), (B, S, M)]) == query + keys + scores + softmax + context


# What the rows tell.


class Tagger(nn.Module):
    def __init__(self):
        self.table = nn.Embedding(V, E)
        self.layers = nn.ModuleList([nn.GRU(E, H), nn.Dropout(0.5, seed=0), nn.Linear(H, V)])

    def forward(self, ids):
        gru, dropout, output = self.layers
        return output(dropout(gru(self.table(ids))[0]))


def test_a_row_has_what_is_below_it_and_the_first_has_all():
    rows = rows_of(Tagger(), (T, B), "int64")
    assert list(rows) == ["", "table", "layers", "layers.0", "layers.1", "layers.2"]
    assert rows[""].flops == rows["layers.0"].flops + rows["layers.2"].flops
    assert rows[""].parameters == Tagger().num_parameters()
    assert rows["layers.2"].parameters == (H + 1) * V
    assert rows["layers.2"].output_shape == (T, B, V)
    assert rows["table"].type == "Embedding"


def test_what_nobody_calls_has_no_shape_and_no_operations():
    rows = rows_of(Tagger(), (T, B), "int64")
    assert (rows["layers"].output_shape, rows["layers"].flops) == (None, None)
    rows = rows_of(nn.Recurrent(nn.Zoneout(nn.GRUCell(E, H))), (T, B, E))
    assert rows["cell"].output_shape == (T, B, H)
    assert rows["cell.cell"].output_shape is None
    assert rows["cell.cell"].parameters == rows[""].parameters


def test_a_layer_that_is_called_twice_adds_up_and_counts_its_parameters_once():
    layer = nn.Linear(E, E)
    summary = nn.summary(nn.Sequential(layer, tg.tanh, layer), (B, E))
    first, again = summary.rows[1:]
    assert (first.flops, first.parameters) == (again.flops, again.parameters)
    assert first.flops == 2 * (2 * B * E * E + B * E)
    assert summary.flops == first.flops + B * E
    assert summary.parameters == E * E + E


def test_several_inputs_have_a_shape_and_a_dtype_each():
    model = nn.Decoder(nn.Embedding(V, E), nn.GRUCell(E, H), nn.Linear(H, V))
    summary = nn.summary(model, [(T, B), (B, H)], ["int64", "float32"])
    assert summary.rows[0].output_shape == (T, B, V)
    assert summary.input_shapes == [(T, B), (B, H)]


def test_zeros_are_of_the_models_own_dtype():
    assert flops(nn.Linear(E, H, dtype="float64"), (B, E)) == flops(nn.Linear(E, H), (B, E))


def test_frozen_parameters_are_counted_apart():
    table = nn.Embedding.from_pretrained(np.zeros((V, E), "float32"))
    summary = nn.summary(nn.Sequential(table, nn.Linear(E, H)), (T, B), "int64")
    assert summary.frozen == V * E
    assert summary.parameters == V * E + E * H + H
    assert f"{summary.parameters} parameters ({V * E} of them frozen) and" in str(summary)


def test_it_prints_as_a_table():
    lines = str(nn.summary(Tagger(), (T, B), "int64")).splitlines()
    assert lines == [
        "layer                                           output     parameters  FLOPs",
        "Tagger                                          (5, 2, 9)         153  2,400",
        "├─ table: Embedding(9, 4)                       (5, 2, 4)          36      0",
        "└─ layers: ModuleList                           –                 117      –",
        "   ├─ 0: GRU(4, 3)                              (5, 2, 3)          81  1,770",
        "   ├─ 1: Dropout(p=0.5)                         (5, 2, 3)           0      0",
        "   └─ 2: Linear(in_features=3, out_features=9)  (5, 2, 9)          36    630",
        "153 parameters and 2,400 floating point operations for an input of (5, 2)",
    ]


def test_the_model_is_not_touched():
    model = Tagger()
    before = model.state_dict()
    drawn = model.layers[1].generator.bit_generator.state
    nn.summary(model, (T, B), "int64")
    assert type(model) is Tagger
    assert all(module.training for module in model.modules())
    assert model.layers[1].generator.bit_generator.state == drawn
    assert all(np.array_equal(before[path], x) for path, x in model.state_dict().items())
    assert all(isinstance(x, nn.Parameter) and x.grad is None for x in model.parameters())


@pytest.mark.parametrize(
    "cell",
    [
        nn.LayerNormalized(nn.LSTMCell(E, E)),
        nn.VariationalDropout(nn.GRUCell(E, E)),
        nn.LearnedInitial(nn.MinimalGatedCell(E, E)),
        nn.Stacked(nn.GRUCell(E, H), nn.Projection(nn.RNNCell(H, E), nn.Linear(E, E))),
        nn.Bidirectional(nn.LSTMCell(E, 2), nn.GRUCell(E, 2)),
    ],
    ids=lambda cell: type(cell).__name__,
)
def test_cells_in_wrappers_are_run_as_they_are(cell):
    rows = rows_of(nn.Recurrent(cell), (T, B, E))
    assert rows["cell"].output_shape == (T, B, E)
    assert rows["cell"].flops == rows[""].flops > 0


# What is refused.


def test_a_wrong_shape_names_the_layer_that_it_does_not_fit():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(tg.tanh, nn.Linear(5, 2)))
    message = r"summary: layer 1\.1 \(Linear\), called with \(2, 4\): Linear: got input of shape"
    with pytest.raises(tg.ShapeError, match=message):
        nn.summary(model, (2, 3))
    with pytest.raises(tg.ShapeError, match=r"summary: the model, called with \(2,\): Linear: got"):
        nn.summary(nn.Linear(3, 4), (2,))


def test_ids_want_an_integer_dtype():
    with pytest.raises(
        tg.DtypeError, match=r"layer table \(Embedding\).*for ids, give dtype='int64"
    ):
        nn.summary(Tagger(), (T, B))


def test_what_is_no_shape_is_refused():
    with pytest.raises(tg.ShapeError, match=r"summary: got input_shape=\(2\.5, 3\); expected the"):
        nn.summary(nn.Linear(3, 4), (2.5, 3))
    with pytest.raises(ValueError, match="summary: got 2 dtypes for 1 inputs; give one for each"):
        nn.summary(nn.Linear(3, 4), (2, 3), ["float32", "float32"])


def test_other_errors_are_the_models_own():
    def fails(x):
        raise ZeroDivisionError("own")

    with pytest.raises(ZeroDivisionError, match="own"):
        nn.summary(nn.Sequential(fails), (2,))
