"""Compile state and optimizer state, carried from the original to the rewritten model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewriter.changes import Note
from rewriter.live import Live, LiveKeras
from rewriter.rebuild import Rebuilt, scope_of_values
from rewriter.weights import variable_pairs


def carry_training(
    keras: LiveKeras, original: Live, rebuilt: Rebuilt, custom_objects: Mapping[str, Any]
) -> list[Note]:
    """Compile the rewritten model as the original is, and copy the optimizer's state.

    The optimizer is a new one of the same class and config. Its slots belong to variables
    and go with them; slots of variables that the rewritten model has not are left behind.

    Returns
    -------
    list of Note
        What could not be carried over, and why.
    """
    if not keras.is_compiled(original):
        return []
    model, class_name = rebuilt.model, type(rebuilt.model).__name__
    used = (original.loss, original.optimizer, *keras.metrics(original))
    scope = {**scope_of_values(used), **custom_objects}
    try:
        keras.compile_like(model, original, scope)
    except Exception as error:
        said = f"is not compiled, because the original's configuration cannot be used: {error}"
        return [Note(model.name, class_name, said, "rewrite")]
    counterpart = {id(old): new for old, new, _ in variable_pairs(keras, rebuilt.pairs)}
    try:
        keras.copy_optimizer(original, model, counterpart)
    except Exception as error:
        said = f"the optimizer's state is not carried over: {type(error).__name__}: {error}"
        return [Note(model.name, class_name, said, "rewrite")]
    return []
