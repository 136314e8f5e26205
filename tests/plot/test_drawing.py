import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import plot
from tinygrad_rnn.plot.notation import width_of
from tinygrad_rnn.plot.palette import DARK

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing):
    return ET.fromstring(drawing.svg)


def groups(drawing):
    return [g for g in parsed(drawing).iter(f"{SVG}g") if "node" in g.get("class", "").split()]


def texts(element, kind=None):
    found = element.iter(f"{SVG}text")
    return ["".join(t.itertext()) for t in found if kind is None or t.get("class") == kind]


def edges(drawing):
    return [p for p in parsed(drawing).iter(f"{SVG}path") if p.get("class") == "edge"]


def boxes(drawing):
    sides = ("x", "y", "width", "height")
    for group in groups(drawing):
        x, y, width, height = (float(group.find(f"{SVG}rect").get(side)) for side in sides)
        yield x, y, x + width, y + height


def test_every_tensor_is_a_box_and_every_use_an_arrow(square_and_self):
    drawing = plot.graph(square_and_self)
    assert len(groups(drawing)) == drawing.nodes == 3
    assert len(edges(drawing)) == 4


def test_boxes_show_names_ops_values_and_cotangents(neuron):
    neuron.name = "y"
    shown = [texts(group) for group in groups(plot.graph(neuron))]
    assert shown == [
        ["∂ 1.18", "w", "−0.5"],
        ["∂ −0.393", "x", "1.5"],
        ["∂ 0.786", "×", "−0.75"],
        ["∂ 0.786", "b", "0.25"],
        ["∂ 0.786", "+", "−0.5"],
        ["∂ 1", "tanh", "y = −0.462"],
    ]


def test_arrays_show_their_shape_and_the_norm_of_their_cotangent(recurrent_step):
    drawing = plot.graph(recurrent_step, gradient=np.ones(3))
    assert "(3, 4)" in texts(parsed(drawing), "value")
    assert "h1 (3,)" in texts(parsed(drawing), "value")
    assert all(re.match(r"\|∂\| |∂ \[", text) for text in texts(parsed(drawing), "cotangent"))


def test_subscripts_are_lowered(recurrent_step):
    lowered = [t for t in parsed(plot.graph(recurrent_step)).iter(f"{SVG}tspan") if t.get("dy")]
    assert {t.text for t in lowered} >= {"x", "h", "0", "1"}


def test_numbers_stand_beside_the_op_and_are_no_boxes():
    x = tg.tensor(3.0, requires_grad=True)
    assert texts(parsed(plot.graph((1 - x) ** 2)), "title") == ["1 −", "^ 2"]


def test_arrays_without_gradient_are_dashed_boxes_without_cotangent(recurrent_step):
    constants = [
        g
        for g in groups(plot.graph(recurrent_step, gradient=np.ones(3)))
        if "constant" in g.get("class")
    ]
    assert [texts(g) for g in constants] == [["x1", "(4,)"]]


def test_the_output_is_marked(neuron):
    marked = [g for g in groups(plot.graph(neuron)) if "output" in g.get("class")]
    assert [texts(g, "title") for g in marked] == [["tanh"]]


@pytest.mark.parametrize("down", [False, True])
def test_no_boxes_overlap_in_a_graph_of_22_nodes(recurrent_network, down):
    drawing = plot.graph(recurrent_network, gradient=np.ones(3), down=down)
    for a, b in combinations(boxes(drawing), 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


@pytest.mark.parametrize("down", [False, True])
def test_no_line_runs_behind_a_box(recurrent_network, down):
    drawing = plot.graph(recurrent_network, gradient=np.ones(3), down=down)
    inner = [(x + 1, y + 1, u - 1, v - 1) for x, y, u, v in boxes(drawing)]
    for path in edges(drawing):
        for x, y in points_along(path.get("d")):
            assert not any(a < x < c and b < y < d for a, b, c, d in inner)


def points_along(path):
    """Points on a path of straight lines and cubic curves."""
    here = None
    for command, numbers in re.findall(r"([MLC])([^MLC]*)", path):
        values = [float(n) for n in numbers.split()]
        ends = list(zip(values[::2], values[1::2], strict=True))
        for t in np.linspace(0, 1, 9):
            if command == "C":
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                yield tuple(
                    sum(w * p[k] for w, p in zip(weights, (here, *ends), strict=True))
                    for k in (0, 1)
                )
            elif command == "L":
                yield tuple((1 - t) * here[k] + t * ends[0][k] for k in (0, 1))
        here = ends[-1]


def test_the_recurrent_path_is_a_straight_line(recurrent_network):
    drawing = plot.graph(recurrent_network, gradient=np.ones(3))
    named = {texts(g)[-1]: g for g in groups(drawing)}
    heights = {named[f"h{t} (3,)"].find(f"{SVG}rect").get("y") for t in (1, 2, 3)}
    assert len(heights) == 1


def test_boxes_are_wide_enough_for_their_texts(recurrent_network):
    recurrent_network.name = "rather_a_long_name_for_a_state"
    for group in groups(plot.graph(recurrent_network, gradient=np.ones(3))):
        width = float(group.find(f"{SVG}rect").get("width"))
        assert all(width_of(text, 12.5) < width for text in texts(group))


def test_shares_are_written_on_the_arrows(square_and_self):
    drawing = plot.graph(square_and_self, shares=True)
    assert sorted(texts(parsed(drawing), "share")) == ["◂ 1", "◂ 1", "◂ 3", "◂ 3"]
    assert not texts(parsed(plot.graph(square_and_self)), "share")


def test_shares_point_up_where_values_flow_down(square_and_self):
    drawing = plot.graph(square_and_self, shares=True, down=True)
    assert set(texts(parsed(drawing), "share")) == {"▴ 1", "▴ 3"}
    assert drawing.height > drawing.width


def test_shares_do_not_cover_each_other(square_and_self):
    for down in (False, True):
        root = parsed(plot.graph(square_and_self, shares=True, down=down))
        (group,) = (g for g in root if g.get("class") == "shares")
        frames = [
            [float(rect.get(side)) for side in ("x", "y", "width", "height")]
            for rect in group.iter(f"{SVG}rect")
        ]
        for (x, y, w, h), (u, v, p, q) in combinations(frames, 2):
            assert x + w <= u + 0.2 or u + p <= x + 0.2 or y + h <= v + 0.2 or v + q <= y + 0.2


def test_an_array_is_drawn_without_cotangents_unless_a_gradient_is_given(recurrent_step):
    assert not texts(parsed(plot.graph(recurrent_step)), "cotangent")
    assert texts(parsed(plot.graph(recurrent_step, gradient=np.ones(3))), "cotangent")


def test_an_untracked_tensor_is_one_box():
    drawing = plot.graph(tg.tensor([[1.0]]))
    assert [texts(g) for g in groups(drawing)] == [["(1, 1)"]]


def test_parts_of_a_split_are_boxes_of_their_own():
    first, second = tg.split(tg.tensor([1.0, 2.0], requires_grad=True), 2)
    drawing = plot.graph((first * second).sum())
    assert {"split", "[0]", "[1]"} <= set(texts(parsed(drawing), "title"))
    assert "2 arrays" in texts(parsed(drawing), "value")


def test_a_picture_has_the_same_bytes_every_time(recurrent_network):
    first = plot.graph(recurrent_network, gradient=np.ones(3)).svg
    tg.tensor(1.0)  # a later birth rank for everything
    assert plot.graph(recurrent_network, gradient=np.ones(3)).svg == first


def test_names_are_escaped():
    x = tg.tensor(1.0, requires_grad=True, name="<x> & </text>")
    assert "<x> & </text>" in texts(parsed(plot.graph(x * 2.0)))


def test_korean_names_are_kept_and_given_room():
    short, long = (tg.tensor(1.0, name=name) for name in ("손", "기울기소실과폭발"))
    assert "기울기소실과폭발" in plot.graph(long).svg
    assert plot.graph(long).width > plot.graph(short).width + 60


def test_colours_are_the_sites_variables_with_the_light_ones_behind(neuron):
    svg = plot.graph(neuron).svg
    colours = re.findall(r"(?:fill|stroke): ([^;}]+);", svg)
    assert all(re.fullmatch(r"none|var\(--tg-[a-z-]+, #[0-9a-f]{6}\)", c.strip()) for c in colours)
    assert {"var(--tg-value, #1b60a7)", "var(--tg-cotangent, #b4470f)"} <= set(colours)


def test_a_picture_of_its_own_follows_the_readers_scheme_and_an_inlined_one_its_page(neuron):
    svg = plot.graph(neuron).svg
    scheme = svg[svg.index("@media (prefers-color-scheme: dark)") :]
    assert f"--tg-paper: {DARK.paper};" in scheme
    # Inlined, the picture is not its document's root, so these rules do not match.
    assert re.findall(r"@media[^{]*{\s*([^{]*?)\s*{", svg) == [".tg-graph:root"]


def test_cotangents_are_told_by_their_sign_too(neuron):
    drawing = plot.graph(neuron, shares=True)
    assert all("∂" in text for text in texts(parsed(drawing), "cotangent"))
    assert all("◂" in text for text in texts(parsed(drawing), "share"))


def test_a_resting_pointer_is_told_op_dtype_and_shape(recurrent_step):
    titles = [g.find(f"{SVG}title").text for g in groups(plot.graph(recurrent_step))]
    assert "W_x: float64 (3, 4)" in titles
    assert "h_1: tanh → float64 (3,)" in titles


def test_a_picture_is_saved_as_it_is_shown(neuron, tmp_path):
    drawing = plot.graph(neuron)
    drawing.save(tmp_path / "neuron.svg")
    assert (tmp_path / "neuron.svg").read_text(encoding="utf-8") == drawing.svg + "\n"
    assert drawing._repr_svg_() == drawing.svg


def test_a_picture_has_no_empty_lines_which_would_end_a_block_of_markdown(recurrent_network):
    assert "\n\n" not in plot.graph(recurrent_network).svg


def test_the_limit_can_be_raised():
    y = tg.tensor(1.0, requires_grad=True)
    for _ in range(70):
        y = y * 1.5
    with pytest.raises(ValueError, match="limit=71"):
        plot.graph(y)
    assert plot.graph(y, limit=71).nodes == 71
