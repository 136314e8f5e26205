"""Optimizers walk over groups of parameters, skip what has no gradient, and resume exactly."""

import json
import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

RESUMABLE = [
    (SGD, {"lr": 0.01}),
    (SGD, {"lr": 0.01, "momentum": 0.9, "dampening": 0.5}),
    (Adam, {"lr": 0.1}),
    (AdamW, {"lr": 0.1}),
    (RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.9}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
]


def weights(*shapes, dtype="float64"):
    rng = np.random.default_rng(0)
    return [
        tg.tensor(rng.standard_normal(shape), dtype=dtype, requires_grad=True) for shape in shapes
    ]


def descend(optimizer, params, steps):
    """Steps on the sum of the fourth powers."""
    for _ in range(steps):
        optimizer.zero_grad()
        sum((p**4).sum() for p in params).backward()
        optimizer.step()


def message(text):
    return re.escape(text)


@pytest.mark.parametrize(("kind", "options"), RESUMABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_resumed_run_ends_with_the_same_bits_as_one_never_stopped(kind, options, dtype):
    ours, theirs = weights((3, 4), (), (0,), dtype=dtype), weights((3, 4), (), (0,), dtype=dtype)
    whole = kind(ours, **options)
    descend(whole, ours, 9)

    first = kind(theirs, **options)
    descend(first, theirs, 4)
    state = first.state_dict()
    again = [tg.tensor(p.data, dtype=dtype, requires_grad=True) for p in theirs]
    descend(first, theirs, 2)  # which must not change the state that was saved
    second = kind(again, **options)
    second.load_state_dict(state)
    descend(second, again, 5)

    for a, b in zip(ours, again, strict=True):
        assert a.data.tobytes() == b.data.tobytes()


@pytest.mark.parametrize(("kind", "options"), RESUMABLE)
def test_a_state_is_numbers_and_arrays_of_the_parameters_shapes(kind, options):
    params = weights((3, 4))
    optimizer = kind(params, **options)
    descend(optimizer, params, 2)
    state = optimizer.state_dict()
    for name, value in state["memory"]["0"].items():
        assert isinstance(value, int) or value.shape == (3, 4), name
    json.dumps(state["groups"])


def test_parameters_without_a_gradient_stay_where_they_are():
    p, q = weights((2,), (2,))
    before = q.data.copy()
    adam = Adam([p, q])
    (p * p).sum().backward()
    adam.step()
    np.testing.assert_array_equal(q.data, before)
    assert set(adam.state_dict()["memory"]) == {"0"}


def test_a_step_is_a_write_that_an_old_graph_notices():
    (w,) = weights((2,))
    descent = SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    descent.step()
    with pytest.raises(tg.GraphError, match="written"):
        loss.backward()


def test_zero_grad_forgets():
    (w,) = weights((2,))
    descent = SGD([w], lr=0.1)
    w.sum().backward()
    descent.zero_grad()
    assert w.grad is None


@pytest.mark.parametrize("shape", [(5, 4), (300, 200)])
def test_strided_parameters_are_written_in_place(shape):
    array = np.ones(shape[::-1]).T
    w = tg.Tensor(array, requires_grad=True)
    (w * w).sum().backward()
    SGD([w], lr=0.25).step()
    assert w.data is array
    assert (array == 0.5).all()


def test_large_parameters_go_the_same_way_with_numba_and_without():
    compiled, plain = weights((300, 200)), weights((300, 200))
    descend(Adam(compiled), compiled, 3)
    with tg.backend("numpy"):
        descend(Adam(plain), plain, 3)
    np.testing.assert_allclose(compiled[0].data, plain[0].data, rtol=1e-14)


def test_groups_have_options_of_their_own():
    p, q = weights((2,), (2,))
    starts = p.data.copy(), q.data.copy()
    descent = SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.25)
    (p + q).sum().backward()
    descent.step()
    np.testing.assert_allclose(p.data, starts[0] - 0.25)
    np.testing.assert_allclose(q.data, starts[1] - 0.5)


def test_setting_the_rate_sets_that_of_every_group():
    p, q = weights((2,), (2,))
    descent = SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.25)
    assert descent.lr == 0.25
    descent.lr = 0.125
    assert [g["lr"] for g in descent.param_groups] == [0.125, 0.125]


def test_its_text_names_its_options():
    (w,) = weights((2,))
    assert repr(Adagrad([w])) == (
        "Adagrad(lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, "
        "eps=1e-10, parameters=1)"
    )


def test_no_parameters_are_refused():
    text = "SGD: got no parameters; expected at least one. A generator such as"
    with pytest.raises(ValueError, match=message(text)):
        SGD(iter([]))


def test_a_single_tensor_is_refused():
    with pytest.raises(TypeError, match=message("SGD: got one tensor; expected several: write")):
        SGD(weights((2,))[0])


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match=message("Adam: parameter 1 is of <class 'float'>")):
        Adam([*weights((2,)), 1.0])


def test_integers_are_refused():
    w = tg.tensor([1, 2])
    w.name = "ids"
    text = "Adam: parameter 0 (ids) is of dtype int64; expected floats, which alone have gradients"
    with pytest.raises(tg.DtypeError, match=message(text)):
        Adam([w])


def test_a_computed_tensor_is_refused():
    (w,) = weights((2,))
    with pytest.raises(
        tg.GraphError, match=message("parameter 0 was made by mul; expected a leaf")
    ):
        SGD([w * w])


def test_the_same_parameter_twice_is_refused():
    (w,) = weights((2,))
    with pytest.raises(ValueError, match="parameter 1 was given before; expected it once"):
        SGD([w, w])
    with pytest.raises(ValueError, match="parameter 1 was given before; expected it once"):
        SGD([{"params": [w]}, {"params": [w]}])


def test_an_unknown_option_of_a_group_is_refused():
    text = "SGD: a group has 'rate'; it has the options lr, momentum, dampening, weight_decay"
    with pytest.raises(TypeError, match=message(text)):
        SGD([{"params": weights((2,)), "rate": 1.0}])


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (SGD, {"lr": -0.1}, "SGD: got lr=-0.1; expected 0 <= lr"),
        (SGD, {"lr": float("nan")}, "SGD: got lr=nan; expected 0 <= lr"),
        (SGD, {"momentum": -1}, "SGD: got momentum=-1; expected 0 <= momentum"),
        (AdamW, {"weight_decay": -1}, "AdamW: got weight_decay=-1; expected 0 <= weight_decay"),
        (Adam, {"betas": (0.9, 1)}, "Adam: got betas=(0.9, 1); expected 0 <= betas < 1"),
        (Adam, {"eps": -1}, "Adam: got eps=-1; expected 0 <= eps"),
        (RMSprop, {"alpha": -1}, "RMSprop: got alpha=-1; expected 0 <= alpha"),
        (Adagrad, {"lr_decay": -1}, "Adagrad: got lr_decay=-1; expected 0 <= lr_decay"),
        (
            SGD,
            {"nesterov": True},
            "SGD: got nesterov=True with momentum=0.0 and dampening=0.0; expected momentum > 0",
        ),
        (
            SGD,
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "SGD: got nesterov=True with momentum=0.9 and dampening=0.1; expected momentum > 0",
        ),
    ],
)
def test_options_out_of_range_are_refused(kind, options, text):
    with pytest.raises(ValueError, match=message(text)):
        kind(weights((2,)), **options)


def test_a_gradient_of_another_shape_is_refused():
    (w,) = weights((2, 3))
    w.grad = tg.tensor(np.ones((3, 2)))
    text = "SGD: the gradient of parameter 0 has shape (3, 2); expected its shape, (2, 3)"
    with pytest.raises(tg.ShapeError, match=message(text)):
        SGD([w]).step()


def trained_state(*shapes):
    params = weights(*shapes)
    adam = Adam(params)
    descend(adam, params, 1)
    return adam.state_dict()


def test_a_state_of_other_shapes_is_refused_and_changes_nothing():
    adam = Adam(weights((2, 3)), lr=0.5)
    text = (
        "Adam: the state's 'mean' of parameter 0 has shape (3, 2); expected (2, 3): it was saved "
        "for another model"
    )
    with pytest.raises(tg.ShapeError, match=message(text)):
        adam.load_state_dict(trained_state((3, 2)))
    assert adam.lr == 0.5
    assert not adam.memory


def test_a_state_of_more_parameters_is_refused():
    text = "Adam: the state remembers parameter 1, but there are 1: give the parameters in the"
    with pytest.raises(ValueError, match=message(text)):
        Adam(weights((2,))).load_state_dict(trained_state((2,), (2,)))


def test_a_state_of_other_groups_is_refused():
    p, q = weights((2,), (2,))
    text = "Adam: the state has 1 groups of parameters; expected 2: make the groups as they were"
    with pytest.raises(ValueError, match=message(text)):
        Adam([{"params": [p]}, {"params": [q]}]).load_state_dict(trained_state((2,), (2,)))


def test_an_optimizer_without_an_update_says_what_it_needs():
    (w,) = weights((2,))
    w.sum().backward()
    with pytest.raises(NotImplementedError, match=message("needs an update(self, p, g, memory")):
        Optimizer([w], lr=0.1).step()


class TestOnePass:
    """All parameters of Adam go in one pass, and each as if it were alone."""

    @pytest.mark.parametrize("kind", [Adam, AdamW])
    def test_many_parameters_step_as_each_would_alone(self, kind):
        shapes = (300, 200), (), (7,), (0,), (100, 500)
        together, alone = weights(*shapes), weights(*shapes)
        descend(kind(together, lr=0.1, weight_decay=0.1), together, 3)
        for p in alone:
            descend(kind([p], lr=0.1, weight_decay=0.1), [p], 3)
        for p, q in zip(together, alone, strict=True):
            np.testing.assert_allclose(p.data, q.data, rtol=1e-13, atol=1e-15)

    def test_groups_dtypes_and_late_parameters_keep_steps_of_their_own(self):
        p, q = weights((300, 200))[0], weights((300, 200), dtype="float32")[0]
        late, idle = weights((200, 100), (4,))
        adam = Adam([{"params": [p]}, {"params": [q, idle], "lr": 0.5}], lr=0.1)
        descend(adam, [p, q], 2)
        adam.add_param_group({"params": [late], "betas": (0.5, 0.9)})
        descend(adam, [p, q, late], 1)
        again, other, later = weights((300, 200))[0], weights((300, 200))[0], weights((200, 100))[0]
        descend(Adam([again], lr=0.1), [again], 3)
        descend(Adam([other], lr=0.5), [other], 3)
        descend(Adam([later], lr=0.1, betas=(0.5, 0.9)), [later], 1)
        np.testing.assert_allclose(p.data, again.data, rtol=1e-13)
        np.testing.assert_allclose(q.data, other.data, rtol=1e-3, atol=1e-4)
        memory = adam.state_dict()["memory"]
        assert {k: m["step"] for k, m in memory.items()} == {"0": 3, "1": 3, "3": 1}

    def test_a_parameter_may_get_other_data_between_steps(self):
        (p,), (q,) = weights((300, 200)), weights((300, 200))
        ours, theirs = Adam([p], lr=0.1), Adam([q], lr=0.1)
        for _ in range(3):
            descend(ours, [p], 1)
            descend(theirs, [q], 1)
            p.data = p.data.copy()
        np.testing.assert_array_equal(p.data, q.data)

    def test_parameters_that_share_memory_step_one_after_the_other(self):
        array = np.ones(200_000)
        p, q = (tg.Tensor(array, requires_grad=True) for _ in range(2))
        for x in (p, q):
            x.grad = tg.tensor(np.ones(200_000))
        Adam([p, q], lr=0.25).step()
        np.testing.assert_allclose(array, 0.5)

    def test_a_refused_gradient_leaves_all_parameters_as_they_were(self):
        p, q = weights((2, 3), (2,))
        before = p.data.copy()
        p.grad, q.grad = tg.tensor(np.ones((2, 3))), tg.tensor(np.ones(3))
        with pytest.raises(tg.ShapeError, match="the gradient of parameter 1 has shape"):
            Adam([p, q]).step()
        np.testing.assert_array_equal(p.data, before)
