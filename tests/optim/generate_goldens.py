"""Write goldens.npz: what PyTorch's optimizers and schedules do. Needs torch.

    python tests/optim/generate_goldens.py

Every run descends the same loss, `loss` below, from the same start for 50 steps in float64, and is
saved as its parameters after steps 1, 10 and 50. A schedule is saved as its rates (and momenta)
at every step. `cases.py` holds the options, which the tests use too.
"""

import math
from pathlib import Path

import numpy as np
import torch
from cases import COEFFICIENTS, MEASURES, OPTIMIZERS, SCHEDULES, START, STEPS, WATCHED

torch.set_default_dtype(torch.float64)


def loss(w: torch.Tensor) -> torch.Tensor:
    a, b, c = (torch.tensor(x) for x in COEFFICIENTS)
    return (a * torch.sin(b * w) + c * w * w).sum()


def trajectory(name: str, options: dict) -> np.ndarray:
    w = torch.tensor(START, requires_grad=True)
    optimizer = getattr(torch.optim, name)([w], **options)
    points = []
    for t in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss(w).backward()
        optimizer.step()
        if t in WATCHED:
            points.append(w.detach().numpy().copy())
    return np.array(points)


def rates(name: str, kind: str, options: dict) -> np.ndarray:
    momentum = {"momentum": 0.9} if kind == "SGD" else {}
    optimizer = getattr(torch.optim, kind)([torch.zeros(1, requires_grad=True)], lr=0.5, **momentum)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    seen = []
    for t in range(STEPS):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        optimizer.step()
        schedule.step(*([MEASURES[t]] if name == "ReduceLROnPlateau" else []))
    return np.array(seen)


if __name__ == "__main__":
    goldens = {f"optimizer {i}": trajectory(*case) for i, case in enumerate(OPTIMIZERS)}
    goldens |= {f"schedule {i}": rates(*case) for i, case in enumerate(SCHEDULES)}
    assert all(math.isfinite(x.sum()) for x in goldens.values())
    np.savez_compressed(Path(__file__).with_name("goldens.npz"), **goldens)
