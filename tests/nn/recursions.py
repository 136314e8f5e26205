"""What the derivations of cells, and the loops over them, are compared with."""

import copy
import functools

import numpy as np

import tinygrad_rnn as tg
from tinygrad_rnn.compiler import trace
from tinygrad_rnn.engine.nesting import leaves, mapped, rebuilt

T, B, D, H, P = 5, 3, 2, 4, 3


def drawn(*shape, seed=3):
    return tg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def carry_of(cell, batch=B, seed=4):
    """A carry that is not zero."""
    rng = np.random.default_rng(seed)
    return mapped(
        lambda s: tg.tensor(rng.normal(size=s.shape).astype(s.dtype), requires_grad=True),
        cell.initial(*np.atleast_1d(batch)),
    )


def run(cell):
    """Everything that the derivation of a cell speaks of, over one sequence."""
    rng = np.random.default_rng(5)
    x, carry = drawn(T, B, D), carry_of(cell)
    start, hs, cs = leaves(carry), [], []
    ys_bar = rng.normal(size=(T, B, start[0].shape[1]))
    loss = tg.tensor(0.0, dtype="float64")
    for t in range(T):
        carry, y = cell.step(carry, x[t])
        loss = loss + (y * ys_bar[t]).sum()
        hs.append(leaves(carry)[0].data)
        cs.append(leaves(carry)[-1].data)
    loss.backward()
    gradients = {name: p.grad.data for name, p in cell.named_parameters()}
    gradients["x"] = x.grad.data
    gradients |= {f"{name}_0": s.grad.data for name, s in zip("hc", start, strict=False)}
    before, memory = [start[0].data, *hs[:-1]], [start[-1].data, *cs[:-1]]
    return x.data, before, memory, hs, cs, ys_bar, gradients


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def summed(deltas, others):
    """The sum over time of outer products."""
    return sum(d.T @ v for d, v in zip(deltas, others, strict=True))


def assert_close(a, b, name=""):
    a, b = (x.detach().numpy() if isinstance(x, tg.Tensor) else x for x in (a, b))
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=name)


def assert_equal(recursion, engine):
    assert recursion.keys() == engine.keys()
    for name, value in recursion.items():
        assert_close(value, engine[name], name)


def bound(module, values):
    """A twin whose parameters are other tensors; its generators are where the module's are."""
    twin = copy.deepcopy(module)
    for (path, _), value in zip(module.named_parameters(), values, strict=True):
        *owners, name = path.split(".")
        vars(functools.reduce(getattr, owners, twin))[name] = value
    return twin


def gradcheck(cell, steps=2, **options):
    """Compare first and second derivatives by input, carry and parameters with differences."""
    start = carry_of(cell, batch=2)
    count = len(leaves(start))

    def loss(x, *rest):
        twin = bound(cell, rest[count:])
        end, y = twin.run(rebuilt(start, rest[:count]), x, **options)
        return sum((k + 1.0) * (s * s * s).sum() for k, s in enumerate((*leaves(end), *leaves(y))))

    x = np.random.default_rng(6).normal(size=(steps, 2, D))
    carry = (s.data for s in leaves(start))
    tg.gradcheck(loss, x, *carry, *(p.data for p in cell.parameters()), order=2)


def assert_traceable(cell, batch=B):
    """A step is a program of ops in carry, input and parameters, and of nothing else."""
    x = tg.tensor(np.ones((1, batch, D), "float32"))
    xs = cell.project(x, *cell.noise(1, batch))
    nest = (carry_of(cell, batch), mapped(lambda s: s[0], xs))
    arrays = [s.data for s in leaves(nest)]
    program = trace(lambda *given: cell.recur(*rebuilt(nest, given)), *arrays)
    assert all(w.requires_grad for w in program.captured.values())
    operands = [x for line in program.lines for x in line.operands]
    assert not any(isinstance(x, np.ndarray) for x in operands)
    for a, b in zip(leaves(program(*arrays)), leaves(cell.recur(*nest)), strict=True):
        np.testing.assert_allclose(a, b.data, rtol=1e-6)
