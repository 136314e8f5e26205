"""Attention: means over a memory. Values and first gradients are PyTorch's in `layer_goldens`."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn

B, S, T, M, H, E = 3, 5, 4, 4, 4, 2
RNG = np.random.default_rng(0)
MEMORY, QUERY, QUERIES = (RNG.normal(size=s) for s in ((B, S, M), (B, H), (B, T, H)))
LENGTHS = [5, 0, 2]
MASK = np.array([[1, 0, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]], bool)

KINDS = [
    nn.DotAttention(),
    nn.DotAttention(scaled=True),
    nn.BilinearAttention(H, M, seed=0, dtype="float64"),
    nn.AdditiveAttention(H, M, 3, seed=0, dtype="float64"),
]
each_kind = pytest.mark.parametrize("attention", KINDS, ids=lambda a: repr(a).split("  ")[0])


@each_kind
def test_weights_are_shares_and_the_context_is_their_mean(attention):
    context, weights = attention(QUERY, MEMORY, MASK[[0, 0, 2]])
    assert (weights.data[~MASK[[0, 0, 2]]] == 0).all()
    np.testing.assert_allclose(weights.data.sum(axis=-1), 1, rtol=1e-14)
    np.testing.assert_allclose(context.data, np.einsum("bs,bsm->bm", weights.data, MEMORY))


@each_kind
def test_many_queries_are_answered_as_one_by_one(attention):
    contexts, weights = attention(QUERIES, MEMORY, lengths=LENGTHS)
    for t in range(T):
        context, share = attention(QUERIES[:, t], MEMORY, lengths=LENGTHS)
        np.testing.assert_allclose(contexts[:, t].data, context.data, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(weights[:, t].data, share.data, rtol=1e-12, atol=1e-15)


@each_kind
def test_who_may_look_nowhere_gets_zeros_and_passes_no_gradient(attention):
    query, memory = (tg.tensor(x, requires_grad=True) for x in (QUERY, MEMORY))
    context, weights = attention(query, memory, MASK)
    (context.sum() + weights.sum()).backward()
    assert (context.data[1] == 0).all()
    assert (weights.data[1] == 0).all()
    assert (query.grad.data[1] == 0).all()
    assert (memory.grad.data[1] == 0).all()
    assert np.isfinite(memory.grad.data).all()


@each_kind
def test_lengths_are_a_mask(attention):
    alive = np.arange(S) < np.array(LENGTHS)[:, None]
    by_mask, _ = attention(QUERY, MEMORY, alive)
    by_lengths, _ = attention(QUERY, MEMORY, lengths=LENGTHS)
    assert np.array_equal(by_mask.data, by_lengths.data)
    both, _ = attention(QUERY, MEMORY, MASK, LENGTHS)
    assert np.array_equal(both.data, attention(QUERY, MEMORY, MASK & alive)[0].data)


def test_each_query_may_have_a_mask_of_its_own():
    attention = nn.DotAttention()
    causal = np.broadcast_to(np.tril(np.ones((T, S), bool)), (B, T, S))
    contexts, _ = attention(QUERIES, MEMORY, causal, [5, 5, 1])
    np.testing.assert_allclose(contexts[:, 0].data, MEMORY[:, 0])
    np.testing.assert_allclose(contexts[2].data, MEMORY[2, [0] * T])
    expected, _ = attention(QUERIES[:2, 2], MEMORY[:2], lengths=[3, 3])
    np.testing.assert_allclose(contexts[:2, 2].data, expected.data)


@each_kind
def test_attention_can_be_differentiated_twice(attention):
    def looked(query, memory):
        context, weights = attention(query, memory, MASK)
        return tg.concatenate([context, weights], axis=-1)

    tg.gradcheck(looked, QUERY, MEMORY, order=2, tolerance=1e-6)


def test_the_derivation_of_additive_attention_holds():
    attention = nn.AdditiveAttention(H, M, 3, seed=0, dtype="float64")
    q, m = (tg.tensor(x, requires_grad=True) for x in (QUERY[0], MEMORY[0]))
    context, weights = attention(q, m)
    g = np.random.default_rng(1).normal(size=M)
    context.backward(g)
    W, U, v = (x.weight.data for x in (attention.query, attention.memory, attention.score))
    z = np.tanh(q.data @ W.T + attention.query.bias.data + m.data @ U.T)
    share = weights.data
    to_share = m.data @ g
    to_score = share * (to_share - share @ to_share)
    delta = (1 - z * z) * v * to_score[:, None]
    np.testing.assert_allclose(q.grad.data, W.T @ delta.sum(axis=0), rtol=1e-10)
    np.testing.assert_allclose(m.grad.data, share[:, None] * g + delta @ U, rtol=1e-10)


def test_a_single_memory_needs_no_batch():
    context, weights = nn.DotAttention()(QUERIES[0], MEMORY[0])
    assert context.shape == (T, M)
    assert weights.shape == (T, S)


def test_scaling_divides_the_scores():
    plain, scaled = nn.DotAttention(), nn.DotAttention(scaled=True)
    assert np.array_equal(plain(QUERY / 2, MEMORY)[1].data, scaled(QUERY, MEMORY)[1].data)


def test_float32_stays():
    memory, query = MEMORY.astype("float32"), QUERY.astype("float32")
    for attention in (nn.DotAttention(scaled=True), nn.AdditiveAttention(H, M, 3)):
        assert all(y.dtype == "float32" for y in attention(query, memory, lengths=LENGTHS))


# A cell that attends.


def attentive(cell=nn.GRUCell, attention=KINDS[3]):
    return nn.Attentive(cell(E + M, H, seed=1, dtype="float64"), attention)


def by_hand(cell, x, memory, mask):
    """What the docstring of `Attentive` says, step by step."""
    state, context, outputs = cell.cell.initial(B), np.zeros((B, M)), []
    for frame in x:
        state = cell.cell(tg.concatenate([tg.tensor(frame), context], axis=-1), state)
        y = state[0] if isinstance(state, tuple) else state
        context, _ = cell.attention(y, memory, mask)
        outputs.append(tg.concatenate([y, context], axis=-1))
    return tg.stack(outputs)


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_an_attentive_cell_reads_what_it_found_a_step_before(kind):
    cell, x = attentive(kind), np.random.default_rng(2).normal(size=(T, B, E))
    output, (_, context) = nn.Recurrent(cell.over(MEMORY, MASK))(x)
    expected = by_hand(cell, x, MEMORY, MASK)
    np.testing.assert_allclose(output.data, expected.data, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(context.data, output.data[-1, :, H:])


def both_ways(cell, lengths):
    """All that comes out of an attentive cell, op by op and from one compiled loop."""
    x, memory = (
        tg.tensor(np.random.default_rng(3).normal(size=s), requires_grad=True)
        for s in ((T, B, E), (B, S, M))
    )

    def results():
        cell.zero_grad()
        x.grad = memory.grad = None
        output, _ = nn.Recurrent(cell.over(memory, lengths=lengths))(x)
        (output * np.arange(output.size).reshape(output.shape)).sum().backward()
        return [y.data for y in (output, *(p.grad for p in (x, memory, *cell.parameters())))]

    with tg.eager():
        expected = results()
    with tg.compiled():
        (scan,) = tg.explain(results).scans
        assert scan.source, scan.summary()
        return zip(results(), expected, strict=True)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "lengths"])
@each_kind
def test_an_attentive_cell_becomes_one_loop_with_the_same_values_and_gradients(attention, lengths):
    with tg.backend("numpy"):
        for found, expected in both_ways(attentive(attention=attention), lengths):
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_numba_gives_the_same_values_and_gradients():
    pytest.importorskip("numba")
    for found, expected in both_ways(attentive(nn.RNNCell), LENGTHS):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_an_attentive_cell_can_be_differentiated_twice():
    cell = attentive(nn.LSTMCell)
    x = np.random.default_rng(4).normal(size=(2, B, E))

    def run(x, memory):
        return nn.Recurrent(cell.over(memory, lengths=LENGTHS))(x)[0]

    tg.gradcheck(run, x, MEMORY, order=2, tolerance=1e-6)


def test_wrappers_act_inside_of_an_attentive_cell():
    inner = nn.Zoneout(nn.LayerNormalized(nn.GRUCell(E + M, H, seed=1, dtype="float64")), seed=2)
    cell = nn.Attentive(inner, nn.DotAttention())
    x = np.random.default_rng(5).normal(size=(T, B, E))
    drawn = [nn.Recurrent(cell.over(MEMORY))(x)[0].data for _ in range(2)]
    assert not np.array_equal(*drawn)
    cell.eval()
    drawn = [nn.Recurrent(cell.over(MEMORY))(x)[0].data for _ in range(2)]
    assert np.array_equal(*drawn)


def test_a_cell_over_a_memory_shares_its_parameters():
    cell = attentive()
    bound = cell.over(MEMORY)
    assert [id(p) for p in bound.parameters()] == [id(p) for p in cell.parameters()]
    assert cell.memory is None


# What is refused.


def test_shapes_that_do_not_fit_are_refused():
    attention = nn.DotAttention()
    with pytest.raises(
        tg.ShapeError, match=r"got queries of size 3 for a memory of size 4; expect"
    ):
        attention(QUERY[:, :3], MEMORY)
    with pytest.raises(
        tg.ShapeError, match=r"got query of shape \(2, 4\) for a memory of shape \(3"
    ):
        attention(QUERY[:2], MEMORY)
    with pytest.raises(tg.ShapeError, match=r"got memory of shape \(4,\); expected \(…, S, M\)"):
        attention(QUERY, MEMORY[0, 0])
    with pytest.raises(tg.ShapeError, match=r"AdditiveAttention: got memory of shape \(3, 5, 3\)"):
        KINDS[3](QUERY, MEMORY[..., :3])
    with pytest.raises(tg.ShapeError, match=r"AdditiveAttention: got query of shape \(3, 1, 3\)"):
        KINDS[3](QUERY[:, :3], MEMORY)
    with pytest.raises(tg.DtypeError, match="AdditiveAttention: got memory of dtype float32"):
        KINDS[3](QUERY, MEMORY.astype("float32"))


def test_masks_that_do_not_fit_are_refused():
    attention = nn.DotAttention()
    with pytest.raises(
        tg.DtypeError, match="got a mask of dtype int64; expected booleans, true wh"
    ):
        attention(QUERY, MEMORY, MASK.astype(int))
    with pytest.raises(tg.ShapeError, match=r"got a mask of shape \(3, 4\) for a memory of shape"):
        attention(QUERY, MEMORY, MASK[:, :4])
    with pytest.raises(tg.ShapeError, match=r"got lengths \[6, 0, 2\], of which \[6\] are out of"):
        attention(QUERY, MEMORY, lengths=[6, 0, 2])


def test_an_attentive_cell_without_a_memory_says_how_to_give_it_one():
    with pytest.raises(RuntimeError, match=r"has no memory to attend to: use cell\.over\(memory\)"):
        nn.Recurrent(attentive())(np.ones((T, B, E)))
    with pytest.raises(TypeError, match=r"Attentive: got Linear for the attention; expected one"):
        nn.Attentive(nn.GRUCell(2, 3), nn.Linear(2, 3))
