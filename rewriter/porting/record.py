"""Collect what a translation has to say: changes, notes, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rewriter.graph.changes import Action, Change, Note
from rewriter.graph.graph import Layer
from rewriter.porting.hard_sigmoid import Scaling
from rewriter.porting.layers import LayerRule
from rewriter.porting.refusals import Refusal, RefusedError
from rewriter.porting.serialised import converted

_REASONS = {
    "Gatewise": (
        "Keras 2 multiplies gate by gate here (implementation=1), which Keras 3 does not save"
    ),
    "Fused": "hard_sigmoid is another function in Keras 3; the bias is added as Keras 2 adds it",
}


@dataclass(slots=True)
class Record:
    """What is said of the layers of a model; `Translation` hands it on.

    Parameters
    ----------
    known_as : dict of str to str
        The paths of layers in the original, where they have another name in Keras 3.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    package: list[str] = field(default_factory=list)
    tolerance: float = 0.0
    scalings: dict[tuple[str, ...], Scaling] = field(default_factory=dict)
    known_as: dict[str, str] = field(default_factory=dict)

    def note(self, where: str, class_name: str, reason: str) -> None:
        """Note something that the user should know of a layer."""
        self.notes.append(Note(where, class_name, reason, "port"))

    def refuse(self, where: str, class_name: str, error: RefusedError) -> None:
        """Record why a layer cannot be ported."""
        known_as = self.known_as.get(where, where)
        self.refusals.append(Refusal(known_as, class_name, error.reason, error.fix))

    def change(
        self,
        where: str,
        class_name: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        reason: str,
    ) -> None:
        """Record keys of a config that are dropped, renamed or converted."""
        self.changes.append(
            Change(Action.CONFIGURE, where, class_name, dict(before), dict(after), reason, "port")
        )

    def replace(
        self,
        where: str,
        old: Layer,
        new: Layer,
        reason: str,
    ) -> None:
        """Record that a layer of another class stands in the place of one."""
        before = {"class": old.class_name, "config": dict(old.config)}
        after = {"class": new.class_name, "config": dict(new.config)}
        self.changes.append(
            Change(Action.REPLACE, where, new.class_name, before, after, reason, "port")
        )

    def tell(
        self, layer: Layer, rule: LayerRule, config: Mapping[str, Any], into: str, where: str
    ) -> None:
        """Record what is different in a layer, key by key."""
        written = converted(layer.config) if layer.class_name != "InputLayer" else layer.config
        before = {
            key: layer.config[key]
            for key, value in written.items()
            if key != "name" and (key not in config or config[key] != value)
        }
        after = {
            key: value
            for key, value in config.items()
            if key != "name" and (key not in written or written[key] != value)
        }
        after |= _from_weights(layer, rule)
        if into != layer.class_name:
            new = Layer(layer.name, into, dict(config))
            reason = next((said for start, said in _REASONS.items() if into.startswith(start)), "")
            reason = reason or f"Keras 3 computes this as {into}"
            self.replace(where, layer, new, reason)
        elif before or after:
            self.change(where, into, before, after, _reason(before, after))
        if rule.training and _trains_otherwise(layer):
            self.note(where, into, f"in training, {rule.training}")


def _from_weights(layer: Layer, rule: LayerRule) -> dict[str, str]:
    """Return the keys that get their values from among the weights, told by their source."""
    first = next(iter(rule.filled), "")
    if not first or layer.config.get(first):
        return {}
    needed = {
        key: source
        for key, source in rule.filled.items()
        if key != "idf_weights" or layer.config.get("output_mode") == "tf_idf"
    }
    return {key: f"({source})" for key, source in needed.items()}


def _reason(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    gone = [key for key in before if key not in after]
    if gone and not after:
        return f"Keras 3 does not take {' and '.join(gone)}"
    if gone and len(gone) == len(before):
        return f"Keras 3 says {' and '.join(after)}"
    return "Keras 3 writes it so"


def _trains_otherwise(layer: Layer) -> bool:
    return bool(layer.config.get("trainable", True))
