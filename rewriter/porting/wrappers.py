"""Translate layers that need others around or inside them: Bidirectional, ``time_major``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rewriter.analysis.layer_kinds import returns_sequences
from rewriter.analysis.masks.flow import mask_flow
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.hard_sigmoid import FACTOR
from rewriter.porting.operations import operation
from rewriter.porting.refusals import Refusal
from rewriter.porting.result import Translation

_RESCALED = "hard_sigmoid of Keras 2 is that of Keras 3 at 1.2 times the input"
_TIME_MAJOR = "Keras 3 knows no time_major: it takes the batch axis first"


def with_backward_layer(layer: Layer) -> Layer:
    """Return a Bidirectional whose two directions are those of Keras 2.

    Of a layer that goes backwards itself, the other one goes forwards in Keras 2; in Keras 3 both
    would go backwards, which it refuses.
    """
    inner = layer.inner.get("layer")
    told = "backward_layer" in layer.inner
    if layer.class_name != "Bidirectional" or inner is None or told:
        return layer
    if not inner.config.get("go_backwards"):
        return layer
    name = f"backward_{inner.name}"
    config = {**inner.config, "name": name, "go_backwards": False}
    cells = {role: replace(each, origin=None) for role, each in inner.inner.items()}
    backward = replace(inner, name=name, config=config, origin=None, inner=cells)
    new = {**layer.inner, "backward_layer": backward}
    return replace(layer, config={**layer.config, "backward_layer": None}, inner=new)


def mend_time_major(
    translation: Translation, layers: Sequence[tuple[tuple[str, ...], str]]
) -> None:
    """Put transpositions around layers that take the time axis first."""
    masked = {flow.layer for flow in mask_flow(translation.after) if any(flow.masks_in)}
    for graph in translation.after.walk():
        for path, name in layers:
            if graph.path != path or name not in graph:
                continue
            where = graph.path_of(name)
            if where in masked:
                fix = "take time_major away in Keras 2"
                said = "a mask comes to it with the time axis first"
                class_name = graph.layer(name).class_name
                translation.refusals.append(Refusal(where, class_name, said, fix))
                continue
            for call in graph.calls_of(name):
                _transpose(translation, graph, call)


def _transpose(translation: Translation, graph: ModelGraph, call: Call) -> None:
    layer = graph.layer(call)
    first = graph.arguments(call).first
    assert first is not None
    tensor = graph.fillings(call)[first]
    before = operation(
        "numpy.Transpose", graph.unique_name(f"{layer.name}_batch_first"), axes=[1, 0, 2]
    )
    changes = [graph.insert_after(tensor, before, reason=_TIME_MAJOR, consumers=[(call, first)])]
    if returns_sequences(layer):
        after = operation(
            "numpy.Transpose", graph.unique_name(f"{layer.name}_time_first"), axes=[1, 0, 2]
        )
        changes.append(graph.insert_after(Tensor(call), after, reason=_TIME_MAJOR))
    translation.changes += [replace(change, pass_name="port") for change in changes]


def put_rescaling(translation: Translation, layers: Sequence[tuple[tuple[str, ...], str]]) -> None:
    """Put Rescaling(1.2) in front of layers that compute hard_sigmoid and have no weights."""
    for graph in translation.after.walk():
        for path, name in layers:
            if graph.path != path or name not in graph:
                continue
            for call in graph.calls_of(name):
                ((hole, tensor),) = graph.fillings(call).items()
                new = graph.unique_name(f"{name}_rescaling")
                layer = Layer(new, "Rescaling", {"name": new, "scale": FACTOR, "offset": 0.0})
                change = graph.insert_after(
                    tensor, layer, reason=_RESCALED, consumers=[(call, hole)]
                )
                translation.changes.append(replace(change, pass_name="port"))


PUT_IN: Mapping[str, str] = {
    "GatewiseLSTM, GatewiseGRU, GatewiseLSTMCell, GatewiseGRUCell": (
        "for `implementation=1` where Keras 2 takes its slow path: Keras 3 does not save it"
    ),
    "FusedConvLSTM1D, FusedConvLSTM2D, FusedConvLSTM3D": (
        "for ConvLSTM with hard_sigmoid, with `--hard-sigmoid exact`"
    ),
    "hard_sigmoid_of_keras2": "for hard_sigmoid, with `--hard-sigmoid exact`",
    "ThresholdedReLU": "for that of Keras 2",
    "EachStep": "for TimeDistributed over an unknown number of steps",
    "MergeWithMasks": (
        "for Add, Subtract, Multiply, Average, Maximum, Minimum and Concatenate where a mask "
        "arrives that Keras 3 would join otherwise, or use, and for sums that it gets wrong"
    ),
    "MultiHeadAttentionOfKeras2": (
        "for MultiHeadAttention with dropout, with scores or over images, where a mask arrives"
    ),
    "StopMask": "behind layers that stop a mask in Keras 2 and pass it on in Keras 3",
    "CopyWithMask": "in front of MultiHeadAttention where others use the masks of its inputs",
    "MaskOf": "beside recurrent layers that get their first state and a mask",
    "TensorFlowFunction": (
        "for recorded functions of TensorFlow that `keras.ops` has not, or not with these arguments"
    ),
    "DynamicDropout": "for Dropout that is called with `training=True`",
}
"""Layers and functions of this package that a port puts in, and where."""
