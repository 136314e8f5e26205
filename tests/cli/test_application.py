import json
import os
import runpy
import subprocess
import sys

import pytest

import tinygrad_rnn
from tinygrad_rnn.cli import doctor, main
from tinygrad_rnn.cli.doctor import Finding


@pytest.mark.parametrize(
    "command",
    [[], ["start"], ["train"], ["generate"], ["doctor"], ["book"], ["book", "check"]],
)
def test_every_command_explains_itself(tg, command):
    result = tg(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: tg" in result.output


@pytest.mark.parametrize(
    "command", [["start"], ["train"], ["generate"], ["doctor"], ["book", "run"], ["book", "serve"]]
)
def test_help_has_examples(tg, command):
    assert f"$ tg {' '.join(command)}" in tg(*command, "--help").output


def test_help_documents_the_exit_codes(tg):
    output = " ".join(tg("--help").output.split())
    assert "0 done; 1 a check failed" in output
    assert "130 interrupted by Ctrl-C" in output


def test_the_version_is_the_packages(tg):
    assert tg("--version").output == f"tg {tinygrad_rnn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fly"], "No such command 'fly'"),
        (["train"], "Missing argument"),
        (["train", "docs", "--cell", "gnu"], "--cell"),
        (["generate", "x", "--temperature", "-1"], "--temperature"),
        (["generate", "x", "--top-p", "0"], "--top-p"),
        (["generate", "x", "--prompt", ""], "the prompt is empty"),
    ],
)
def test_a_command_that_is_not_understood_exits_with_2(tg, arguments, complaint):
    result = tg(*arguments)
    assert result.exit_code == 2
    assert complaint in result.output


def test_the_doctor_prints_findings_with_remedies_and_exits_with_1(tg, monkeypatch):
    findings = [Finding("Python", "ok", "3.12 [x]"), Finding("Fonts", "lacking", "none", "buy [y]")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    result = tg("doctor")
    assert result.exit_code == 1
    assert [line.split() for line in result.output.splitlines()] == [
        ["✓", "Python", "3.12", "[x]"],
        ["!", "Fonts", "none"],
        ["→", "buy", "[y]"],
    ]


def test_the_doctor_speaks_json(tg, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("Python", "ok", "3.12")])
    result = tg("doctor", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == [
        {"name": "Python", "status": "ok", "detail": "3.12", "remedy": ""}
    ]


def test_the_package_runs_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tg", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("tinygrad_rnn", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out == f"tg {tinygrad_rnn.__version__}\n"


def test_the_shell_can_complete_commands():
    asked = {"_TG_COMPLETE": "complete_bash", "COMP_WORDS": "tg st", "COMP_CWORD": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "tinygrad_rnn"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == ["start"]


HELP_IMPORTS = """
import sys
sys.argv = ["tg", "--help"]
from tinygrad_rnn.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
heavy = {"numba", "matplotlib", "scipy", "safetensors", "mkdocs"}
heavy |= {"tinygrad_rnn.train", "tinygrad_rnn.book.runner", "tinygrad_rnn.plot"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_help_imports_nothing_heavy():
    subprocess.run([sys.executable, "-c", HELP_IMPORTS], capture_output=True, check=True)


def main_without(module, monkeypatch):
    monkeypatch.delitem(sys.modules, "tinygrad_rnn.cli.application")
    monkeypatch.setitem(sys.modules, module, None)
    main()


def test_without_typer_the_extra_is_named(monkeypatch):
    with pytest.raises(SystemExit) as end:
        main_without("typer", monkeypatch)
    assert "tg needs typer, which is not installed" in end.value.code
    assert 'python -m pip install "tinygrad-rnn[train]"' in end.value.code


def test_another_missing_module_is_not_mistaken_for_typer(monkeypatch):
    with pytest.raises(ModuleNotFoundError, match=r"tinygrad_rnn\.cli\.book"):
        main_without("tinygrad_rnn.cli.book", monkeypatch)
