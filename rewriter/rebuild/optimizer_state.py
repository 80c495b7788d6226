"""Copy an optimizer's state by name, and by the variable that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Protocol

from rewriter.graph.nested import leaves
from rewriter.live.adapters import Live, LiveKeras, TrainingKeras
from rewriter.rebuild.builder import Rebuilt
from rewriter.rebuild.weights import variable_pairs

_PLAIN = (bool, int, float, complex, str, bytes, type(None), FunctionType)


def is_plain(value: Any) -> bool:
    """Whether a value is plain data or a function, or a structure of these: no live object."""
    return all(isinstance(leaf, _PLAIN) for leaf in leaves(value))


class TakeNote(Protocol):
    """Takes what could not be carried over."""

    def __call__(self, reason: str, path: str | None = None) -> None:
        """Note something about the model, or about the layer at a path."""


def copy_optimizer_state(
    keras: LiveKeras, training: TrainingKeras, original: Live, rebuilt: Rebuilt, note: TakeNote
) -> None:
    """Copy the state of the original's optimizer to that of the rewritten model.

    Parameters
    ----------
    keras, training : LiveKeras, TrainingKeras
        The Keras of both models.
    original : live model
        Has an optimizer, which is not changed.
    rebuilt : Rebuilt
        The rewritten model, compiled.
    note : callable
        Is told what starts fresh, and why.
    """
    _State(keras, training, original, rebuilt, note).copy()


def copy_settings(
    training: TrainingKeras, old: Live, new: Live, pairs: Sequence[tuple[Live, Live]]
) -> None:
    """Copy what was set on an optimizer, and what it was given, and stands in no config.

    That is which variables get no weight decay, and public attributes that hold plain values or
    functions: those of a class of the user's own, and the gradient transformers of tf_keras' old
    optimizers (tf_keras/src/optimizers/legacy/optimizer_v2.py).

    Parameters
    ----------
    training : TrainingKeras
        The Keras of both optimizers.
    old, new : live optimizer
        Of the same class and config; `new` is changed.
    pairs : sequence of pairs of variables
        The variables of the original model, and those of the rewritten one that follow them.
    """
    for one, other in _with_inner(training, old, new):
        training.copy_exclusions(one, other, pairs)
        for name, value in vars(one).items():
            there = vars(other).get(name)
            if name.startswith("_") or name == "built" or not is_plain(value):
                continue
            if is_plain(there) and there != value:
                setattr(other, name, value)


def _with_inner(training: TrainingKeras, old: Live, new: Live) -> Iterator[tuple[Live, Live]]:
    """Yield two optimizers, and those to which they hand gradients."""
    yield old, new
    inner = training.inner_optimizers(old), training.inner_optimizers(new)
    for one, other in zip(*inner, strict=False):
        yield from _with_inner(training, one, other)


@dataclass(slots=True)
class _State:
    """The optimizer's state, on its way from the original to the rewritten model."""

    keras: LiveKeras
    training: TrainingKeras
    original: Live
    rebuilt: Rebuilt
    note: TakeNote

    def copy(self) -> None:
        training, original = self.training, self.original
        old, new = original.optimizer, self.rebuilt.model.optimizer
        pairs = list(variable_pairs(self.keras, self.rebuilt.pairs))
        copy_settings(training, old, new, [(before, after) for before, after, _ in pairs])
        if not training.is_built(old):
            self.copy_unbuilt(old, new)
            return
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
                self.keras.assign(value, kept)
            elif owner is not None:
                fresh[id(owner)] = reason
            else:
                self.note(f"{name} of the optimizer starts fresh: {reason}")
        for one, other in _with_inner(training, old, new):
            training.copy_counters(one, other)
        self.tell(fresh, variables, paths)
        self.tell_rest(old, have, originals)

    def copy_unbuilt(self, old: Live, new: Live) -> None:
        """Copy what an optimizer has before its first step: a count of steps, a rate."""
        have = {name: value for name, owner, value in self.training.optimizer_state(old, ())}
        for name, _, value in self.training.optimizer_state(new, ()):
            if _misfit(name, have.get(name), value) is None:
                self.keras.assign(value, have[name])

    def variables(
        self, old: Live, source: Mapping[int, Live], followers: Sequence[Live]
    ) -> list[Live]:
        """Return what the optimizer is built for: the trainable variables, in the model's order.

        And those which the original's is built for, though they were frozen since: without
        compiling again, Keras goes on training them or keeps their slots.
        """
        trainable = list(self.rebuilt.model.trainable_variables)
        there = {id(variable) for variable in trainable}
        frozen = [
            variable
            for variable in followers
            if id(variable) not in there and self.training.knows(old, source[id(variable)])
        ]
        return _unique([*trainable, *frozen])

    def tell(
        self, fresh: Mapping[int, str], variables: Sequence[Live], paths: Mapping[int, str]
    ) -> None:
        for variable in variables:
            if id(variable) in fresh:
                self.note(
                    f"the optimizer starts fresh for {_name(variable)}: {fresh[id(variable)]}",
                    paths.get(id(variable)),
                )

    def tell_rest(
        self, old: Live, have: Mapping[tuple[str, int | None], Live], originals: Sequence[Live]
    ) -> None:
        """Note what the original's optimizer holds and could not be told apart, or is not ours."""
        for stranger in self.training.strangers(old, originals):
            self.note(f"the optimizer has state for {stranger}, which is no variable of the model")
        known = {id(value) for value in have.values()}
        for value in self.training.optimizer_variables(old):
            if id(value) not in known and not self.training.strangers(old, originals):
                self.note(
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


def _unique(values: Sequence[Live]) -> list[Live]:
    return list({id(value): value for value in values}.values())


def _name(variable: Live) -> str:
    return str(variable.name).partition(":")[0].rpartition("/")[2]
