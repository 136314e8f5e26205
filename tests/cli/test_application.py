import json
import os
import subprocess
import sys

import pytest

import tinygrad_rnn
from tinygrad_rnn.cli import doctor
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


def run_module(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "tinygrad_rnn", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_runs_as_a_module():
    result = run_module("--version")
    assert result.returncode == 0
    assert result.stdout == f"tg {tinygrad_rnn.__version__}\n"


def test_the_shell_can_complete_commands():
    result = run_module(_TG_COMPLETE="complete_bash", COMP_WORDS="tg st", COMP_CWORD="1")
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


WITHOUT = """
import sys
sys.modules[{package!r}] = None
from tinygrad_rnn.cli import main
main()
"""


def test_without_typer_the_extra_is_named():
    program = WITHOUT.format(package="typer")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 1
    assert "tg needs typer, which is not installed" in result.stderr
    assert 'python -m pip install "tinygrad-rnn[train]"' in result.stderr


def test_another_missing_module_is_not_mistaken_for_typer():
    program = WITHOUT.format(package="tinygrad_rnn.cli.book")
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "ModuleNotFoundError" in result.stderr
