"""Custom cells, forward and backward with all gradients, next to the same cells elsewhere."""

from functools import partial
from typing import Any

from tests.benchmarks import pytorch
from tests.benchmarks.own_cells import made
from tests.benchmarks.pairs import (
    Comparison,
    Effort,
    Group,
    Outcome,
    TooSlowError,
    compare,
    installed,
)
from tests.benchmarks.peer_cells import (
    CELLS,
    Carry,
    Parameters,
    PeerCell,
    jax_library,
    torch_library,
)
from tests.benchmarks.remote import Remote
from tests.benchmarks.sequences import GRID, Side, Sizes, Work, ours, written
from tinygrad_rnn import nn

SIZES = (GRID[0], GRID[4])


def group() -> Group:
    """Every cell against PyTorch's loop in Python, `torch.compile` and JAX's `lax.scan`."""
    peers = {
        "PyTorch eager": (against_eager, 4.0),
        "torch.compile": (against_compiled, 1.5),
        "JAX lax.scan, jit": (against_jax, 2.0),
    }
    comparisons = [
        Comparison(
            f"{name}\n{written(sizes)}", peer, "s", partial(measure, name, sizes), at_least=bound
        )
        for name in CELLS
        for sizes in SIZES
        for peer, (measure, bound) in peers.items()
    ]
    means = {peer: bound for peer, (_, bound) in peers.items()}
    title = "Custom cells, (T, B, I, H): forward, backward, all gradients, float32"
    return Group(title, comparisons, means)


def against_eager(name: str, sizes: Sizes, effort: Effort) -> Outcome:
    """The peer loops over time in Python."""
    cell, work = made(name, sizes)
    theirs, note = pytorch.at_its_best({"": torch_side(name, cell, work)}, effort)
    return compare(ours(nn.Recurrent(cell), work), theirs, effort, note=note)


def against_compiled(name: str, sizes: Sizes, effort: Effort) -> Outcome:
    """The peer compiles, in a process of its own."""
    cell, work = made(name, sizes)
    peer, note = compiled(name, sizes, effort.patience)
    with peer:
        return compare(ours(nn.Recurrent(cell), work), peer.run, effort, note=note)


def compiled(name: str, sizes: Sizes, patience: float) -> tuple[Remote, str]:
    """The peer's loop, compiled as one, or its step if that takes too long; and which it is."""
    arguments = (name, *map(str, sizes))
    try:
        return Remote("compiled_cell", "loop", *arguments, patience=patience), "the whole loop"
    except TooSlowError:
        note = f"its step; the loop takes over {patience:.0f} s to compile"
        return Remote("compiled_cell", "step", *arguments, patience=patience), note


def against_jax(name: str, sizes: Sizes, effort: Effort) -> Outcome:
    """The peer compiles its loop with XLA."""
    cell, work = made(name, sizes)
    return compare(ours(nn.Recurrent(cell), work), jax_side(name, cell, work), effort)


def torch_side(name: str, cell: nn.Cell, work: Work, compiled: str = "") -> Side:
    """PyTorch's loop over time; compiled may be the "loop", or the "step" inside."""
    torch = installed("torch")
    lib, peer = torch_library(), CELLS[name]
    step = torch.compile(peer.step) if compiled == "step" else peer.step
    chosen = PeerCell(step, peer.project)

    def loop(p: Parameters, x: Any, carry: Carry) -> Any:
        outputs = []
        for a in chosen.project(lib, p, x).unbind(0):
            carry = chosen.step(lib, p, carry, a)
            outputs.append(carry[0])
        return torch.stack(outputs)

    parameters = {
        key: torch.tensor(p.numpy(), requires_grad=True) for key, p in cell.named_parameters()
    }
    return pytorch.side(torch.compile(loop) if compiled == "loop" else loop, parameters, work)


def jax_side(name: str, cell: nn.Cell, work: Work) -> Side:
    """JAX's scan, differentiated and compiled as one."""
    jax = installed("jax")
    lib, peer = jax_library(), CELLS[name]
    x, states, seed = jax.tree.map(jax.numpy.asarray, (work.x, work.states, work.seed))
    p = {key: jax.numpy.asarray(q.numpy()) for key, q in cell.named_parameters()}

    def loss(p: Parameters, x: Any, states: Carry) -> tuple[Any, Any]:
        def step(carry: Carry, a: Any) -> tuple[Carry, Any]:
            carry = peer.step(lib, p, carry, a)
            return carry, carry[0]

        _, y = jax.lax.scan(step, states, peer.project(lib, p, x))
        return (y * seed).sum(), y

    gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))

    def run() -> list[Any]:
        (_, y), (p_bar, x_bar, states_bar) = jax.block_until_ready(gradients(p, x, states))
        return [y, *(p_bar[key] for key in p), x_bar, *states_bar]

    return run
