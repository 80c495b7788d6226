"""Live models: what has to be asked of Keras itself, one module for each Keras."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from rewriter.errors import UnsupportedModelError
from rewriter.graph import Arguments, Layer, ModelGraph
from rewriter.saved import ModelFile

# Live layers, models, variables and tensors: Keras is not imported to name their types.
Live = Any


class LiveKeras(Protocol):
    """The Keras at run time."""

    keras: int

    def load(
        self,
        file: ModelFile,
        custom_objects: Mapping[str, Any],
        *,
        compiled: bool,
        allow_code: bool,
    ) -> Live:
        """Load a saved model; in safe mode, unless code from the file is allowed."""

    def revive_layer(
        self, entry: Mapping[str, Any], custom_objects: Mapping[str, Any], allow_code: bool
    ) -> Live:
        """Return a new layer of its serialised form alone; in safe mode, unless code is allowed."""

    def save(self, model: Live, path: Path) -> None:
        """Save a model in the format of the file's ending."""

    def archive_places(self, model: Live) -> dict[str, dict[str, Any]]:
        """Return the groups of a .keras file's weights, and the variables by name in each."""

    def document(self, model: Live) -> dict[str, Any]:
        """Return the serialised form of a model."""

    def is_functional(self, model: Live) -> bool:
        """Whether a model is Functional, or of a subclass."""

    def functional_document(self, model: Live) -> dict[str, Any]:
        """Return class and config of the plain Functional model with a model's layers."""

    def layers(self, model: Live) -> dict[str, Live]:
        """Return the layers and operations of a model by name, its inputs included."""

    def rename(self, model: Live, names: Mapping[str, Live]) -> None:
        """Give layers of a model these names."""

    def clone_layer(self, layer: Live, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
        """Return a new layer of the same class with this config."""

    def unwritten(self, layer: Live) -> dict[str, Any]:
        """Return the arguments that a layer was made with and that Keras writes into no config."""

    def cut_calls(self, model: Live) -> Iterator[tuple[str, int, int]]:
        """Yield layers of a model of whose calls Keras writes down a part of the arguments.

        With their names go the number of arguments, and how many of them are lost.
        """

    def make_layer(self, layer: Layer, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
        """Return a new layer that has no live one to follow."""

    def strategy_scope(self, model: Live) -> AbstractContextManager[Any]:
        """Return the scope of the distribution strategy that a model was made under."""

    def input_tensors(self, layer: Live) -> list[Live]:
        """Return the tensors that an input layer gives."""

    def call_layer(self, layer: Live, arguments: Arguments, tensors: Sequence[Live]) -> list[Live]:
        """Call a layer on symbolic tensors, by the number of their hole."""

    def make_functional(
        self, graph: ModelGraph, inputs: Any, outputs: Any, layers: Mapping[str, Live], like: Live
    ) -> Live:
        """Return a Functional model of the class of `like`."""

    def make_sequential(self, graph: ModelGraph, layers: Sequence[Live], like: Live) -> Live:
        """Return a Sequential model of the class of `like`."""

    def carry_state(self, old: Live, new: Live) -> None:
        """Give a new layer what the old one adapted itself to, before it is called."""

    def finish_state(self, new: Live) -> None:
        """Let a layer derive from its weights what it uses at inference."""

    def copy_trainable(self, old: Live, new: Live) -> None:
        """Make one layer trainable or not, as another; without the layers that it holds."""

    def own_variables(self, layer: Live) -> list[Live]:
        """Return the variables of a layer, those of its sublayers not included."""

    def seeds(self, layer: Live) -> list[Live]:
        """Return the variables that a layer draws its noise from."""

    def sublayers(self, layer: Live) -> list[Live]:
        """Return the layers that a layer holds."""

    def put_inside(self, wrapper: Live, role: str, layer: Live) -> None:
        """Make a wrapper that was never called hold this layer."""

    def layer_states(self, layer: Live) -> list[Live]:
        """Return the states that a stateful layer keeps from call to call."""

    def states(self, model: Live) -> list[Live]:
        """Return the states that the stateful layers of a model keep from call to call."""

    def variables(self, model: Live) -> list[Live]:
        """Return every variable that belongs to the model's weights and state."""

    def trainable(self, model: Live) -> list[Live]:
        """Return the variables that training changes, as TensorFlow has them."""

    def raw(self, variable: Live) -> Live:
        """Return a variable as TensorFlow has it."""

    def share(self, layer: Live, own: Live, shared: Live) -> bool:
        """Make a layer use another's variable for its own; False if it holds that elsewhere."""

    def assign(self, variable: Live, value: Live) -> None:
        """Give a variable the value of another, of the same shape and dtype."""


def keras_of(model: Live) -> int:
    """Tell which Keras a live model is of, without importing either.

    Raises
    ------
    UnsupportedModelError
        The object is no Keras model.

    Examples
    --------
    >>> keras_of("a string")
    Traceback (most recent call last):
    rewriter.errors.UnsupportedModelError: str is no Keras model; pass a model or a path
    """
    for cls in type(model).__mro__:
        root = cls.__module__.partition(".")[0]
        if root in ("keras", "tf_keras") and cls.__name__ == "Model":
            return 3 if root == "keras" else 2
    raise UnsupportedModelError(
        f"{type(model).__name__} is no Keras model", fix="pass a model or a path"
    )


def live_keras(keras: int) -> LiveKeras:
    """Import the Keras of this number, and return what talks to it."""
    return cast(LiveKeras, importlib.import_module(f"rewriter.live.keras{keras}"))


def layer_at(keras: LiveKeras, model: Live, steps: Sequence[str]) -> Live:
    """Return the layer that these names lead to, from model to model."""
    for step in steps:
        model = keras.layers(model)[step]
    return model


def inner_of(live: Live, role: str) -> Live:
    """Return the layer or cell that a live wrapper holds at a place of its config.

    Raises
    ------
    UnsupportedModelError
        A custom class keeps it in another attribute.
    """
    key, _, number = role.partition("/")
    if key == "layer" and hasattr(live, "forward_layer"):
        key = "forward_layer"
    if not hasattr(live, key):
        raise UnsupportedModelError(
            f"the {key} of its config is in no attribute of that name",
            where=str(live.name),
            fix=f"have its class keep it as self.{key}",
        )
    held = getattr(live, key)
    return held[int(number)] if number else held


def held_with(wrapper: Live, role: str, layer: Live) -> tuple[str, Any]:
    """Return the attribute that a role is in, and what it holds with this layer in the place."""
    key, _, number = role.partition("/")
    if not number:
        return key, layer
    cells = list(getattr(wrapper, key))
    cells[int(number)] = layer
    return key, cells


@contextmanager
def counted_objects(serialization: ModuleType) -> Iterator[None]:
    """Have shared objects numbered in order where Keras writes their addresses in memory.

    Two rewrites of one file give the same bytes so. The places are
    keras/src/saving/serialization_lib.py, `record_object_after_serialization`, and the same
    in tf_keras.
    """
    numbers: dict[int, tuple[int, Any]] = {}

    def count(thing: Any) -> int:
        return numbers.setdefault(id(thing), (len(numbers), thing))[0]

    vars(serialization)["id"] = count
    try:
        yield
    finally:
        del vars(serialization)["id"]
