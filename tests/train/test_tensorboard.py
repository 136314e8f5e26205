import struct
import sys

import numpy as np
import pytest

from tinygrad_rnn import optim
from tinygrad_rnn.data import TextStream
from tinygrad_rnn.train import (
    EarlyStopping,
    Evaluation,
    Every,
    LanguageModel,
    TensorBoard,
    Training,
    fit,
)

IDS = np.random.default_rng(0).integers(0, 7, size=200)


def training():
    model = LanguageModel(7, hidden=6, embedding=5, seed=0)
    adam = optim.Adam(model.parameters(), lr=0.01)
    return Training(model, adam, TextStream(IDS, 3, 5), model.loss)


def events(folder):
    """All events of a folder's files, each a length, its checksum, a message, and its checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            yield event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
            place += 12 + length + 4


def scalars(folder, tag):
    return {
        event.step: value.simple_value
        for event in events(folder)
        for value in event.summary.value
        if value.tag == tag
    }


def test_curves_have_a_point_every_so_many_steps(tmp_path):
    pytest.importorskip("tensorboardX")
    run = training()
    losses = {}
    note = Every(lambda t: losses.update({t.step: t.loss}), steps=2)
    fit(run, steps=5, listeners=[note, TensorBoard(tmp_path, every=2)])
    assert scalars(tmp_path, "training/loss") == pytest.approx({k: losses[k] for k in (2, 4)})
    assert scalars(tmp_path, "training/rate") == pytest.approx({2: 0.01, 4: 0.01})
    assert set(scalars(tmp_path, "training/gradient_norm")) == {2, 4}


def test_evaluations_are_written(tmp_path):
    pytest.importorskip("tensorboardX")
    stopping = EarlyStopping(lambda: Evaluation(nats=1.0, tokens=5))
    fit(training(), steps=4, listeners=[Every(stopping, steps=2), TensorBoard(tmp_path)])
    assert scalars(tmp_path, "held_out/perplexity") == pytest.approx({2: np.e, 4: np.e})


def test_a_resumed_run_voids_what_was_written_after_its_checkpoint(tmp_path):
    pytest.importorskip("tensorboardX")
    run = training()
    fit(run, steps=3, listeners=[TensorBoard(tmp_path / "first", every=1)])
    fit(run, steps=5, listeners=[TensorBoard(tmp_path / "second", every=1)])
    void_from = [e.step for e in events(tmp_path / "second") if e.HasField("session_log")]
    assert void_from == [4]
    assert set(scalars(tmp_path / "second", "training/loss")) == {4, 5}


def test_without_tensorboardx_the_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match="python -m pip install tensorboardX"):
        TensorBoard(tmp_path)


def test_points_are_at_least_a_step_apart(tmp_path):
    with pytest.raises(ValueError, match="got every=0; expected 1 or more steps"):
        TensorBoard(tmp_path, every=0)
