"""The recurrent operators of ONNX against onnxruntime and the specification's own evaluator.

onnxruntime has everything but `layout=1` and float64; `onnx.reference` has those two, and no more
than the usual activations, without clipping, coupling and lengths. Between them they have all.
"""

from itertools import product

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn.interop import InteropError, from_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
reference = pytest.importorskip("onnx.reference")

FLOAT32 = 2e-6
T, B, D, H = 4, 3, 2, 3
LENGTHS = [2, 4, 1]
BLOCKS = {"RNN": 1, "GRU": 3, "LSTM": 4}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


def drawn(operator, directions=1, *, bias=True, lengths=None, states=True, peepholes=False,
          layout=0, dtype="float32"):  # fmt: skip
    """Inputs by name. States and inputs are large, so that clipping and saturation matter."""
    rng = np.random.default_rng(0)
    rows = BLOCKS[operator] * H
    x = {"X": 2 * rng.normal(size=(T, B, D))}
    x["W"], x["R"] = (rng.normal(size=(directions, rows, n)) for n in (D, H))
    if bias:
        x["B"] = rng.normal(size=(directions, 2 * rows))
    if states:
        x["initial_h"] = rng.normal(size=(directions, B, H))
    if states and operator == "LSTM":
        x["initial_c"] = 3 * rng.normal(size=(directions, B, H))
    if peepholes:
        x["P"] = rng.normal(size=(directions, 3 * H))
    if layout:
        for name in x.keys() & {"X", "initial_h", "initial_c"}:
            x[name] = x[name].swapaxes(0, 1)
    x = {name: np.ascontiguousarray(value, dtype) for name, value in x.items()}
    return {**x, "sequence_lens": np.array(lengths, "int32")} if lengths is not None else x


def model(operator, inputs, attributes, outputs=None):
    """A graph of one node, with all of its inputs from outside."""
    helper = onnx.helper

    def described(name, value):
        dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
        return helper.make_tensor_value_info(name, dtype, value.shape)

    names = [name if name in inputs else "" for name in INPUTS]
    while not names[-1]:
        names.pop()
    outputs = outputs or ["Y", "Y_h", "Y_c"][: 2 + (operator == "LSTM")]
    node = helper.make_node(operator, names, outputs, **{"hidden_size": H, **attributes})
    dtype = helper.np_dtype_to_tensor_dtype(inputs["X"].dtype)
    graph = helper.make_graph(
        [node],
        "one",
        [described(*item) for item in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(proto):
    quiet = runtime.SessionOptions()
    quiet.log_severity_level = 4
    return runtime.InferenceSession(proto.SerializeToString(), quiet)


def assert_runtime_agrees(operator, inputs, **attributes):
    proto = model(operator, inputs, attributes)
    theirs, ours = session(proto).run(None, inputs), from_onnx(proto)(**inputs)
    for got, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got.numpy(), expected, atol=FLOAT32, rtol=1e-5)


KINDS = [
    ("RNN", {}),
    ("GRU", {}),
    ("GRU", {"linear_before_reset": 1}),
    ("LSTM", {}),
    ("LSTM", {"input_forget": 1}),
    ("LSTM", {"peepholes": True}),
    ("LSTM", {"peepholes": True, "input_forget": 1}),
]


@pytest.mark.parametrize("clip", [None, 0.7])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operator", "options"), KINDS)
def test_runtime_agrees_on_every_kind_direction_and_clip(operator, options, direction, clip):
    options = dict(options)
    peepholes = options.pop("peepholes", False)
    attributes = {**options, "direction": direction, **({"clip": clip} if clip else {})}
    directions = 1 + (direction == "bidirectional")
    for lengths, bias, states in product((None, LENGTHS), (True, False), (True, False)):
        inputs = drawn(operator, directions, bias=bias, lengths=lengths, states=states,
                       peepholes=peepholes)  # fmt: skip
        assert_runtime_agrees(operator, inputs, **attributes)


@pytest.mark.parametrize(
    ("name", "constants"),
    [
        ("Affine", {"alpha": 0.3, "beta": 0.2}),
        ("Elu", {"alpha": 0.7}),
        ("HardSigmoid", {"alpha": 0.3, "beta": 0.6}),
        ("LeakyRelu", {"alpha": 0.05}),
        ("Relu", {}),
        ("ScaledTanh", {"alpha": 1.2, "beta": 0.6}),
        ("Sigmoid", {}),
        ("Softplus", {}),
        ("Softsign", {}),
        ("Tanh", {}),
        ("ThresholdedRelu", {"alpha": 0.5}),
    ],
)
def test_runtime_agrees_on_every_activation(name, constants):
    lists = {f"activation_{key}": [value] for key, value in constants.items()}
    assert_runtime_agrees("RNN", drawn("RNN"), activations=[name], **lists)
    # As the candidate of a GRU and the output of an LSTM, behind gates that stay in [0, 1].
    assert_runtime_agrees("GRU", drawn("GRU"), activations=["Sigmoid", name], **lists)
    assert_runtime_agrees("LSTM", drawn("LSTM"), activations=["Sigmoid", "Tanh", name], **lists)


@pytest.mark.parametrize("name", ["Elu", "HardSigmoid", "LeakyRelu"])
def test_runtime_agrees_on_the_constants_that_are_not_given(name):
    assert_runtime_agrees("RNN", drawn("RNN"), activations=[name])


def test_a_threshold_that_is_not_given_is_the_specifications():
    inputs = drawn("RNN", states=False)
    told = {"activations": ["ThresholdedRelu"], "activation_alpha": [1.0]}
    ours = from_onnx(model("RNN", inputs, {"activations": ["ThresholdedRelu"]}))(**inputs)
    expected = session(model("RNN", inputs, told)).run(None, inputs)
    np.testing.assert_allclose(ours[0].numpy(), expected[0], atol=FLOAT32)


def test_runtime_agrees_on_constants_for_some_of_the_activations():
    activations = ["HardSigmoid", "Tanh", "LeakyRelu", "Sigmoid", "ScaledTanh", "Elu"]
    assert_runtime_agrees(
        "LSTM",
        drawn("LSTM", 2),
        direction="bidirectional",
        activations=activations,
        activation_alpha=[0.3, 0.1, 1.2, 0.6],
        activation_beta=[0.4, 0.9],
    )


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("operator", "options"), [kind for kind in KINDS if "input_forget" not in kind[1]]
)
def test_the_specifications_evaluator_agrees_in_float64_and_batch_first(
    operator, options, direction, layout
):
    options = dict(options)
    peepholes = options.pop("peepholes", False)
    directions = 1 + (direction == "bidirectional")
    inputs = drawn(operator, directions, peepholes=peepholes, layout=layout, dtype="float64")
    proto = model(operator, inputs, {**options, "direction": direction, "layout": layout})
    theirs = reference.ReferenceEvaluator(proto).run(None, inputs)
    for got, expected in zip(from_onnx(proto)(**inputs), theirs, strict=True):
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("operator", "options"), KINDS)
def test_batch_first_is_the_same_turned(operator, options):
    options = dict(options)
    peepholes = options.pop("peepholes", False)
    plain = drawn(operator, peepholes=peepholes, lengths=LENGTHS)
    turned = drawn(operator, peepholes=peepholes, lengths=LENGTHS, layout=1)
    Y, *final = from_onnx(model(operator, plain, options))(**plain)
    turned_Y, *turned_final = from_onnx(model(operator, turned, {**options, "layout": 1}))(**turned)
    assert (Y.numpy().transpose(2, 0, 1, 3) == turned_Y.numpy()).all()
    for a, b in zip(final, turned_final, strict=True):
        assert (a.numpy().swapaxes(0, 1) == b.numpy()).all()


def test_a_sequence_of_length_0_keeps_its_state():
    inputs = drawn("LSTM", lengths=[2, 0, 4])
    Y, Y_h, Y_c = from_onnx(model("LSTM", inputs, {}))(**inputs)
    assert (Y.numpy()[:, :, 1] == 0).all()
    assert (Y_h.numpy()[:, 1] == inputs["initial_h"][:, 1]).all()
    assert (Y_c.numpy()[:, 1] == inputs["initial_c"][:, 1]).all()


def test_compiled_and_op_by_op_agree():
    inputs = drawn("LSTM", lengths=LENGTHS, peepholes=True)
    graph = from_onnx(model("LSTM", inputs, {"clip": 0.5, "direction": "reverse"}))
    with tg.compiled(), tg.backend("numpy"):
        loop = graph(**inputs)
    for a, b in zip(loop, graph(**inputs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


@pytest.mark.parametrize(("operator", "options"), KINDS)
def test_gradients_of_all_inputs_are_those_of_differences(operator, options):
    options = dict(options)
    inputs = drawn(operator, peepholes=options.pop("peepholes", False), dtype="float64")
    graph = from_onnx(model(operator, inputs, {**options, "clip": 5.0}))
    names = list(inputs)

    def total(*values):
        return sum(y.sum() for y in graph(**dict(zip(names, values, strict=True))))

    tg.gradcheck(total, *inputs.values())


@pytest.mark.parametrize(
    ("operator", "attributes", "text"),
    [
        ("LSTM", {"linear_before_reset": 1}, "LSTM: got the attribute linear_before_reset"),
        ("GRU", {"output_sequence": 1}, "GRU: got the attribute output_sequence, which is not"),
        ("RNN", {"direction": "sideways"}, "RNN: got direction='sideways'; expected one of"),
        ("RNN", {"direction": "bidirectional"}, "weights for 1 direction.* expected 2"),
        ("RNN", {"layout": 2}, "RNN: got layout=2; expected one of"),
        ("RNN", {"hidden_size": 9}, "RNN: got hidden_size=9 and R of shape"),
        ("RNN", {"clip": -1.0}, "RNN: got clip=-1.0"),
        ("GRU", {"activations": ["Tanh"]}, r"GRU: got activations=\['Tanh'\]; expected 2"),
        ("RNN", {"activations": ["Sine"]}, "RNN: got 'Sine' among the activations"),
        ("RNN", {"activations": ["Affine"]}, "Affine needs a value in activation_alpha"),
        ("RNN", {"activation_beta": [1.0]}, r"activation_beta with 1 value\(s\) more"),
    ],
)
def test_what_is_not_supported_is_named(operator, attributes, text):
    inputs = drawn(operator)
    with pytest.raises(InteropError, match=text):
        from_onnx(model(operator, inputs, attributes))(**inputs)
