"""Recurrent layers: lengths, directions, states and what they refuse.

Outputs and gradients over the whole grid of options are compared with PyTorch's in
`test_goldens`; here is what PyTorch has no answer to, and what must hold between calls.
"""

import copy
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.engine.nesting import leaves

T, B, D, H = 5, 4, 2, 3
LENGTHS = [3, 0, 5, 1]

LAYERS = {
    "RNN": lambda **k: nn.RNN(D, H, **k),
    "RNN relu": lambda **k: nn.RNN(D, H, nonlinearity="relu", **k),
    "LSTM": lambda **k: nn.LSTM(D, H, **k),
    "LSTM projected": lambda **k: nn.LSTM(D, H, proj_size=2, **k),
    "GRU": lambda **k: nn.GRU(D, H, **k),
}
all_layers = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def double(make, **options):
    return make(dtype="float64", seed=0, **options)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def flat(state):
    return state if isinstance(state, tuple) else (state,)


def states_of(layer, batch=B, seed=1):
    """Initial states that are not zero, as tensors."""
    places = layer.num_layers * (1 + layer.bidirectional)
    zero = layer.cell().initial(batch)
    parts = tuple(
        tg.tensor(drawn(places, *s.shape, seed=seed + k) / 2, requires_grad=True)
        for k, s in enumerate(flat(zero))
    )
    return parts if isinstance(zero, tuple) else parts[0]


def only(state, b):
    """The state of one sequence of the batch, with the batch axis kept."""
    parts = tuple(s[:, b : b + 1] for s in flat(state))
    return parts if isinstance(state, tuple) else parts[0]


def assert_close(a, b, name=""):
    a, b = (x.detach().numpy() if isinstance(x, tg.Tensor) else x for x in (a, b))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14, err_msg=name)


def gradients(layer, loss, *leaves):
    """The gradients of a loss, which are then forgotten; zero where it does not depend."""
    loss.backward()
    found = []
    for x in (*layer.parameters(), *leaves):
        found.append(np.zeros(x.shape) if x.grad is None else x.grad.data.copy())
        x.grad = None
    return found


@all_layers
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_padded_batch_is_each_sequence_alone(make, bidirectional):
    layer = double(make, num_layers=2, bidirectional=bidirectional)
    x, hx = tg.tensor(drawn(T, B, D), requires_grad=True), states_of(layer)
    weight = drawn(T, B, layer(x)[0].shape[-1], seed=9)

    output, final = layer(x, hx, lengths=LENGTHS)
    together = gradients(
        layer,
        (output * weight).sum() + sum((s**2.0).sum() for s in flat(final)),
        *(x, *flat(hx)),
    )
    alone = [np.zeros_like(g) for g in together]
    for b, n in enumerate(LENGTHS):
        y, end = layer(x[:n, b : b + 1], only(hx, b))
        assert_close(output[:n, b : b + 1], y, "output")
        assert (output.data[n:, b] == 0).all()
        for whole, own in zip(flat(final), flat(end), strict=True):
            assert_close(whole[:, b : b + 1], own, "final state")
        loss = (y * weight[:n, b : b + 1]).sum() + sum((s**2.0).sum() for s in flat(end))
        for total, part in zip(alone, gradients(layer, loss, x, *flat(hx)), strict=True):
            total += part
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, "gradient")


@all_layers
def test_a_sequence_of_length_zero_keeps_its_initial_state_and_passes_its_gradient(make):
    layer = double(make, bidirectional=True)
    hx = states_of(layer)
    _, final = layer(drawn(T, B, D), hx, lengths=[0] * B)
    for start, end in zip(flat(hx), flat(final), strict=True):
        assert np.array_equal(start.data, end.data)
    sum((s * s).sum() for s in flat(final)).backward()
    for start in flat(hx):
        assert_close(start.grad, 2 * start.data)


@all_layers
@pytest.mark.parametrize("batch_first", [False, True])
def test_documents_in_one_row_are_each_document_alone(make, batch_first):
    layer = double(make, bidirectional=True, batch_first=batch_first)
    x, hx = drawn(T, B, D), states_of(layer)
    marks = np.zeros((T, B), bool)
    marks[[0, 2, 1, 4], [0, 0, 1, 1]] = True
    given = (x.swapaxes(0, 1), marks.T) if batch_first else (x, marks)
    output, _ = layer(given[0], hx, reset=given[1])
    output = output.data.swapaxes(0, 1) if batch_first else output.data
    for b in range(B):
        borders = [0, *(t for t in range(1, T) if marks[t, b]), T]
        for first, last in pairwise(borders):
            document = x[first:last, b : b + 1]
            alone, _ = layer(document.swapaxes(0, 1) if batch_first else document, only(hx, b))
            alone = alone.data.swapaxes(0, 1) if batch_first else alone.data
            assert_close(output[first:last, b : b + 1], alone, f"{first} to {last} of {b}")


@all_layers
def test_no_gradient_passes_from_a_document_to_the_one_before(make):
    layer = double(make)
    x, hx = tg.tensor(drawn(T, 1, D), requires_grad=True), states_of(layer, batch=1)
    marks = np.arange(T)[:, None] == 3
    layer(x, hx, reset=marks)[0][3:].sum().backward()
    assert (x.grad.data[:3] == 0).all()
    assert (x.grad.data[3:] != 0).any()
    assert all((s.grad.data != 0).any() for s in flat(hx)[:1])


@all_layers
def test_what_stands_in_the_padding_does_not_matter(make):
    layer = double(make, num_layers=2, bidirectional=True)
    x = drawn(T, B, D)
    other = x.copy()
    for b, n in enumerate(LENGTHS):
        other[n:, b] = 1e3
    for a, b in zip(
        flat(layer(x, lengths=LENGTHS)[1]), flat(layer(other, lengths=LENGTHS)[1]), strict=True
    ):
        assert np.array_equal(a.data, b.data)


@all_layers
def test_full_lengths_change_nothing(make):
    layer = double(make, bidirectional=True)
    x = drawn(T, B, D)
    assert np.array_equal(layer(x)[0].data, layer(x, lengths=np.full(B, T))[0].data)


@all_layers
def test_batch_first_only_swaps_axes(make):
    layer, twin = double(make), double(make, batch_first=True)
    x = drawn(T, B, D)
    output, final = layer(x, lengths=LENGTHS)
    swapped, same = twin(x.swapaxes(0, 1), lengths=LENGTHS)
    assert np.array_equal(output.data, swapped.data.swapaxes(0, 1))
    for a, b in zip(flat(final), flat(same), strict=True):
        assert np.array_equal(a.data, b.data)


@all_layers
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_sequence_is_a_batch_of_one_without_its_axis(make, batch_first):
    layer = double(make, num_layers=2, bidirectional=True, batch_first=batch_first)
    x, hx = drawn(T, 1, D), states_of(layer, batch=1)
    output, final = layer(x.swapaxes(0, 1) if batch_first else x, hx)
    alone = tuple(s[:, 0] for s in flat(hx))
    one, end = layer(x[:, 0], alone if isinstance(hx, tuple) else alone[0])
    assert_close(one, output.data[0] if batch_first else output.data[:, 0])
    for a, b in zip(flat(end), flat(final), strict=True):
        assert_close(a, b.data[:, 0])


@all_layers
def test_two_halves_with_the_state_carried_over_are_the_whole(make):
    layer = double(make, num_layers=2)
    x = drawn(T, B, D)
    whole, final = layer(x)
    first, state = layer(x[:2])
    second, end = layer(x[2:], state)
    assert_close(np.concatenate([first.data, second.data]), whole)
    for a, b in zip(flat(end), flat(final), strict=True):
        assert_close(a, b)


@all_layers
def test_first_and_second_derivatives_agree_with_finite_differences(make):
    layer = double(make, num_layers=1, bidirectional=True)
    names, weights = zip(*layer.named_parameters(), strict=True)
    start = [s.data for s in flat(states_of(layer, batch=2))]

    def loss(x, *rest):
        hx, parameters = rest[: len(start)], rest[len(start) :]
        twin = copy.copy(layer)
        vars(twin).update(zip(names, parameters, strict=True))
        output, final = twin(x, hx if len(hx) > 1 else hx[0], lengths=[3, 1])
        return (output**3.0).sum() + sum((s**2.0).sum() for s in flat(final))

    tg.gradcheck(loss, drawn(3, 2, D), *start, *(w.data for w in weights), order=2)


@all_layers
def test_no_steps_leave_the_state_as_it_is(make):
    layer = double(make, bidirectional=True)
    hx = states_of(layer)
    output, final = layer(np.zeros((0, B, D)), hx)
    assert output.shape[:2] == (0, B)
    for a, b in zip(flat(final), flat(hx), strict=True):
        assert np.array_equal(a.data, b.data)


@all_layers
def test_float32_stays_float32(make):
    layer = make(seed=0, num_layers=2)
    x = tg.tensor(drawn(T, B, D), dtype="float32", requires_grad=True)
    output, final = layer(x, lengths=LENGTHS)
    output.sum().backward()
    tensors = (output, *flat(final), x.grad, *(p.grad for p in layer.parameters()))
    assert {str(s.dtype) for s in tensors} == {"float32"}


@all_layers
def test_the_cell_of_a_layer_takes_the_layers_steps_with_the_layers_parameters(make):
    layer = double(make, num_layers=2)
    x = drawn(T, B, D)
    output, final = layer(x)
    carries = [None, None]
    for t in range(T):
        y = x[t]
        for k in range(2):
            carries[k] = layer.cell(k)(y, carries[k])
            y = flat(carries[k])[0]
        assert_close(y, output.data[t])
    for part, end in enumerate(flat(final)):
        for k in range(2):
            assert_close(flat(carries[k])[part], end.data[k])
    assert layer.cell(1).weight_hh is layer.weight_hh_l1
    assert layer.weight_hh_l1.name == "weight_hh_l1"


def test_bidirectional_is_one_cell_each_way_side_by_side():
    layer = double(LAYERS["GRU"], bidirectional=True)
    x = drawn(T, B, D)
    output, final = layer(x, lengths=LENGTHS)
    forward, h = nn.Recurrent(layer.cell())(x, lengths=LENGTHS)
    backward, g = nn.Recurrent(layer.cell(reverse=True), reverse=True)(x, lengths=LENGTHS)
    assert np.array_equal(output.data, np.concatenate([forward.data, backward.data], axis=-1))
    assert np.array_equal(final.data, np.stack([h.data, g.data]))


def test_parameters_have_the_names_order_and_shapes_of_pytorch():
    layer = nn.LSTM(2, 4, num_layers=2, bidirectional=True, proj_size=3)
    found = [(name, p.shape) for name, p in layer.named_parameters()]
    assert found == [
        (f"{name}_l{k}{end}", shape)
        for k, size in ((0, 2), (1, 6))
        for end in ("", "_reverse")
        for name, shape in (
            ("weight_ih", (16, size)),
            ("weight_hh", (16, 3)),
            ("bias_ih", (16,)),
            ("bias_hh", (16,)),
            ("weight_hr", (3, 4)),
        )
    ]
    assert all(p.name == name for name, p in layer.named_parameters())


def test_a_replaced_parameter_is_used():
    layer = double(LAYERS["RNN"])
    layer.weight_ih_l0 = nn.Parameter(np.zeros((H, D)))
    output, _ = layer(drawn(T, B, D))
    again, _ = layer(drawn(T, B, D, seed=8))
    assert np.array_equal(output.data, again.data)


def test_the_same_seed_gives_the_same_layer():
    a, b = (nn.GRU(D, H, num_layers=2, seed=3) for _ in range(2))
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        assert np.array_equal(x.data, y.data)
    assert not np.array_equal(a.weight_hh_l0.data, a.weight_hh_l1.data)


def test_the_forget_bias_reaches_every_layer():
    layer = nn.LSTM(D, H, num_layers=2, bidirectional=True, forget_bias=2.0)
    for end in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        total = getattr(layer, f"bias_ih{end}").data + getattr(layer, f"bias_hh{end}").data
        assert (total[H : 2 * H] == 2).all()


def test_dropout_acts_between_layers_and_only_in_training():
    plain = nn.GRU(D, H, num_layers=2, dtype="float64", seed=0)
    layer = nn.GRU(D, H, num_layers=2, dropout=1.0, dtype="float64", seed=0)
    x = drawn(T, B, D)
    # With everything dropped, the upper layer hears nothing of the input, but is itself heard.
    output, final = layer(x)
    assert np.array_equal(output.data, layer(drawn(T, B, D, seed=8))[0].data)
    assert (output.data != 0).all()
    assert np.array_equal(final.data[0], plain(x)[1].data[0])
    assert np.array_equal(layer.eval()(x)[0].data, plain(x)[0].data)


def test_dropout_draws_from_a_generator_of_its_own():
    layer = nn.GRU(D, H, num_layers=2, dropout=0.5, seed=0)
    (name, generator), *others = layer.named_generators()
    assert (name, others) == ("dropout.generator", [])
    x = drawn(T, B, D).astype("float32")
    before = generator.bit_generator.state
    first = layer(x)[0].data
    assert not np.array_equal(first, layer(x)[0].data)
    generator.bit_generator.state = before
    assert np.array_equal(first, layer(x)[0].data)


def test_the_seed_decides_what_dropout_draws():
    one, same, other = (
        nn.GRU(D, H, num_layers=2, dropout=0.5, seed=seed).dropout.generator.random(9)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_dropout_in_a_single_layer_is_warned_about():
    with pytest.warns(UserWarning, match=r"RNN: got dropout=0\.5 and num_layers=1; dropout acts b"):
        nn.RNN(D, H, dropout=0.5)


class Counter(nn.Cell):
    """Counts, and adds up; its carry is a dict and its output a tuple."""

    def initial(self, *batch):
        return {"n": tg.tensor(np.zeros(batch)), "total": tg.tensor(np.zeros((*batch, D)))}

    def recur(self, carry, x):
        carry = {"n": carry["n"] + 1, "total": carry["total"] + x}
        return carry, (carry["n"], carry["total"])


@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_drives_a_cell_of_ones_own(batch_first):
    layer = nn.Recurrent(Counter(), batch_first=batch_first)
    x = drawn(T, B, D)
    (n, total), last = layer(x.swapaxes(0, 1) if batch_first else x, lengths=LENGTHS)
    assert last["n"].tolist() == LENGTHS
    n, total = (s.data.swapaxes(0, 1) if batch_first else s.data for s in (n, total))
    assert n[:, 0].tolist() == [1, 2, 3, 0, 0]
    assert_close(total[:3, 0], x[:3, 0].cumsum(0))


def test_recurrent_takes_one_sequence_and_an_initial_carry():
    layer = nn.Recurrent(nn.LSTMCell(D, H, dtype="float64", seed=0))
    hx = (drawn(H), drawn(H, seed=1))
    output, (h, c) = layer(drawn(T, D), hx)
    whole, (h_n, c_n) = nn.LSTM(D, H, dtype="float64", seed=0)(
        drawn(T, D), (hx[0][None], hx[1][None])
    )
    assert_close(output, whole)
    assert_close(h, h_n.data[0])
    assert_close(c, c_n.data[0])


def test_recurrent_refuses_what_is_no_cell_and_what_is_no_sequence():
    with pytest.raises(
        TypeError, match=r"Recurrent: got Linear; expected a cell: subclass nn\.Cel"
    ):
        nn.Recurrent(nn.Linear(2, 2))
    layer = nn.Recurrent(nn.GRUCell(D, H))
    with pytest.raises(
        tg.ShapeError, match=r"Recurrent: got input of shape \(2,\); expected \(T, B"
    ):
        layer(np.ones(D, "float32"))
    with pytest.raises(
        tg.ShapeError, match=r"GRUCell: got hx of shape \(4, 2\); expected \(4, 3\)"
    ):
        layer(np.ones((T, B, D), "float32"), np.zeros((B, D), "float32"))


def gru(size=H, inputs=D):
    return nn.GRUCell(inputs, size, dtype="float64", seed=0)


READING = (
    lambda: nn.LayerNormalized(nn.LSTMCell(D, H, dtype="float64", seed=0)),
    lambda: nn.Residual(gru(D)),
    lambda: nn.Projection(gru(), nn.Linear(H, 2, dtype="float64", seed=1)),
    lambda: nn.LearnedInitial(gru()),
    lambda: nn.Bidirectional(gru(), gru()),
    lambda: nn.Bidirectional(nn.Residual(gru(D)), gru()),
    lambda: nn.Stacked(gru(), gru(inputs=H)),
    lambda: nn.Residual(nn.Stacked(gru(), gru(D, inputs=H))),
    lambda: nn.Stacked(nn.Bidirectional(gru(), gru()), gru(inputs=2 * H)),
)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(T, B), (T,)])
@pytest.mark.parametrize("way", [tg.eager, tg.compiled])
def test_a_layer_that_looks_its_input_up_is_a_layer_of_what_is_looked_up(way, shape, batch_first):
    ids = np.random.default_rng(0).integers(0, 6, shape[::-1] if batch_first else shape)
    two_ways = {"num_layers": 2, "bidirectional": True, "batch_first": batch_first}
    layers = [double(make, **two_ways) for make in LAYERS.values()]
    layers += [nn.Recurrent(make(), batch_first=batch_first) for make in READING]
    for layer in layers:
        table, found = nn.Embedding(6, D, dtype="float64", seed=1), []
        for run in (lambda: layer(table(ids)), lambda: layer(ids, embedding=table)):  # noqa: B023
            with way(), tg.backend("numpy"):
                y, state = run()
                last = sum((s * s).sum() for s in leaves(state))
                found.append((y.numpy(), *gradients(layer, (y * y).sum() + last, table.weight)))
        for a, b in zip(*found, strict=True):
            assert_close(a, b)


def test_what_cannot_be_looked_up_is_refused():
    ids, table = np.zeros((T, B), int), nn.Embedding(6, D)
    for call, error, says in (
        (
            lambda: nn.GRU(D, H)(ONES, embedding=table),
            tg.DtypeError,
            "GRU: got input of dtype float32 with an embedding; expected ids, which are integers, "
            "or features and no embedding",
        ),
        (
            lambda: nn.GRU(D, H)(ids, embedding=nn.Linear(D, H)),
            TypeError,
            "GRU: got embedding=Linear; expected an nn.Embedding, in which the layer looks up the "
            "ids that it reads",
        ),
        (
            lambda: nn.GRU(D, H)(ids, embedding=nn.Embedding(6, 7)),
            tg.ShapeError,
            "GRU: got an embedding of shape (6, 7); expected (V, 2): a vector has the 2 features "
            "that the layer was made for",
        ),
        (
            lambda: nn.GRU(D, H)(ids[None], embedding=table),
            tg.ShapeError,
            "GRU: got ids of shape (1, 5, 4); expected (T, B), or (T,) for one sequence",
        ),
        (
            lambda: nn.Recurrent(nn.GRUCell(D, H))(3, embedding=table),
            tg.ShapeError,
            "Recurrent: got input of shape (); expected (T, B, features), or (T, features) for one "
            "sequence; with an embedding (T, B), or (T,)",
        ),
        (
            lambda: nn.GRU(D, H)(ids - 1, embedding=table),
            IndexError,
            "embedding: id -1 is not a row of the weight, which has 6; ids run from 0 to 5",
        ),
    ):
        with pytest.raises(error) as caught:
            call()
        assert str(caught.value) == says


ONES = np.ones((T, B, D), "float32")


def zeros(*shape):
    return np.zeros(shape, "float32")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: nn.GRU(D, H)(np.ones((T, B, 7), "float32")),
            "GRU: got input of shape (5, 4, 7); expected (…, 2): the last axis holds the 2 "
            "features that the layer was made for",
        ),
        (
            lambda: nn.GRU(D, H)(np.ones((1, T, B, D), "float32")),
            "GRU: got input of shape (1, 5, 4, 2), with 4 axes; expected (T, B, 2), or (T, 2) for "
            "one sequence",
        ),
        (
            lambda: nn.GRU(D, H, batch_first=True)(np.ones(D, "float32")),
            "GRU: got input of shape (2,), with 1 axes; expected (B, T, 2), or (T, 2) for one "
            "sequence",
        ),
        (
            lambda: nn.GRU(D, H, num_layers=2)(ONES, zeros(1, B, H)),
            "GRU: got hx of shape (1, 4, 3); expected (2, 4, 3): (layers · directions, batch, "
            "size), with 2 layers and 1 direction(s)",
        ),
        (
            lambda: nn.LSTM(D, H, bidirectional=True)(ONES, zeros(2, B, H)),
            "LSTM: got hx of shape (2, 4, 3); expected ((2, 4, 3), (2, 4, 3)): (layers · "
            "directions, batch, size), with 1 layers and 2 direction(s)",
        ),
        (
            lambda: nn.LSTM(D, H, proj_size=2)(ONES, (zeros(1, B, H), zeros(1, B, H))),
            "LSTM: got hx of shape ((1, 4, 3), (1, 4, 3)); expected ((1, 4, 2), (1, 4, 3)): "
            "(layers · directions, batch, size), with 1 layers and 1 direction(s)",
        ),
        (
            lambda: nn.RNN(D, H)(ONES[:, 0], zeros(1, 1, H)),
            "RNN: got hx of shape (1, 1, 3); expected (1, 3): (layers · directions, size), with 1 "
            "layers and 1 direction(s)",
        ),
        (
            lambda: nn.RNN(D, H)(ONES, lengths=[1, 2, 3]),
            "RNN: got lengths of shape (3,); expected (4,): one for each sequence along the "
            "input's batch axis",
        ),
        (
            lambda: nn.RNN(D, H)(ONES, lengths=[1, 6, -1, 2]),
            "RNN: got lengths [1, 6, -1, 2], of which [6, -1] are out of range; expected each in "
            "[0, 5], since the input's time axis has 5 steps",
        ),
        (
            lambda: nn.RNN(D, H)(ONES[:, 0], lengths=[5]),
            "RNN: got lengths and an input without a batch axis; cut the sequence instead, with "
            "input[:length]",
        ),
        (
            lambda: nn.RNN(D, H)(ONES[:, 0], reset=np.zeros(T, bool)),
            "RNN: got reset and an input without a batch axis; give it one, with input[:, None]",
        ),
        (
            lambda: nn.GRU(D, H)(ONES, reset=np.zeros((B, T), bool)),
            "GRU: got reset of shape (4, 5); expected (5, 4): one mark for each step of each "
            "sequence, laid out as the input",
        ),
        (
            lambda: nn.Recurrent(nn.GRUCell(D, H), batch_first=True)(
                ONES.swapaxes(0, 1), reset=np.zeros((T, B), bool)
            ),
            "Recurrent: got reset of shape (5, 4); expected (4, 5): one mark for each step of each "
            "sequence, laid out as the input",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(call, says):
    with pytest.raises(tg.ShapeError) as caught:
        call()
    assert str(caught.value) == says


def test_dtypes_that_do_not_fit_are_refused():
    with pytest.raises(tg.DtypeError, match="LSTM: got input of dtype float64, and the layer's we"):
        nn.LSTM(D, H)(drawn(T, B, D))
    with pytest.raises(tg.DtypeError, match="GRU: got hx of dtype float64, and the layer's weight"):
        nn.GRU(D, H)(ONES, drawn(1, B, H))
    with pytest.raises(tg.DtypeError, match="RNN: got lengths of dtype float64; expected integers"):
        nn.RNN(D, H)(ONES, lengths=[1.0] * B)
    with pytest.raises(tg.DtypeError, match="LSTM: got reset of dtype int64; expected booleans"):
        nn.LSTM(D, H)(ONES, reset=np.zeros((T, B), int))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.RNN(D, H, num_layers=0), "RNN: got num_layers=0; expected an integer of 1"),
        (lambda: nn.LSTM(D, H, dropout=1.5), "LSTM: got dropout=1.5; expected a probability"),
        (lambda: nn.LSTM(D, H, proj_size=H), "got proj_size=3 and hidden_size=3; expected"),
        (lambda: nn.LSTM(D, 0), "got hidden_size=0; expected an integer of 1 or more"),
        (lambda: nn.RNN(D, H, nonlinearity="gelu"), "got nonlinearity='gelu'; expected 'tanh'"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, says):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert says in str(caught.value)


def test_a_layer_or_direction_that_does_not_exist_is_refused():
    with pytest.raises(
        IndexError, match=r"GRU: got layer=1, reverse=False; this one has 1 layers in"
    ):
        nn.GRU(D, H).cell(1)
    with pytest.raises(IndexError, match="layer=0, reverse=True"):
        nn.GRU(D, H).cell(reverse=True)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.GRU(2, 4), "GRU(2, 4)   96 parameters"),
        (
            nn.LSTM(2, 4, 2, bias=False, proj_size=3, bidirectional=True),
            "LSTM(2, 4, bias=False, proj_size=3, num_layers=2, bidirectional=True)   "
            "496 parameters",
        ),
        (
            nn.RNN(2, 4, 2, "relu", batch_first=True, dropout=0.5),
            "RNN(2, 4, nonlinearity='relu', num_layers=2, batch_first=True)   72 parameters\n"
            "└─ dropout: Dropout(p=0.5)                                        0",
        ),
        (
            nn.Recurrent(nn.RNNCell(2, 4), batch_first=True, reverse=True),
            "Recurrent(batch_first=True, reverse=True)   32 parameters\n"
            "└─ cell: RNNCell(2, 4)                      32",
        ),
    ],
)
def test_the_repr_shows_sizes_and_unusual_options(layer, text):
    assert repr(layer) == text
