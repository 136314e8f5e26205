import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib import pyplot

from tinygrad_rnn.book.figures import drawn, embeddable, flattened, frozen, thawed
from tinygrad_rnn.plot.palette import LIGHT

SVG = "{http://www.w3.org/2000/svg}"


def line(data):
    figure, axes = pyplot.subplots()
    axes.plot(data["x"], data["y"], color=LIGHT.value)
    axes.set_xlabel("step")
    return figure


def a_line(prefix="fig-01-line"):
    return drawn(line, {"x": [0, 1, 2], "y": [1.0, 4.0, 2.0]}, prefix=prefix, alt="A line.")


def in_svg(body, attributes=""):
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'


class TestData:
    def test_floats_are_rounded_to_significant_digits(self):
        data = {"loss": np.float32([1.23456789, 1e-9]), "steps": np.arange(2), "name": "lstm"}
        assert frozen(data, 3) == {"loss": [1.23, 1e-9], "steps": [0, 1], "name": "lstm"}

    def test_nan_and_infinity_come_back_as_nan(self):
        data = frozen({"norm": np.array([1.0, np.inf, np.nan])}, 3)
        assert data == {"norm": [1.0, None, None]}
        np.testing.assert_array_equal(thawed(data)["norm"], [1.0, np.nan, np.nan])

    def test_lists_of_dictionaries_and_strings_stay_lists(self):
        data = {"nodes": [{"id": "x", "at": np.array([1, 2])}], "words": ["a", "b"], "none": None}
        assert frozen(data, 3) == {
            "nodes": [{"id": "x", "at": [1, 2]}],
            "words": ["a", "b"],
            "none": None,
        }

    @pytest.mark.parametrize("bad", [[[1, 2], [3]], object(), 1j])
    def test_what_is_no_rectangular_array_is_refused(self, bad):
        with pytest.raises(
            TypeError, match=f"cannot record a {type(bad).__name__} that is neither"
        ):
            frozen({"x": bad}, 3)

    def test_numbers_are_arrays_again_when_drawn(self):
        data = thawed({"x": [1, 2], "y": [[1.5, None]], "words": ["a"], "none": [], "one": 3})
        assert data["x"].dtype.kind == "i"
        assert data["y"].shape == (1, 2)
        assert data["words"] == ["a"]
        assert data["none"].size == 0
        assert data["one"] == 3

    def test_leaves_have_dotted_names(self):
        assert flattened({"a": {"b": 1, "c": [2]}, "d": 3}) == {"a.b": 1, "a.c": [2], "d": 3}


class TestDrawing:
    def test_the_same_data_give_the_same_bytes(self):
        assert a_line() == a_line()

    def test_no_setting_of_the_reader_gets_in(self):
        plain = a_line()
        with pyplot.rc_context({"lines.linewidth": 9, "font.size": 30}):
            assert a_line() == plain

    def test_figures_are_closed(self):
        before = pyplot.get_fignums()
        a_line()
        assert pyplot.get_fignums() == before

    def test_text_stays_text_in_the_font_of_the_page(self):
        (label,) = [t for t in ET.fromstring(a_line()).iter(f"{SVG}text") if t.text == "step"]
        assert "font-family: var(--tg-sans, 'DejaVu Sans', sans-serif)" in label.get("style")

    def test_it_tells_neither_when_nor_by_what_it_was_made(self):
        assert "metadata" not in a_line()
        assert "atplotlib v" not in a_line()

    def test_whatever_draws_itself_will_do(self):
        class Drawing:
            def _repr_svg_(self):
                return in_svg("<g/>", 'width="20px" height="10px"')

        assert 'viewBox="0 0 20 10"' in drawn(lambda _: Drawing(), {}, prefix="f", alt="Nothing.")

    def test_what_is_no_drawing_is_refused(self):
        with pytest.raises(TypeError, match="returned NoneType; expected a matplotlib figure"):
            drawn(lambda _: None, {}, prefix="f", alt="Nothing.")

    def test_a_bitmap_is_refused(self):
        def heat(data):
            figure, axes = pyplot.subplots()
            axes.imshow(data["z"])
            return figure

        with pytest.raises(ValueError, match=r"fig-01-heat holds a bitmap.*pcolormesh"):
            drawn(heat, {"z": [[1.0, 2.0]]}, prefix="fig-01-heat", alt="Heat.")


class TestEmbedding:
    def test_two_figures_share_no_id(self):
        ids = [
            {e.get("id") for e in ET.fromstring(a_line(prefix)).iter()} - {None}
            for prefix in ("fig-01-a", "fig-01-b")
        ]
        assert ids[0]
        assert not ids[0] & ids[1]

    def test_references_follow_their_ids(self):
        root = ET.fromstring(a_line())
        ids = {f"#{e.get('id')}" for e in root.iter()}
        used = [e.get("{http://www.w3.org/1999/xlink}href") for e in root.iter(f"{SVG}use")]
        clips = [e.get("clip-path")[4:-1] for e in root.iter() if e.get("clip-path")]
        assert used
        assert clips
        assert ids.issuperset(used + clips)

    def test_colours_of_the_palette_follow_the_page(self):
        svg = a_line()
        assert f"stroke: var(--tg-value, {LIGHT.value})" in svg
        assert f"fill: var(--tg-muted, {LIGHT.muted})" in svg

    def test_a_colour_in_an_attribute_becomes_a_style(self):
        body = f'<path fill="{LIGHT.green.upper()}" stroke="#123456" style="opacity: 0.5;"/>'
        (path,) = ET.fromstring(embeddable(in_svg(body), prefix="f", alt="x")).iter(f"{SVG}path")
        assert path.get("style") == f"opacity: 0.5; fill: var(--tg-green, {LIGHT.green})"
        assert path.get("stroke") == "#123456"
        assert path.get("fill") is None

    def test_a_variable_stays_as_it_is(self):
        body = f'<path style="fill: var(--tg-value, {LIGHT.value})"/>'
        (path,) = ET.fromstring(embeddable(in_svg(body), prefix="f", alt="x")).iter(f"{SVG}path")
        assert path.get("style") == f"fill: var(--tg-value, {LIGHT.value})"

    def test_it_styles_nothing_else_on_the_page(self):
        root = ET.fromstring(a_line())
        assert list(root.iter(f"{SVG}style")) == []
        assert root.get("style") == "stroke-linejoin: round; stroke-linecap: butt"

    def test_a_sheet_of_its_own_is_kept(self):
        svg = embeddable(in_svg("<style>.a { fill: red }</style>"), prefix="f", alt="x")
        assert ".a { fill: red }" in svg

    def test_it_is_an_image_with_its_alternative_text(self):
        root = ET.fromstring(embeddable(in_svg("<title>old</title>"), prefix="f", alt="A < B"))
        assert root.get("role") == "img"
        (title,) = root.iter(f"{SVG}title")
        assert title.text == "A < B"
        assert root.get("aria-labelledby") == title.get("id")

    def test_it_takes_the_width_it_is_given(self):
        root = ET.fromstring(a_line())
        assert root.get("width") == "100%"
        assert root.get("height") is None
        assert root.get("viewBox")

    def test_coordinates_are_short(self):
        body = '<path d="M 1.23456789 -0.00001234 L 123456.78912 1e5"/>'
        (path,) = ET.fromstring(embeddable(in_svg(body), prefix="f", alt="x")).iter(f"{SVG}path")
        assert path.get("d") == "M 1.235 0 L 123456.789 1e5"
