from pathlib import Path

import pytest

from tinygrad_rnn.book import site
from tinygrad_rnn.cli import starting
from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import Settings


@pytest.fixture(autouse=True)
def a_small_world(monkeypatch):
    """A tiny model on a tiny text, and a site that only says what was asked of it."""
    asked = []
    source = TextSource("cats", "the cat sat on the mat. " * 60, "CC0-1.0", "made here")
    model = Settings(hidden=8, embedding=4, batch=2, window=8, steps=10**6)
    monkeypatch.setattr(starting, "MODEL", model)
    monkeypatch.setattr(starting, "documentation", lambda: source)
    monkeypatch.setattr(site, "build_site", lambda: asked.append("build") or Path("site"))
    monkeypatch.setattr(site, "serve_site", lambda port, announce: asked.append(port))
    return asked


def test_a_start_trains_draws_builds_and_serves(tg, a_small_world, tmp_path):
    result = tg("start", "--seconds", 1)
    assert result.exit_code == 0, result.output
    assert a_small_world == ["build", 8000]
    assert "held-out text: " in result.stderr
    run = tmp_path / "runs" / "start"
    assert (run / "loss.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert "The " in (run / "samples.txt").read_text(encoding="utf-8")


def test_the_book_need_not_be_served(tg, a_small_world):
    assert tg("start", "--seconds", 0.5, "--no-serve").exit_code == 0
    assert a_small_world == ["build"]


def test_the_port_and_the_folder_can_be_chosen(tg, a_small_world, tmp_path):
    tg("start", "--seconds", 0.5, "--port", 0, "--run", "elsewhere")
    assert a_small_world == ["build", 0]
    assert (tmp_path / "elsewhere" / "checkpoint.safetensors").exists()


def test_a_site_that_cannot_be_built_is_explained(tg, monkeypatch):
    def fail():
        raise site.SiteError("no mkdocs.yml")

    monkeypatch.setattr(site, "build_site", fail)
    result = tg("start", "--seconds", 0.5)
    assert result.exit_code == 1
    assert "tg: no mkdocs.yml" in result.stderr
