"""Ask PyTorch where its optimizers and schedules go, and write its answers to `goldens.npz`.

    python tests/optim/generate_goldens.py

Run by hand when the grids below change; the tests read the file and never import torch.

Every optimizer descends the same loss, the sum of a sin(b w) + c w², from the same start, for 50
steps in float64. A schedule drives an optimizer for 50 steps, and is told of 50 measures if it is
one that listens.

The file holds:

- `coefficients`: a, b, c and the start, one row each;
- `watched`: the steps after which the parameters are saved;
- `trajectories`: the parameters, (cases, watched steps, parameters);
- `measures`: what `ReduceLROnPlateau` is told;
- `rates`: rate and momentum before each step, (cases, steps, 2);
- `index`: UTF-8 of the JSON of both lists of cases.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

PATH = Path(__file__).with_name("goldens.npz")
STEPS, WATCHED = 50, [1, 2, 10, 50]

rng = np.random.default_rng(0)
COEFFICIENTS = np.stack([*rng.uniform(0.5, 2, (3, 5)), rng.standard_normal(5)])
MEASURES = np.round(np.exp(-np.arange(STEPS) / 8) + 0.2 * rng.random(STEPS), 3)


def optimizer_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for decay in (0.0, 0.1):
        yield "SGD", {"lr": 0.1, "weight_decay": decay}
        for dampening, nesterov in ((0.0, False), (0.3, False), (0.0, True)):
            yield (
                "SGD",
                {
                    "lr": 0.05,
                    "momentum": 0.9,
                    "dampening": dampening,
                    "weight_decay": decay,
                    "nesterov": nesterov,
                },
            )
        for kind, betas, eps in product(
            ("Adam", "AdamW"), ((0.9, 0.999), (0.5, 0.9), (0.0, 0.99)), (1e-8, 1e-2)
        ):
            yield kind, {"lr": 0.05, "betas": betas, "eps": eps, "weight_decay": decay}
        for alpha, momentum, centered in product((0.99, 0.5), (0.0, 0.9), (False, True)):
            yield (
                "RMSprop",
                {
                    "lr": 0.01,
                    "alpha": alpha,
                    "momentum": momentum,
                    "centered": centered,
                    "weight_decay": decay,
                },
            )
        for lr_decay, first in product((0.0, 0.1), (0.0, 0.5)):
            yield (
                "Adagrad",
                {
                    "lr": 0.2,
                    "lr_decay": lr_decay,
                    "initial_accumulator_value": first,
                    "weight_decay": decay,
                },
            )
    for kind in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        yield kind, {}


def schedule_cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "StepLR", "SGD", {"step_size": 7}
    yield "StepLR", "SGD", {"step_size": 1, "gamma": 0.9}
    yield "CosineAnnealingLR", "SGD", {"T_max": 50}
    yield "CosineAnnealingLR", "SGD", {"T_max": 20, "eta_min": 0.01}
    for kind, strategy, three in product(("SGD", "Adam"), ("cos", "linear"), (False, True)):
        options = {"total_steps": 50, "anneal_strategy": strategy, "three_phase": three}
        yield "OneCycleLR", kind, {"max_lr": 2.0, **options}
    yield (
        "OneCycleLR",
        "SGD",
        {
            "max_lr": 2.0,
            "total_steps": 60,
            "pct_start": 0.1,
            "cycle_momentum": False,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
        },
    )
    for mode, threshold_mode in product(("min", "max"), ("rel", "abs")):
        plateau = {"mode": mode, "threshold_mode": threshold_mode, "threshold": 0.05}
        yield "ReduceLROnPlateau", "SGD", {**plateau, "patience": 2, "factor": 0.5}
        yield "ReduceLROnPlateau", "SGD", {**plateau, "patience": 1, "cooldown": 4, "min_lr": 0.1}
    yield "ReduceLROnPlateau", "SGD", {}


def trajectory(kind: str, options: dict[str, Any]) -> list[np.ndarray]:
    a, b, c, start = map(torch.tensor, COEFFICIENTS)
    w = start.clone().requires_grad_()
    optimizer = getattr(torch.optim, kind)([w], **options)
    points = []
    for t in range(1, STEPS + 1):
        optimizer.zero_grad()
        (a * torch.sin(b * w) + c * w * w).sum().backward()
        optimizer.step()
        if t in WATCHED:
            points.append(w.detach().numpy().copy())
    return points


def rates(name: str, kind: str, options: dict[str, Any]) -> list[tuple[float, float]]:
    extra = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(torch.optim, kind)([torch.zeros(1, requires_grad=True)], lr=0.5, **extra)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    seen = []
    for measure in MEASURES:
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        optimizer.step()
        schedule.step(*([measure] if name == "ReduceLROnPlateau" else []))
    return seen


if __name__ == "__main__":
    cases = {"optimizers": list(optimizer_cases()), "schedules": list(schedule_cases())}
    np.savez_compressed(
        PATH,
        coefficients=COEFFICIENTS,
        watched=np.array(WATCHED),
        trajectories=np.array([trajectory(*case) for case in cases["optimizers"]]),
        measures=MEASURES,
        rates=np.array([rates(*case) for case in cases["schedules"]]),
        index=np.frombuffer(json.dumps(cases).encode(), np.uint8),
    )
    print(f"{PATH.stat().st_size / 1000:.0f} kB, { ({k: len(v) for k, v in cases.items()}) }")
