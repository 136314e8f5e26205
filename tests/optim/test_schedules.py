"""Schedules resume where they stopped and refuse what cannot be meant; rates are in goldens."""

import math
import re

import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.optim import (
    SGD,
    Adagrad,
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    Schedule,
    StepLR,
)

SCHEDULES = [
    (StepLR, {"step_size": 3}),
    (CosineAnnealingLR, {"T_max": 9}),
    (OneCycleLR, {"max_lr": [1.0, 2.0], "total_steps": 20}),
    (ReduceLROnPlateau, {"patience": 1, "factor": 0.5, "cooldown": 1}),
]
MEASURES = [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 2.0, 2.0, 2.0, 2.0]


def descent():
    """An optimizer of two groups, with rates 1 and 2."""
    p, q = (tg.tensor([1.0], requires_grad=True) for _ in range(2))
    return SGD([{"params": [p]}, {"params": [q], "lr": 2.0}], lr=1.0, momentum=0.9)


def steps(schedule, measures):
    for m in measures:
        schedule.step(*([m] if isinstance(schedule, ReduceLROnPlateau) else []))
    return schedule.get_last_lr()


@pytest.mark.parametrize(("kind", "options"), SCHEDULES)
def test_a_resumed_schedule_goes_on_as_if_it_had_never_stopped(kind, options):
    whole = steps(kind(descent(), **options), MEASURES)
    first = kind(descent(), **options)
    steps(first, MEASURES[:5])
    second = kind(descent(), **options)
    second.load_state_dict(first.state_dict())
    assert second.get_last_lr() == first.get_last_lr()
    assert steps(second, MEASURES[5:]) == whole
    assert second.last_epoch == 10


@pytest.mark.parametrize(("kind", "options"), SCHEDULES)
def test_a_state_of_other_groups_is_refused(kind, options):
    state = kind(descent(), **options).state_dict()
    one_group = SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
    options = {k: v[0] if isinstance(v, list) else v for k, v in options.items()}
    text = f"{kind.__name__}: the state has the rates of 2 groups; expected 1: make the optimizer"
    with pytest.raises(ValueError, match=text):
        kind(one_group, **options).load_state_dict(state)


@pytest.mark.parametrize("kind", [StepLR, CosineAnnealingLR])
def test_every_group_keeps_its_proportion(kind):
    one, two = steps(kind(descent(), 3), MEASURES[:2])
    assert two == 2 * one


def test_an_optimizer_without_momentum_can_cycle_its_rate_alone():
    adagrad = Adagrad([tg.tensor([1.0], requires_grad=True)])
    text = "OneCycleLR: Adagrad has no momentum to move; expected cycle_momentum=False"
    with pytest.raises(ValueError, match=text):
        OneCycleLR(adagrad, 1.0, 10)
    OneCycleLR(adagrad, 1.0, 10, cycle_momentum=False)
    assert adagrad.lr == pytest.approx(1 / 25)


def test_a_cycle_that_starts_at_its_top_only_falls():
    schedule = OneCycleLR(descent(), 1.0, total_steps=10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0, 1.0]


def test_a_plateau_of_nan_counts_as_no_better():
    schedule = ReduceLROnPlateau(descent(), patience=0)
    schedule.step(1.0)
    schedule.step(math.nan)
    assert schedule.get_last_lr() == pytest.approx([0.1, 0.2])


def test_rates_do_not_fall_below_the_lowest_nor_by_less_than_is_worth_it():
    schedule = ReduceLROnPlateau(descent(), patience=0, min_lr=0.5, eps=0.6)
    for _ in range(3):
        schedule.step(1.0)
    assert schedule.get_last_lr() == [1.0, 0.5]


def test_more_steps_than_the_cycle_has_are_refused():
    schedule = OneCycleLR(descent(), 1.0, total_steps=2)
    steps(schedule, MEASURES[:2])
    with pytest.raises(ValueError, match="OneCycleLR: step 3 of total_steps=2; expected no more"):
        schedule.step()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda d: StepLR(d, 0), "StepLR: got step_size=0; expected 1 or more"),
        (lambda d: CosineAnnealingLR(d, 0), "CosineAnnealingLR: got T_max=0; expected 1 or more"),
        (lambda d: OneCycleLR(d, 1.0, 0), "OneCycleLR: got total_steps=0; expected 1 or more"),
        (
            lambda d: OneCycleLR(d, 1.0, 9, pct_start=2),
            "OneCycleLR: got pct_start=2; expected 0 <= pct_start <= 1",
        ),
        (
            lambda d: OneCycleLR(d, 1.0, 9, anneal_strategy="sine"),
            "OneCycleLR: got anneal_strategy='sine'; expected 'cos' or 'linear'",
        ),
        (
            lambda d: OneCycleLR(d, [1.0], 9),
            "OneCycleLR: got 1 values of max_lr; expected one, or one for each of 2 groups",
        ),
        (
            lambda d: ReduceLROnPlateau(d, factor=1.0),
            "ReduceLROnPlateau: got factor=1.0; expected 0 < factor < 1",
        ),
        (
            lambda d: ReduceLROnPlateau(d, mode="low"),
            "ReduceLROnPlateau: got mode='low'; expected 'min' or 'max'",
        ),
        (
            lambda d: ReduceLROnPlateau(d, threshold_mode="far"),
            "ReduceLROnPlateau: got threshold_mode='far'; expected 'rel' or 'abs'",
        ),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(make, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        make(descent())


def test_a_schedule_of_ones_own_is_its_rate():
    class Halving(Schedule):
        def rate(self, base, t):
            return base / 2**t

    assert steps(Halving(descent()), MEASURES[:3]) == [1 / 8, 2 / 8]
    with pytest.raises(NotImplementedError, match=r"Schedule needs a rate\(self, base, t\)"):
        Schedule(descent())
