"""Translate one layer: class, config, and the module that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rewriter.analysis.known_layers import OURS, is_known, is_known_module
from rewriter.graph.graph import Layer
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.hard_sigmoid import (
    FUSED,
    GATEWISE,
    KEYS,
    SCALED,
    WITHOUT_GATES,
    exact,
    is_gatewise,
    keys_of,
    scaled_change,
    scaling,
)
from rewriter.porting.layers import LayerRule, in_tables, layer_config, rules
from rewriter.porting.record import Record
from rewriter.porting.refusals import RefusedError
from rewriter.porting.serialised import converted, with_functions

Place = tuple[tuple[str, ...], str]
"""The path of a graph, and the name of a layer in it."""


_ROUNDING: Mapping[str, float] = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Two units in the last place of the types that have few."""

_TIME_FIX = "take time_major away in Keras 2"
_EXACT = "port it with --hard-sigmoid exact"


@dataclass(slots=True)
class LayerTranslator:
    """Translates layers one by one.

    Parameters
    ----------
    record : Record
        What is said of them.
    custom : frozenset of str
        The user's own classes and functions, by the names under which Keras finds them.
    hard_sigmoid : {"exact", "stock"}
        What becomes of hard_sigmoid.
    inside : set of str
        Paths of layers that others hold.
    time_major, rescaled : list of Place
        Layers that need transpositions around them, or Rescaling in front.
    """

    record: Record
    custom: frozenset[str]
    hard_sigmoid: str
    inside: set[str] = field(default_factory=set)
    time_major: list[Place] = field(default_factory=list)
    rescaled: list[Place] = field(default_factory=list)

    def translated(self, layer: Layer, name: str, where: str) -> Layer:
        """Return a layer with the class and the config that it has in Keras 3."""
        class_name = layer.class_name
        rule = rules().get(class_name, LayerRule(class_name))
        if not _is_of_keras(layer, rule):
            return self.of_user(layer, name)
        config = layer_config(class_name, layer.config)
        config = {**with_functions(config, self.custom), "name": name}
        into = rule.into or class_name
        into, config = self.activations(layer, into, config, where)
        if layer.config.get("time_major"):
            place = self.place(where, name, "takes the time axis first", _TIME_FIX)
            self.time_major.append(place)
        rounding = _rounding(config.get("dtype"))
        self.record.tolerance = max(self.record.tolerance, rule.tolerance, rounding)
        self.record.tell(layer, rule, config, into, where)
        ours = rule.package or into in OURS
        if ours:
            self.record.package.append(where)
        envelope = package_envelope(into) if ours else {}
        if rule.module:
            envelope = {**package_envelope(into), "module": rule.module, "registered_name": into}
        return Layer(name, into, config, envelope, origin=layer.origin)

    def activations(
        self, layer: Layer, into: str, config: dict[str, Any], where: str
    ) -> tuple[str, dict[str, Any]]:
        """Return class and config with the hard_sigmoid and the implementation of Keras 2."""
        told = {**layer.config, **{key: config[key] for key in KEYS if key in config}}
        asked = replace(layer, config=told)
        if self.hard_sigmoid == "stock":
            return into, self.stock(asked, config, where)
        if keys_of(config):
            config = exact(config)
            self.record.package.append(where)
            into = FUSED.get(into, into)
        if is_gatewise(asked):
            return GATEWISE[into], {**config, "implementation": 1}
        return into, config

    def stock(self, layer: Layer, config: dict[str, Any], where: str) -> dict[str, Any]:
        """Scale the weights of a layer for hard_sigmoid of Keras 3."""
        if is_gatewise(layer):
            self.record.tolerance = max(self.record.tolerance, WITHOUT_GATES)
            said = (
                "implementation=1 is left out: Keras 3 does not save it, and sums in another order"
            )
            self.record.note(where, layer.class_name, said)
        if not keys_of(config):
            return config
        found = scaling(layer)
        if found is None:
            place = self.place(where, config["name"], "needs Rescaling in front", _EXACT)
            self.rescaled.append(place)
        else:
            self.record.scalings[layer.origin or ()] = found
            self.record.changes.append(scaled_change(layer, where))
            self.record.note(where, layer.class_name, SCALED)
        return config

    def of_user(self, layer: Layer, name: str) -> Layer:
        """Return a layer of the user's own class, which `--custom` has to name."""
        package, _, _ = str(layer.envelope.get("registered_name") or "").rpartition(">")
        registered = str(layer.envelope.get("registered_name") or layer.class_name)
        short = layer.class_name.rpartition(">")[2]
        if not {registered, layer.class_name, short} & self.custom:
            raise RefusedError(
                "it is a class of the user's own, of which only its author has one for Keras 3",
                "write it for Keras 3 and name its module with --custom MODULE[:NAME]",
            )
        envelope = {
            "module": layer.envelope.get("module"),
            "class_name": short,
            "config": None,
            "registered_name": registered if package else short,
        }
        config = {**converted(layer.config), "name": name}
        return Layer(name, short, config, envelope, origin=layer.origin)

    def place(self, where: str, name: str, what: str, fix: str) -> Place:
        """Return the place of a layer that needs others around it.

        Raises
        ------
        RefusedError
            Another layer holds it, and nothing can be put around it there.
        """
        if where in self.inside:
            raise RefusedError(f"it is held by another layer, and {what}", fix)
        return tuple(where.split("/")[:-1]), name


def _rounding(dtype: Any) -> float:
    """Return how far two ways to compute in few bits may lie apart; 0 for float32."""
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    return _ROUNDING.get(str(dtype).removeprefix("mixed_"), 0.0)


def _is_of_keras(layer: Layer, rule: LayerRule) -> bool:
    """Whether a class is Keras' own, not one of the user's by the same name."""
    if not rule.module:
        return is_known(layer, 2) or _is_unknown_to_keras(layer)
    _, _, place = rule.module.partition(".applications.")
    return str(layer.envelope.get("module")).endswith(f".applications.{place}")


def _is_unknown_to_keras(layer: Layer) -> bool:
    """Whether an old class of Keras stands in the tables alone, and nothing says it is another."""
    module, registered = (layer.envelope.get(key) for key in ("module", "registered_name"))
    told = is_known_module(str(module)) if module else not registered
    return told and in_tables(layer.class_name)
