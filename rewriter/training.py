"""Compile state and optimizer state, carried from the original to the rewritten model.

What a model was compiled with is taken from the live original, not from its config: losses
and schedules are the same objects, so that they need not be registered; metrics and the
optimizer have state, and are new ones of the same class and config. An optimizer's state is
copied by name and by the variable it belongs to.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Protocol, cast

from rewriter.changes import Note, Stage
from rewriter.errors import first_line
from rewriter.live import Live, LiveKeras
from rewriter.rebuild import Rebuilt, scope_of_values
from rewriter.structure import leaves
from rewriter.weights import layer_pairs, variable_pairs

BY_OUTPUT = ("loss", "loss_weights", "metrics", "weighted_metrics")
"""Arguments of ``compile`` that may be keyed by the names of the outputs."""

METRICS = ("metrics", "weighted_metrics")

_PLAIN = (bool, int, float, complex, str, bytes, type(None), FunctionType)
_SET_BY_FIT = ("history", "optimizer", "loss", "stop_training")


class TrainingKeras(Protocol):
    """What one Keras knows of compiled models, in a module of its own."""

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

    def copy_counters(self, old: Live, new: Live) -> None:
        """Copy what an optimizer counts outside of its variables."""


def training_keras(keras: int) -> TrainingKeras:
    """Import the module for the Keras of this number."""
    return cast(TrainingKeras, importlib.import_module(f"rewriter.live.keras{keras}_training"))


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
            said = f"{type(error).__name__}: {first_line(error)}"
            self.note(f"is not compiled, because the original's way cannot be repeated: {said}")
            return
        if compiled and getattr(self.original, "optimizer", None) is not None:
            _State(self).copy()

    def carry_attributes(self) -> None:
        """Give a model of the user's own class what was set on the original besides."""
        if not scope_of_values([type(self.original)]):
            return
        there = vars(self.model)
        for name, value in vars(self.original).items():
            if name.startswith("_") or name in there or name in _SET_BY_FIT:
                continue
            if all(isinstance(leaf, _PLAIN) for leaf in leaves(value)):
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
                    f"output {before} is called {after}, after the layer it comes from; losses "
                    "and metrics follow, targets given by name must"
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
                said = f"{type(error).__name__}: {first_line(error)}"
                self.note(
                    f"metric {leaf.name} is the original's own, for it cannot be copied ({said}): "
                    "do not train both models at once"
                )
                return leaf

        own = prefixes if len(prefixes) > 1 else ()
        return _map(copy, held)


@dataclass(slots=True)
class _State:
    """The optimizer's state, on its way from the original to the rewritten model."""

    carrier: _Carrier

    def copy(self) -> None:
        training, original = self.carrier.training, self.carrier.original
        old, new = original.optimizer, self.carrier.model.optimizer
        if not training.is_built(old):
            return
        pairs = list(variable_pairs(self.carrier.keras, self.carrier.rebuilt.pairs))
        source = {id(after): before for before, after, _ in pairs}
        paths = {id(after): path for _, after, path in pairs}
        variables = self.variables(old, source, [after for _, after, _ in pairs])
        if not training.is_built(new):
            training.build(new, variables)
        originals = [*original.variables, *(before for before, _, _ in pairs)]
        have = {
            (name, None if owner is None else id(owner)): value
            for name, owner, value in training.optimizer_state(old, _unique(originals))
        }
        fresh: dict[int, str] = {}
        for name, owner, value in training.optimizer_state(new, variables):
            kept = have.get((name, None if owner is None else id(source.get(id(owner)))))
            reason = _misfit(name, kept, value)
            if reason is None:
                self.carrier.keras.assign(value, kept)
            elif owner is not None:
                fresh[id(owner)] = reason
            else:
                self.carrier.note(f"{name} of the optimizer starts fresh: {reason}")
        training.copy_counters(old, new)
        self.tell(fresh, variables, paths)
        self.tell_rest(old, have, originals)

    def variables(
        self, old: Live, source: Mapping[int, Live], followers: Sequence[Live]
    ) -> list[Live]:
        """Return what the optimizer is built for: the trainable variables, in the model's order.

        And those which the original's is built for, though they were frozen since: without
        compiling again, Keras goes on training them or keeps their slots.
        """
        trainable = list(self.carrier.model.trainable_variables)
        there = {id(variable) for variable in trainable}
        frozen = [
            variable
            for variable in followers
            if id(variable) not in there and self.carrier.training.knows(old, source[id(variable)])
        ]
        return _unique([*trainable, *frozen])

    def tell(
        self, fresh: Mapping[int, str], variables: Sequence[Live], paths: Mapping[int, str]
    ) -> None:
        for variable in variables:
            if id(variable) in fresh:
                self.carrier.note(
                    f"the optimizer starts fresh for {_name(variable)}: {fresh[id(variable)]}",
                    paths.get(id(variable)),
                )

    def tell_rest(
        self, old: Live, have: Mapping[tuple[str, int | None], Live], originals: Sequence[Live]
    ) -> None:
        """Note what the original's optimizer holds and could not be told apart, or is not ours."""
        for stranger in self.carrier.training.strangers(old, originals):
            self.carrier.note(
                f"the optimizer has state for {stranger}, which is no variable of the model"
            )
        known = {id(value) for value in have.values()}
        for value in self.carrier.training.optimizer_variables(old):
            if id(value) not in known and not self.carrier.training.strangers(old, originals):
                self.carrier.note(
                    f"{value.name} of the optimizer is not carried over: "
                    f"{type(old).__name__} does not tell which variable it is of"
                )


def _misfit(name: str, old: Live | None, new: Live) -> str | None:
    """Return why a variable of the state cannot be copied; None if it can."""
    if old is None:
        return "the original's optimizer has no state for it"
    if tuple(old.shape) != tuple(new.shape):
        return f"its {name} is {tuple(old.shape)} in the original, {tuple(new.shape)} here"
    return None


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


def _unique(values: Sequence[Live]) -> list[Live]:
    return list({id(value): value for value in values}.values())


def _name(variable: Live) -> str:
    return str(variable.name).partition(":")[0].rpartition("/")[2]
