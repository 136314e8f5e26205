import json

import pytest

from tinygrad_rnn.cli import generation
from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import LanguageModel, Settings, TextExperiment


@pytest.fixture
def run(tmp_path):
    """The folder of a trained model that knows one word."""
    source = TextSource("ab", "ab" * 300, "CC0-1.0", "made here")
    settings = Settings(hidden=8, embedding=4, batch=2, window=8, steps=60, rate=0.05)
    TextExperiment(source, settings, tmp_path / "run").run()
    return tmp_path / "run"


def test_the_text_goes_on_from_the_prompt(tg, run):
    result = tg("generate", run, "--prompt", "ab", "--temperature", 0, "--length", 6)
    assert result.exit_code == 0
    assert result.output == "abababab\n"


def test_the_same_seed_writes_the_same_text(tg, run):
    first, second, other = (
        tg("generate", run, "--prompt", "a", "--temperature", 5, "--seed", seed).output
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other


def test_top_k_and_top_p_narrow_the_choice(tg, run):
    for option in (["--top-k", 1], ["--top-p", 0.01]):
        output = tg(
            "generate", run, "--prompt", "a", "--length", 4, "--temperature", 3, *option
        ).output
        assert output == "ababa\n"


@pytest.mark.parametrize(
    "options", [[], ["--temperature", 0], ["--top-k", 2, "--temperature", 3], ["--top-p", 0.7]]
)
def test_a_long_text_is_written_in_a_loop_and_is_the_same(tg, run, options, monkeypatch):
    arguments = ["generate", run, "--prompt", "ab", "--length", 150, "--seed", 5, *options]
    short = tg(*arguments).output
    chunks = []
    write = LanguageModel.write
    monkeypatch.setattr(
        LanguageModel, "write", lambda *a, **k: chunks.append(k["chunk"]) or write(*a, **k)
    )
    monkeypatch.setattr(generation, "LONG", 150)
    assert tg(*arguments).output == short
    assert chunks == [64]


def test_tokens_too_many_to_rank_are_drawn_step_by_step(tg, run, monkeypatch):
    monkeypatch.setattr(generation, "LONG", 1)
    monkeypatch.setattr(generation, "RANKED", 2)
    monkeypatch.delattr(LanguageModel, "write")
    assert tg("generate", run, "--top-k", 1, "--prompt", "a", "--length", 3).output == "abab\n"


def test_json_holds_prompt_text_and_seed(tg, run):
    result = tg("generate", run, "--prompt", "a", "--temperature", 0, "--length", 3, "--json")
    assert json.loads(result.stdout) == {"prompt": "a", "text": "bab", "seed": 0}


def test_a_character_never_seen_is_read_and_shown_as_such(tg, run):
    result = tg("generate", run, "--prompt", "한", "--temperature", 1000, "--length", 50)
    assert result.exit_code == 0
    assert set(result.output) == {"한", "a", "b", "\ufffd", "\n"}


def test_a_folder_means_its_best_checkpoint(tg, run):
    (run / "checkpoint.safetensors").unlink()
    assert tg("generate", run, "--prompt", "a", "--length", 1).exit_code == 0


def test_a_folder_without_a_best_one_means_its_last(tg, run):
    (run / "best.safetensors").unlink()
    assert tg("generate", run, "--prompt", "a", "--length", 1).exit_code == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "there is no checkpoint"), (b"not one", "is not a complete checkpoint")],
)
def test_a_checkpoint_that_cannot_be_read_is_explained(tg, tmp_path, content, complaint):
    if content:
        (tmp_path / "c").write_bytes(content)
    result = tg("generate", "c")
    assert result.exit_code == 1
    assert complaint in result.stderr
