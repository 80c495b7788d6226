"""Describe random models as data, and build them in either Keras.

A model is drawn as a recipe, which is plain data that hypothesis can shrink and print; `build`
makes it in either Keras.

    >>> recipe = Recipe(length=None, blocks=(Block("dropout"), Block("recurrent", 2)))
    >>> [block.kind for block in recipe.blocks]
    ['dropout', 'recurrent']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.analysis.shapes import INPUT_SHAPE_KEY

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

FEATURES = 4
"""Every tensor between blocks has this many features, so that any block can follow any."""

VOCABULARY = 11


@dataclass(frozen=True, slots=True)
class Block:
    """What comes next behind the tensor at hand: a layer, a nested model, or branches that meet.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    choice : int
        Which of the block's variants.
    inner : tuple of Block
        What a nested model or a shared block holds.
    """

    kind: str
    choice: int = 0
    inner: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model to be built.

    Parameters
    ----------
    length : int or None
        Number of time steps; None leaves it free.
    blocks : tuple of Block
        From the input on.
    ids : bool
        Whether the input is ids for an Embedding; else vectors.
    sequential : bool
        Whether it is a Sequential model; then it has no branches.
    outputs : int
        How many of the last tensors are outputs, at most.
    """

    length: int | None
    blocks: tuple[Block, ...]
    ids: bool = False
    sequential: bool = False
    outputs: int = 1


def recipes(*, max_blocks: int = 6) -> SearchStrategy[Recipe]:
    """Return a hypothesis strategy of recipes.

    Parameters
    ----------
    max_blocks : int
        The greatest number of blocks of a model, those of nested models not counted.
    """
    from hypothesis import strategies as st

    def drawn(kinds: list[str], inner: Any) -> SearchStrategy[Block]:
        return st.builds(Block, st.sampled_from(kinds), st.integers(0, 5), inner)

    simple = drawn(sorted(LAYERS), st.just(()))
    inside = st.lists(simple, min_size=1, max_size=3).map(tuple)
    nested = drawn(sorted(MODELS), inside)
    deeper = drawn(["nested"], st.lists(nested | simple, min_size=1, max_size=2).map(tuple))
    joined = drawn(sorted(JOINS), inside)
    lengths = st.sampled_from([None, 5, 8])
    functional = st.builds(
        Recipe,
        lengths,
        st.lists(simple | nested | deeper | joined, min_size=1, max_size=max_blocks).map(tuple),
        st.booleans(),
        st.just(False),
        st.integers(1, 3),
    )
    chain = st.builds(
        Recipe,
        lengths,
        st.lists(simple, min_size=1, max_size=max_blocks).map(tuple),
        st.booleans(),
        st.just(True),
    )
    return functional | chain


def build(recipe: Recipe, keras: Any) -> Any:
    """Return the model of a recipe.

    Parameters
    ----------
    recipe : Recipe
        What to build.
    keras : module
        ``keras`` or ``tf_keras``.
    """
    builder = _Builder(keras, recipe.length)
    return builder.sequential(recipe) if recipe.sequential else builder.functional(recipe)


@dataclass(slots=True)
class _Builder:
    keras: Any
    length: int | None

    def sequential(self, recipe: Recipe) -> Any:
        layers = [LAYERS[block.kind](self.keras, block.choice) for block in recipe.blocks]
        return self.keras.Sequential([self.entrance(recipe), *self.first(recipe), *layers])

    def functional(self, recipe: Recipe) -> Any:
        tensor = entrance = self.input(recipe)
        for layer in self.first(recipe):
            tensor = layer(tensor)
        tensors = []
        for block in recipe.blocks:
            tensor = self.apply(block, tensor)
            tensors.append(tensor)
        outputs = tensors[-recipe.outputs :]
        return self.keras.Model(entrance, outputs if len(outputs) > 1 else outputs[0])

    def apply(self, block: Block, tensor: Any) -> Any:
        if block.kind in LAYERS:
            return LAYERS[block.kind](self.keras, block.choice)(tensor)
        if block.kind in MODELS:
            return MODELS[block.kind](self, block, tensor)
        return JOINS[block.kind](self, block, tensor)

    def chain(self, blocks: tuple[Block, ...]) -> Any:
        """Return a Functional model from sequences to sequences."""
        x = y = self.keras.Input((self.length, FEATURES))
        for block in blocks:
            y = self.apply(block, y)
        return self.keras.Model(x, y)

    def input(self, recipe: Recipe) -> Any:
        if recipe.ids:
            return self.keras.Input((self.length,), dtype="int32")
        return self.keras.Input((self.length, FEATURES))

    def entrance(self, recipe: Recipe) -> Any:
        shape = (None, self.length) if recipe.ids else (None, self.length, FEATURES)
        key = INPUT_SHAPE_KEY[2 if self.keras.__name__ == "tf_keras" else 3]
        dtype = "int32" if recipe.ids else "float32"
        return self.keras.layers.InputLayer(**{key: shape, "dtype": dtype})

    def first(self, recipe: Recipe) -> list[Any]:
        if not recipe.ids:
            return []
        return [
            self.keras.layers.Embedding(VOCABULARY, FEATURES, mask_zero=len(recipe.blocks) % 2 == 0)
        ]


def _noise(keras: Any, choice: int) -> Any:
    layers = keras.layers
    return [
        lambda: layers.Dropout(0.5),
        lambda: layers.Dropout(0.3, noise_shape=(None, 1, FEATURES), seed=3),
        lambda: layers.SpatialDropout1D(0.2),
        lambda: layers.GaussianNoise(0.4),
        lambda: layers.GaussianDropout(0.4),
        lambda: layers.Dropout(0.0),
    ][choice % 6]()


def _recurrent(keras: Any, choice: int) -> Any:
    layers = keras.layers
    options: dict[str, Any] = {"return_sequences": True}
    return [
        lambda: layers.LSTM(FEATURES, dropout=0.2, **options),
        lambda: layers.GRU(FEATURES, recurrent_dropout=0.1, **options),
        lambda: layers.SimpleRNN(FEATURES, go_backwards=False, **options),
        lambda: layers.Bidirectional(layers.LSTM(FEATURES // 2, **options)),
        lambda: layers.RNN(layers.GRUCell(FEATURES, dropout=0.1), **options),
        lambda: layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(FEATURES)], **options),
    ][choice % 6]()


def _pointwise(keras: Any, choice: int) -> Any:
    layers = keras.layers
    return [
        lambda: layers.Dense(FEATURES, activation="tanh", kernel_regularizer="l2"),
        layers.LayerNormalization,
        lambda: layers.BatchNormalization(trainable=choice < 3),
        lambda: layers.Activation("relu"),
        lambda: layers.TimeDistributed(layers.Dense(FEATURES)),
        lambda: layers.Dense(FEATURES, trainable=False, activity_regularizer="l2"),
    ][choice % 6]()


def _over_time(keras: Any, choice: int) -> Any:
    layers = keras.layers
    return [
        lambda: layers.Conv1D(FEATURES, 3, padding="same"),
        lambda: layers.Masking(0.0),
        lambda: layers.TimeDistributed(layers.Dropout(0.5)),
    ][choice % 3]()


LAYERS: dict[str, Callable[[Any, int], Any]] = {
    "dropout": _noise,
    "recurrent": _recurrent,
    "pointwise": _pointwise,
    "over_time": _over_time,
}
"""Steps that are one layer, from sequences to sequences of the same features."""


def _nested(builder: _Builder, block: Block, tensor: Any) -> Any:
    model = builder.chain(block.inner)
    for _ in range(1 + block.choice % 3):
        tensor = model(tensor)
    return tensor


def _nested_sequential(builder: _Builder, block: Block, tensor: Any) -> Any:
    model = builder.sequential(Recipe(builder.length, block.inner))
    return model(model(tensor) if block.choice % 2 else tensor)


MODELS: dict[str, Callable[[_Builder, Block, Any], Any]] = {
    "nested": _nested,
    "nested_sequential": _nested_sequential,
}
"""Steps that are nested models, called once or several times."""


def _branch(builder: _Builder, block: Block, tensor: Any) -> Any:
    other = tensor
    for inner in block.inner:
        other = builder.apply(inner, other)
    layer = ("Add", "Multiply", "Average", "Maximum")[block.choice % 4]
    return getattr(builder.keras.layers, layer)()([tensor, other])


def _shared(builder: _Builder, block: Block, tensor: Any) -> Any:
    layers = [LAYERS[each.kind](builder.keras, each.choice) for each in block.inner]
    for layer in layers * 2:
        tensor = layer(tensor)
    return tensor


def _operation(builder: _Builder, block: Block, tensor: Any) -> Any:
    return [
        lambda: tensor * 0.5 + 1.0,
        lambda: tensor - tensor[:, :1],
        lambda: -tensor,
    ][block.choice % 3]()


JOINS: dict[str, Callable[[_Builder, Block, Any], Any]] = {
    "branch": _branch,
    "shared": _shared,
    "operation": _operation,
}
"""Steps that branch and join again, share layers, or are operations and no layers."""
