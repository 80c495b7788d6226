"""Make, load, copy and save models of Keras 2 (`tf_keras`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras.layers import Discretization, Normalization
from tf_keras.src.engine import base_layer_utils
from tf_keras.src.engine.functional import (
    Functional,
    _map_graph_network,
    connect_ancillary_layers,
    get_network_config,
)
from tf_keras.src.layers.preprocessing.index_lookup import IndexLookup
from tf_keras.src.layers.rnn import gru_lstm_utils
from tf_keras.src.saving import saving_lib, serialization_lib
from tf_keras.src.saving.legacy.save import load_model as load_legacy
from tf_keras.src.saving.serialization_lib import SafeModeScope

import rewriter.layers.keras2 as rewriter_layers
from rewriter.graph.calls import Arguments, Constant, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live
from rewriter.live.admitted import AdmittedHDF5
from rewriter.live.keras2 import saved_model
from rewriter.live.keras_patches import archives_from, in_this_thread
from rewriter.live.object_numbers import counted_objects
from rewriter.live.vocabulary import share_table
from rewriter.live.walk import held_with
from rewriter.live.weight_places import Places, Recorder
from rewriter.saved.safety.open_file import OpenModelFile
from rewriter.saved.writing.hdf5_writer import hdf5_to_write

keras = 2


def load(
    source: OpenModelFile, custom_objects: Mapping[str, Any], *, compiled: bool, allow_code: bool
) -> Live:
    """Load a saved model that is held open; in safe mode, unless code from it is allowed."""
    objects = dict(custom_objects)
    with SafeModeScope(safe_mode=not allow_code):  # for .h5 files, which take no option
        if source.file.format == "savedmodel":
            return saved_model.load_directory(source, objects, compiled=compiled)
        if source.file.format == "keras":
            with archives_from(source.opened, keras):
                return saving_lib.load_model(
                    source.file.path, objects, compile=compiled, safe_mode=not allow_code
                )
        with AdmittedHDF5(source) as root:
            return load_legacy(root, objects, compile=compiled)


def revive_layer(
    entry: Mapping[str, Any], custom_objects: Mapping[str, Any], allow_code: bool
) -> Live:
    """Return a new layer of its serialised form alone; in safe mode, unless code is allowed."""
    with SafeModeScope(safe_mode=not allow_code):
        return tf_keras.layers.deserialize(dict(entry), custom_objects=dict(custom_objects))


def save(model: Live, path: Path) -> None:
    """Save a model in the format of the file's ending, or in a directory that exists."""
    if path.is_dir():
        model.save(path, save_format="tf")
        return
    with warnings.catch_warnings(), counted_objects(serialization_lib):
        warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")
        if path.suffix == ".keras":
            # By another name, a thread that has loaded such a file writes HDF5 (saving_lib.py,
            # `load_model` leaves _SAVING_V3_ENABLED False in all but the first thread).
            model.save(path, save_format="keras_v3")
            return
        with hdf5_to_write(path, "w") as file:
            model.save(file, save_format="h5")


def archive_places(model: Live) -> Places:
    """Return the groups of a .keras file's weights, and the variables by name in each."""
    recorder = Recorder()
    saving_lib._save_state(model, recorder, None, "", set())
    return recorder.places


def checkpoint_places(model: Live) -> dict[str, Any]:
    """Return the variables of a model and of what trains it by the places of a checkpoint."""
    return saved_model.checkpoint_places(model)


def document(model: Live) -> dict[str, Any]:
    """Return the serialised form of a model."""
    return {
        "module": type(model).__module__,
        "class_name": type(model).__name__,
        "config": model.get_config(),
        "registered_name": tf_keras.saving.get_registered_name(type(model)),
    }


def is_functional(model: Live) -> bool:
    """Whether a model is Functional, or of a subclass."""
    return isinstance(model, Functional) and not isinstance(model, tf_keras.Sequential)


def functional_document(model: Live) -> dict[str, Any]:
    """Return class and config of the plain Functional model with a model's layers."""
    config = get_network_config(model, config={"name": model.name, "trainable": model.trainable})
    return {
        "module": "keras.src.engine.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def layers(model: Live) -> dict[str, Live]:
    """Return the layers and operations of a model by name, its inputs included."""
    return {layer.name: layer for layer in sublayers(model)}


def rename(model: Live, names: Mapping[str, Live]) -> None:
    """Give layers of a model these names, by which a Functional model knows its nodes."""
    for name, layer in names.items():
        layer._name = name
    if model._is_graph_network:
        model._network_nodes = _map_graph_network(model.inputs, model.outputs)[0]


def clone_layer(layer: Live, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
    """Return a new layer of the same class with this config."""
    with tf_keras.saving.custom_object_scope(dict(scope)), SafeModeScope(safe_mode=False):
        new = type(layer).from_config(dict(config))
    if "name" not in config:  # as Keras writes it for some classes without a get_config
        new._name = layer.name
    return new


def arguments_missing_from_config(layer: Live) -> dict[str, Any]:
    """Return the arguments that a layer was made with and that Keras writes into no config."""
    return {}


def calls_losing_arguments(model: Live) -> Iterator[tuple[str, int, int]]:
    """Yield layers of a model of whose calls Keras writes down a part of the arguments.

    It writes those behind the first by the names of their parameters, which the arguments of
    ``*args`` have not (tf_keras/src/engine/node.py, `Node.serialize`).
    """
    levels = getattr(model, "_nodes_by_depth", {}).values()
    for node in (each for level in levels for each in level):
        spec = node.layer._call_spec
        named = [each for each in spec.arg_names if each not in spec.full_argspec.kwonlyargs]
        given, written = len(node.call_args), max(1, len(named))
        if given > written:
            yield node.layer.name, given, given - written


def make_layer(layer: Layer, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
    """Return a new layer that has no live one to follow."""
    module = rewriter_layers if hasattr(rewriter_layers, layer.class_name) else tf_keras.layers
    with tf_keras.saving.custom_object_scope(dict(scope)):
        return getattr(module, layer.class_name).from_config(dict(config))


def strategy_scope(model: Live) -> AbstractContextManager[Any]:
    """Return the scope of the distribution strategy that a model was made under."""
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


def forward_only() -> AbstractContextManager[None]:
    """Have what is called to be run forward alone make no gradients beforehand.

    LSTM and GRU make those of two kernels wherever they are called in a graph
    (tf_keras/src/layers/rnn/gru_lstm_utils.py, `function_register`).
    """
    return in_this_thread(gru_lstm_utils, "function_register", _register_forward)


def _register_forward(function: Any, *args: Any, **kwargs: Any) -> Any:
    concrete = function.get_concrete_function(*args, **kwargs)
    concrete.add_to_graph()
    return concrete


def input_tensors(layer: Live) -> list[Live]:
    """Return the tensors that an input layer gives; none for a layer that is never called.

    Keras 2 writes down a layer that is merely an attribute of the model, too.
    """
    return [each for node in layer._inbound_nodes[:1] for each in tf.nest.flatten(node.outputs)]


def call_layer(layer: Live, arguments: Arguments, tensors: Sequence[Live]) -> list[Live]:
    """Call a layer on symbolic tensors, by the number of their hole."""

    def fill(leaf: Any) -> Any:
        if isinstance(leaf, Hole):
            return tensors[leaf.index]
        return _constant(leaf.value, tensors) if isinstance(leaf, Constant) else leaf

    first = map_leaves(fill, arguments.args[0])
    if not getattr(layer, "_preserve_input_structure_in_config", False):
        first = base_layer_utils.unnest_if_single_tensor(first)
    outputs = layer(first, **map_leaves(fill, dict(arguments.kwargs)))
    return list(tf.nest.flatten(outputs))


def _constant(value: Any, tensors: Sequence[Live]) -> Any:
    """Return a constant that stands among tensors; one written as a list was an array.

    Its type is in no config: it is that of a tensor of the same kind, else the one that
    TensorFlow gives to numbers.
    """
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    types = [np.dtype(tensor.dtype.as_numpy_dtype) for tensor in tensors]
    usual = {"f": np.dtype("float32"), "i": np.dtype("int32")}
    alike = [each for each in types if each.kind == array.dtype.kind]
    return array.astype(alike[0] if alike else usual.get(array.dtype.kind, array.dtype))


def make_functional(
    graph: ModelGraph, inputs: Any, outputs: Any, layers: Mapping[str, Live], like: Live
) -> Live:
    """Return a Functional model of the class of `like`."""
    plain = isinstance(like, tf_keras.Sequential) or not isinstance(like, Functional)
    cls = type(like)
    if plain or cls is Functional or graph.class_name == "Functional":
        cls = tf_keras.Model
    model = cls(inputs=inputs, outputs=outputs, name=graph.name)
    connect_ancillary_layers(model, dict(layers))
    return model


def make_sequential(graph: ModelGraph, layers: Sequence[Live], like: Live) -> Live:
    """Return a Sequential model of the class of `like`."""
    model = type(like)(name=graph.name)
    for layer in layers:
        model.add(layer)
    if not model.built and like.built and like._build_input_shape is not None:
        model.build(like._build_input_shape)
    return model


def carry_state(old: Live, new: Live) -> None:
    """Give a new layer what the old one adapted itself to, before it is called."""
    known = isinstance(old, IndexLookup | Normalization | Discretization) and old.built
    built = old.get_build_config() if known else None
    if built:  # a layer that Keras loaded from a SavedModel may have none
        new.build_from_config(built)
    if isinstance(old, IndexLookup):
        share_table(old, new)


def finish_state(new: Live) -> None:
    """Let a layer derive from its weights what it uses at inference."""
    if isinstance(new, Normalization | Discretization) and new.built:
        new.finalize_state()


def own_variables(layer: Live) -> list[Live]:
    """Return the variables of a layer, those of its sublayers not included."""
    held = (
        *getattr(layer, "_trainable_weights", ()),
        *getattr(layer, "_non_trainable_weights", ()),
    )
    return [each for each in held if isinstance(each, tf.Variable)]


def seeds(layer: Live) -> list[Live]:
    """Return the variables that a layer draws its noise from."""
    return []


def copy_trainable(old: Live, new: Live) -> None:
    """Make one layer trainable or not, as another; without the layers that it holds."""
    if hasattr(old, "_trainable"):
        new._trainable = old._trainable


def put_inside(wrapper: Live, role: str, layer: Live) -> None:
    """Make a wrapper that was never called hold this layer."""
    key, held = held_with(wrapper, role, layer)
    setattr(wrapper, key, held)


def hold(holder: Live, name: str, layer: Live) -> None:
    """Make a layer hold another one in an attribute."""
    delattr(holder, name)
    setattr(holder, name, layer)


def sublayers(layer: Live) -> list[Live]:
    """Return the layers that a layer holds."""
    return list(layer._flatten_layers(recursive=False, include_self=False))


def layer_states(layer: Live) -> list[Live]:
    """Return the states that a stateful layer keeps from call to call."""
    if not getattr(layer, "stateful", False):
        return []
    held = tf.nest.flatten(getattr(layer, "states", None) or [])
    return [state for state in held if isinstance(state, tf.Variable)]


def states(model: Live) -> list[Live]:
    """Return the states that the stateful layers of a model keep from call to call."""
    return [state for layer in model._flatten_layers() for state in layer_states(layer)]


def variables(model: Live) -> list[Live]:
    """Return every variable that belongs to the model's weights and state."""
    return list(model.weights)


def share(layer: Live, own: Live, shared: Live) -> bool:
    """Make a layer use another's variable for its own; False if it holds that elsewhere.

    A layer has it as an attribute, in its lists of weights, as a dependency of checkpoints, and
    bound to its regularizer (tf_keras/src/engine/base_layer.py, `add_weight`).
    """

    def replaced(value: Any) -> Any:
        if value is own:
            return shared
        if type(value) is list:
            return [replaced(each) for each in value]
        if isinstance(value, partial):
            return partial(value.func, *map(replaced, value.args), **value.keywords)
        return value

    for name, value in list(vars(layer).items()):
        if value is own or type(value) is list:
            object.__setattr__(layer, name, replaced(value))
    for name, value in list(layer._trackable_children().items()):
        if value is own:
            layer._track_trackable(shared, name, overwrite=True)
    kept = [*vars(layer).values(), *own_variables(layer)]
    return not any(own is each for value in kept for each in _flat(value))


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for held in value.values() for each in _flat(held)]
    if isinstance(value, list | tuple):
        return [each for held in value for each in _flat(held)]
    return [value]


def trainable(model: Live) -> list[Live]:
    """Return the variables that training changes, as TensorFlow has them."""
    return list(model.trainable_variables)


def raw(variable: Live) -> Live:
    """Return a variable as TensorFlow has it."""
    return variable


def assign(variable: Live, value: Live) -> None:
    """Give a variable the value of another, of the same shape and dtype."""
    variable.assign(value)
