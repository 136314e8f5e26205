from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn.plot.layout import as_late_as_possible, layered, longest_path, spread

BOX = (40.0, 30.0)

DIAMOND = [(0, 1), (0, 2), (1, 3), (2, 3)]
SQUARE_AND_SELF = [(0, 1), (0, 1), (1, 2), (0, 2)]  # x * x + x


@st.composite
def graphs(draw):
    """Sizes and edges of a graph with one output, nodes in topological order."""
    count = draw(st.integers(2, 14))
    edges = [
        (draw(st.integers(0, target - 1)), target)
        for target in range(1, count)
        for _ in range(draw(st.integers(0, 3)))
    ]
    used = {source for source, _ in edges}
    edges += [(v, count - 1) for v in range(count - 1) if v not in used]
    sizes = draw(
        st.lists(st.tuples(st.floats(20, 90), st.floats(20, 80)), min_size=count, max_size=count)
    )
    return sizes, edges


def corners(layout, sizes):
    for (x, y), (width, height) in zip(layout.centres, sizes, strict=True):
        yield x - width / 2, y - height / 2, x + width / 2, y + height / 2


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_no_two_boxes_touch(graph):
    sizes, edges = graph
    boxes = list(corners(layered(sizes, edges, gap=(30.0, 12.0)), sizes))
    for a, b in combinations(boxes, 2):
        aside = max(a[0] - b[2], b[0] - a[2])
        above = max(a[1] - b[3], b[1] - a[3])
        assert max(aside, above) >= 11.7  # coordinates are rounded to tenths


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_every_box_lies_within_the_extent(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    for left, top, right, bottom in corners(layout, sizes):
        assert min(left, top) >= -0.1
        assert right <= layout.extent[0] + 0.1
        assert bottom <= layout.extent[1] + 0.1


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_edges_run_forward_from_their_source_to_their_target(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    for (source, target), route in zip(edges, layout.routes, strict=True):
        assert all(b[0] >= a[0] - 1e-9 for a, b in pairwise(route))
        (x, y), (u, v) = layout.centres[source], layout.centres[target]
        assert route[0] == pytest.approx((x + sizes[source][0] / 2, y))
        assert route[-1][0] == pytest.approx(u - sizes[target][0] / 2)
        assert abs(route[-1][1] - v) <= sizes[target][1] / 2


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_no_two_edges_arrive_at_one_point(graph):
    sizes, edges = graph
    layout = layered(sizes, edges)
    tips = [route[-1] for route in layout.routes]
    assert len(set(tips)) == len(tips)


def test_a_layout_is_the_same_every_time():
    sizes = [BOX] * 4
    assert layered(sizes, DIAMOND) == layered(sizes, DIAMOND)


def test_nodes_stand_as_late_as_they_can():
    # A chain 0 → 1 → 2 → 3, and a leaf 4 that only the last of it uses.
    assert as_late_as_possible(5, [(0, 1), (1, 2), (2, 4), (3, 4)]) == [0, 1, 2, 2, 3]


def test_the_longest_path_prefers_later_inputs():
    assert longest_path(4, DIAMOND) == [0, 2, 3]


def test_the_longest_path_is_straight():
    layout = layered([BOX] * 3, SQUARE_AND_SELF)
    assert len({y for _, y in layout.centres}) == 1


def test_an_edge_over_a_layer_keeps_clear_of_the_boxes_in_it():
    layout = layered([BOX] * 3, SQUARE_AND_SELF)
    passing = layout.routes[3]
    (_, top), (_, y) = layout.centres[1], passing[2]
    assert abs(y - top) > BOX[1] / 2


def test_edges_of_one_source_share_their_line():
    edges = [(0, 2), (1, 2), (2, 3), (0, 4), (3, 4), (0, 5), (4, 5)]
    layout = layered([BOX] * 6, edges)
    short, long = layout.routes[3], layout.routes[5]
    assert short[:6] == long[:6]
    assert len({y for _, y in long[:8]}) == 1


def test_arrows_arrive_in_the_order_of_the_inputs():
    layout = layered([BOX] * 4, [(2, 3), (0, 3), (1, 3)])
    heights = [route[-1][1] for route in layout.routes]
    assert heights == sorted(heights)


def test_crossings_are_untangled():
    # Two chains side by side, declared criss-cross, that meet only at the end.
    edges = [(0, 3), (1, 2), (2, 5), (3, 4), (4, 6), (5, 6)]
    layout = layered([BOX] * 7, edges)
    (a, b), (c, d) = ((layout.centres[v][1] for v in pair) for pair in ((0, 3), (1, 2)))
    assert (a - c) * (b - d) > 0


wanted = st.lists(st.floats(-100, 100), min_size=1, max_size=8)


@settings(deadline=None)
@given(wanted, st.floats(0.1, 20))
def test_spread_positions_keep_their_order_and_distance(targets, apart):
    places = spread(targets, [apart] * (len(targets) - 1))
    assert all(b - a >= apart - 1e-6 for a, b in pairwise(places))


@settings(deadline=None)
@given(wanted, st.floats(0.1, 20), st.randoms(use_true_random=False))
def test_spread_positions_are_the_nearest(targets, apart, random):
    def cost(places):
        return sum((p - t) ** 2 for p, t in zip(places, targets, strict=True))

    places = spread(targets, [apart] * (len(targets) - 1))
    for _ in range(20):
        moved = np.array(places) + [random.uniform(-3, 3) for _ in places]
        others = spread(list(moved), [apart] * (len(targets) - 1))
        assert cost(places) <= cost(others) + 1e-6


def test_a_heavier_weight_is_moved_less():
    light, heavy = spread([0.0, 0.0], [10.0], [1.0, 9.0])
    assert (light, heavy) == (-9.0, 1.0)
