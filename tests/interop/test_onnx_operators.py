"""The other operators of ONNX, against the specification's own evaluator."""

import numpy as np
import pytest

from tinygrad_rnn.interop import InteropError, from_onnx
from tinygrad_rnn.interop.onnx_operators import OPERATORS
from tinygrad_rnn.interop.onnx_recurrence import CELLS

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")


def floats(*shape):
    return np.random.default_rng(shape).normal(size=shape).astype("float32")


def ints(*numbers):
    return np.array(numbers, "int64")


X = floats(2, 3, 4)

CASES = [
    ("Add", {}, X, floats(4)),
    ("Cast", {"to": 11}, X),
    ("Concat", {"axis": 1}, X, floats(2, 1, 4), X),
    ("Constant", {"value_floats": [1.0, 2.0]}),
    ("Constant", {"value_ints": [1, 2]}),
    ("Constant", {"value_int": 3}),
    ("Constant", {"value_float": 0.5}),
    ("Constant", {"value": onnx.numpy_helper.from_array(X)}),
    ("ConstantOfShape", {}, ints(2, 3)),
    ("ConstantOfShape", {"value": onnx.numpy_helper.from_array(ints(7))}, ints(2, 0)),
    ("Div", {}, X, 2 + np.abs(X)),
    ("Dropout", {}, X),
    ("Elu", {"alpha": 0.5}, X),
    ("Exp", {}, X),
    ("Expand", {}, floats(3, 1), ints(2, 1, 4)),
    ("Gather", {}, X, ints(1, 0)),
    ("Gather", {"axis": 2}, X, np.array(3)),
    ("Gather", {"axis": 1}, X, np.array([[0, -1]])),
    ("Gemm", {}, floats(2, 3), floats(3, 4), floats(4)),
    ("Gemm", {"alpha": 0.5, "beta": 2.0, "transA": 1, "transB": 1}, floats(3, 2), floats(4, 3),
     floats(2, 1)),
    ("Gemm", {}, floats(2, 3), floats(3, 4)),
    ("Identity", {}, X),
    ("LayerNormalization", {"axis": 1, "epsilon": 1e-2}, X, floats(3, 4), floats(3, 4)),
    ("LayerNormalization", {}, X, floats(4)),
    ("LeakyRelu", {"alpha": 0.2}, X),
    ("Log", {}, np.abs(X) + 1),
    ("LogSoftmax", {"axis": 1}, X),
    ("MatMul", {}, X, floats(4, 5)),
    ("Mul", {}, X, floats(3, 1)),
    ("Relu", {}, X),
    ("Reshape", {}, X, ints(0, -1)),
    ("Reshape", {"allowzero": 1}, floats(0, 3), ints(3, 0)),
    ("Shape", {}, X),
    ("Sigmoid", {}, X),
    ("Slice", {}, X, ints(1), ints(9)),
    ("Slice", {}, X, ints(0, 1), ints(2, -1), ints(0, 2)),
    ("Slice", {}, X, ints(-1, 3), ints(-99, 0), ints(1, 2), ints(-1, -2)),
    ("Softmax", {}, X),
    ("Softplus", {}, X),
    ("Split", {"axis": 2}, X, ints(1, 3)),
    ("Sqrt", {}, np.abs(X)),
    ("Squeeze", {}, floats(1, 3, 1)),
    ("Squeeze", {}, floats(1, 3, 1), ints(-1)),
    ("Sub", {}, X, floats(4)),
    ("Tanh", {}, X),
    ("Transpose", {}, X),
    ("Transpose", {"perm": [1, 2, 0]}, X),
    ("Unsqueeze", {}, X, ints(0, -1)),
]  # fmt: skip


def title(case):
    operator, attributes, *inputs = case
    return f"{operator} {[*attributes]} of {', '.join(str(x.shape) for x in inputs)}"


def model(operator, attributes, inputs, count=1):
    helper = onnx.helper
    names = [f"x{k}" for k in range(len(inputs))]
    outputs = [f"y{k}" for k in range(count)]

    def described(name, value):
        dtype = helper.np_dtype_to_tensor_dtype(value.dtype)
        return helper.make_tensor_value_info(name, dtype, value.shape)

    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, **attributes)],
        "one",
        [described(*item) for item in zip(names, inputs, strict=True)],
        [helper.make_tensor_value_info(y, onnx.TensorProto.UNDEFINED, None) for y in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("case", CASES, ids=title)
def test_it_computes_what_the_specification_says(case):
    operator, attributes, *inputs = case
    proto = model(operator, attributes, inputs, count=2 if operator == "Split" else 1)
    named = {f"x{k}": x for k, x in enumerate(inputs)}
    theirs = reference.ReferenceEvaluator(proto).run(None, named)
    ours = from_onnx(proto)(*inputs)
    for got, expected in zip(ours if len(theirs) > 1 else [ours], theirs, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_allclose(np.asarray(got), expected, rtol=2e-6, atol=1e-6)


def test_every_operator_is_among_the_cases():
    assert {operator for operator, *_ in CASES} == OPERATORS.keys() - CELLS.keys()


def test_pieces_may_be_even():
    parts = OPERATORS["Split"](X, axis=1, num_outputs=2)
    assert [part.shape for part in parts] == [(2, 2, 4), (2, 1, 4)]


def test_dropout_in_training_is_refused():
    inputs = [X, np.array(0.5, "float32"), np.array(True)]
    with pytest.raises(InteropError, match="Dropout: got training_mode=True"):
        from_onnx(model("Dropout", {}, inputs))(*inputs)
