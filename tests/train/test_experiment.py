import math
from dataclasses import replace

import numpy as np
import pytest

from tinygrad_rnn import optim
from tinygrad_rnn.data import TextSource
from tinygrad_rnn.train import (
    CheckpointError,
    Every,
    Settings,
    TextExperiment,
    load_checkpoint,
    load_language_model,
    read_journal,
    save_checkpoint,
)


@pytest.fixture
def run(tmp_path, source, settings):
    """A finished run."""
    experiment = TextExperiment(source, settings, tmp_path / "run")
    experiment.run()
    return experiment


def test_training_makes_the_held_out_text_less_surprising(tmp_path, source, settings):
    experiment = TextExperiment(source, settings, tmp_path)
    untrained = experiment.evaluate().bits
    assert untrained == pytest.approx(math.log2(len(experiment.vocabulary)), abs=0.5)
    experiment.run()
    assert experiment.evaluate().bits < untrained - 0.5


def test_the_vocabulary_knows_nothing_of_the_held_out_text(tmp_path, settings):
    source = TextSource("x", "ab" * 450 + "c" * 100, "CC0-1.0", "made here")
    experiment = TextExperiment(source, settings, tmp_path)
    assert experiment.vocabulary.tokens == ("a", "b")
    assert experiment.evaluate().bits > math.log2(3) - 0.5


def test_the_journal_has_the_curve_and_the_evaluations(run):
    entries = read_journal(run.journal)
    assert [e["step"] for e in entries if "bits" in e] == [20, 40]
    assert [e["step"] for e in entries if "held_out_bits" in e] == [10, 20, 30, 40]
    assert entries[-1]["held_out_bits"] == pytest.approx(run.evaluate().bits)


def test_the_best_checkpoint_is_the_best_evaluation(run):
    bits = {e["step"]: e["held_out_bits"] for e in read_journal(run.journal) if "perplexity" in e}
    counters = load_checkpoint(run.best)["training"]["counters"]
    assert counters["step"] == min(bits, key=bits.get)


def test_a_loaded_model_predicts_as_the_trained_one(run):
    model, vocabulary = load_language_model(run.checkpoint)
    assert vocabulary == run.vocabulary
    assert not model.training
    _, expected = run.model.step(None, 3)
    np.testing.assert_array_equal(model.step(None, 3)[1], expected)


def test_a_run_in_two_parts_ends_with_the_weights_of_a_run_in_one(tmp_path, source, settings, run):
    first = TextExperiment(source, settings, tmp_path / "parts")

    class StoppedError(Exception):
        pass

    def stop(training):
        if training.step == 23:
            first.save(first.checkpoint)
            raise StoppedError

    with pytest.raises(StoppedError):
        first.run(listeners=[Every(stop, steps=1)])
    second = TextExperiment(source, replace(settings, seed=5), tmp_path / "parts", resume=True)
    assert second.training.step == 23
    second.run()
    for name, array in run.model.state_dict().items():
        np.testing.assert_array_equal(second.model.state_dict()[name], array)
    mine, whole = read_journal(second.journal), read_journal(run.journal)
    for entry in (*mine, *whole):
        entry.pop("seconds", None)
    assert mine == whole


def test_a_new_run_leaves_nothing_of_an_older_one_in_its_folder(source, settings, run):
    fresh = TextExperiment(source, replace(settings, hidden=5), run.folder)

    def kill(training):
        raise MemoryError

    with pytest.raises(MemoryError):
        fresh.run(listeners=[Every(kill, steps=1)])
    assert not run.best.exists()
    assert load_checkpoint(run.checkpoint)["settings"]["hidden"] == 5
    assert read_journal(run.journal) == []


def test_a_resumed_run_keeps_its_own_settings(tmp_path, source, settings, run):
    resumed = TextExperiment(source, Settings(hidden=99), run.folder, resume=True)
    assert resumed.settings == settings


def test_what_is_evaluated_and_loaded_is_the_average_if_there_is_one(tmp_path, source, settings):
    experiment = TextExperiment(source, replace(settings, average=0.9), tmp_path)
    experiment.run()
    averaged = experiment.average.weights()
    model, _ = load_language_model(experiment.checkpoint)
    for path, x in model.state_dict().items():
        np.testing.assert_array_equal(x, averaged[path])
        assert not np.array_equal(x, experiment.model.state_dict()[path])
    evaluated = experiment.evaluate()
    experiment.model.load_state_dict(averaged)
    experiment.average = None
    assert experiment.evaluate() == evaluated


def test_matrices_decay_if_the_settings_say_so(tmp_path, source, settings):
    plain = TextExperiment(source, settings, tmp_path / "plain")
    assert type(plain.training.optimizer) is optim.Adam
    decaying = TextExperiment(source, replace(settings, weight_decay=0.3), tmp_path / "decaying")
    rates = [group["weight_decay"] for group in decaying.training.optimizer.param_groups]
    assert rates == [0.3, 0.0]


def test_an_update_reads_as_many_windows_as_the_settings_say(tmp_path, source, settings):
    experiment = TextExperiment(source, replace(settings, accumulate=3, steps=2), tmp_path)
    experiment.run()
    assert experiment.training.tokens == 2 * 3 * settings.batch * settings.window


def test_settings_of_a_later_version_are_refused(run):
    saved = load_checkpoint(run.checkpoint)
    saved["settings"]["hovering"] = True
    save_checkpoint(run.checkpoint, saved)
    with pytest.raises(CheckpointError, match="has the settings hovering, which this version does"):
        load_language_model(run.checkpoint)


def test_settings_of_an_earlier_version_mean_what_they_meant(run, settings):
    saved = load_checkpoint(run.checkpoint)
    for name in ("accumulate", "weight_decay", "average"):
        del saved["settings"][name]
    save_checkpoint(run.checkpoint, saved)
    assert TextExperiment(run.source, settings, run.folder, resume=True).settings == settings


def test_resuming_with_another_text_is_refused(source, settings, run):
    other = TextSource("dogs", source.text + "!", "CC0-1.0", "made here")
    with pytest.raises(CheckpointError, match=r"was trained on cats with sha256 .* the text given"):
        TextExperiment(other, settings, run.folder, resume=True)


def test_resuming_from_nothing_is_refused(tmp_path, source, settings):
    with pytest.raises(
        FileNotFoundError, match=r"there is no checkpoint .*checkpoint\.safetensors"
    ):
        TextExperiment(source, settings, tmp_path, resume=True)


def test_a_checkpoint_without_a_model_is_refused(tmp_path):
    save_checkpoint(tmp_path / "c", {"settings": {}})
    with pytest.raises(CheckpointError, match="no language model: it lacks training, vocabulary"):
        load_language_model(tmp_path / "c")


def test_patience_ends_a_run_that_no_longer_improves(tmp_path, source, settings):
    stubborn = replace(settings, rate=0.0, patience=2, steps=1000)
    experiment = TextExperiment(source, stubborn, tmp_path)
    experiment.run()
    assert experiment.training.step == 30


def test_the_rate_rises_to_its_peak_and_falls_to_nothing(tmp_path, source, settings):
    experiment = TextExperiment(source, settings, tmp_path)
    rates = [experiment.training.schedule(k / 1000) for k in range(1000)]
    assert max(rates) == pytest.approx(settings.rate)
    assert 0.05 < np.argmax(rates) / 1000 < 0.4
    assert rates[0] < 0.1 * settings.rate
    assert rates[-1] < 1e-3 * settings.rate
