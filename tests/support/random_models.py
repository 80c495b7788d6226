"""Random models with masks in them: sources, layers that pass, use and lose them, merges."""

from __future__ import annotations

import random as python_random
from dataclasses import dataclass, field
from typing import Any

FEATURES = 4
LENGTH = 6


@dataclass
class Grown:
    """A random model and what it was grown from."""

    model: Any
    steps: list[str]


@dataclass
class Gardener:
    """Grows one random model; what Keras refuses to build is left out.

    Parameters
    ----------
    keras : module
        `keras` or `tf_keras`.
    seed : int
        Names the model.
    """

    keras: Any
    seed: int
    nested: bool = True
    steps: list[str] = field(default_factory=list)
    shared: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = python_random.Random(self.seed)
        self.layers = self.keras.layers
        self.number = 2 if self.keras.__name__ == "tf_keras" else 3
        self.sequences: list[Any] = []
        self.vectors: list[Any] = []
        self.inputs: list[Any] = []
        self.ids: list[Any] = []

    def name(self, kind: str) -> str:
        return f"{kind}_{self.seed}_{len(self.steps)}{'' if self.nested else '_nested'}"

    def model(self, size: int) -> Grown:
        for _ in range(self.random.randint(1, 2)):
            self.source()
        for _ in range(size):
            self.grow(self.random.choice(self.kinds()))
        ends = [self.sequences[-1], *self.vectors[-1:]]
        if self.random.random() < 0.5:
            ends.append(self.random.choice(self.sequences))
        ends = [
            self.layers.Activation("tanh", name=self.name(f"end_{number}"))(end)
            for number, end in enumerate(ends)
        ]
        return Grown(self.keras.Model(self.inputs, ends, name=self.name("model")), self.steps)

    def source(self) -> None:
        """Add an input, with an Embedding, a Masking layer, or neither."""
        make = self.random.choice(["embedding", "embedding", "masking", "plain"])
        self.steps.append(make)
        if make == "embedding":
            ids = self.layers.Input((LENGTH,), dtype="int32", name=self.name("ids"))
            on = self.random.random() < 0.7
            layer = self.layers.Embedding(5, FEATURES, mask_zero=on, name=self.name("embedding"))
            self.inputs.append(ids)
            self.ids.append(ids)
            self.sequences.append(layer(ids))
            return
        values = self.layers.Input((LENGTH, FEATURES), name=self.name("values"))
        self.inputs.append(values)
        if make == "masking":
            values = self.layers.Masking(name=self.name("masking"))(values)
        self.sequences.append(values)

    def kinds(self) -> list[str]:
        one = ["passing"] * 3 + ["recurrent"] * 2 + ["dropping", "noise", "operator", "length"]
        rare = [
            "states",
            "explicit",
            "pooled",
            "ended",
            "shared",
            "lambda",
            "nested",
            "distributed",
        ]
        two = ["merged"] * 3 + ["joined", "attention", "attention", "operators", "started"]
        return one + rare + two

    def grow(self, kind: str) -> None:
        try:
            grown = getattr(self, f"grow_{kind}")(self.name(kind))
        except Exception:
            return  # not a model that Keras builds
        if grown is None:
            return
        self.steps.append(kind)
        for tensor in grown if isinstance(grown, list | tuple) else [grown]:
            (self.sequences if len(tensor.shape) == 3 else self.vectors).append(tensor)

    def any(self) -> Any:
        return self.random.choice(self.sequences[-4:])

    def pair(self) -> tuple[Any, Any] | None:
        """Return two sequences of the same shape."""
        first = self.any()
        others = [other for other in self.sequences if tuple(other.shape) == tuple(first.shape)]
        return first, self.random.choice(others)

    def grow_passing(self, name: str) -> Any:
        layers = self.layers
        make = self.random.choice(
            [
                lambda: layers.Dense(FEATURES, name=name),
                lambda: layers.Activation("tanh", name=name),
                lambda: layers.LayerNormalization(name=name),
                lambda: layers.BatchNormalization(name=name),
                lambda: layers.ReLU(name=name),
                lambda: layers.Rescaling(0.5, name=name),
                lambda: layers.Identity(name=name),
            ]
        )
        return make()(self.any())

    def grow_noise(self, name: str) -> Any:
        kind = self.random.choice(["Dropout", "GaussianNoise", "SpatialDropout1D"])
        return getattr(self.layers, kind)(0.3, name=name)(self.any())

    def cell(self) -> Any:
        return getattr(self.layers, self.random.choice(["LSTMCell", "GRUCell"]))(FEATURES)

    def recurrent_layer(self, name: str, **options: Any) -> Any:
        kind = self.random.choice(["LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"])
        if kind == "RNN":
            return self.layers.RNN([self.cell(), self.cell()], name=name, **options)
        if kind == "Bidirectional":
            inner = self.layers.GRU(FEATURES, name=f"{name}_inner", **options)
            return self.layers.Bidirectional(inner, merge_mode="sum", name=name)
        return getattr(self.layers, kind)(FEATURES, name=name, **options)

    def grow_recurrent(self, name: str) -> Any:
        layer = self.recurrent_layer(name, return_sequences=True)
        self.shared.append(layer)
        return layer(self.any())

    def grow_ended(self, name: str) -> Any:
        return self.recurrent_layer(name)(self.any())

    def grow_states(self, name: str) -> Any:
        return self.layers.LSTM(FEATURES, return_sequences=True, return_state=True, name=name)(
            self.any()
        )

    def grow_started(self, name: str) -> Any:
        if not self.vectors:
            return None
        state = self.random.choice(self.vectors)
        if tuple(state.shape) != (None, FEATURES):
            return None
        return self.layers.GRU(FEATURES, return_sequences=True, name=name)(
            self.any(), initial_state=state
        )

    def grow_explicit(self, name: str) -> Any:
        if not self.ids:
            return None
        ids = self.random.choice(self.ids)
        if self.number == 2:
            import tensorflow as tf

            mask = tf.not_equal(ids, 0)
        else:
            mask = self.keras.ops.not_equal(ids, 0)
        sequence = next(each for each in self.sequences if each.shape[1] == LENGTH)
        return self.layers.GRU(FEATURES, return_sequences=True, name=name)(sequence, mask=mask)

    def grow_pooled(self, name: str) -> Any:
        kind = self.random.choice(["GlobalAveragePooling1D", "GlobalMaxPooling1D", "Flatten"])
        return getattr(self.layers, kind)(name=name)(self.any())

    def grow_dropping(self, name: str) -> Any:
        return self.layers.Conv1D(FEATURES, 3, padding="same", name=name)(self.any())

    def grow_length(self, name: str) -> Any:
        layers = self.layers
        make = self.random.choice(
            [
                lambda: layers.Conv1D(FEATURES, 2, name=name),
                lambda: layers.ZeroPadding1D(1, name=name),
                lambda: layers.UpSampling1D(2, name=name),
                lambda: layers.Cropping1D(1, name=name),
                lambda: layers.MaxPooling1D(2, strides=1, name=name),
            ]
        )
        return make()(self.any())

    def grow_operator(self, name: str) -> Any:
        return self.any() * 2.0

    def grow_operators(self, name: str) -> Any:
        first, second = self.pair()
        return first + second

    def grow_merged(self, name: str) -> Any:
        kind = self.random.choice(
            ["Add", "Multiply", "Average", "Maximum", "Subtract", "Concatenate"]
        )
        merged = getattr(self.layers, kind)(name=name)(list(self.pair()))
        if kind == "Concatenate":
            merged = self.layers.Dense(FEATURES, name=f"{name}_dense")(merged)
        return merged

    def grow_joined(self, name: str) -> Any:
        return self.layers.Concatenate(axis=1, name=name)([self.any(), self.any()])

    def grow_attention(self, name: str) -> Any:
        kind = self.random.choice(["Attention", "MultiHeadAttention", "MultiHeadAttention"])
        if kind == "Attention":
            return self.layers.Attention(name=name)([self.any(), self.any()])
        return self.layers.MultiHeadAttention(1, FEATURES, name=name)(self.any(), self.any())

    def grow_distributed(self, name: str) -> Any:
        inner = self.random.choice(
            [self.layers.Dense(FEATURES), self.layers.Dropout(0.2), self.layers.Activation("tanh")]
        )
        return self.layers.TimeDistributed(inner, name=name)(self.any())

    def grow_lambda(self, name: str) -> Any:
        return self.layers.Lambda(lambda x: x * 3.0, name=name)(self.any())

    def grow_shared(self, name: str) -> Any:
        return self.random.choice(self.shared)(self.any()) if self.shared else None

    def grow_nested(self, name: str) -> Any:
        if not self.nested:
            return None
        inner = Gardener(self.keras, self.seed * 1000 + len(self.steps), nested=False)
        inner.steps, inner.random = list(self.steps), self.random
        values = self.layers.Input((None, FEATURES), name=f"{name}_values")
        inner.inputs, inner.sequences = [values], [values]
        for _ in range(3):
            inner.grow(self.random.choice(inner.kinds()))
        if len(inner.sequences) == 1:
            return None  # Keras 3 takes a model that gives its very input for a cycle
        model = self.keras.Model(values, inner.sequences[-1], name=name)
        self.shared.append(model)
        return model(self.any())
