"""Load a SavedModel directory of Keras 2 without running the graphs in it.

The layers are made from their configs, as from any other file; the weights and the optimizer's
state come out of the checkpoint that every SavedModel contains. Keras' own loading restores the
graphs of operations as well, and runs those that set up tables: they may hold anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras.layers import Discretization, Normalization
from tf_keras.src.layers.preprocessing.index_lookup import IndexLookup
from tf_keras.src.optimizers import optimizer as current
from tf_keras.src.saving.legacy import model_config, saving_utils, serialization
from tf_keras.src.saving.legacy.saved_model import json_utils
from tf_keras.src.saving.legacy.saved_model.utils import keras_option_scope

from rewriter.errors import WeightsError
from rewriter.live.adapters import Live
from rewriter.saved.formats.checkpoint import place_of
from rewriter.saved.formats.saved_model import WEIGHTS, lookups
from rewriter.saved.safety.open_file import OpenModelFile


def load_directory(
    source: OpenModelFile, custom_objects: Mapping[str, Any], *, compiled: bool
) -> Live:
    """Load a SavedModel directory, by the configs that were read of it.

    A vocabulary is in the graphs alone: a model that has one is loaded as Keras does it, which
    only those may ask for who trust the directory.

    Raises
    ------
    WeightsError
        The checkpoint lacks a weight.
    """
    file, path = source.file, source.directory
    if any(lookups(file.document)):
        model = tf_keras.models.load_model(
            path, custom_objects=dict(custom_objects), compile=compiled
        )
        _tell_vocabularies(model)
        return model
    with ExitStack() as scopes:
        scopes.enter_context(tf_keras.saving.custom_object_scope(dict(custom_objects)))
        scopes.enter_context(_one_scope_of_shared_objects())
        scopes.enter_context(keras_option_scope(save_traces=False, in_tf_saved_model_scope=True))
        model = model_config.model_from_config(_revived(file.document))
        if compiled and file.training_config is not None:
            _compile(model, _revived(file.training_config), has_state=_has_optimizer_state(path))
    _restore(model, path)
    return model


def _tell_vocabularies(model: Live) -> None:
    """Write the vocabularies of a loaded model into its configs, where Keras leaves a [].

    No layer could be made from that.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, IndexLookup) and layer.input_vocabulary is not None:
            tokens = layer.get_vocabulary(include_special_tokens=False)
            layer.input_vocabulary = np.asarray(tokens).tolist()


@contextmanager
def _one_scope_of_shared_objects() -> Iterator[None]:
    """Know objects again that several nested models share.

    Every Functional model opens a scope of its own for them, and ends those around it
    (tf_keras/src/engine/functional.py, `Functional.from_config`).
    """
    scope = serialization.SharedObjectLoadingScope
    with scope():
        serialization.SharedObjectLoadingScope = nullcontext
        try:
            yield
        finally:
            serialization.SharedObjectLoadingScope = scope


def _revived(document: Mapping[str, Any]) -> Any:
    """Return a config with the types of tensors that it describes."""
    return json_utils.decode(json_utils.Encoder().encode(document))


def _has_optimizer_state(path: Path) -> bool:
    """Whether a checkpoint has more of an optimizer than a new one has: the model was trained."""
    names = tf.train.load_checkpoint(str(path / WEIGHTS)).get_variable_to_shape_map()
    return any(
        "/.OPTIMIZER_SLOT/" in name
        or (name.startswith("optimizer/") and ("/_variables/" in name or "/iter/" in name))
        for name in names
    )


def _compile(model: Live, training_config: Mapping[str, Any], *, has_state: bool) -> None:
    """Compile a model, and make the variables that its optimizer's state goes into."""
    model.compile(**saving_utils.compile_args_from_training_config(training_config))
    saving_utils.try_build_compiled_arguments(model)
    if not has_state:
        return
    optimizer = model.optimizer
    if isinstance(optimizer, current.Optimizer):
        optimizer.build(model.trainable_variables)
    else:
        optimizer._create_all_weights(model.trainable_variables)


def checkpoint_places(model: Live) -> dict[str, Any]:
    """Return the variables of a model and of what trains it by the places of a checkpoint."""
    view = tf.train.TrackableView(model)
    found: dict[str, Any] = {}
    seen = {id(model)}
    pending: deque[tuple[tuple[str, ...], Live]] = deque([((), model)])
    while pending:
        names, held = pending.popleft()
        for name, each in view.children(held).items():
            if id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, tf.Variable):
                found[place_of((*names, name))] = each
            else:
                pending.append(((*names, name), each))
    return found


def _restore(model: Live, path: Path) -> None:
    """Give a model the weights and states of a checkpoint."""
    found = tf.train.Checkpoint(model).read(str(path / WEIGHTS)).expect_partial()
    try:
        found.assert_existing_objects_matched()
    except AssertionError as error:
        raise WeightsError(
            "its checkpoint lacks weights that the layers have",
            where=str(path),
            fix="copy or download it again, or save the model again",
        ) from error
    for layer in model._flatten_layers():
        if isinstance(layer, Normalization | Discretization) and layer.built:
            layer.finalize_state()
