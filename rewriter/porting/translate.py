"""Translate a graph of Keras 2 into one of Keras 3, layer by layer and call by call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rewriter.analysis.noise_at_inference import TrainingTrue
from rewriter.analysis.noise_layers import make_noise, read_noise
from rewriter.graph.calls import Arguments, Call, Tensor
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import map_leaves
from rewriter.porting.arguments import converted_arguments, is_always_on
from rewriter.porting.attention import keep_hidden_rows
from rewriter.porting.biases import mend_biases
from rewriter.porting.envelopes import package_envelope, put_envelopes
from rewriter.porting.inputs import with_told_input
from rewriter.porting.masks import mend_masks
from rewriter.porting.names import free_names
from rewriter.porting.one_layer import LayerTranslator
from rewriter.porting.operations import RECORDED, translated_operation
from rewriter.porting.record import Record
from rewriter.porting.refusals import RefusedError
from rewriter.porting.result import Translation
from rewriter.porting.steps import mend_steps
from rewriter.porting.tensorflow_calls import NAME as TENSORFLOW
from rewriter.porting.wrappers import mend_time_major, put_rescaling, with_backward_layer

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
    record = Record(notes=list(model.notes))
    layers = LayerTranslator(record, frozenset(custom), hard_sigmoid)
    with collection_paused():
        after = _Translator(record, layers, TrainingTrue.of(model)).model(model, model.path)
    for graph in after.walk():
        graph.root = after
    translation = Translation(
        model,
        after,
        record.changes,
        record.notes,
        record.refusals,
        record.package,
        record.tolerance,
        record.scalings,
    )
    if not translation.refusals:
        mend_time_major(translation, layers.time_major)
        put_rescaling(translation, layers.rescaled)
        mend_steps(translation)
        mend_masks(translation, declared)
        keep_hidden_rows(translation)
        mend_biases(translation)
        after.validate()
    put_envelopes(after)
    return translation


@dataclass(slots=True)
class _Translator:
    record: Record
    layers: LayerTranslator
    pins: TrainingTrue
    made: dict[int, ModelGraph] = field(default_factory=dict)

    def model(self, graph: ModelGraph, path: tuple[str, ...]) -> ModelGraph:
        """Translate one model; one that stands in several places once."""
        if id(graph) in self.made:
            return self.made[id(graph)]
        name = graph.name.replace("/", "_")
        new = ModelGraph(3, _class_of(graph), name, path=path, config={"name": name})
        self.made[id(graph)] = new
        if graph.class_name not in _MODELS:
            said = f"{graph.class_name} becomes plain Functional: Keras 3 cannot make its class"
            self.record.note("/".join(path) or name, graph.class_name, said)
        new.listed = graph.listed
        names = free_names(layer.name for layer in graph.layers)
        calls: dict[Call, Call] = {}
        for layer in (with_told_input(each, graph) for each in graph.layers):
            if layer.class_name in RECORDED:
                self.operations(layer, graph, new, names, calls)
                continue
            where = new.path_of(names[layer.name])
            self.record.known_as[where] = graph.path_of(layer.name)
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

        new.inputs = _alone(map_leaves(moved, graph.inputs))
        new.outputs = _alone(map_leaves(moved, graph.outputs))
        return new

    def always_on(self, layer: Layer, made: Layer, graph: ModelGraph, where: str) -> Layer:
        """Return noise that is pinned on as DynamicDropout, which Keras 3 keeps on."""
        pinned = [self.pins.is_set(graph, call) for call in graph.calls_of(layer.name)]
        if not any(pinned) or (layer.graph is None and not is_always_on(layer)):
            return made
        if not all(pinned):
            said = RefusedError(
                "training=True is baked into some of its calls, not into others",
                "use two layers in Keras 2",
            )
            self.record.refuse(where, layer.class_name, said)
            return made
        if layer.graph is not None:
            return made
        noise = read_noise(layer)
        assert noise is not None
        noise = replace(noise, always_on=True)
        new = make_noise("dynamic", made.name, noise, rank=None, keras=3, like=made.config)
        assert isinstance(new, Layer)
        self.record.package.append(where)
        self.record.replace(where, layer, new, _ALWAYS_ON)
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
            self.record.known_as[where] = graph.path_of(layer.name)
            try:
                made, arguments = translated_operation(layer, name, graph.arguments(call))
            except RefusedError as error:
                self.record.refuse(where, layer.class_name, error)
                made, arguments = Layer(name, layer.class_name, {}), graph.arguments(call)
            calls[call] = new.add(made, arguments=arguments)
            if made.class_name == TENSORFLOW:
                self.record.package.append(where)
            reason = f"Keras 3 computes tf.{layer.config.get('function')} so"
            self.record.replace(where, layer, made, reason)

    def arguments(self, layer: Layer, graph: ModelGraph, call: Call, where: str) -> Arguments:
        given = graph.arguments(call)
        if not given.holes:
            return Arguments([], {})
        if graph.listed and given.form is None and not given.kwargs:
            given = Arguments([list(given.args)], {})
        try:
            return converted_arguments(layer, given, self.pins.is_set(graph, call))
        except RefusedError as error:
            self.record.refuse(where, layer.class_name, error)
            return Arguments(given.args, {})

    def layer(self, layer: Layer, name: str, where: str, path: tuple[str, ...]) -> Layer:
        """Translate one layer with what it holds."""
        if name != layer.name:
            self.record.change(
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
        self.layers.inside |= {f"{where}/{each.name}" for each in layer.inner.values()}
        inner = {
            role: self.layer(each, each.name.replace("/", "_"), f"{where}/{each.name}", path)
            for role, each in layer.inner.items()
        }
        try:
            made = self.layers.translated(layer, name, where)
        except RefusedError as error:
            self.record.refuse(where, layer.class_name, error)
            made = Layer(name, layer.class_name, {"name": name}, origin=layer.origin)
        made = replace(made, inner=inner, identity=layer.identity)
        both = with_backward_layer(made)
        if both is not made:
            backward = {"backward_layer": both.inner["backward_layer"].name}
            self.record.change(where, made.class_name, {}, backward, _BACKWARD)
        return both


def _alone(ends: Any) -> Any:
    """Return the one tensor of a list: Keras 2 takes and gives it so, Keras 3 the list."""
    return ends[0] if isinstance(ends, list) and len(ends) == 1 else ends


def _class_of(graph: ModelGraph) -> str:
    return "Sequential" if graph.class_name == "Sequential" else "Functional"
