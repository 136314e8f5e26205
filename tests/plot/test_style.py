import builtins
import subprocess
import sys
import warnings

import pytest

from tinygrad_rnn import plot
from tinygrad_rnn.plot.style import FALLBACKS, SETTINGS, matplotlib


def sample(label="loss"):
    with plot.styled():
        figure = plot.new_figure(4.0, 2.5)
        axes = figure.add_subplot()
        axes.plot([0, 1, 4, 9])
        axes.set_title(label)
    return figure


def test_a_figure_has_the_same_bytes_every_time():
    assert plot.as_svg(sample()) == plot.as_svg(sample())


def test_a_figure_depends_on_nobodys_own_settings():
    import matplotlib as mpl

    expected = plot.as_svg(sample())
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert plot.as_svg(sample()) == expected
        assert mpl.rcParams["font.size"] == 30


def test_settings_are_given_back():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with plot.styled():
        assert mpl.rcParams["axes.spines.top"] is False
    assert dict(mpl.rcParams) == before


def test_every_setting_is_one_of_matplotlibs():
    import matplotlib as mpl

    assert set(SETTINGS) <= set(mpl.rcParamsDefault)


def test_text_stays_text_and_the_date_stays_out():
    svg = plot.as_svg(sample("bits per character"))
    assert ">bits per character</text>" in svg
    assert "<dc:date>" not in svg


def test_notebooks_show_a_figure_as_svg():
    assert sample()._repr_svg_().startswith("<?xml")


def test_a_figure_belongs_to_no_window():
    from matplotlib import pyplot

    sample()
    assert pyplot.get_fignums() == []


def test_hangul_falls_back_to_an_installed_font():
    from matplotlib import font_manager

    korean = [font.name for font in font_manager.fontManager.ttflist if font.name in FALLBACKS[:-1]]
    figure = sample("한글 손실")
    with warnings.catch_warnings():
        if not korean:  # then the reader's own font has to do, and matplotlib says so
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
        svg = plot.as_svg(figure)
    assert "한글 손실" in svg
    assert all(f"'{name}'" in svg for name in FALLBACKS)


def test_a_missing_matplotlib_names_the_command_that_installs_it(monkeypatch):
    real_import = builtins.__import__

    def without_matplotlib(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-rnn\[book\]"'):
        matplotlib()


def test_importing_plot_and_drawing_a_graph_need_no_matplotlib():
    code = (
        "import sys, tinygrad_rnn as tg; from tinygrad_rnn import plot; "
        "plot.graph(tg.tensor(1.0, requires_grad=True) * 2.0); "
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
