"""Translate a graph of Keras 2 into one of Keras 3, layer by layer and call by call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rewriter.analysis.known_layers import OURS, is_known, is_known_module
from rewriter.analysis.noise_at_inference import Pins
from rewriter.analysis.noise_layers import make_noise, read_noise
from rewriter.graph.calls import Arguments, Call, Tensor
from rewriter.graph.changes import Action, Change, Note
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.porting.arguments import converted_arguments, is_always_on
from rewriter.porting.biases import mend_biases
from rewriter.porting.envelopes import package_envelope, put_envelopes
from rewriter.porting.hard_sigmoid import (
    GATEWISE,
    KEYS,
    SCALED,
    WITHOUT_GATES,
    Scaling,
    exact,
    is_gatewise,
    keys_of,
    scaled_change,
    scaling,
)
from rewriter.porting.inputs import with_told_input
from rewriter.porting.layers import LayerRule, in_tables, layer_config, rules
from rewriter.porting.masks import mend_masks
from rewriter.porting.names import free_names
from rewriter.porting.operations import RECORDED, translated_operation
from rewriter.porting.refusals import Refusal, RefusedError
from rewriter.porting.result import Translation
from rewriter.porting.serialised import converted, with_functions
from rewriter.porting.steps import mend_steps
from rewriter.porting.wrappers import mend_time_major, with_backward_layer

_BACKWARD = "its layer goes backwards, and the other one would too in Keras 3"
_ALWAYS_ON = "training=True is baked into its call, which Keras 3 ignores at inference"
_MODELS = ("Functional", "Model", "Sequential")


def translate(
    model: ModelGraph,
    custom: Collection[str] = (),
    hard_sigmoid: str = "exact",
    declared: Mapping[str, str] | None = None,
) -> Translation:
    """Return the same model as a graph of Keras 3, and what is different in it.

    Parameters
    ----------
    model : ModelGraph
        Of Keras 2; is not changed.
    custom : collection of str
        The user's own classes and functions, by the names under which Keras finds them.
    hard_sigmoid : {"exact", "stock"}
        Whether a function of this package stands for that of Keras 2, or weights are scaled so
        that the function of Keras 3 gives the same.
    declared : mapping of str to str, optional
        What custom layers declare to do with masks, by the layer's path.

    Examples
    --------
    >>> graph = ModelGraph(keras=2, class_name="Functional", name="m")
    >>> x = graph.add(Layer("x", "InputLayer", {"name": "x", "batch_input_shape": [None, 3, 1]}))
    >>> lstm = Layer("lstm", "LSTM", {"name": "lstm", "units": 2, "time_major": False})
    >>> graph.inputs, graph.outputs = [Tensor(x)], [Tensor(graph.add(lstm, [Tensor(x)]))]
    >>> translation = translate(graph)
    >>> translation.after.layer("lstm").config
    {'name': 'lstm', 'units': 2}
    >>> [(change.layer, change.before) for change in translation.changes]
    [('x', {'batch_input_shape': [None, 3, 1]}), ('lstm', {'time_major': False})]
    """
    translator = _Translator(frozenset(custom), hard_sigmoid, Pins.of(model))
    with collection_paused():
        after = translator.model(model, model.path)
    for graph in after.walk():
        graph.root = after
    translation = Translation(
        model,
        after,
        translator.changes,
        [*model.notes, *translator.notes],
        translator.refusals,
        translator.package,
        translator.tolerance,
        translator.scalings,
    )
    if not translation.refusals:
        mend_time_major(translation, translator.time_major)
        mend_steps(translation)
        mend_masks(translation, declared)
        mend_biases(translation)
        after.validate()
    put_envelopes(after)
    return translation


@dataclass(slots=True)
class _Translator:
    custom: frozenset[str]
    hard_sigmoid: str
    pins: Pins
    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    package: list[str] = field(default_factory=list)
    tolerance: float = 0.0
    scalings: dict[tuple[str, ...], Scaling] = field(default_factory=dict)
    made: dict[int, ModelGraph] = field(default_factory=dict)
    known_as: dict[str, str] = field(default_factory=dict)
    time_major: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)

    def model(self, graph: ModelGraph, path: tuple[str, ...]) -> ModelGraph:
        """Translate one model; one that stands in several places once."""
        if id(graph) in self.made:
            return self.made[id(graph)]
        name = graph.name.replace("/", "_")
        new = ModelGraph(3, _class_of(graph), name, path=path, config={"name": name})
        self.made[id(graph)] = new
        if graph.class_name not in _MODELS:
            said = f"{graph.class_name} becomes plain Functional: Keras 3 cannot make its class"
            self.notes.append(Note("/".join(path) or name, graph.class_name, said, "port"))
        new.listed = graph.listed
        names = free_names(layer.name for layer in graph.layers)
        calls: dict[Call, Call] = {}
        for layer in (with_told_input(each, graph) for each in graph.layers):
            if layer.class_name in RECORDED:
                self.operations(layer, graph, new, names, calls)
                continue
            where = new.path_of(names[layer.name])
            self.known_as[where] = graph.path_of(layer.name)
            made = self.layer(layer, names[layer.name], where, path)
            made = self.always_on(layer, made, graph, where)
            for call in graph.calls_of(layer.name):
                arguments = self.arguments(layer, graph, call, where)
                calls[call] = new.add(made, arguments=arguments)
        for call, here in calls.items():
            kept = set(new.arguments(here).holes)
            for hole, tensor in graph.fillings(call).items():
                if hole in kept:
                    new.connect(Tensor(calls[tensor.call], tensor.output), here, hole)

        def moved(end: Tensor) -> Tensor:
            return Tensor(calls[end.call], end.output)

        new.inputs = map_leaves(moved, graph.inputs)
        new.outputs = map_leaves(moved, graph.outputs)
        return new

    def always_on(self, layer: Layer, made: Layer, graph: ModelGraph, where: str) -> Layer:
        """Return noise that is pinned on as DynamicDropout, which Keras 3 keeps on."""
        pinned = [self.pins.asked(graph, call) for call in graph.calls_of(layer.name)]
        if not any(pinned) or (layer.graph is None and not is_always_on(layer)):
            return made
        if not all(pinned):
            said = RefusedError(
                "training=True is baked into some of its calls, not into others",
                "use two layers in Keras 2",
            )
            self.refuse(where, layer.class_name, said)
            return made
        if layer.graph is not None:
            return made
        noise = read_noise(layer)
        assert noise is not None
        noise = replace(noise, always_on=True)
        new = make_noise("dynamic", made.name, noise, rank=None, keras=3, like=made.config)
        assert isinstance(new, Layer)
        self.package.append(where)
        before = {"class": layer.class_name, "config": dict(layer.config)}
        after = {"class": new.class_name, "config": dict(new.config)}
        self.changes.append(
            Change(Action.REPLACE, where, new.class_name, before, after, _ALWAYS_ON, "port")
        )
        return replace(new, envelope=package_envelope(new.class_name), origin=layer.origin)

    def operations(
        self,
        layer: Layer,
        graph: ModelGraph,
        new: ModelGraph,
        names: dict[str, str],
        calls: dict[Call, Call],
    ) -> None:
        """Translate the calls of a recorded function, each into an operation of its own."""
        for call in graph.calls_of(layer.name):
            name = names[layer.name]
            if call.number:
                name = free_names([*names.values(), f"{name}/{call.number}"])[
                    f"{name}/{call.number}"
                ]
                names[f"{layer.name}/{call.number}"] = name
            where = new.path_of(name)
            self.known_as[where] = graph.path_of(layer.name)
            try:
                made, arguments = translated_operation(layer, name, graph.arguments(call))
            except RefusedError as error:
                self.refuse(where, layer.class_name, error)
                made, arguments = Layer(name, layer.class_name, {}), graph.arguments(call)
            calls[call] = new.add(made, arguments=arguments)
            function = {"class": layer.class_name, "config": dict(layer.config)}
            operation = {"class": made.class_name, "config": dict(made.config)}
            reason = f"Keras 3 computes tf.{layer.config.get('function')} so"
            self.changes.append(
                Change(Action.REPLACE, where, made.class_name, function, operation, reason, "port")
            )

    def arguments(self, layer: Layer, graph: ModelGraph, call: Call, where: str) -> Arguments:
        given = graph.arguments(call)
        if not given.holes:
            return Arguments([], {})
        if graph.listed and given.form is None and not given.kwargs:
            given = Arguments([list(given.args)], {})
        try:
            return converted_arguments(layer, given, self.pins.asked(graph, call))
        except RefusedError as error:
            self.refuse(where, layer.class_name, error)
            return Arguments(given.args, {})

    def layer(self, layer: Layer, name: str, where: str, path: tuple[str, ...]) -> Layer:
        """Translate one layer with what it holds."""
        if name != layer.name:
            self.change(
                where,
                layer.class_name,
                {"name": layer.name},
                {"name": name},
                "Keras 3 takes no slash in the name of a layer",
            )
        if layer.graph is not None:
            graph = self.model(layer.graph, (*path, name))
            return Layer(name, graph.class_name, {}, {}, graph, origin=layer.origin)
        if layer.implicit:  # the input of a nested model, which takes what it is called on
            return Layer(name, "InputLayer", {"name": name}, implicit=True)
        self.inside |= {f"{where}/{each.name}" for each in layer.inner.values()}
        inner = {
            role: self.layer(each, each.name.replace("/", "_"), f"{where}/{each.name}", path)
            for role, each in layer.inner.items()
        }
        try:
            made = self.translated(layer, name, where)
        except RefusedError as error:
            self.refuse(where, layer.class_name, error)
            made = Layer(name, layer.class_name, {"name": name}, origin=layer.origin)
        made = replace(made, inner=inner, identity=layer.identity)
        both = with_backward_layer(made)
        if both is not made:
            backward = {"backward_layer": both.inner["backward_layer"].name}
            self.change(where, made.class_name, {}, backward, _BACKWARD)
        return both

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
            if layer.origin is None or where.rpartition("/")[2] != name or where in self.inside:
                raise RefusedError(
                    "it is wrapped, with time_major", "take time_major away in Keras 2"
                )
            self.time_major.append((tuple(where.split("/")[:-1]), name))
        self.tolerance = max(self.tolerance, rule.tolerance)
        self.tell(layer, rule, config, into, where)
        ours = rule.package or into in OURS
        if ours:
            self.package.append(where)
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
            self.package.append(where)
        if is_gatewise(asked):
            return GATEWISE[into], {**config, "implementation": 1}
        return into, config

    def stock(self, layer: Layer, config: dict[str, Any], where: str) -> dict[str, Any]:
        """Scale the weights of a layer for hard_sigmoid of Keras 3."""
        if is_gatewise(layer):
            self.tolerance = max(self.tolerance, WITHOUT_GATES)
            said = (
                "implementation=1 is left out: Keras 3 does not save it, and sums in another order"
            )
            self.notes.append(Note(where, layer.class_name, said, "port"))
        if not keys_of(config):
            return config
        found = scaling(layer)
        if found is not None:
            self.scalings[layer.origin or ()] = found
            self.changes.append(scaled_change(layer, where))
            self.notes.append(Note(where, layer.class_name, SCALED, "port"))
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
        after |= from_weights(layer, rule)
        if into != layer.class_name:
            self.changes.append(
                Change(
                    Action.REPLACE,
                    where,
                    into,
                    {"class": layer.class_name, "config": dict(layer.config)},
                    {"class": into, "config": dict(config)},
                    f"Keras 3 computes this as {into}",
                    "port",
                )
            )
        elif before or after:
            self.change(where, into, before, after, _reason(before, after))
        if rule.training and _trains_otherwise(layer):
            self.notes.append(Note(where, into, f"in training, {rule.training}", "port"))

    def change(
        self,
        where: str,
        class_name: str,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        reason: str,
    ) -> None:
        self.changes.append(
            Change(Action.CONFIGURE, where, class_name, dict(before), dict(after), reason, "port")
        )

    def refuse(self, where: str, class_name: str, error: RefusedError) -> None:
        known_as = self.known_as.get(where, where)
        self.refusals.append(Refusal(known_as, class_name, error.reason, error.fix))


def _class_of(graph: ModelGraph) -> str:
    return "Sequential" if graph.class_name == "Sequential" else "Functional"


def from_weights(layer: Layer, rule: LayerRule) -> dict[str, str]:
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


def _reason(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    gone = [key for key in before if key not in after]
    if gone and not after:
        return f"Keras 3 does not take {' and '.join(gone)}"
    if gone and len(gone) == len(before):
        return f"Keras 3 says {' and '.join(after)}"
    return "Keras 3 writes it so"


def _trains_otherwise(layer: Layer) -> bool:
    return bool(layer.config.get("trainable", True))
