import pytest
from typer.testing import CliRunner

from tinygrad_rnn.cli.application import application


@pytest.fixture
def tg(tmp_path, monkeypatch):
    """Run a `tg` command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(application, [str(a) for a in arguments], prog_name="tg")

    return run


@pytest.fixture
def text(tmp_path):
    """A small text to train on."""
    path = tmp_path / "cats.txt"
    path.write_text("the cat sat on the mat and the dog sat on the cat. 고양이. " * 20)
    return path


@pytest.fixture
def tiny():
    """Options of a model that trains in a moment."""
    return ["--hidden", 8, "--embedding", 4, "--batch", 2, "--window", 8, "--steps", 12]
