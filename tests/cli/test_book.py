import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinygrad_rnn.book import runner, site


class Deviation(SimpleNamespace):
    def as_dict(self):
        return vars(self)

    def __str__(self):
        return self.message


@pytest.fixture
def two_chapters(monkeypatch):
    """A book of two scripts, of which nothing is run; collects what is asked of it."""
    entries = [
        SimpleNamespace(key=key, script=Path(f"ch{key}_x.py"), page=Path(f"{key}/index.md"))
        for key in ("03", "04")
    ]
    asked = []
    monkeypatch.setattr(runner, "chapters", lambda: entries)
    monkeypatch.setattr(runner, "run_chapter", lambda key: asked.append(("run", key)))
    monkeypatch.setattr(runner, "check_chapter", lambda key: asked.append(("check", key)) or [])
    return asked


def test_the_list_has_every_script(tg, two_chapters):
    output = tg("book", "list").output
    assert [line.split() for line in output.splitlines()] == [
        ["03", "ch03_x.py"],
        ["04", "ch04_x.py"],
    ]
    assert [entry["key"] for entry in json.loads(tg("book", "list", "--json").stdout)] == [
        "03",
        "04",
    ]


@pytest.mark.parametrize("action", ["run", "check"])
def test_all_chapters_are_meant_if_none_is_named(tg, two_chapters, action):
    assert tg("book", action).exit_code == 0
    assert two_chapters == [(action, "03"), (action, "04")]


@pytest.mark.parametrize("action", ["run", "check"])
def test_a_named_chapter_alone_is_meant(tg, two_chapters, action):
    tg("book", action, "4")
    assert two_chapters == [(action, "4")]


def test_a_page_that_is_wrong_fails_the_check(tg, two_chapters, monkeypatch):
    wrong = Deviation(message="loss: 3.0 is not 2.0", fails=True)
    monkeypatch.setattr(runner, "check_chapter", lambda key: [wrong])
    result = tg("book", "check", "3")
    assert result.exit_code == 1
    assert result.stdout == "loss: 3.0 is not 2.0\n"
    assert "1 of the record's values no longer hold" in result.stderr


def test_what_only_explains_does_not_fail_the_check(tg, two_chapters, monkeypatch):
    note = Deviation(message="another NumPy", fails=False)
    monkeypatch.setattr(runner, "check_chapter", lambda key: [note])
    result = tg("book", "check", "3", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [{"message": "another NumPy", "fails": False}]


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("run", runner.ChapterError("it broke")),
        ("run", LookupError("no script '9'")),
        ("check", FileNotFoundError("nothing is recorded")),
    ],
)
def test_a_script_that_cannot_be_run_is_explained(tg, two_chapters, monkeypatch, action, error):
    def fail(key):
        raise error

    monkeypatch.setattr(runner, f"{action}_chapter", fail)
    result = tg("book", action, "9")
    assert result.exit_code == 1
    assert f"tg: {error}" in result.stderr


def test_building_prints_where_the_site_is(tg, monkeypatch):
    calls = []
    monkeypatch.setattr(site, "build_site", lambda **options: calls.append(options) or Path("site"))
    assert tg("book", "build", "--offline", "--no-strict").stdout == "site\n"
    assert calls == [{"offline": True, "strict": False}]


def test_serving_takes_a_port(tg, monkeypatch):
    ports = []
    monkeypatch.setattr(site, "serve_site", lambda port, announce: ports.append(port))
    assert tg("book", "serve", "--port", "9000").exit_code == 0
    assert ports == [9000]


@pytest.mark.parametrize("command", ["build", "serve"])
def test_a_site_that_cannot_be_made_is_explained(tg, monkeypatch, command):
    def fail(*arguments, **options):
        raise site.SiteError("no mkdocs.yml")

    monkeypatch.setattr(site, f"{command}_site", fail)
    result = tg("book", command)
    assert result.exit_code == 1
    assert result.stderr == "tg: no mkdocs.yml\n"
