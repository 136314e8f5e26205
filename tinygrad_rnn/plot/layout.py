r"""Where the boxes of a directed graph go: in layers, with few crossings and straight lines.

The method is Sugiyama's, in four steps.

1. *Layers*: a node stands as late as it can, one layer before the first that uses it.
2. *Chains*: an arrow over several layers passes through a waypoint in each; arrows of one source
   share them, so that a weight used at every step is one line with branches.
3. *Order*: nodes go to the mean position of their neighbours, to and fro, and the order with the
   fewest crossings is kept.
4. *Coordinates*: each layer minimises its squared distance to where its neighbours want it, under
   the boxes' distances, which is an isotonic regression. What should be straight, the longest path
   and every shared line, agrees on one coordinate meanwhile.

Sources: Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures" (1981); Gansner et al., "A technique for drawing directed graphs" (1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]
Edge = tuple[int, int]

SWEEPS = 12
WAYPOINT = 6.0  # how much room a passing line takes across its direction
STIFF = 1e4  # how much more strongly a rail holds its place than a box does


@dataclass(frozen=True)
class Layout:
    """Places in a plane whose first coordinate runs along the arrows.

    Attributes:
        layers: for each node its layer, counted from the inputs,
        lanes: its place within that layer, counted across,
        centres: and its centre.
        routes: for each edge the points that it runs through: two per layer, in and out.
        extent: the size of the whole.
    """

    layers: list[int]
    lanes: list[int]
    centres: list[Point]
    routes: list[list[Point]]
    extent: Point


def layered(
    sizes: Sequence[Point], edges: Sequence[Edge], *, gap: Point = (40.0, 20.0), port: float = 14.0
) -> Layout:
    """Lay out an acyclic graph whose nodes are numbered in topological order.

    Args:
        sizes: each node's extent along and across the arrows.
        edges: (from, to), in the order in which arrows arrive at a node; repeats are fine.
        gap: the free room between layers, and between neighbours within one.
        port: the distance between the tips of arrows that arrive at one node.

    Example:
        >>> layout = layered([(40, 30)] * 3, [(0, 1), (0, 1), (1, 2), (0, 2)])
        >>> layout.layers
        [0, 1, 2]
        >>> [x for x, _ in layout.centres]
        [20.0, 100.0, 180.0]
    """
    mesh = Mesh.of(sizes, edges, port)
    order = ordered(mesh)
    across = coordinates(mesh, order, gap[1])
    columns = column_spans(mesh, order, gap[0])
    top = min(across[v] - mesh.sizes[v][1] / 2 for v in range(len(mesh.sizes)))
    bottom = max(across[v] + mesh.sizes[v][1] / 2 for v in range(len(mesh.sizes)))
    across = [round(y - top, 1) for y in across]
    centres = [(sum(columns[mesh.layers[v]]) / 2, across[v]) for v in range(len(sizes))]
    position = {v: i for layer in order for i, v in enumerate(layer)}
    return Layout(
        layers=mesh.layers[: len(sizes)],
        lanes=[position[v] for v in range(len(sizes))],
        centres=centres,
        routes=[route(mesh, k, across, columns) for k in range(len(edges))],
        extent=(columns[-1][1], round(bottom - top, 1)),
    )


@dataclass
class Mesh:
    """A graph whose arrows all go from one layer to the next, through waypoints if need be.

    Attributes:
        sizes: extents of the nodes, then of the waypoints.
        layers: the layer of each.
        real: how many of them are nodes.
        chains: for each edge, what it runs through, ends included.
        ports: for each edge, how far from its target's centre it arrives.
        links: (from, to, offset at the target), without repeats of shared waypoints.
        rails: what should lie on a straight line, beginning with the longest path.
    """

    sizes: list[Point]
    layers: list[int]
    real: int
    chains: list[list[int]] = field(default_factory=list)
    ports: list[float] = field(default_factory=list)
    links: list[tuple[int, int, float]] = field(default_factory=list)
    rails: list[list[int]] = field(default_factory=list)

    @classmethod
    def of(cls, sizes: Sequence[Point], edges: Sequence[Edge], port: float) -> "Mesh":
        """Assign layers, and break long arrows with waypoints."""
        mesh = cls(list(sizes), as_late_as_possible(len(sizes), edges), len(sizes))
        spine = longest_path(len(sizes), edges)
        mesh.ports = port_offsets(sizes, edges, port, set(pairwise(spine)))
        rails: dict[int, list[int]] = {}
        for (source, target), offset in zip(edges, mesh.ports, strict=True):
            rail = rails.setdefault(source, [])
            for layer in range(mesh.layers[source] + len(rail) + 1, mesh.layers[target]):
                mesh.links.append((rail[-1] if rail else source, len(mesh.sizes), 0.0))
                rail.append(len(mesh.sizes))
                mesh.sizes.append((0.0, WAYPOINT))
                mesh.layers.append(layer)
            chain = [source, *rail[: mesh.layers[target] - mesh.layers[source] - 1]]
            mesh.links.append((chain[-1], target, offset))
            mesh.chains.append([*chain, target])
        sources = {target for _, target in edges}
        mesh.rails = [spine] + [
            rail if source in spine or source in sources else [source, *rail]
            for source, rail in rails.items()
            if rail
        ]
        return mesh


def as_late_as_possible(count: int, edges: Sequence[Edge]) -> list[int]:
    """Each node's layer: one before the first that uses it, the last for an output."""
    depth = [0] * count
    for source, target in sorted(edges, key=lambda edge: -edge[1]):
        depth[source] = max(depth[source], depth[target] + 1)
    return [max(depth) - d for d in depth]


def longest_path(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest path to the output; of equals, the one through later inputs."""
    before: list[int | None] = [None] * count
    length = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if length[source] + 1 >= length[target]:
            length[target], before[target] = length[source] + 1, source
    path = [max(range(count), key=lambda v: (length[v], v))]
    while (v := before[path[-1]]) is not None:
        path.append(v)
    return path[::-1]


def port_offsets(
    sizes: Sequence[Point], edges: Sequence[Edge], port: float, straight: set[Edge]
) -> list[float]:
    """How far from its target's centre each edge arrives, so that no two arrive at one point.

    A straight one arrives at the centre and the others beside it; without one all are centred.
    """
    arriving: dict[int, list[int]] = {}
    for k, (_, target) in enumerate(edges):
        arriving.setdefault(target, []).append(k)
    offsets = [0.0] * len(edges)
    for target, ks in arriving.items():
        sources = [edges[k] for k in ks]
        middle = (len(ks) - 1) / 2
        if len(set(sources)) == len(ks):
            middle = next((i for i, edge in enumerate(sources) if edge in straight), middle)
        reach = max(middle, len(ks) - 1 - middle) or 1.0
        step = min(port, 0.42 * sizes[target][1] / reach)
        for i, k in enumerate(ks):
            offsets[k] = step * (i - middle)
    return offsets


def ordered(mesh: Mesh) -> list[list[int]]:
    """The nodes and waypoints of each layer, in the order with the fewest crossings met."""
    order: list[list[int]] = [[] for _ in range(max(mesh.layers) + 1)]
    for v in from_the_output(mesh):
        order[mesh.layers[v]].append(v)
    best, fewest = [list(layer) for layer in order], crossings(mesh, order)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 1
        steps = range(1, len(order)) if forward else range(len(order) - 2, -1, -1)
        for i in steps:
            by_barycentre(mesh, order, i, forward)
        exchange_neighbours(mesh, order)
        count = crossings(mesh, order)
        if count < fewest:
            best, fewest = [list(layer) for layer in order], count
    return best


def from_the_output(mesh: Mesh) -> list[int]:
    """All vertices, depth first from the outputs, inputs in order: an untangled beginning."""
    into: list[list[int]] = [[] for _ in mesh.sizes]
    for source, target, _ in mesh.links:
        into[target].append(source)
    has_use = {source for source, *_ in mesh.links}
    stack = [v for v in range(len(mesh.sizes)) if v not in has_use][::-1]
    seen: dict[int, None] = {}
    while stack:
        v = stack.pop()
        if v not in seen:
            seen[v] = None
            stack.extend(reversed(into[v]))
    return list(seen)


def by_barycentre(mesh: Mesh, order: list[list[int]], i: int, forward: bool) -> None:
    """Sort a layer by the mean position of each vertex's neighbours in the layer before it."""
    beside = order[i - 1] if forward else order[i + 1]
    position: dict[int, float] = {v: p for p, v in enumerate(beside)}
    total = dict.fromkeys(order[i], 0.0)
    count = dict.fromkeys(order[i], 0)
    for source, target, offset in mesh.links:
        here, there = (target, source) if forward else (source, target)
        if here in total and there in position:
            # The lower of two arrows into one node comes from the lower of two sources.
            total[here] += position[there] + (0.0 if forward else offset / 1000)
            count[here] += 1
    here_now = {v: float(p) for p, v in enumerate(order[i])}
    order[i].sort(key=lambda v: total[v] / count[v] if count[v] else here_now[v])


def exchange_neighbours(mesh: Mesh, order: list[list[int]]) -> None:
    """Swap two neighbours wherever that saves a crossing, until it nowhere does."""
    improved = True
    while improved:
        improved = False
        for i, layer in enumerate(order):
            for p in range(len(layer) - 1):
                before = crossings_around(mesh, order, i)
                layer[p], layer[p + 1] = layer[p + 1], layer[p]
                if crossings_around(mesh, order, i) < before:
                    improved = True
                else:
                    layer[p], layer[p + 1] = layer[p + 1], layer[p]


def crossings(mesh: Mesh, order: list[list[int]]) -> int:
    """How many pairs of links cross."""
    return sum(crossings_after(mesh, order, i) for i in range(len(order) - 1))


def crossings_around(mesh: Mesh, order: list[list[int]], i: int) -> int:
    """How many pairs of links cross on either side of a layer."""
    return sum(crossings_after(mesh, order, j) for j in (i - 1, i) if 0 <= j < len(order) - 1)


def crossings_after(mesh: Mesh, order: list[list[int]], i: int) -> int:
    """How many pairs of links cross between a layer and the next."""
    left = {v: p for p, v in enumerate(order[i])}
    right = {v: p for p, v in enumerate(order[i + 1])}
    ends = sorted(
        (left[s], right[t], offset) for s, t, offset in mesh.links if s in left and t in right
    )
    return sum(a[0] < b[0] and a[1:] > b[1:] for k, b in enumerate(ends) for a in ends[:k])


def coordinates(mesh: Mesh, order: list[list[int]], gap: float) -> list[float]:
    """Every vertex's coordinate across the arrows."""
    across = [0.0] * len(mesh.sizes)
    for layer in order:
        place(mesh, layer, [0.0] * len(layer), [1.0] * len(layer), across, gap)
    for sweep in range(2 * SWEEPS):
        sides = (sweep % 2 == 0, sweep % 2 == 1)  # listen to the left, then to the right
        for layer in order if sweep % 2 == 0 else reversed(order):
            place(mesh, layer, *wishes(mesh, layer, across, sides), across, gap)
    levels = [sum(across[v] for v in rail) / len(rail) for rail in mesh.rails]
    for sweep in range(4 * SWEEPS):
        levels = [
            agreed(mesh, rail, level, across, listen=sweep < 2 * SWEEPS)
            for rail, level in zip(mesh.rails, levels, strict=True)
        ]
        held = {v: level for rail, level in zip(mesh.rails, levels, strict=True) for v in rail}
        for layer in order:
            wanted, weights = wishes(mesh, layer, across, (True, True))
            wanted = [held.get(v, y) for v, y in zip(layer, wanted, strict=True)]
            weights = [STIFF if v in held else w for v, w in zip(layer, weights, strict=True)]
            place(mesh, layer, wanted, weights, across, gap)
    return across


def agreed(
    mesh: Mesh, rail: list[int], level: float, across: list[float], *, listen: bool
) -> float:
    """The next level of a rail: where others have pushed it, and, if it listens, drawn it."""
    pushed = [across[v] - level for v in rail]
    level += max(*pushed, 0.0) + min(*pushed, 0.0)
    if listen:
        wanted, weights = wishes(mesh, rail, across, (True, True), within=False)
        if pull := sum(weights):
            there = sum(w * y for w, y in zip(weights, wanted, strict=True)) / pull
            level += 0.3 * (there - level)
    return level


def wishes(
    mesh: Mesh,
    layer: list[int],
    across: list[float],
    sides: tuple[bool, bool],
    *,
    within: bool = True,
) -> tuple[list[float], list[float]]:
    """Where its neighbours want each vertex, and how strongly; those `within` may be left out."""
    total = dict.fromkeys(layer, 0.0)
    count = dict.fromkeys(layer, 0)
    before, after = sides
    for source, target, offset in mesh.links:
        if not within and source in total and target in total:
            continue
        if before and target in total:
            total[target] += across[source] - offset
            count[target] += 1
        if after and source in total:
            total[source] += across[target] + offset
            count[source] += 1
    wanted = [total[v] / count[v] if count[v] else across[v] for v in layer]
    return wanted, [float(count[v]) for v in layer]


def place(
    mesh: Mesh,
    layer: list[int],
    wanted: list[float],
    weights: list[float],
    across: list[float],
    gap: float,
) -> None:
    """Move a layer's vertices as near to where they are wanted as their sizes allow."""
    half = [mesh.sizes[v][1] / 2 for v in layer]
    apart = [
        a + b + (gap if u < mesh.real and v < mesh.real else 0.6 * gap)
        for (a, b), (u, v) in zip(pairwise(half), pairwise(layer), strict=True)
    ]
    for v, y in zip(layer, spread(wanted, apart, weights), strict=True):
        across[v] = y


def spread(
    wanted: Sequence[float], apart: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    r"""Positions in the given order, at least so far apart, nearest to those wanted.

    Minimises $\sum_i w_i (y_i - d_i)^2$ subject to $y_{i+1} - y_i \ge s_i$, which after
    subtracting the running sum of $s$ is an isotonic regression, solved by pooling adjacent
    violators.

    Args:
        wanted: the positions $d$.
        apart: the least distance $s$ between each and the next.
        weights: the weights $w$; all 1 unless told.

    Example:
        >>> spread([0.0, 0.0, 10.0], [2.0, 2.0])
        [-1.0, 1.0, 10.0]
    """
    starts = [0.0]
    for s in apart:
        starts.append(starts[-1] + s)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for d, s, w in zip(wanted, starts, weights or [1.0] * len(wanted), strict=False):
        block = (d - s, w or 0.1, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, weight, count = blocks.pop()
            merged = weight + block[1]
            block = ((mean * weight + block[0] * block[1]) / merged, merged, count + block[2])
        blocks.append(block)
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + s for mean, s in zip(means, starts, strict=False)]


def column_spans(mesh: Mesh, order: list[list[int]], gap: float) -> list[Point]:
    """Where each layer begins and ends along the arrows."""
    spans: list[Point] = []
    start = 0.0
    for layer in order:
        end = start + max(mesh.sizes[v][0] for v in layer)
        spans.append((start, end))
        start = end + gap
    return spans


def route(mesh: Mesh, k: int, across: list[float], columns: list[Point]) -> list[Point]:
    """The points that an edge runs through, from its source's face to its target's."""
    source, *waypoints, target = mesh.chains[k]
    here, there = columns[mesh.layers[source]], columns[mesh.layers[target]]
    leave = (sum(here) / 2 + mesh.sizes[source][0] / 2, across[source])
    tip = round(across[target] + mesh.ports[k], 1)
    arrive = (sum(there) / 2 - mesh.sizes[target][0] / 2, tip)
    points = [leave, (here[1], across[source])]
    for v in waypoints:
        points += [(x, across[v]) for x in columns[mesh.layers[v]]]
    return [*points, (there[0], tip), arrive]
