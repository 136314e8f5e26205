"""The backward pass: order, accumulation, memory, and misuse."""

import gc
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_rnn as tg


def leaf(*values):
    return tg.tensor(list(values), requires_grad=True)


class TestOrder:
    def test_a_tensor_used_twice_receives_both_cotangents(self):
        x = leaf(3.0)
        (x * x + x).sum().backward()
        assert x.grad.item() == 7.0

    def test_a_diamond_waits_for_both_of_its_arms(self):
        x = leaf(2.0)
        a = x * 3
        b = a * a
        ((a + b) * b).sum().backward()  # (3x + 9x²) 9x² = 27x³ + 81x⁴
        assert x.grad.item() == pytest.approx(81 * 4 + 324 * 8)

    def test_a_chain_of_100_000_ops_needs_no_recursion(self):
        x = leaf(1.0)
        y = x
        for _ in range(100_000):
            y = y * 1.0
        y.sum().backward()
        assert x.grad.item() == 1.0

    def test_dropping_a_chain_of_100_000_ops_needs_no_recursion(self):
        y = leaf(1.0)
        for _ in range(100_000):
            y = y * 1.0
        del y

    def test_gradients_add_up_over_calls(self):
        x = leaf(2.0)
        for _ in range(3):
            (x * 5).sum().backward()
        assert x.grad.item() == 15.0

    def test_leaves_do_not_share_the_memory_of_their_gradients(self):
        a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
        (a + b).sum().backward()
        a.grad[0] = 100.0
        assert b.grad.tolist() == [1.0, 1.0]


class TestInteriorGradients:
    def test_are_not_kept(self):
        x = leaf(2.0)
        y = x * 3
        (y * y).sum().backward()
        assert y.grad is None

    def test_are_kept_on_request(self):
        x = leaf(2.0)
        y = (x * 3).retain_grad()
        (y * y).sum().backward()
        assert y.grad.item() == 12.0


class TestCotangentShapes:
    def test_a_broadcast_operand_collects_its_copies(self):
        row, column = tg.tensor(np.ones((1, 3)), requires_grad=True), leaf(1.0)
        (tg.tensor(np.ones((2, 3))) * row * column).sum().backward()
        assert row.grad.shape == (1, 3)
        assert row.grad.tolist() == [[2.0, 2.0, 2.0]]
        assert column.grad.tolist() == [6.0]

    def test_a_cotangent_takes_its_inputs_dtype(self):
        x = leaf(1.0)
        (x * np.ones(1, np.float64)).sum().backward()
        assert x.grad.dtype == np.float32

    def test_a_rule_of_the_wrong_shape_is_named(self):
        @tg.op
        def crooked(x, /):
            return x + 0

        crooked.defvjp(lambda g, y, x: g[:1])
        try:
            x = leaf(1.0, 2.0)
            with pytest.raises(tg.ShapeError, match=r"crooked: the rule of input 'x' .*\(1,\)"):
                crooked(x).sum().backward()
        finally:
            del tg.REGISTRY["crooked"]


class TestMisuse:
    def test_backward_without_a_graph_says_how_to_get_one(self):
        with pytest.raises(tg.GraphError, match="requires_grad=True"):
            tg.tensor([1.0]).backward()

    def test_backward_from_many_values_asks_for_a_cotangent(self):
        with pytest.raises(tg.ShapeError, match=r"shape \(2,\).*backward\(gradient\)"):
            (leaf(1.0, 2.0) * 2).backward()

    def test_a_cotangent_of_another_shape_is_refused(self):
        with pytest.raises(tg.ShapeError, match=r"\(3,\) for an output of shape \(2,\)"):
            (leaf(1.0, 2.0) * 2).backward(np.ones(3))

    def test_a_second_backward_says_how_to_keep_the_graph(self):
        y = (leaf(1.0) * 2).sum()
        y.backward()
        with pytest.raises(tg.GraphError, match="retain_graph=True"):
            y.backward()

    def test_a_second_backward_works_over_a_retained_graph(self):
        x = leaf(1.0)
        y = (x * x).sum()
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.item() == 4.0

    def test_an_op_without_a_rule_is_named(self):
        @tg.op
        def ruleless(x, /):
            return x + 0

        try:
            with pytest.raises(tg.GraphError, match=r"ruleless\.defvjp"):
                ruleless(leaf(1.0)).sum().backward()
        finally:
            del tg.REGISTRY["ruleless"]


class TestOverwrittenValues:
    def test_a_needed_value_that_was_overwritten_is_named_with_both_lines(self):
        x = tg.tensor([1.0, 2.0], name="x")
        w = leaf(3.0, 4.0)
        y = (w * x).sum()
        x[0] = 5.0
        with pytest.raises(
            tg.GraphError,
            match=r"mul, run at .*test_backward\.py:\d+ .*`y = \(w \* x\)\.sum\(\)`.*needs its "
            r"input 'b' \(tensor 'x'\) of shape \(2,\).*overwritten at .*test_backward\.py:\d+",
        ):
            y.backward()

    def test_an_overwritten_value_that_no_rule_needs_does_no_harm(self):
        x, w = tg.tensor([1.0]), leaf(3.0)
        y = (w + x).sum()
        x[0] = 5.0
        y.backward()
        assert w.grad.item() == 1.0

    def test_a_write_through_a_view_counts(self):
        x, w = tg.tensor([1.0, 2.0]), leaf(3.0, 4.0)
        view = x.reshape(2, 1)
        y = (w * x).sum()
        view[0, 0] = 7.0
        with pytest.raises(tg.GraphError, match="overwritten"):
            y.backward()

    def test_a_write_through_a_detached_tensor_counts(self):
        w = leaf(3.0)
        y = (w * w).sum()
        w.detach()[0] = 7.0
        with pytest.raises(tg.GraphError, match="overwritten"):
            y.backward()

    def test_a_write_before_use_does_not(self):
        x, w = tg.tensor([1.0]), leaf(3.0)
        x[0] = 2.0
        (w * x).sum().backward()
        assert w.grad.item() == 2.0

    def test_a_write_that_is_marked_at_the_top_of_a_script_names_its_line(self):
        w = leaf(0.5)
        y = w.tanh()
        exec(compile("y.data[...] = 0.0\ny.mark_written()", "script.py", "exec"), {"y": y})
        with pytest.raises(tg.GraphError, match=r"overwritten at script\.py:2"):
            y.backward(np.ones(1))

    @pytest.mark.parametrize("halves", [lambda x: tg.split(x, 2), lambda x: x.split(2)])
    def test_an_op_with_several_outputs_names_the_line_that_called_it(self, halves):
        x = leaf(1.0, 2.0)
        a, _ = halves(x)
        a.sum().backward()
        with pytest.raises(tg.GraphError, match=r"split saved at .*test_backward\.py:\d+ "):
            a.sum().backward()

    def test_an_overwritten_output_counts_for_a_rule_that_reads_it(self):
        w = leaf(0.5)
        y = w.tanh()
        y.data[...] = 0.0
        y.mark_written()
        with pytest.raises(tg.GraphError, match="its own output"):
            y.backward(np.ones(1))

    @pytest.mark.parametrize("use", [np.tanh, np.asarray, lambda y: y.detach()])
    def test_a_rule_that_goes_around_the_ops_is_stopped_too(self, use):
        @tg.op
        def sly(x, /):
            return np.tanh(x)

        sly.defvjp(lambda g, y, x: g * (1 - use(y) ** 2))
        try:
            y = sly(leaf(0.5))
            y.data[...] = 0.0
            y.mark_written()
            with pytest.raises(tg.GraphError, match="its own output"):
                y.backward(np.ones(1))
        finally:
            del tg.REGISTRY["sly"]


class TestHigherOrder:
    def test_create_graph_makes_gradients_that_have_gradients(self):
        x = leaf(3.0)
        (x**3).sum().backward(create_graph=True)
        first = x.grad
        x.grad = None
        first.sum().backward()
        assert x.grad.item() == 18.0

    def test_gradients_with_graphs_add_up_too(self):
        x = leaf(3.0)
        for _ in range(2):
            (x**2).sum().backward(create_graph=True)
        assert x.grad.item() == 12.0


class TestMemory:
    def test_dropping_the_last_output_frees_the_graph_without_the_collector(self):
        gc.collect()
        gc.disable()
        try:
            x = leaf(1.0)
            y = x * 2
            interior = weakref.ref(y)
            z = (y * y).sum()
            del y
            assert interior() is not None
            del z
            assert interior() is None
        finally:
            gc.enable()

    def test_memory_returns_to_its_baseline_after_backward(self):
        x = tg.tensor(np.ones((100, 100)), requires_grad=True)

        def run():
            y = x
            for _ in range(50):
                y = (y * 1.01).tanh()
            y.sum().backward()

        run()
        x.grad = None
        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            run()
            x.grad = None
            left, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
        assert peak > 100 * 100 * 8 * 50
        assert left < 100 * 100 * 8

    def test_values_are_freed_while_backward_runs(self):
        x = tg.tensor(np.ones(1000), requires_grad=True)
        y = x.tanh()
        saved = weakref.ref(y)
        z = (y * y).sum()
        del y
        z.backward()
        assert saved() is None


class TestThreads:
    def test_each_thread_has_its_own_no_grad(self):
        seen, inside, checked = {}, threading.Event(), threading.Event()

        def without():
            with tg.no_grad():
                inside.set()
                checked.wait(10)
                seen["without"] = (leaf(1.0) * 2).requires_grad

        def with_grad():
            inside.wait(10)
            seen["with"] = (leaf(1.0) * 2).requires_grad
            checked.set()

        threads = [threading.Thread(target=f) for f in (without, with_grad)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert seen == {"without": False, "with": True}

    def test_graphs_built_at_once_stay_apart(self):
        results = []

        def work(k):
            x = leaf(float(k))
            y = x
            for _ in range(200):
                y = y * 1.0
            y.sum().backward()
            (x * x).sum().backward()
            results.append((k, x.grad.item()))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(results) == [(k, 1 + 2 * k) for k in range(8)]


def test_an_op_with_several_outputs_gives_zero_to_those_not_used():
    @tg.op(bundles=True)
    def halves(x, /):
        return x[:1], x[1:]

    halves.defvjp(lambda g, y, x: tg.concatenate(g))
    try:
        x = leaf(2.0, 3.0)
        first, second = halves(x)
        (first * first).sum().backward()
        assert x.grad.tolist() == [4.0, 0.0]
        assert second.op is not None
        assert tg.gradcheck(lambda x: halves(x)[0] * halves(x)[1], np.array([1.0, 2.0]), order=2)
    finally:
        del tg.REGISTRY["halves"]
