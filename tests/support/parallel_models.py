"""Models with parallel branches of one class, whose groups change places in a weights file."""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import Any

import numpy as np

FEATURES = 4
STEPS = 3


def parallel_model(module: Any, seed: int, optimizer: str = "adam") -> Any:
    """Return a compiled and trained Functional model, weights and slots unequal everywhere."""
    random = Random(seed)
    module.utils.set_random_seed(seed)
    maker = _Maker(module, random)
    x = module.Input((STEPS, FEATURES), name="x")
    ends = [maker.branch(x) for _ in range(random.randint(2, 4))]
    joined = module.layers.Concatenate(name="joined")(ends)
    if random.random() < 0.5:
        joined = module.layers.Dropout(0.2, name="late")(joined)
    outputs = [module.layers.Dense(2, name=f"out{n}")(joined) for n in range(random.randint(1, 2))]
    model = module.Model(x, outputs if outputs[1:] else outputs[0], name=f"parallel_{seed}")
    model.compile(optimizer, module.losses.MeanSquaredError())
    unequal(model, seed)
    step(model, seed)
    return model


def unequal(model: Any, seed: int) -> None:
    """Give a model weights that are unequal everywhere."""
    values = np.random.default_rng(seed)
    model.set_weights([values.uniform(0.1, 0.6, each.shape) for each in model.get_weights()])


def inputs(model: Any, seed: int) -> Any:
    """Return inputs for such a model."""
    return np.random.default_rng(seed).normal(size=(5, STEPS, FEATURES)).astype("float32")


def step(model: Any, seed: int) -> None:
    """Train a model for a step, the noise the same for the same seed."""
    module = import_module(type(model).__module__.partition(".")[0])
    module.utils.set_random_seed(seed)
    x = inputs(model, seed)
    targets = [np.ones((5, STEPS, 2)) for _ in model.outputs]
    model.train_on_batch(x, targets if targets[1:] else targets[0])


class _Maker:
    def __init__(self, module: Any, random: Random) -> None:
        self.module, self.random, self.made = module, random, 0

    def named(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.made += 1
        cls = getattr(self.module.layers, name)
        return cls(*args, name=f"{name.lower()}_{self.random.randint(0, 99)}_{self.made}", **kwargs)

    def branch(self, x: Any) -> Any:
        for _ in range(self.random.randint(1, 4)):
            x = self.layer()(x)
        return x

    def layer(self) -> Any:
        kinds = [self.noise] * 3 + [self.dense] * 4 + [self.rare, self.nested]
        return self.random.choice(kinds)()

    def noise(self) -> Any:
        return self.named(self.random.choice(("Dropout", "SpatialDropout1D", "GaussianNoise")), 0.3)

    def dense(self) -> Any:
        return self.named("Dense", FEATURES, activation="tanh")

    def rare(self) -> Any:
        return self.random.choice(
            (
                lambda: self.named("BatchNormalization"),
                lambda: self.named("LayerNormalization"),
                lambda: self.named("GRU", FEATURES, return_sequences=True, dropout=0.2),
                lambda: self.named("Bidirectional", self.named("LSTM", 2, return_sequences=True)),
                lambda: self.named("TimeDistributed", self.named("Dense", FEATURES)),
            )
        )()

    def nested(self) -> Any:
        self.made += 1
        x = self.module.Input((STEPS, FEATURES))
        ends = [self.dense()(self.noise()(x)), self.dense()(x)]
        if self.random.random() < 0.4:
            parts = [self.module.Input((STEPS, FEATURES)), self.noise(), self.dense(), self.dense()]
            return self.module.Sequential(parts, name=f"chain_{self.made}")
        return self.module.Model(x, self.module.layers.Add()(ends), name=f"inner_{self.made}")
