"""Compile the rewritten model as the original was, and carry its optimizer over.

What a model was compiled with is taken from the live original, not from its config: losses
and schedules are the same objects, so that they need not be registered; metrics and the
optimizer have state, and are new ones of the same class and config. An optimizer's state is
copied by name and by the variable it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.errors import first_line
from rewriter.graph.changes import Note, Stage
from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, LiveKeras, TrainingKeras, training_keras
from rewriter.live.custom_classes import scope_of_values
from rewriter.rebuild.builder import Rebuilt
from rewriter.rebuild.optimizer_state import copy_optimizer_state, is_plain
from rewriter.rebuild.weights import layer_pairs

BY_OUTPUT = ("loss", "loss_weights", "metrics", "weighted_metrics")
"""Arguments of ``compile`` that may be keyed by the names of the outputs."""

METRICS = ("metrics", "weighted_metrics")

_SET_BY_FIT = ("history", "optimizer", "loss", "stop_training")


def carry_training(
    keras: LiveKeras, original: Live, rebuilt: Rebuilt, custom_objects: Mapping[str, Any]
) -> list[Note]:
    """Compile the rewritten model as the original is, and copy the optimizer's state.

    Slots belong to variables and go with them. A variable that the original has not, or has
    in another shape, gets fresh ones, and a note says so.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of both models.
    original : live model
        Is not changed; a model that is not compiled gives nothing to carry.
    rebuilt : Rebuilt
        The rewritten model, which is compiled.
    custom_objects : mapping
        Classes and functions by name, besides those that the original holds.

    Returns
    -------
    list of Note
        What could not be carried over, and why.
    """
    training = training_keras(keras.keras)
    carrier = _Carrier(keras, training, original, rebuilt, dict(custom_objects))
    if training.is_compiled(original):
        carrier.carry()
    carrier.carry_attributes()
    return carrier.notes


@dataclass(slots=True)
class _Carrier:
    keras: LiveKeras
    training: TrainingKeras
    original: Live
    rebuilt: Rebuilt
    custom_objects: dict[str, Any]
    notes: list[Note] = field(default_factory=list)

    @property
    def model(self) -> Live:
        return self.rebuilt.model

    def carry(self) -> None:
        try:
            compiled = self.compile()
        except Exception as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            self.note(f"is not compiled, for Keras cannot compile it as the original was: {reason}")
            return
        if compiled and getattr(self.original, "optimizer", None) is not None:
            copy_optimizer_state(self.keras, self.training, self.original, self.rebuilt, self.note)

    def carry_attributes(self) -> None:
        """Give a model of the user's own class what was set on the original besides."""
        if not scope_of_values([type(self.original)]):
            return
        there = vars(self.model)
        for name, value in vars(self.original).items():
            if name.startswith("_") or name in there or name in _SET_BY_FIT:
                continue
            if is_plain(value):
                setattr(self.model, name, value)
            else:
                kind = type(value).__name__
                self.note(f"attribute {name} ({kind}) is not carried over: set it again")

    def note(self, reason: str, path: str | None = None) -> None:
        """Note something about the model, or about the layer at a path."""
        layer = self.model.name if path is None else path
        name = type(self.model).__name__ if path is None else self.class_name(path)
        self.notes.append(Note(layer, name, reason, stage=Stage.REWRITE))

    def class_name(self, path: str) -> str:
        live = {pair.path: pair.new for pair in self.rebuilt.pairs}.get(path)
        return "" if live is None else type(live).__name__

    def compile(self) -> bool:
        """Compile the rewritten model; False, with a note, where only its author can."""
        arguments = self.training.compile_arguments(self.original)
        scope = self.scope(arguments)
        if self.training.has_own_compile(self.original):
            if not self.training.has_own_compile_config(self.original):
                name = type(self.original).__name__
                self.note(f"is not compiled: {name} has a compile() but no compile_from_config()")
                return False
            self.training.compile_from_config(self.model, self.original, scope)
            return True
        arguments = self.by_output(arguments)
        prefixes = [f"{name}_" for name in self.training.output_names(self.original)]
        for key in METRICS:
            arguments[key] = self.metrics(arguments.get(key), prefixes, scope)
        arguments["optimizer"] = self.training.new_optimizer(self.original.optimizer, scope)
        self.training.compile_model(self.model, self.original, arguments)
        self.keep_compiled_trainable()
        return True

    def keep_compiled_trainable(self) -> None:
        """Keep which layers trained when the original was compiled: `fit` goes by that."""
        then = getattr(self.original, "_compiled_trainable_state", {})
        now = getattr(self.model, "_compiled_trainable_state", {})
        for old, new, _ in layer_pairs(self.keras, self.rebuilt.pairs):
            if old in then and new in now:
                now[new] = then[old]

    def scope(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        used = [leaf for key in BY_OUTPUT for leaf in leaves([arguments.get(key)])]
        used += self.training.parts(self.original.optimizer)
        return {**scope_of_values(used), **self.custom_objects}

    def by_output(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Key by the new names what is keyed by names of outputs, where they changed."""
        old = self.training.output_names(self.original)
        new = self.training.output_names(self.model)
        if old == new or len(old) != len(new):
            return dict(arguments)
        for before, after in zip(old, new, strict=True):
            if before != after:
                self.note(
                    f"the output {before} gets the name {after}, after the layer it comes from; "
                    f"losses and metrics follow, and targets by name must be given as {after}"
                )
        rename = _renamed(old, new)
        return {k: rename(v) if k in BY_OUTPUT else v for k, v in arguments.items()}

    def metrics(self, held: Any, prefixes: Sequence[str], scope: Mapping[str, Any]) -> Any:
        """Return the same structure with new metrics; a note tells of those that have no copy."""

        def copy(leaf: Any) -> Any:
            if not self.training.is_metric(leaf):
                return leaf
            try:
                return self.training.copy_metric(leaf, own, scope)
            except Exception as error:
                reason = f"{type(error).__name__}: {first_line(error)}"
                self.note(
                    f"both models share the metric {leaf.name}, which cannot be copied ({reason}): "
                    "do not train both at once"
                )
                return leaf

        own = prefixes if len(prefixes) > 1 else ()
        return _map(copy, held)


def _renamed(old: Sequence[str], new: Sequence[str]) -> Callable[[Any], Any]:
    """Return what gives a structure keyed by output names the new names, or their order."""
    names = dict(zip(old, new, strict=True))

    def rename(value: Any) -> Any:
        if not isinstance(value, Mapping) or not set(value) <= names.keys():
            return value
        if len(set(new)) < len(new):
            return [value.get(name) for name in old]
        return {names[key]: each for key, each in value.items()}

    return rename


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    if isinstance(structure, Mapping):
        return {key: _map(function, value) for key, value in structure.items()}
    if isinstance(structure, list | tuple):
        return [_map(function, value) for value in structure]
    return function(structure)
