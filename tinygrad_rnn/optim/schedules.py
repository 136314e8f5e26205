r"""Learning rates that change as training goes on.

A schedule takes hold of an optimizer, sets the rates of its groups at once, and anew at every
`step()`, which comes after the optimizer's. Names and meanings are PyTorch's.

    >>> import tinygrad_rnn as tg
    >>> from tinygrad_rnn.optim import SGD, StepLR
    >>> descent = SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
    >>> schedule = StepLR(descent, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(descent.lr)
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_rnn.optim.optimizer import Optimizer


class Schedule:
    """The base of schedules that are a function of the number of steps.

    A new one is its `rate`.

    Args:
        optimizer: Whose rates to set. Those it has now are the base of what it will have.

    Attributes:
        base_lrs: For each group its rate before.
        last_epoch: Steps taken so far.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._set_rates()

    def rate(self, base: float, t: int) -> float:
        """The learning rate after `t` steps, for a group whose base is `base`."""
        raise NotImplementedError(f"{type(self).__name__} needs a rate(self, base, t)")

    def step(self) -> None:
        """Go on to the next rate; to be called after the optimizer's `step`."""
        self.last_epoch += 1
        self._set_rates()

    def get_last_lr(self) -> list[float]:
        """The rates in force, one for each group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on from here, besides the arguments."""
        return {"base_lrs": list(self.base_lrs), "last_epoch": self.last_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another schedule with the same arguments stopped."""
        _check_groups(self, state["base_lrs"])
        self.base_lrs, self.last_epoch = list(state["base_lrs"]), state["last_epoch"]
        self._set_rates()

    def _set_rates(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(base, self.last_epoch)


class StepLR(Schedule):
    r"""Multiply the rate by a factor every so many steps.

    $$ \eta_t = \eta_0\, \gamma^{\lfloor t/s \rfloor} $$

    Args:
        optimizer: Whose rates to set.
        step_size: $s$.
        gamma: $\gamma$.

    Raises:
        ValueError: If `step_size` is less than 1.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: got step_size={step_size}; expected 1 or more")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """The base, reduced once for each full `step_size`."""
        return base * self.gamma ** (t // self.step_size)


class CosineAnnealingLR(Schedule):
    r"""Half a cosine down to the lowest rate, and up again if training goes on.

    $$ \eta_t = \eta_{\min}
       + \tfrac12 (\eta_0 - \eta_{\min}) \Big(1 + \cos\frac{\pi t}{T}\Big) $$

    Source: Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*, ICLR
    2017, arXiv:1608.03983, equation 5, without the restarts.

    Args:
        optimizer: Whose rates to set.
        T_max: $T$.
        eta_min: $\eta_{\min}$.

    Raises:
        ValueError: If `T_max` is less than 1.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import SGD
        >>> descent = SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = CosineAnnealingLR(descent, T_max=2)
        >>> schedule.step()
        >>> round(descent.lr, 9)
        0.5
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: got T_max={T_max}; expected 1 or more")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """A point of the cosine."""
        return _cosine(base, self.eta_min, t / self.T_max)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))


def _line(start: float, end: float, progress: float) -> float:
    return start + (end - start) * progress


ANNEALINGS: dict[str, Callable[[float, float, float], float]] = {"cos": _cosine, "linear": _line}


class OneCycleLR(Schedule):
    r"""One rise to a large rate and one fall to a tiny one, with the momentum moving the other way.

    From $\eta_{\max}/d$ to $\eta_{\max}$ in the first part of training, then down to
    $\eta_{\max}/(d f)$. With `three_phase` it falls as it rose, and only then to its end. Momentum,
    Adam's $\beta_1$ where there is one, is lowest where the rate is highest.

    Source: Smith and Topin, *Super-convergence: very fast training of neural networks using large
    learning rates*, 2017, arXiv:1708.07120.

    Args:
        optimizer: Whose rates to set; those it has now do not matter.
        max_lr: $\eta_{\max}$, one for all groups or one for each.
        total_steps: How many steps there will be.
        pct_start: The part of them that rises.
        anneal_strategy: The shape of rise and fall, `"cos"` or `"linear"`.
        cycle_momentum: Whether to move momentum too.
        base_momentum: The lowest.
        max_momentum: The highest, at the start and at the end.
        div_factor: $d$.
        final_div_factor: $f$.
        three_phase: Whether to fall in two parts.

    Raises:
        ValueError: If an argument is out of its range, the optimizer has no momentum to move, or
            there are more steps than `total_steps`.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import SGD
        >>> descent = SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0, momentum=0.9)
        >>> schedule = OneCycleLR(descent, max_lr=1.0, total_steps=10, anneal_strategy="linear")
        >>> for _ in range(2):
        ...     schedule.step()
        >>> descent.lr, descent.param_groups[0]["momentum"]
        (1.0, 0.85)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        self._check(optimizer, total_steps, pct_start, anneal_strategy, cycle_momentum)
        self.total_steps, self.anneal = total_steps, ANNEALINGS[anneal_strategy]
        self.cycle_momentum = cycle_momentum
        low, high, rise = 1 / div_factor, 1.0, pct_start * total_steps - 1
        last = low / final_div_factor
        # Where each phase ends, and from and to which part of the highest rate it goes.
        self.phases = [(rise, low, high), (total_steps - 1, high, last)]
        self.momenta = [(max_momentum, base_momentum), (base_momentum, max_momentum)]
        if three_phase:
            self.phases[1:] = [(2 * rise, high, low), (total_steps - 1, low, last)]
            self.momenta.append((max_momentum, max_momentum))
        groups = optimizer.param_groups
        highest = [max_lr] * len(groups) if isinstance(max_lr, int | float) else list(max_lr)
        if len(highest) != len(groups):
            raise ValueError(
                f"OneCycleLR: got {len(highest)} values of max_lr; expected one, or one for each "
                f"of {len(groups)} groups"
            )
        for group, lr in zip(groups, highest, strict=True):
            group["lr"] = lr
        super().__init__(optimizer)

    @staticmethod
    def _check(
        optimizer: Optimizer, total_steps: int, pct_start: float, strategy: str, momentum: bool
    ) -> None:
        if total_steps < 1:
            raise ValueError(f"OneCycleLR: got total_steps={total_steps}; expected 1 or more")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: got pct_start={pct_start}; expected 0 <= pct_start <= 1")
        if strategy not in ANNEALINGS:
            raise ValueError(
                f"OneCycleLR: got anneal_strategy={strategy!r}; expected 'cos' or 'linear'"
            )
        if momentum and not {"momentum", "betas"} & set(optimizer.options):
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum to move; expected "
                "cycle_momentum=False"
            )

    def rate(self, base: float, t: int) -> float:
        """A point of the rise or the fall; `base` is the highest."""
        phase, progress = self._phase(t)
        _, start, end = self.phases[phase]
        return self.anneal(start * base, end * base, progress)

    def _phase(self, t: int) -> tuple[int, float]:
        """Which phase step `t` is in, and how far into it."""
        ends = [end for end, *_ in self.phases]
        phase = min(bisect_left(ends, t), len(ends) - 1)
        begin = ends[phase - 1] if phase else 0.0
        return phase, (t - begin) / (ends[phase] - begin) if ends[phase] > begin else 1.0

    def step(self) -> None:
        """Go on to the next rate and momentum."""
        if self.last_epoch >= self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch + 1} of total_steps={self.total_steps}; "
                "expected no more: give the number of steps that there will be"
            )
        super().step()

    def _set_rates(self) -> None:
        super()._set_rates()
        if not self.cycle_momentum:
            return
        phase, progress = self._phase(self.last_epoch)
        momentum = self.anneal(*self.momenta[phase], progress)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum


class ReduceLROnPlateau:
    """Lower the rate when a measure has stopped getting better.

    Args:
        optimizer: Whose rates to lower.
        mode: `"min"` if smaller is better, `"max"` if larger.
        factor: What a rate is multiplied by.
        patience: How many measures in a row may fail to be better.
        threshold: By how much a measure has to be better.
        threshold_mode: `"rel"` for a part of the best so far, `"abs"` for a difference.
        cooldown: For how many measures after a reduction failures do not count.
        min_lr: The lowest rate.
        eps: Smaller reductions are not made.

    Attributes:
        best: The best measure so far.
        num_bad_epochs: How many in a row were not better.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> import tinygrad_rnn as tg
        >>> from tinygrad_rnn.optim import SGD
        >>> descent = SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = ReduceLROnPlateau(descent, factor=0.5, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     schedule.step(loss)
        >>> descent.lr
        0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: got factor={factor}; expected 0 < factor < 1")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: got mode={mode!r}; expected 'min' or 'max'")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: got threshold_mode={threshold_mode!r}; expected 'rel' or 'abs'"
            )
        self.optimizer = optimizer
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: float) -> None:
        """Take notice of a new measure, and lower the rates if it was one failure too many."""
        self.last_epoch += 1
        if self._is_better(float(metrics)):
            self.best, self.num_bad_epochs = float(metrics), 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._lower_rates()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """The rates in force, one for each group."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on from here, besides the arguments."""
        return {
            "best": self.best,
            "num_bad_epochs": self.num_bad_epochs,
            "cooldown_counter": self.cooldown_counter,
            "last_epoch": self.last_epoch,
            "lrs": self.get_last_lr(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another schedule with the same arguments stopped."""
        _check_groups(self, state["lrs"])
        self.best, self.num_bad_epochs = state["best"], state["num_bad_epochs"]
        self.cooldown_counter, self.last_epoch = state["cooldown_counter"], state["last_epoch"]
        for group, lr in zip(self.optimizer.param_groups, state["lrs"], strict=True):
            group["lr"] = lr

    def _is_better(self, measure: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "abs":
            return sign * measure > sign * (self.best + sign * self.threshold)
        return sign * measure > sign * (self.best * (1 + sign * self.threshold))

    def _lower_rates(self) -> None:
        for group in self.optimizer.param_groups:
            lowered = max(group["lr"] * self.factor, self.min_lr)
            if group["lr"] - lowered > self.eps:
                group["lr"] = lowered


def _check_groups(schedule: Schedule | ReduceLROnPlateau, lrs: Sequence[float]) -> None:
    groups = len(schedule.optimizer.param_groups)
    if len(lrs) != groups:
        raise ValueError(
            f"{type(schedule).__name__}: the state has the rates of {len(lrs)} groups; expected "
            f"{groups}: make the optimizer's groups as they were when it was saved"
        )
