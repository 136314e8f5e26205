"""Models that go out to ONNX, run in onnxruntime, and come in again."""

import sys
from itertools import product

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.interop import (
    InteropError,
    LastOutput,
    OnnxModel,
    Outputs,
    from_onnx,
    save_onnx,
    to_onnx,
)
from tinygrad_rnn.train import LanguageModel

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FLOAT32 = 3e-6
D, H = 3, 4
SIZES = [(5, 2), (1, 1), (3, 7)]  # of time and batch: what stays open in the graph


def floats(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def session(proto):
    return runtime.InferenceSession(proto.SerializeToString())


def flat(result):
    if not isinstance(result, tuple):
        return [result]
    return [leaf for part in result for leaf in flat(part)]


def assert_same(ours, theirs):
    ours = [x.detach().numpy() for x in flat(ours)]
    for got, expected in zip(theirs, ours, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(got, expected, atol=FLOAT32)


def assert_runs(module, inputs_of, called=None, **options):
    """Here, in onnxruntime and read again: equal outputs, for several lengths and batches."""
    proto = to_onnx(module, **options)
    there, again = session(proto), from_onnx(proto)
    for T, B in SIZES:
        inputs = inputs_of(T, B)
        assert [x.name for x in there.get_inputs()] == list(inputs)
        ours = (called or (lambda module, x: module(*x.values())))(module, inputs)
        assert_same(ours, there.run(None, inputs))
        assert_same(ours, [x.detach().numpy() for x in flat(again(**inputs))])


LAYERS = [
    *(
        (kind, {**options, "num_layers": layers, "bidirectional": both, "bias": bias})
        for (kind, options), layers, both, bias in product(
            [
                (nn.RNN, {}),
                (nn.RNN, {"nonlinearity": "relu"}),
                (nn.LSTM, {}),
                (nn.GRU, {}),
            ],
            (1, 2),
            (False, True),
            (True, False),
        )
    ),
    (nn.LSTM, {"batch_first": True, "num_layers": 2}),
    (nn.GRU, {"batch_first": True, "bidirectional": True}),
]


@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_a_recurrent_layer_with_and_without_states_and_lengths(kind, options):
    layer = kind(D, H, **options, seed=0)
    places = layer.num_layers * len(layer.directions)
    names = ("h_0", "c_0") if kind is nn.LSTM else ("h_0",)

    def sequences(T, B):
        return {"input": floats(*((B, T) if layer.batch_first else (T, B)), D)}

    def all_inputs(T, B):
        lengths = {"lengths": np.arange(1, B + 1, dtype="int32").clip(1, T)[::-1].copy()}
        return {**sequences(T, B), **lengths, **{name: floats(places, B, H) for name in names}}

    def called(layer, x):
        hx = tuple(x[name] for name in names)
        return layer(x["input"], hx if len(hx) == 2 else hx[0], lengths=x["lengths"])

    assert_runs(layer, sequences)
    assert_runs(layer, all_inputs, called, states=True, lengths=True)


def cells():
    H1 = {"seed": 1}
    return {
        "RNNCell": nn.RNNCell(D, H, nonlinearity="relu", seed=0),
        "GRUCell": nn.GRUCell(D, H, reset_after=False, seed=0),
        "LSTMCell": nn.LSTMCell(D, H, bias=False, seed=0),
        "peepholes": nn.LSTMCell(D, H, peepholes=True, seed=0),
        "coupled": nn.LSTMCell(D, H, coupled=True, seed=0),
        "coupled, with peepholes": nn.LSTMCell(D, H, coupled=True, peepholes=True, seed=0),
        "stack": nn.Stacked(nn.GRUCell(D, H, seed=0), nn.LSTMCell(H, 2, **H1)),
        "both ways": nn.Bidirectional(nn.GRUCell(D, H, seed=0), nn.LSTMCell(D, 2, **H1)),
        "residual": nn.Residual(nn.GRUCell(D, D, seed=0)),
        "projection": nn.Projection(nn.LSTMCell(D, H, seed=0), nn.Linear(H, 2, **H1)),
        "dropout, in use": nn.VariationalDropout(nn.GRUCell(D, H, seed=0), seed=0),
    }


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", cells())
def test_a_cell_run_over_sequences(name, reverse):
    layer = nn.Recurrent(cells()[name], reverse=reverse).eval()
    parts = [part.shape[-1] for part in tg.engine.nesting.leaves(layer.cell.initial(1))]

    def inputs(T, B):
        states = {f"initial_{k}": floats(B, size) for k, size in enumerate(parts)}
        return {"input": floats(T, B, D), **states}

    def called(layer, x):
        sequence, *states = x.values()
        start = layer.cell.initial(sequence.shape[1])
        return layer(sequence, tg.engine.nesting.rebuilt(start, states))

    assert_runs(layer, inputs, called, states=True)


def test_layers_in_a_row():
    model = nn.Sequential(
        nn.Embedding(9, D, seed=0),
        Outputs(nn.LSTM(D, H, bidirectional=True, seed=1)),
        tg.tanh,
        nn.LayerNorm(2 * H),
        nn.Dropout(0.5, seed=2),
        LastOutput(nn.GRU(2 * H, H, num_layers=2, bidirectional=True, seed=3)),
        nn.Sequential(nn.Linear(2 * H, 5, seed=4), tg.relu, nn.Linear(5, 2, bias=False, seed=5)),
        tg.softmax,
    ).eval()
    rng = np.random.default_rng(0)
    assert_runs(model, lambda T, B: {"ids": rng.integers(0, 9, (T, B))})


def test_the_end_of_a_cell_run_over_sequences():
    cell = nn.Stacked(
        nn.GRUCell(D, H, seed=0),
        nn.Bidirectional(nn.LSTMCell(H, 2, seed=1), nn.RNNCell(H, 3, seed=2)),
    )
    model = nn.Sequential(LastOutput(nn.Recurrent(cell, batch_first=True)))
    assert_runs(model, lambda T, B: {"input": floats(B, T, D)})


def test_a_network_without_time_has_the_axes_that_it_is_told():
    model = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, H, seed=0), tg.sigmoid)
    proto = to_onnx(model, axes=("B",))
    assert_same(model(floats(6, D)), session(proto).run(None, {"input": floats(6, D)}))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_language_model_goes_on_from_its_states(cell):
    model = LanguageModel(7, cell=cell, hidden=H, embedding=H, layers=2, dropout=0.5, tied=True,
                          seed=0).eval()  # fmt: skip
    proto = to_onnx(model, states=True)
    shapes = [tuple(x.dims) for x in proto.graph.initializer]
    assert shapes.count((7, H)) == 1  # the tied matrix, once
    there, ids = session(proto), np.random.default_rng(0).integers(0, 7, (6, 2))
    ours, carry = model(ids[:4])
    names = [x.name for x in there.get_inputs()]
    zero = [np.zeros((2, 2, H), "float32") for _ in names[1:]]
    theirs, *final = there.run(None, dict(zip(names, [ids[:4], *zero], strict=True)))
    assert_same((ours, carry), [theirs, *final])
    theirs = there.run(None, dict(zip(names, [ids[4:], *final], strict=True)))
    assert_same(model(ids[4:], carry), theirs)


def test_a_model_that_was_read_learns_as_the_one_that_was_written():
    model = nn.Sequential(nn.Embedding(5, D, seed=0), Outputs(nn.GRU(D, H, seed=1)),
                          nn.Linear(H, 2, seed=2))  # fmt: skip
    again = from_onnx(to_onnx(model))
    ids = np.array([[1], [4], [1]])
    for module in (model, again):
        (module(ids) ** 2).sum().backward()
    assert isinstance(again, OnnxModel)
    grads = {path: x.grad.numpy() for path, x in again.named_parameters()}
    np.testing.assert_allclose(grads["weights.0.weight"], model[0].weight.grad.numpy(), atol=1e-6)
    np.testing.assert_allclose(grads["weights.2.bias"], model[2].bias.grad.numpy(), atol=1e-6)
    ours, theirs = model[1].layer.weight_ih_l0.grad.numpy(), grads["weights.1.layer.l0.W"][0]
    r, z, n = np.split(ours, 3)
    np.testing.assert_allclose(theirs, np.concatenate([z, r, n]), atol=1e-6)


def test_float64_goes_out_as_float64():
    layer = nn.GRU(D, H, dtype="float64", seed=0)
    output, _ = from_onnx(to_onnx(layer))(floats(5, 2, D).astype("float64"))
    expected, _ = layer(floats(5, 2, D).astype("float64"))
    np.testing.assert_allclose(output.detach().numpy(), expected.detach().numpy(), atol=1e-14)


def test_a_file_goes_out_and_in(tmp_path):
    layer, path = nn.LSTM(D, H, seed=0), tmp_path / "deep" / "lstm.onnx"
    save_onnx(path, layer)
    assert [x.name for x in path.parent.iterdir()] == ["lstm.onnx"]
    for source in (path, str(path), path.read_bytes()):
        assert_same(
            layer(floats(5, 2, D)), [x.detach() for x in from_onnx(source)(floats(5, 2, D))]
        )


def test_the_repr_says_what_goes_in_and_comes_out():
    assert "(input → output, h_n)" in repr(from_onnx(to_onnx(nn.GRU(D, H))))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_what_pytorch_writes_is_read(kind, tmp_path):
    torch = pytest.importorskip("torch")

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(9, D)
            self.layer = getattr(torch.nn, kind)(D, H, 2, bidirectional=True, batch_first=True)
            self.output = torch.nn.Linear(2 * H, 5)

        def forward(self, ids):
            return self.output(self.layer(self.table(ids))[0]).log_softmax(-1)

    theirs, path = Tagger().eval(), tmp_path / "tagger.onnx"
    open_axes = {"ids": {0: "B", 1: "T"}}
    torch.onnx.export(theirs, (torch.zeros((2, 3), dtype=torch.long),), path, input_names=["ids"],
                      dynamic_axes=open_axes, dynamo=False)  # fmt: skip
    ids = np.random.default_rng(0).integers(0, 9, (4, 6))
    with torch.no_grad():
        assert_same(from_onnx(path)(ids), [theirs(torch.from_numpy(ids)).numpy()])


class Own(nn.Module):
    def __init__(self):
        self.table = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (lambda: nn.LSTM(D, H, proj_size=2), {}, "l0: LSTMCell with proj_size has no counterpart"),
        (lambda: Own(), {}, "Own has no counterpart in ONNX here"),
        (lambda: nn.Sequential(nn.Linear(2, 2), tg.exp), {}, "1: exp has no counterpart"),
        (lambda: nn.Recurrent(nn.MinimalGatedCell(D, H)), {}, "cell: MinimalGatedCell has no"),
        (lambda: nn.Recurrent(nn.Zoneout(nn.GRUCell(D, H))), {}, "cell: Zoneout has no"),
        (
            lambda: nn.Recurrent(nn.Residual(nn.GRUCell(D, D))),
            {"lengths": True},
            "cell: Residual with lengths has no",
        ),
        (lambda: nn.Linear(2, 2), {"states": True}, "got states=True for Linear, which does not"),
        (lambda: LanguageModel(5), {"lengths": True}, "got lengths=True for LanguageModel, which"),
        (lambda: nn.Sequential(nn.Dropout()), {}, "Sequential has no parameters to write"),
        (lambda: nn.GRU(D, H), {"axes": ("B",)}, r"GRU reads \('B', 3\); expected three axes"),
    ],
)
def test_a_module_without_counterpart_is_named(make, options, text):
    with pytest.raises(InteropError, match=text):
        to_onnx(make(), **options)


def graph_of(*nodes, opset=17, inputs=("x",)):
    helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, FLOAT, ["N"]) for name in inputs],
        [helper.make_tensor_value_info("y", FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(operator, **attributes):
    return onnx.helper.make_node(operator, ["x"], ["y"], **attributes)


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (graph_of(node("Erf")), "the operator ai.onnx.Erf is not supported; expected some of Add"),
        (graph_of(node("Tanh", domain="mine")), "the operator mine.Tanh is not supported"),
        (graph_of(node("Tanh", speed=2)), "Tanh: got the attribute speed, which is not supported"),
        (graph_of(node("Softmax"), opset=11), "Softmax of opset 11 acts on several axes"),
        (graph_of(node("Tanh"), opset=6), "got opset 6; expected 7 or later"),
    ],
)
def test_what_cannot_be_read_is_named(proto, text):
    with pytest.raises(InteropError, match=text):
        from_onnx(proto)


def test_weights_in_another_file_are_not_read(tmp_path):
    onnx.save(to_onnx(nn.Linear(64, 64), axes=("B",)), tmp_path / "model.onnx",
              save_as_external_data=True, location="secret", size_threshold=0)  # fmt: skip
    proto = onnx.load(tmp_path / "model.onnx", load_external_data=False)
    with pytest.raises(InteropError, match="weight is in another file, which is not read"):
        from_onnx(proto)


def test_inputs_are_checked():
    graph = from_onnx(graph_of(node("Tanh")))
    assert graph(floats(3)).shape == graph(x=floats(3)).shape == (3,)
    for wrong in ((), (floats(3), floats(3))):
        with pytest.raises(InteropError, match=r"expected \['x'\], in this order or by name"):
            graph(*wrong)
    with pytest.raises(InteropError, match=r"got the inputs \['z'\]"):
        graph(z=floats(3))
    with pytest.raises(tg.DtypeError, match="got x of dtype float64; expected float32"):
        graph(floats(3).astype("float64"))


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"hello"])
def test_a_damaged_file_is_an_error(tmp_path, damage):
    path = tmp_path / "lstm.onnx"
    save_onnx(path, nn.LSTM(D, H))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InteropError, match="this is not a complete ONNX model"):
        from_onnx(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.onnx"):
        from_onnx(tmp_path / "gone.onnx")


def test_without_onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match="ONNX models need onnx: python -m pip install"):
        to_onnx(nn.Linear(2, 2))
