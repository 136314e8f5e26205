import json
import sys

import numpy as np
import pytest

from tinygrad_rnn.cli import doctor
from tinygrad_rnn.compiler.loading import written


@pytest.fixture
def without(monkeypatch):
    """Hide packages from the doctor, as if they were not installed."""

    def hide(*names):
        seen = doctor.installed
        monkeypatch.setattr(doctor, "installed", lambda name: name not in names and seen(name))

    return hide


def test_every_check_reports_and_a_fault_always_comes_with_its_remedy():
    findings = doctor.examine()
    assert len(findings) == len(doctor.CHECKS)
    for finding in findings:
        assert finding.detail
        assert bool(finding.remedy) == (finding.status != "ok")


def test_numpy_names_its_blas(monkeypatch):
    assert "BLAS" in doctor.numpy().detail
    slow = {"Build Dependencies": {"blas": {"name": "none", "version": ""}}}
    monkeypatch.setattr(np, "show_config", lambda mode: slow)
    assert doctor.numpy().status == "lacking"
    assert "OpenBLAS" in doctor.numpy().remedy


def test_numba_names_its_threading_layers(monkeypatch):
    assert "workqueue" in doctor.numba().detail
    monkeypatch.setattr(doctor, "loads", lambda module: False)
    assert doctor.numba().detail.endswith("threading layers: none")
    assert "force-reinstall numba" in doctor.numba().remedy


def test_a_module_that_fails_to_load_is_no_crash():
    assert doctor.loads("json")
    assert not doctor.loads("no_such_module")


@pytest.mark.parametrize(
    ("package", "check", "extra"),
    [
        ("numba", doctor.numba, "compiled"),
        ("numba", doctor.kernel_cache, "compiled"),
        ("matplotlib", doctor.fonts, "book"),
        ("rich", doctor.packages("train", "rich"), "train"),
    ],
)
def test_a_missing_package_is_lacking_and_its_extra_is_named(without, package, check, extra):
    without(package)
    finding = check()
    assert finding.status == "lacking"
    assert finding.remedy == f'python -m pip install "tinygrad-rnn[{extra}]"'


def test_a_cache_that_cannot_be_written_has_a_remedy(monkeypatch):
    import numba

    def refuse(**options):
        raise RuntimeError("no locator available")

    assert doctor.kernel_cache().status == "ok"
    monkeypatch.setattr(numba, "njit", refuse)
    assert "NUMBA_CACHE_DIR" in doctor.kernel_cache().remedy


def test_missing_documentation_is_lacking(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    assert doctor.documentation().status == "lacking"
    assert "full standard library" in doctor.documentation().remedy


def test_without_a_korean_font_the_remedy_names_some(monkeypatch):
    from matplotlib import font_manager, ft2font

    class LatinOnly:
        def __init__(self, path):
            if path.endswith("broken.ttf"):
                raise RuntimeError("cannot open")

        def get_charmap(self):
            return {ord("a"): 1}

    entries = [font_manager.FontEntry(fname=f"{n}.ttf", name=n) for n in ("latin", "broken")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(ft2font, "FT2Font", LatinOnly)
    finding = doctor.fonts()
    assert finding.detail == "2 fonts, none with Hangul: Korean draws as boxes"
    assert "fonts-nanum" in finding.remedy


def test_cores_are_those_of_this_process(monkeypatch):
    assert doctor.cores() >= 1
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert doctor.cores() >= 1


@pytest.fixture
def loops(tmp_path, monkeypatch):
    """A folder for compiled loops, in which there is one."""
    folder = tmp_path / "loops"
    monkeypatch.setenv("TINYGRAD_RNN_CACHE", str(folder))
    written("loop_1", "def forward(): ...\n")
    return folder


@pytest.fixture
def no_folder(tmp_path, monkeypatch):
    """A place for compiled loops that can be no folder, even for root."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("TINYGRAD_RNN_CACHE", str(file / "loops"))


def test_compiled_loops_are_counted_and_weighed(loops):
    (loops / "loop_1_forward.code").write_bytes(bytes(2_000_000))
    (loops / "tinygrad_rnn_multiply.code").write_bytes(bytes(500_000))
    (loops / "notes.txt").write_bytes(bytes(9_000_000))  # of somebody else
    finding = doctor.compiled_loops()
    assert finding.status == "ok"
    assert finding.detail == f"{loops}: 1 module, 2.5 MB"


def test_a_folder_for_loops_that_is_yet_to_be_made_is_well_and_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_RNN_CACHE", str(tmp_path / "yet" / "to" / "be"))
    finding = doctor.compiled_loops()
    assert finding.status == "ok"
    assert finding.detail.endswith("be: 0 modules, 0.0 MB")
    assert not (tmp_path / "yet").exists()


@pytest.mark.usefixtures("no_folder")
def test_loops_that_cannot_be_kept_have_a_remedy():
    finding = doctor.compiled_loops()
    assert finding.status == "lacking"
    assert "nothing can be written there" in finding.detail
    assert "TINYGRAD_RNN_CACHE" in finding.remedy


def test_clear_deletes_the_loops_says_how_many_and_leaves_the_rest(tg, loops):
    (loops / "notes.txt").touch()
    result = tg("doctor", "--clear")
    assert result.exit_code == 0
    assert result.output == f"deleted 1 compiled loop from {loops}\n"
    assert [path.name for path in loops.iterdir()] == ["notes.txt"]
    again = json.loads(tg("doctor", "--clear", "--json").stdout)
    assert again == {"deleted": 0, "folder": str(loops)}


@pytest.mark.usefixtures("no_folder")
def test_clear_where_there_is_no_folder_has_nothing_to_delete(tg):
    result = tg("doctor", "--clear")
    assert result.exit_code == 0
    assert "deleted 0 compiled loops" in result.output


def test_loops_that_cannot_be_deleted_are_no_traceback(tg, loops, monkeypatch):
    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    result = tg("doctor", "--clear")
    assert result.exit_code == 1
    assert result.stderr.startswith("tg: ")
    assert "Permission denied" in result.stderr
