"""Optimizers: what turns gradients into better parameters.

==============  =====================================================================
`optimizer`     what they share: groups, steps, saving; write your own with `Optimizer`
`sgd`           gradient descent, with momentum and Nesterov's
`adagrad`       rates that fall with the gradients met so far
`rmsprop`       rates that follow the gradients met lately
`adam`          both means, corrected for their start; AdamW decays weights apart
`clipping`      gradients kept from throwing the parameters far away
`schedules`     learning rates that change as training goes on
==============  =====================================================================

Names, defaults and results are PyTorch's: trajectories of 50 steps agree to 12 digits.
"""

from tinygrad_rnn.optim.adagrad import Adagrad
from tinygrad_rnn.optim.adam import Adam, AdamW
from tinygrad_rnn.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_rnn.optim.optimizer import Optimizer
from tinygrad_rnn.optim.rmsprop import RMSprop
from tinygrad_rnn.optim.schedules import (
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    Schedule,
    StepLR,
)
from tinygrad_rnn.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "clip_grad_norm",
    "clip_grad_value",
]
