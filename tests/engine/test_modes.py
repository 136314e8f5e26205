"""Settings of the moment."""

import asyncio

import numpy as np
import pytest

import tinygrad_rnn as tg


def recorded():
    return (tg.tensor([1.0], requires_grad=True) * 2).requires_grad


def test_no_grad_and_enable_grad_nest():
    with tg.no_grad():
        assert not recorded()
        with tg.enable_grad():
            assert recorded()
        assert not recorded()
    assert recorded()


def test_no_grad_is_a_decorator_too():
    assert not tg.no_grad()(recorded)()


def test_no_grad_ends_when_its_block_fails():
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert recorded()


def test_coroutines_do_not_see_one_another():
    async def without():
        with tg.no_grad():
            await asyncio.sleep(0)
            return recorded()

    async def within():
        await asyncio.sleep(0)
        return recorded()

    async def both():
        return await asyncio.gather(without(), within())

    assert asyncio.run(both()) == [False, True]


class TestAnomaly:
    def test_names_the_op_whose_value_is_not_finite(self):
        with (
            tg.detect_anomaly(),
            pytest.raises(
                tg.AnomalyError,
                match=r"log: the value has 0 NaN and 1 inf among 2.*\(1,\)",
            ),
        ):
            tg.log(tg.tensor([1.0, 0.0]))

    def test_names_the_op_input_and_line_whose_cotangent_is_not_finite(self):
        x = tg.tensor([0.0], requires_grad=True)
        with (
            tg.detect_anomaly(),
            pytest.raises(
                tg.AnomalyError,
                match=r"sqrt: the cotangent of input 'x' has .*test_modes",
            ),
        ):
            tg.sqrt(x).sum().backward()

    def test_lets_infinities_pass_outside(self):
        with np.errstate(divide="ignore"):
            assert tg.log(tg.tensor([0.0])).item() == -np.inf


class TestDefaultDtype:
    def test_governs_python_floats_only(self):
        with tg.default_dtype("float64"):
            assert tg.tensor([1.0]).dtype == np.float64
            assert tg.tensor(np.ones(1, np.float32)).dtype == np.float32
            assert tg.tensor([1]).dtype == np.int64
        assert tg.tensor([1.0]).dtype == np.float32

    def test_must_be_a_float(self):
        with pytest.raises(tg.DtypeError, match="got int32"), tg.default_dtype("int32"):
            pass
