"""Make small random models, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from rewriter.live.adapters import Live
from rewriter.live.frameworks import import_framework

FEATURES = 4
VOCABULARY = 9


def random_models(keras: int = 3, count: int = 3, seed: int = 0) -> Iterator[Live]:
    """Yield models made at random.

    Parameters
    ----------
    keras : int
        2 or 3.
    count : int
        How many.
    seed : int
        Of the first; the next has the next number.
    """
    for number in range(count):
        yield random_model(keras, seed + number)


def random_model(keras: int = 3, seed: int = 0) -> Live:
    """Return a model made at random: a few sequence layers, noise among them, and a classifier.

    The input is of frames or of token ids, with or without a mask, of free length; there are
    branches that are merged again, nested models, shared layers and recurrent layers. Every
    second is a Sequential model, a chain. Weights follow the seed too.

    Parameters
    ----------
    keras : int
        2 or 3.
    seed : int
        The same seed gives the same model.

    Examples
    --------
    >>> from rewriter.testing import random_model
    >>> one, other = random_model(3, seed=5), random_model(3, seed=5)
    >>> [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    True
    """
    module = import_framework({2: "tf_keras", 3: "keras"}[keras])
    maker = _Maker(module, Random(seed))
    module.utils.set_random_seed(seed)
    return maker.sequential() if seed % 2 else maker.functional()


class _Maker:
    """Makes the layers of one model; every tensor between them is (batch, steps, FEATURES)."""

    def __init__(self, keras: Any, random: Random) -> None:
        self.keras = keras
        self.random = random
        self.made = 0

    def sequential(self) -> Live:
        layers = [*self.entrance(), *(self.layer() for _ in range(self.random.randint(2, 5)))]
        return self.keras.Sequential([*layers, self.end(), self.named("Dense", 2)], name="chain")

    def functional(self) -> Live:
        first, *more = self.entrance()
        x = first
        for layer in more:
            x = layer(x)
        for _ in range(self.random.randint(2, 5)):
            x = self.random.choice([self.apply, self.apply, self.branch, self.twice])(x)
        last = self.end()(x)
        outputs = [self.named("Dense", 2)(last) for _ in range(self.random.randint(1, 2))]
        return self.keras.Model(first, outputs if outputs[1:] else outputs[0], name="random")

    def named(self, class_name: str, *args: Any, **kwargs: Any) -> Live:
        self.made += 1
        cls = getattr(self.keras.layers, class_name)
        return cls(*args, name=f"{class_name.lower()}_{self.made}", **kwargs)

    def entrance(self) -> list[Live]:
        if self.random.random() < 0.5:
            ids = self.keras.Input((None,), dtype="int32", name="ids")
            masked = self.random.random() < 0.5
            return [ids, self.named("Embedding", VOCABULARY, FEATURES, mask_zero=masked)]
        frames = self.keras.Input((None, FEATURES), name="frames")
        return [frames, *([self.named("Masking")] if self.random.random() < 0.5 else [])]

    def layer(self) -> Live:
        makers: list[Callable[[], Live]] = [
            self.noise,
            self.noise,
            lambda: self.named("Dense", FEATURES, activation="tanh"),
            lambda: self.named("LSTM", FEATURES, return_sequences=True),
            lambda: self.named("GRU", FEATURES, return_sequences=True, dropout=0.3),
            lambda: self.named("LayerNormalization"),
            lambda: self.named("BatchNormalization"),
            self.both_ways,
            self.nested,
        ]
        return self.random.choice(makers)()

    def noise(self) -> Live:
        names = ("Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout")
        return self.named(self.random.choice(names), round(self.random.uniform(0.1, 0.6), 2))

    def both_ways(self) -> Live:
        cell = self.named("LSTM", FEATURES // 2, return_sequences=True)
        return self.named("Bidirectional", cell)

    def nested(self) -> Live:
        self.made += 1
        x = self.keras.Input((None, FEATURES), name=f"inner_{self.made}")
        name = f"nested_{self.made}"
        return self.keras.Model(x, self.named("Dense", FEATURES)(self.noise()(x)), name=name)

    def end(self) -> Live:
        names = ("GlobalAveragePooling1D", "GlobalMaxPooling1D", "LSTM", "GRU")
        name = self.random.choice(names)
        return self.named(name) if name.startswith("Global") else self.named(name, FEATURES)

    def apply(self, x: Any) -> Any:
        return self.layer()(x)

    def branch(self, x: Any) -> Any:
        """Call two layers on a tensor, and merge what they give."""
        merge = self.named(self.random.choice(("Add", "Multiply", "Average", "Maximum")))
        return merge([self.layer()(x), self.layer()(x)])

    def twice(self, x: Any) -> Any:
        """Call one layer two times."""
        shared = self.layer()
        return shared(shared(x))
