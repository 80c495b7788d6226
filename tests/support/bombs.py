"""Small files whose models take time or memory out of all proportion once Keras has them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.written import Ref, Written, save, written_layer

Make = Callable[[Written], Ref]


def one(
    class_name: str, shape: tuple[int | None, ...], dtype: str = "float32", **config: Any
) -> Make:
    """One layer on an input."""

    def make(model: Written) -> Ref:
        return model.call(class_name, "bomb", model.input("x", shape, dtype), **config)

    return make


def times(number: int, class_name: str, shape: tuple[int | None, ...], **config: Any) -> Make:
    """The same layer, one behind the other, none of which is too large by itself."""

    def make(model: Written) -> Ref:
        y = model.input("x", shape)
        for each in range(number):
            y = model.call(class_name, f"bomb{each}", y, **config)
        return y

    return make


def nested(depth: int, layer: str, config: dict[str, Any], shape: tuple[int, ...]) -> Make:
    """A layer inside TimeDistributed inside TimeDistributed."""

    def make(model: Written) -> Ref:
        inner = written_layer(layer, "in", model.keras, **config)
        for number in range(depth - 1):
            inner = written_layer("TimeDistributed", f"t{number}", model.keras, layer=inner)
        return model.call("TimeDistributed", "bomb", model.input("x", shape), layer=inner)

    return make


def outer(model: Written) -> Ref:
    """Every step with every other."""
    x = model.input("x", (None, 100_000, 2))
    return model.call("Dot", "bomb", x, x, axes=[2, 2], normalize=False)


def attention(class_name: str) -> Make:
    def make(model: Written) -> Ref:
        x = model.input("x", (None, 100_000, 2))
        return model.call(class_name, "bomb", x, x, use_scale=False, dropout=0.0)

    return make


def steps_of_many(model: Written) -> Ref:
    """A recurrent layer over what was repeated."""
    y = model.call("RepeatVector", "repeat", model.input("x", (None, 1)), n=10**6)
    return model.call("SimpleRNN", "bomb", y, units=1)


def inner_model(model: Written) -> Ref:
    """A model in a model in a model, each of which makes a hundred times more of it."""
    inner = Written(model.keras, "inner0")
    x = inner.input("x", (None, None, 1))
    document = inner.document(inner.call("UpSampling1D", "up", x, size=1000))
    for number in (1, 2):
        above = Written(model.keras, f"inner{number}")
        x = above.input("x", (None, None, 1))
        document = above.document(_called(above, document, x, 2))
    return _called(model, document, model.input("x", (None, None, 1)), 2)


def _called(model: Written, document: dict[str, Any], x: Ref, number: int) -> Ref:
    config = {key: value for key, value in document["config"].items() if key != "name"}
    for _ in range(number):
        x = model.call("Functional", document["config"]["name"], x, document=document, **config)
    return x


STEPS, IMAGE, VOLUME = (None, None, 4), (None, None, None, 3), (None, None, None, None, 1)
SIDES = [[10**6, 0], [10**6, 0]]

BOMBS: dict[str, Make] = {
    "RepeatVector(2**27)": one("RepeatVector", (None, 4), n=2**27),
    "UpSampling1D(2 * 10**7)": one("UpSampling1D", STEPS, size=2 * 10**7),
    "UpSampling2D(10**5)": one("UpSampling2D", IMAGE, size=[10**5, 10**5], interpolation="nearest"),
    "UpSampling3D(10**4)": one("UpSampling3D", VOLUME, size=[10**4] * 3),
    "ZeroPadding1D(10**9)": one("ZeroPadding1D", STEPS, padding=[10**9, 0]),
    "ZeroPadding2D(10**6)": one("ZeroPadding2D", IMAGE, padding=SIDES),
    "ZeroPadding3D(10**6)": one("ZeroPadding3D", VOLUME, padding=[*SIDES, [0, 0]]),
    "Cropping1D(-10**9)": one("Cropping1D", STEPS, cropping=[-(10**9), 0]),
    "Resizing(10**6)": one("Resizing", IMAGE, height=10**6, width=10**6),
    "CenterCrop(10**6)": one("CenterCrop", IMAGE, height=10**6, width=10**6),
    "RandomCrop(10**6)": one("RandomCrop", IMAGE, height=10**6, width=10**6),
    "UpSampling1D(2) 40 times": times(40, "UpSampling1D", STEPS, size=2),
    "Activation 300 times on 800 MB": lambda model: _large_then(model, 300),
    "CategoryEncoding(10**9)": one(
        "CategoryEncoding", (None, 4), "int32", num_tokens=10**9, output_mode="multi_hot"
    ),
    "CategoryEncoding(10**9), one_hot": one(
        "CategoryEncoding", (None, 4), "int32", num_tokens=10**9, output_mode="one_hot"
    ),
    "Hashing(10**9), one_hot": one(
        "Hashing", (None, 4), "string", num_bins=10**9, output_mode="one_hot"
    ),
    "IntegerLookup(10**9), multi_hot": one(
        "IntegerLookup",
        (None, 4),
        "int64",
        max_tokens=10**9,
        vocabulary=[1, 2],
        num_oov_indices=1,
        mask_token=None,
        oov_token=-1,
        output_mode="multi_hot",
        pad_to_max_tokens=True,
    ),
    "TextVectorization(ngrams=10**9)": one(
        "TextVectorization", (None,), "string", vocabulary=["a"], ngrams=10**9
    ),
    "TextVectorization(output_sequence_length=10**9)": one(
        "TextVectorization", (None,), "string", vocabulary=["a"], output_sequence_length=10**9
    ),
    "Conv1D(10**9), causal": one(
        "Conv1D",
        STEPS,
        filters=1,
        kernel_size=[2],
        strides=[1],
        padding="causal",
        dilation_rate=[10**9],
    ),
    "Conv1D with 10**9 filters": one(
        "Conv1D", STEPS, filters=10**9, kernel_size=[1], strides=[1], padding="valid"
    ),
    "Conv2DTranspose, strides of 10**5": one(
        "Conv2DTranspose", IMAGE, filters=1, kernel_size=[1, 1], strides=[10**5] * 2, padding="same"
    ),
    "Dense with 10**9 units": one("Dense", STEPS, units=10**9),
    "Embedding of 10**9": one("Embedding", (None, 4), "int32", input_dim=10**9, output_dim=2),
    "Dot of 100,000 steps": outer,
    "Attention over 100,000 steps": attention("Attention"),
    "AdditiveAttention over 100,000 steps": attention("AdditiveAttention"),
    "SimpleRNN over 10**6 steps": steps_of_many,
    "LSTM unrolled over 10**5 steps": one("LSTM", (None, 10**5, 1), units=1, unroll=True),
    "TimeDistributed over 10**6 steps": nested(1, "ReLU", {}, (2, 10**6, 3)),
    "TimeDistributed in TimeDistributed, RepeatVector(10**7)": nested(
        2, "RepeatVector", {"n": 10**7}, (2, 30, 30, 4)
    ),
    "models in models, UpSampling1D": inner_model,
    "MelSpectrogram(10**6)": one(
        "MelSpectrogram", (None, 4096), num_mel_bins=10**6, fft_length=2048, sequence_stride=512
    ),
}
"""Each with its name; made in a model that is empty so far."""


def _large_then(model: Written, number: int) -> Ref:
    y = model.call("RepeatVector", "repeat", model.input("x", (None, 4)), n=2**23)
    for each in range(number):
        y = model.call("Activation", f"bomb{each}", y, activation="relu")
    return y


METRICS: dict[str, dict[str, Any]] = {
    "AUC(num_thresholds=10**9)": {"class_name": "AUC", "config": {"num_thresholds": 10**9}},
    "PrecisionAtRecall(num_thresholds=10**9)": {
        "class_name": "PrecisionAtRecall",
        "config": {"recall": 0.5, "num_thresholds": 10**9},
    },
    "MeanIoU(num_classes=25000)": {"class_name": "MeanIoU", "config": {"num_classes": 25_000}},
    "OneHotMeanIoU(num_classes=25000)": {
        "class_name": "OneHotMeanIoU",
        "config": {"num_classes": 25_000},
    },
    "F1Score(num_classes=25000)": {"class_name": "F1Score", "config": {"num_classes": 25_000}},
}
"""Metrics that a small model is compiled with."""


def bomb(name: str, keras: int, folder: Path) -> Path:
    """Write the file of a bomb, with weights that hold nothing."""
    model = Written(keras)
    if name in METRICS:
        document = model.document(model.call("ReLU", "relu", model.input("x", (None, 4))))
        module = "keras.metrics"
        metric = {"module": module, "registered_name": None, **METRICS[name]}
        document["compile_config"] = {"optimizer": "sgd", "loss": "mse", "metrics": [metric]}
    else:
        document = model.document(BOMBS[name](model))
    for entry in document["config"]["layers"]:
        entry.pop("build_config", None)
        if entry["class_name"] == "InputLayer":
            entry["config"].pop("trainable")  # Keras 2 knows no such key there
    path = save(document, keras, folder / "bomb.keras")
    return with_weights(path)


def with_weights(path: Path) -> Path:
    """Put a sound HDF5 file, which holds nothing, where the weights are expected."""
    import h5py

    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
        file.create_group("_layer_checkpoint_dependencies")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"model.weights.h5": weights.getvalue()}).items():
            archive.writestr(name, content)
    return path
