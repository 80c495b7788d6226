"""Define what each Keras must answer about live models, and find the one that does.

Keras N is answered for by the package ``rewriter.live.kerasN``. It has three modules, each with the
functions of one protocol below: ``models`` those of `LiveKeras`, ``training`` those of
`TrainingKeras`, ``noise`` those of `NoiseKeras`. A third Keras needs these three, and no more of
them is called. They are imported when a model of that Keras is met.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

from rewriter.errors import RewriterError, UnsupportedModelError
from rewriter.graph.calls import Arguments
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.frameworks import import_framework, require_framework
from rewriter.saved.safety.open_file import OpenModelFile

# Live layers, models, variables and tensors: Keras is not imported to name their types.
Live = Any


class LiveKeras(Protocol):
    """What ``models`` knows: how models are loaded, taken apart, made and saved."""

    keras: int

    def load(
        self,
        source: OpenModelFile,
        custom_objects: Mapping[str, Any],
        *,
        compiled: bool,
        allow_code: bool,
    ) -> Live:
        """Load a saved model that is held open; in safe mode, unless its code is allowed."""

    def revive_layer(
        self, entry: Mapping[str, Any], custom_objects: Mapping[str, Any], allow_code: bool
    ) -> Live:
        """Return a new layer of its serialised form alone; in safe mode, unless code is allowed."""

    def save(self, model: Live, path: Path) -> None:
        """Save a model in the format of the file's ending."""

    def archive_places(self, model: Live) -> dict[str, dict[str, Any]]:
        """Return the groups of a .keras file's weights, and the variables by name in each."""

    def checkpoint_places(self, model: Live) -> dict[str, Any]:
        """Return the variables of a model and of what trains it by the places of a checkpoint."""

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

    def arguments_missing_from_config(self, layer: Live) -> dict[str, Any]:
        """Return the arguments that a layer was made with and that Keras writes into no config."""

    def calls_losing_arguments(self, model: Live) -> Iterator[tuple[str, int, int]]:
        """Yield layers of a model of whose calls Keras writes down a part of the arguments.

        With their names go the number of arguments, and how many of them are lost.
        """

    def make_layer(self, layer: Layer, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
        """Return a new layer that has no live one to follow."""

    def strategy_scope(self, model: Live) -> AbstractContextManager[Any]:
        """Return the scope of the distribution strategy that a model was made under."""

    def forward_only(self) -> AbstractContextManager[None]:
        """Have what is called to be run forward alone make no gradients beforehand."""

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

    def hold(self, holder: Live, name: str, layer: Live) -> None:
        """Make a layer hold another one in an attribute."""

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


class TrainingKeras(Protocol):
    """What ``training`` knows: how models are compiled, and what their optimizers keep."""

    def is_compiled(self, model: Live) -> bool:
        """Whether a model is compiled."""

    def has_own_compile(self, model: Live) -> bool:
        """Whether the model's class has a ``compile`` of its own."""

    def has_own_compile_config(self, model: Live) -> bool:
        """Whether the model's class says itself how it is compiled from a config."""

    def compile_arguments(self, model: Live) -> dict[str, Any]:
        """Return what a model was compiled with, as live objects."""

    def compile_model(self, model: Live, original: Live, arguments: Mapping[str, Any]) -> None:
        """Compile a model, and set what was set on the original since it was compiled."""

    def compile_from_config(self, model: Live, original: Live, scope: Mapping[str, Any]) -> None:
        """Compile a model whose class says itself how."""

    def loss_of(self, model: Live, targets: Any, outputs: Any) -> Any:
        """Return the loss that a model is compiled with, regularizers included."""

    def output_names(self, model: Live) -> list[str]:
        """Return the names of the outputs; none where their structure has keys of its own."""

    def copy_metric(self, metric: Live, prefixes: Sequence[str], scope: Mapping[str, Any]) -> Live:
        """Return a new metric like this one."""

    def is_metric(self, value: Any) -> bool:
        """Whether a value is a metric, which has state, and not a function or a name."""

    def parts(self, optimizer: Live) -> list[Live]:
        """Return an optimizer and what it holds: the one that it wraps, and schedules."""

    def inner_optimizers(self, optimizer: Live) -> list[Live]:
        """Return the optimizers that an optimizer hands gradients to."""

    def new_optimizer(self, old: Live, scope: Mapping[str, Any]) -> Live:
        """Return a new optimizer of the same class and config; a schedule is used by both."""

    def is_built(self, optimizer: Live) -> bool:
        """Whether an optimizer has its variables."""

    def build(self, optimizer: Live, variables: Sequence[Live]) -> None:
        """Make the variables of an optimizer, all slots fresh."""

    def knows(self, optimizer: Live, variable: Live) -> bool:
        """Whether an optimizer was built for a variable of a model."""

    def strangers(self, optimizer: Live, variables: Sequence[Live]) -> list[str]:
        """Return the variables that an optimizer was built for and that are not among these."""

    def optimizer_state(
        self, optimizer: Live, variables: Sequence[Live]
    ) -> Iterator[tuple[str, Live | None, Live]]:
        """Yield name, model variable (None: of the optimizer as a whole) and variable of state."""

    def optimizer_variables(self, optimizer: Live) -> list[Live]:
        """Return everything that an optimizer keeps and saves."""

    def copy_exclusions(self, old: Live, new: Live, pairs: Sequence[tuple[Live, Live]]) -> None:
        """Copy which variables get no weight decay, of this optimizer alone."""

    def copy_counters(self, old: Live, new: Live) -> None:
        """Copy what this optimizer alone counts outside of its variables."""


class NoiseKeras(Protocol):
    """What ``noise`` knows: the masks that recurrent layers and cells draw."""

    def forget_masks(self, layer: Live) -> None:
        """Make a cell draw new masks at its next call, as a recurrent layer around it does."""

    def draw_masks(self, layer: Live, inputs: Any, state: Any) -> Mapping[str, Sequence[Any]]:
        """Return the masks that a layer draws in training, by the key of their rate."""


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
    """Import what knows the models of the Keras of this number."""
    return cast(LiveKeras, import_framework(f"rewriter.live.keras{keras}.models"))


def training_keras(keras: int) -> TrainingKeras:
    """Import what knows the compiled models of the Keras of this number."""
    return cast(TrainingKeras, import_framework(f"rewriter.live.keras{keras}.training"))


def noise_keras(keras: int) -> NoiseKeras:
    """Import what knows the noise of the Keras of this number."""
    return cast(NoiseKeras, import_framework(f"rewriter.live.keras{keras}.noise"))


def require_tensorflow_backend() -> None:
    """Refuse to go on with another backend than TensorFlow, or where it is not installed."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise RewriterError(
            f"the backend is {backend}, this program works with tensorflow",
            where="KERAS_BACKEND",
            fix="set KERAS_BACKEND=tensorflow, or unset it",
        )
    require_framework("tensorflow")
