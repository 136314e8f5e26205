"""From one sequence to another. Values and first gradients are PyTorch's in `layer_goldens`."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

S, T, B, V, W, E, H = 5, 4, 3, 6, 5, 2, 3
RNG = np.random.default_rng(0)
SOURCE, INPUTS = RNG.integers(0, V, (S, B)), RNG.integers(0, W, (T, B))
LENGTHS = [5, 0, 3]
START, END = 1, 0

LAYERS = {nn.GRUCell: nn.GRU, nn.LSTMCell: nn.LSTM, nn.RNNCell: nn.RNN}
KINDS = [(nn.RNNCell, None), (nn.GRUCell, "additive"), (nn.LSTMCell, "dot")]
each_kind = pytest.mark.parametrize(("cell", "looks"), KINDS)


def translator(cell=nn.GRUCell, looks=None, output=None, wrap=lambda cell: cell, **options):
    rng = np.random.default_rng(1)
    how = {"dtype": "float64", "seed": rng}
    context = H if looks else 0
    attention = {
        None: lambda: None,
        "dot": nn.DotAttention,
        "additive": lambda: nn.AdditiveAttention(H, H, 3, **how),
    }[looks]()
    encoder = nn.Encoder(nn.Embedding(V, E, **how), LAYERS[cell](E, H, **options, **how))
    decoder = nn.Decoder(
        nn.Embedding(W, E, **how),
        wrap(cell(E + context, H, **how)),
        output or nn.Linear(H + context, W, **how),
        attention,
        seed=2,
    )
    return nn.EncoderDecoder(encoder, decoder)


def tossed(model, forcing):
    """Scores with the same coins at each call."""
    model.decoder.generator = np.random.default_rng(3)
    return model(SOURCE, INPUTS, LENGTHS, teacher_forcing=forcing)


def loss_and_gradients(model, forcing):
    model.zero_grad()
    loss = tg.cross_entropy(tossed(model, forcing), np.roll(INPUTS, -1, axis=0))
    loss.backward()
    return [loss, *(p.grad for p in model.parameters() if p.grad is not None)]


# What it computes.


@each_kind
def test_step_by_step_it_gives_the_same_scores(cell, looks):
    model = translator(cell, looks)
    scores = model(SOURCE, INPUTS, LENGTHS)
    decoder, (state, memory) = model.decoder, model.encode(SOURCE, LENGTHS)
    one, carry = decoder.begin(B, state, memory, LENGTHS)
    for t in range(T):
        carry, found = decoder.step(one, carry, INPUTS[t])
        np.testing.assert_allclose(found.data, scores[t].data, rtol=1e-12)


def test_without_any_forcing_it_reads_its_own_guesses():
    model = translator(looks="dot")
    scores = tossed(model, 0.0)
    guesses = scores.data.argmax(axis=-1)
    read = np.concatenate([INPUTS[:1], guesses[:-1]])
    np.testing.assert_allclose(model(SOURCE, read, LENGTHS).data, scores.data, rtol=1e-12)


def test_a_coin_for_each_step_and_sequence_chooses_what_is_read():
    model = translator(looks="dot")
    scores = tossed(model, 0.5)
    truth = np.random.default_rng(3).random((T, B)) < 0.5
    truth[0] = True
    guesses = np.concatenate([INPUTS[:1], scores.data.argmax(axis=-1)[:-1]])
    read = np.where(truth, INPUTS, guesses)
    assert (read != INPUTS).any()
    assert (read != guesses).any()
    np.testing.assert_allclose(model(SOURCE, read, LENGTHS).data, scores.data, rtol=1e-12)


def test_noise_in_a_cell_is_the_same_for_the_guesses_and_the_scores():
    model = translator(wrap=lambda cell: nn.VariationalDropout(cell, seed=4))
    masks = model.decoder.cell.generator
    state = masks.bit_generator.state
    scores = tossed(model, 0.0)
    read = np.concatenate([INPUTS[:1], scores.data.argmax(axis=-1)[:-1]])
    masks.bit_generator.state = state
    np.testing.assert_allclose(model(SOURCE, read, LENGTHS).data, scores.data, rtol=1e-12)


def test_what_lies_after_a_source_ends_does_not_matter():
    model = translator(looks="additive")
    other = np.where(np.arange(S)[:, None] < LENGTHS, SOURCE, 0)
    assert (other != SOURCE).any()
    expected = model(SOURCE, INPUTS, LENGTHS).data
    assert np.array_equal(model(other, INPUTS, LENGTHS).data, expected)


@pytest.mark.parametrize("forcing", [1.0, 0.5])
@each_kind
def test_compiled_it_gives_the_same_loss_and_gradients(cell, looks, forcing):
    model = translator(cell, looks)
    with tg.eager():
        expected = loss_and_gradients(model, forcing)
    with tg.backend("numpy"), tg.compiled():
        found = loss_and_gradients(model, forcing)
        scans = tg.explain(tossed, model, forcing).scans
    assert len(scans) == (2 if forcing == 1 else 3)  # the encoder, the guesses, the scores
    assert all(scan.source for scan in scans)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got.data, wanted.data, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("forcing", [1.0, 0.5])
def test_it_can_be_differentiated_twice(forcing):
    model = translator(looks="additive")
    decoder = model.decoder
    rng = np.random.default_rng(5)
    points = rng.normal(size=(B, H)), rng.normal(size=(S, B, H))

    def scores(state, memory):
        decoder.generator = np.random.default_rng(3)
        return tg.tanh(decoder(INPUTS, state, memory, LENGTHS, forcing))

    tg.gradcheck(scores, *points, order=2, tolerance=1e-6)


def test_parameters_can_be_differentiated_by_twice():
    model = translator(nn.LSTMCell, "dot")
    parameters = list(model.parameters())
    direction = [np.random.default_rng(6).normal(size=p.shape) for p in parameters]

    def slope():
        loss = tg.cross_entropy(tossed(model, 0.5), INPUTS)
        model.zero_grad()
        loss.backward(create_graph=True)
        return sum((p.grad * v).sum() for p, v in zip(parameters, direction, strict=True))

    along = slope()
    model.zero_grad()
    along.backward()
    exact = sum((p.grad.data * v).sum() for p, v in zip(parameters, direction, strict=True))
    ends = []
    for sign in (1, -2, 1):  # there, back again and home
        for p, v in zip(parameters, direction, strict=True):
            p.data += sign * 1e-4 * v
        ends.append(slope().item())
    np.testing.assert_allclose((ends[0] - ends[1]) / 2e-4, exact, rtol=1e-6)


# Generation.


def greedy(model, length):
    """The likeliest ids, one sequence and one step at a time."""
    texts = []
    for b in range(B):
        state, memory = model.encode(SOURCE[:, [b]], LENGTHS[b : b + 1])
        cell, carry = model.decoder.begin(1, state, memory, LENGTHS[b : b + 1])
        text, best = [], START
        while len(text) < length:
            carry, scores = model.decoder.step(cell, carry, [best])
            best = int(scores.data[0].argmax())
            if best == END:
                break
            text.append(best)
        texts.append(text)
    return texts


@pytest.mark.parametrize("bias", [-9, 0.02, 0.06, 9])
@each_kind
def test_generation_follows_the_likeliest_ids_until_the_end(cell, looks, bias):
    model = translator(cell, looks)
    model.decoder.output.bias.data[END] += bias
    texts = model.generate(SOURCE, start=START, end=END, length=7, lengths=LENGTHS)
    assert texts == greedy(model, 7)
    assert bias < 9 or texts == [[], [], []]
    assert bias > -9 or [len(text) for text in texts] == [7, 7, 7]


def test_generation_goes_on_from_chunk_to_chunk():
    model = translator(looks="dot")
    model.decoder.output.bias.data[END] = -9
    texts = model.generate(SOURCE, start=START, end=END, length=70, lengths=LENGTHS)
    assert texts == greedy(model, 70)


def test_generation_stops_after_the_chunk_in_which_all_have_ended():
    model = translator()
    model.decoder.output.bias.data[END] = 9
    with tg.backend("numpy"):
        report = tg.explain(model.generate, SOURCE, start=START, end=END, length=1000)
    assert [scan.steps for scan in report.scans] == [S, 32]


def test_compiled_generation_writes_the_same():
    model = translator(looks="additive")

    def texts():
        return model.generate(SOURCE, start=START, end=END, length=40, lengths=LENGTHS)

    with tg.eager():
        expected = texts()
    with tg.backend("numpy"), tg.compiled():
        assert texts() == expected
        assert all(scan.source for scan in tg.explain(texts).scans)


def test_the_end_may_be_what_it_starts_from():
    model = translator()
    model.decoder.output.bias.data[END] = -9
    texts = model.generate(SOURCE, start=END, end=END, length=3)
    assert [len(text) for text in texts] == [3, 3, 3]


def test_generation_records_no_graph_and_keeps_no_gradient():
    model = translator(looks="dot")
    model.generate(SOURCE, start=START, end=END, length=3)
    assert all(p.grad is None for p in model.parameters())


def test_ids_that_are_ruled_out_are_never_written():
    model = translator()
    model.decoder.output.bias.data[[END, START, 3]] = -np.inf
    texts = model.generate(SOURCE, start=START, end=END, length=5)
    assert texts == greedy(model, 5)
    assert {token for text in texts for token in text} <= {2, 4}


def test_scores_that_are_nan_still_give_an_id():
    model = translator()
    model.decoder.output.bias.data[:] = np.nan
    texts = model.generate(SOURCE, start=START, end=END, length=2)
    assert texts == [[W - 1, W - 1]] * B


# How the parts fit together.


@pytest.mark.parametrize("forcing", [1.0, 0.5])
def test_alignment_tells_where_it_looks(forcing):
    model = translator(looks="additive")
    weights = model.alignment(SOURCE, INPUTS, LENGTHS)
    assert weights.shape == (T, B, S)
    np.testing.assert_allclose(weights.data.sum(axis=-1), [[1, 0, 1]] * T)
    assert (weights.data[:, 2, 3:] == 0).all()
    state, memory = model.encode(SOURCE, LENGTHS)
    cell, carry = model.decoder.begin(B, state, memory, LENGTHS)
    (_, context), _ = cell.step(carry, model.decoder.embedding(INPUTS[0]))
    expected = np.einsum("bs,sbm->bm", weights.data[0], memory.data)
    np.testing.assert_allclose(context.data, expected, rtol=1e-12, atol=1e-15)


def test_both_directions_of_an_encoder_stand_side_by_side():
    layer = nn.LSTM(E, H, num_layers=2, bidirectional=True, seed=0)
    memory, (low, high) = nn.Encoder(nn.Embedding(V, E), layer)(SOURCE, LENGTHS)
    assert memory.shape == (S, B, 2 * H)
    assert [part.shape for part in (*low, *high)] == [(B, 2 * H)] * 4
    np.testing.assert_array_equal(high[0].data[0, :H], memory.data[-1, 0, :H])
    np.testing.assert_array_equal(high[0].data[0, H:], memory.data[0, 0, H:])


def test_several_layers_become_the_carry_of_stacked_cells():
    how = {"dtype": "float64", "seed": 1}
    deep = nn.Stacked(nn.GRUCell(E, H, **how), nn.GRUCell(H, H, **how))
    model = translator(num_layers=2, wrap=lambda _: deep)
    assert model(SOURCE, INPUTS, LENGTHS).shape == (T, B, W)


def test_an_encoder_of_any_cell_gives_the_carry_of_that_cell():
    how = {"dtype": "float64", "seed": 1}
    reader = nn.Recurrent(nn.LayerNormalized(nn.LSTMCell(E, H, **how)))
    decoder = translator(nn.LSTMCell, "dot").decoder
    model = nn.EncoderDecoder(nn.Encoder(nn.Embedding(V, E, **how), reader), decoder)
    assert model(SOURCE, INPUTS, LENGTHS).shape == (T, B, W)


def test_a_bridge_maps_one_state_to_the_other():
    model = translator(bidirectional=True)
    with pytest.raises(
        tg.ShapeError, match=r"GRUCell: got hx of shape \(3, 6\); expected \(3, 3\)"
    ):
        model(SOURCE, INPUTS)
    bridge = nn.Sequential(nn.Linear(2 * H, H, seed=0, dtype="float64"), tg.tanh)
    model = nn.EncoderDecoder(model.encoder, model.decoder, bridge)
    model(SOURCE, INPUTS).sum().backward()
    assert all(p.grad is not None for p in bridge.parameters())


def test_an_encoder_may_be_any_module_such_as_one_of_images():
    class Camera(nn.Module):
        def __init__(self):
            self.layer = nn.Conv2d(1, H, 2, seed=0, dtype="float64")

        def forward(self, images):
            places = self.layer(images).flatten(2)  # (B, H, places)
            return places.permute((2, 0, 1)), places.mean(axis=-1)

    decoder = translator(looks="dot").decoder
    model = nn.EncoderDecoder(Camera(), decoder)
    images = np.random.default_rng(0).normal(size=(B, 1, 4, 4))
    model(images, INPUTS).sum().backward()
    assert model.encoder.layer.weight.grad is not None
    assert model.alignment(images, INPUTS).shape == (T, B, 9)


def test_a_decoder_may_stand_alone():
    decoder = translator().decoder
    assert decoder(INPUTS).shape == (T, B, W)
    assert len(decoder.generate(2, start=START, end=END, length=3)) == 2


def test_coins_are_found_among_the_generators():
    assert "decoder.generator" in dict(translator().named_generators())


# What is refused.


def test_parts_that_do_not_fit_are_refused():
    table, layer = nn.Embedding(V, E), nn.GRU(E, H)
    with pytest.raises(
        TypeError, match=r"Encoder: got GRUCell; expected nn\.RNN, nn\.LSTM, nn\.GRU"
    ):
        nn.Encoder(table, nn.GRUCell(E, H))
    with pytest.raises(
        ValueError, match="Encoder: got a layer with batch_first=True; ids here are"
    ):
        nn.Encoder(table, nn.GRU(E, H, batch_first=True))
    with pytest.raises(TypeError, match="Decoder: got GRU; expected a cell"):
        nn.Decoder(table, layer, nn.Linear(H, V))
    with pytest.raises(
        TypeError, match=r"EncoderDecoder: got GRU for the decoder; expected nn\.Decod"
    ):
        nn.EncoderDecoder(nn.Encoder(table, layer), layer)


def test_a_memory_and_attention_need_each_other():
    with pytest.raises(TypeError, match="Decoder: got attention and no memory; give it one"):
        translator(looks="dot").decoder(INPUTS)
    with pytest.raises(
        TypeError, match="Decoder: got a memory and no attention to look at it with"
    ):
        translator().decoder(INPUTS, memory=np.ones((S, B, H)))
    with pytest.raises(TypeError, match="this one has no attention, so it looks nowhere"):
        translator().alignment(SOURCE, INPUTS)


def test_inputs_that_do_not_fit_are_refused():
    model = translator()
    with pytest.raises(
        tg.ShapeError, match=r"Decoder: got inputs of shape \(4,\); expected ids \(T"
    ):
        model(SOURCE, INPUTS[:, 0])
    with pytest.raises(tg.ShapeError, match=r"Decoder: got inputs of shape \(0, 3\); expected ids"):
        model(SOURCE, INPUTS[:0])
    with pytest.raises(
        tg.DtypeError, match="Decoder: got inputs of dtype float64; expected integer"
    ):
        model(SOURCE, INPUTS * 1.0)
    with pytest.raises(ValueError, match=r"got teacher_forcing=2; expected a probability"):
        model(SOURCE, INPUTS, teacher_forcing=2)
    with pytest.raises(
        ValueError, match="Decoder: got end=5; expected one of the 5 ids of its embe"
    ):
        model.generate(SOURCE, start=START, end=W, length=3)
    with pytest.raises(ValueError, match="Decoder: got length=0; expected an integer of 1"):
        model.generate(SOURCE, start=START, end=END, length=0)
