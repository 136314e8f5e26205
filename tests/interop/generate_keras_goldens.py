"""Ask Keras what its layers compute, and write its answers beside this file.

    KERAS_BACKEND=torch python tests/interop/generate_keras_goldens.py

Run by hand when the grid below changes; the tests read the files and never import Keras.
`keras_goldens.npz` holds, for each case, the config as JSON, the weights, an input and the output;
`keras_model.keras` is the last case as Keras saves it.
"""

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
from keras import layers

HERE = Path(__file__).parent
B, T, V, D, H = 2, 4, 7, 3, 4
SAID = {  # what of a config is read; the rest is how Keras starts and trains
    *("name", "units", "activation", "recurrent_activation", "use_bias", "reset_after"),
    *("return_sequences", "go_backwards", "stateful", "dropout", "recurrent_dropout", "rate"),
    *("merge_mode", "mask_zero", "layer", "backward_layer", "layers"),
}


def cases() -> Iterator[Any]:
    kinds = [
        (layers.SimpleRNN, {}),
        (layers.SimpleRNN, {"activation": "relu"}),
        (layers.LSTM, {}),
        (layers.GRU, {}),
        (layers.GRU, {"reset_after": False}),
    ]
    for (kind, options), bias, both in product(kinds, (True, False), (False, True)):
        layer = kind(H, use_bias=bias, return_sequences=True, **options)
        yield layers.Bidirectional(layer) if both else layer
    yield layers.Dense(H)
    yield layers.Dense(H, activation="softmax", use_bias=False)
    yield layers.Embedding(V, D)
    yield model()


def model() -> Any:
    return keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(V, D),
            layers.Bidirectional(layers.LSTM(H, return_sequences=True)),
            layers.Dropout(0.5),
            layers.Bidirectional(layers.GRU(H, reset_after=False, return_sequences=True)),
            layers.SimpleRNN(H, return_sequences=True),
            layers.GRU(D),
            keras.Sequential([layers.Dense(H, activation="relu"), layers.Activation("tanh")]),
            layers.Dense(2),
        ]
    )


def drawn(layer: Any, rng: np.random.Generator) -> None:
    """Give a layer weights that are all different; Keras's biases start as zeros."""
    layer.set_weights([rng.normal(0, 0.5, w.shape).astype("float32") for w in layer.get_weights()])


def said(config: Any) -> Any:
    if isinstance(config, list):
        return [said(part) for part in config]
    if not isinstance(config, dict):
        return config
    if "class_name" in config:
        return {"class_name": config["class_name"], "config": said(config["config"])}
    return {key: said(value) for key, value in config.items() if key in SAID}


def main() -> None:
    rng = np.random.default_rng(0)
    arrays, index = {}, []
    for k, layer in enumerate(cases()):
        of_ids = isinstance(layer, layers.Embedding | keras.Sequential)
        x = rng.integers(0, V, (B, T)) if of_ids else rng.normal(size=(B, T, D)).astype("float32")
        layer(x)
        drawn(layer, rng)
        for i, w in enumerate(layer.get_weights()):
            arrays[f"{k}.{i}"] = w
        arrays[f"{k}.x"], arrays[f"{k}.y"] = x, keras.ops.convert_to_numpy(layer(x))
        weights = len(layer.get_weights())
        index.append({"class": type(layer).__name__, "weights": weights})
        index[-1]["config"] = said(layer.get_config())
    layer.save(HERE / "keras_model.keras")  # the last, with its answer in the goldens
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez_compressed(HERE / "keras_goldens.npz", **arrays)


if __name__ == "__main__":
    main()
