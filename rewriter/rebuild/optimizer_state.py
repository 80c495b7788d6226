"""Copy an optimizer's state by name, and by the variable that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rewriter.live.adapters import Live, LiveKeras, TrainingKeras
from rewriter.rebuild.builder import Rebuilt
from rewriter.rebuild.weights import variable_pairs


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
        training.copy_exclusions(old, new, [(before, after) for before, after, _ in pairs])
        if not training.is_built(old):
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
