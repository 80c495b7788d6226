"""Make, load, copy and save models of Keras 3."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras as keras_module
from keras.layers import GRU, LSTM, Discretization, GRUCell, LSTMCell, Normalization
from keras.src import tree
from keras.src.layers.preprocessing.index_lookup import IndexLookup
from keras.src.legacy.saving import legacy_h5_format
from keras.src.legacy.saving.saving_utils import model_from_config
from keras.src.models.functional import Functional
from keras.src.saving import saving_lib, serialization_lib
from keras.src.saving.serialization_lib import SafeModeScope

import rewriter.layers.keras3 as rewriter_layers
from rewriter.errors import UnsupportedModelError
from rewriter.graph.calls import Arguments, Hole
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.live.adapters import Live
from rewriter.live.admitted import AdmittedHDF5
from rewriter.live.object_numbers import counted_objects
from rewriter.live.vocabulary import share_table
from rewriter.live.walk import held_with
from rewriter.live.weight_places import Places, Recorder
from rewriter.saved.safety.open_file import OpenModelFile
from rewriter.saved.writing.hdf5_writer import hdf5_to_write

keras = 3

_CELLS = (LSTMCell, GRUCell)

_HOLE = "\0hole "


def load(
    source: OpenModelFile, custom_objects: Mapping[str, Any], *, compiled: bool, allow_code: bool
) -> Live:
    """Load a saved model that is held open; in safe mode, unless code from it is allowed."""
    options: dict[str, Any] = {"custom_objects": dict(custom_objects), "compile": compiled}
    with SafeModeScope(safe_mode=not allow_code):  # some versions forget the option for .h5 files
        if source.file.format == "keras":
            return saving_lib.load_model(source.opened, safe_mode=not allow_code, **options)
        load_hdf5 = legacy_h5_format.load_model_from_hdf5
        if "safe_mode" in inspect.signature(load_hdf5).parameters:
            options["safe_mode"] = not allow_code
        with AdmittedHDF5(source) as root:
            return load_hdf5(root, **options)


def revive_layer(
    entry: Mapping[str, Any], custom_objects: Mapping[str, Any], allow_code: bool
) -> Live:
    """Return a new layer of its serialised form alone; in safe mode, unless code is allowed."""
    with SafeModeScope(safe_mode=not allow_code):
        if "module" in entry:
            return keras_module.layers.deserialize(dict(entry), custom_objects=dict(custom_objects))
        return model_from_config(dict(entry), custom_objects=dict(custom_objects))


def save(model: Live, path: Path) -> None:
    """Save a model in the format of the file's ending."""
    with counted_objects(serialization_lib):
        if path.suffix == ".keras":
            model.save(path)
            return
        with hdf5_to_write(path, "w") as file:
            legacy_h5_format.save_model_to_hdf5(model, file)


class _Recorder(Recorder, saving_lib.H5IOStore):  # type: ignore[misc]
    """A recorder that newer versions take for a store of theirs."""


def archive_places(model: Live) -> Places:
    """Return the groups of a .keras file's weights, and the variables by name in each."""
    recorder = _Recorder()
    saving_lib._save_state(model, recorder, None, "", set())
    return recorder.places


def checkpoint_places(model: Live) -> dict[str, Any]:
    """Refuse: Keras 3 writes no SavedModel directory that it loads as a model again."""
    raise UnsupportedModelError(
        "Keras 3 has no SavedModel directories of models that it loads",
        where=str(model.name),
        fix="save it as .keras",
    )


def document(model: Live) -> dict[str, Any]:
    """Return the serialised form of a model."""
    return {
        "module": type(model).__module__,
        "class_name": type(model).__name__,
        "config": model.get_config(),
        "registered_name": keras_module.saving.get_registered_name(type(model)),
    }


def is_functional(model: Live) -> bool:
    """Whether a model is Functional, or of a subclass."""
    return isinstance(model, Functional)


def functional_document(model: Live) -> dict[str, Any]:
    """Return class and config of the plain Functional model with a model's layers."""
    plain = Functional(model._inputs_struct, model._outputs_struct, name=model.name)
    config = {**plain.get_config(), "trainable": model.trainable}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def layers(model: Live) -> dict[str, Live]:
    """Return the layers and operations of a model by name, its inputs included."""
    if isinstance(model, Functional):
        return {operation.name: operation for operation in model.operations}
    return {layer.name: layer for layer in model._layers}


def rename(model: Live, names: Mapping[str, Live]) -> None:
    """Give layers of a model these names."""
    for name, layer in names.items():
        layer.name = name


def clone_layer(layer: Live, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
    """Return a new layer of the same class with this config."""
    with keras_module.saving.custom_object_scope(dict(scope)), SafeModeScope(safe_mode=False):
        new = type(layer).from_config(dict(config))
    if "name" not in config:  # as Keras writes it for some classes without a get_config
        new.name = layer.name
    _keep_kernels(layer, new)
    return new


def _keep_kernels(old: Live, new: Live) -> None:
    """Have ``use_cudnn`` carried over, and written into the config where it is off.

    Keras takes the argument and does not write it (keras/src/layers/rnn/bidirectional.py says
    so): a config that has it is one that a pass or the user's file gave it.
    """
    if type(old) is not type(new):
        return
    if isinstance(old, _CELLS) and arguments_missing_from_config(old):
        new.implementation = old.implementation
        if hasattr(old, "dropout_mask_count"):  # older releases have none
            new.dropout_mask_count = old.dropout_mask_count
    if getattr(new, "use_cudnn", None) == "auto":
        new.use_cudnn = old.use_cudnn
    if getattr(new, "use_cudnn", None) is False:
        written = new.get_config
        new.get_config = lambda: {**written(), "use_cudnn": False}
    for below, above in zip(sublayers(old), sublayers(new), strict=False):
        _keep_kernels(below, above)


def arguments_missing_from_config(layer: Live) -> dict[str, Any]:
    """Return the arguments that a layer was made with and that Keras writes into no config.

    Cells take ``implementation``; with ``recurrent_dropout`` they set it to 1 by themselves
    (keras/src/layers/rnn/lstm.py).
    """
    cell = layer.cell if isinstance(layer, LSTM | GRU) else layer
    if not isinstance(cell, _CELLS) or cell.implementation == 2 or cell.recurrent_dropout:
        return {}
    return {"implementation": cell.implementation}


def calls_losing_arguments(model: Live) -> Iterator[tuple[str, int, int]]:
    """Yield nothing: all arguments are written down."""
    return iter(())


def make_layer(layer: Layer, config: Mapping[str, Any], scope: Mapping[str, Any]) -> Live:
    """Return a new layer that has no live one to follow."""
    module = rewriter_layers if hasattr(rewriter_layers, layer.class_name) else keras_module.layers
    written = str(layer.envelope.get("module"))
    if written.startswith("keras.src.ops."):  # an operation, which stands in no public module
        module = importlib.import_module(written)
    with keras_module.saving.custom_object_scope(dict(scope)):
        return getattr(module, layer.class_name).from_config(dict(config))


def strategy_scope(model: Live) -> AbstractContextManager[Any]:
    """Return the scope of the distribution strategy that a model was made under."""
    strategy = getattr(model, "_distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


def forward_only() -> AbstractContextManager[None]:
    """Have what is called to be run forward alone make no gradients beforehand: it makes none."""
    return nullcontext()


def input_tensors(layer: Live) -> list[Live]:
    """Return the tensors that an input layer gives."""
    return list(layer._inbound_nodes[0].output_tensors)


def call_layer(layer: Live, arguments: Arguments, tensors: Sequence[Live]) -> list[Live]:
    """Call a layer on symbolic tensors, by the number of their hole."""

    def fill(leaf: Any) -> Any:
        return tensors[leaf.index] if isinstance(leaf, Hole) else leaf

    def revive(structure: Any) -> Any:
        if not _is_serialized(structure):
            return map_leaves(fill, structure)
        marked = map_leaves(
            lambda leaf: f"{_HOLE}{leaf.index}" if isinstance(leaf, Hole) else leaf, structure
        )
        return tree.map_structure(unmark, serialization_lib.deserialize_keras_object(marked))

    def unmark(leaf: Any) -> Any:
        marked = isinstance(leaf, str) and leaf.startswith(_HOLE)
        return tensors[int(leaf[len(_HOLE) :])] if marked else leaf

    outputs = layer(*revive(list(arguments.args)), **revive(dict(arguments.kwargs)))
    return list(tree.flatten(outputs))


def _is_serialized(structure: Any) -> bool:
    """Whether there is something in a structure that Keras wrote as class and config."""
    if isinstance(structure, Mapping):
        return "class_name" in structure or any(map(_is_serialized, structure.values()))
    return isinstance(structure, list | tuple) and any(map(_is_serialized, structure))


def make_functional(
    graph: ModelGraph, inputs: Any, outputs: Any, layers: Mapping[str, Live], like: Live
) -> Live:
    """Return a Functional model of the class of `like`."""
    own_class = isinstance(like, Functional) and graph.class_name != "Functional"
    if not own_class or type(like) is Functional:
        return keras_module.Model(inputs, outputs, name=graph.name)
    known = ("name", "trainable", "layers", "input_layers", "output_layers")
    rest = {key: value for key, value in graph.config.items() if key not in known}
    return type(like)(inputs=inputs, outputs=outputs, name=graph.name, **rest)


def make_sequential(graph: ModelGraph, layers: Sequence[Live], like: Live) -> Live:
    """Return a Sequential model of the class of `like`."""
    model = type(like)(name=graph.name)
    for layer in layers:
        model.add(layer)
    if not model.built and like.built and graph.config.get("build_input_shape"):
        model.build(tuple(graph.config["build_input_shape"]))
    return model


def carry_state(old: Live, new: Live) -> None:
    """Give a new layer what the old one adapted itself to, before it is called."""
    if isinstance(old, IndexLookup):
        share_table(old, new)
    elif isinstance(old, Normalization) and old.built:
        new.build_from_config(old.get_build_config())
    elif isinstance(old, Discretization):
        new.bin_boundaries = old.bin_boundaries
        new.summary = getattr(old, "summary", None)


def finish_state(new: Live) -> None:
    """Let a layer derive from its weights what it uses at inference."""
    if isinstance(new, Normalization) and new.built:
        new.finalize_state()


def own_variables(layer: Live) -> list[Live]:
    """Return the variables of a layer, those of its sublayers not included."""
    return [
        *getattr(layer, "_trainable_variables", ()),
        *getattr(layer, "_non_trainable_variables", ()),
    ]


def seeds(layer: Live) -> list[Live]:
    """Return the variables that a layer draws its noise from."""
    return [generator.state for generator in getattr(layer, "_seed_generators", ())]


def copy_trainable(old: Live, new: Live) -> None:
    """Make one layer trainable or not, as another; without the layers that it holds."""
    if hasattr(old, "_trainable"):
        new._trainable = old._trainable
        for variable, other in zip(new._trainable_variables, old._trainable_variables, strict=True):
            variable.trainable = other.trainable


def put_inside(wrapper: Live, role: str, layer: Live) -> None:
    """Make a wrapper that was never called hold this layer."""
    key, held = held_with(wrapper, role, layer)
    before = tree.flatten(getattr(wrapper, key))
    for old, new in zip(before, tree.flatten(held), strict=True):
        wrapper._tracker.untrack(old)
        # Keras builds what a config says was built, and a built wrapper builds nothing again.
        if new is layer and old.built and not new.built:
            new.build_from_config(old.get_build_config())
    locked, wrapper._tracker.locked = wrapper._tracker.locked, False
    setattr(wrapper, key, held)
    wrapper._tracker.locked = locked


def hold(holder: Live, name: str, layer: Live) -> None:
    """Make a layer hold another one in an attribute."""
    holder._tracker.untrack(getattr(holder, name))
    locked, holder._tracker.locked = holder._tracker.locked, False
    setattr(holder, name, layer)
    holder._tracker.locked = locked


def sublayers(layer: Live) -> list[Live]:
    """Return the layers that a layer holds."""
    return list(getattr(layer, "_layers", ()))


def layer_states(layer: Live) -> list[Live]:
    """Return the states that a stateful layer keeps from call to call."""
    if not getattr(layer, "stateful", False):
        return []
    return list(tree.flatten(getattr(layer, "states", None) or []))


def states(model: Live) -> list[Live]:
    """Return the states that the stateful layers of a model keep from call to call."""
    return [state for layer in model._flatten_layers() for state in layer_states(layer)]


def variables(model: Live) -> list[Live]:
    """Return every variable that belongs to the model's weights and state."""
    return list(model.variables)


def share(layer: Live, own: Live, shared: Live) -> bool:
    """Make a layer use another's variable for its own; the tensor behind it is what is kept."""
    own._value = shared._value
    return True


def trainable(model: Live) -> list[Live]:
    """Return the variables that training changes, as TensorFlow has them."""
    return [variable.value for variable in model.trainable_variables]


def raw(variable: Live) -> Live:
    """Return a variable as TensorFlow has it."""
    return variable.value


def assign(variable: Live, value: Live) -> None:
    """Give a variable the value of another, of the same shape and dtype."""
    variable.assign(value)
