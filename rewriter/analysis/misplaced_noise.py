"""Tell where noise must not stand: in front of BatchNormalization, and in front of other noise."""

from __future__ import annotations

from collections.abc import Collection

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import is_recurrent, noise_in
from rewriter.analysis.recurrent_layers import layers_with_rates
from rewriter.analysis.value_flow import unwrap_time_distributed
from rewriter.graph.calls import Call
from rewriter.graph.graph import Graph, Layer

_ACTIVATIONS = frozenset({"Activation", "ReLU", "LeakyReLU", "PReLU", "ELU"})


def drops_its_input(layer: Layer) -> bool:
    """Whether a recurrent layer has a rate of its own for what it gets.

    Examples
    --------
    >>> drops_its_input(Layer("lstm", "LSTM", {"dropout": 0.5}))
    True
    >>> drops_its_input(Layer("lstm", "LSTM", {"recurrent_dropout": 0.5}))
    False
    """
    if not is_recurrent(layer):
        return False
    return any(each.first and "dropout" in each.rates for each in layers_with_rates(layer))


def batch_normalization_behind(graph: Graph, call: Call) -> Call | None:
    """Return the BatchNormalization that alone gets the output of a call, activations between."""
    seen = {call}
    while True:
        consumers = list(dict.fromkeys(graph.network.successors(call)))
        if len(consumers) != 1 or consumers[0] in seen:
            return None
        call = consumers[0]
        seen.add(call)
        layer, _ = unwrap_time_distributed(graph.layer(call))
        if class_of(layer) == "BatchNormalization":
            return call
        if class_of(layer) not in _ACTIVATIONS:
            return None


def faults_behind(graph: Graph, call: Call, ignored: Collection[str] = ()) -> dict[str, str]:
    """Return what is wrong with noise that stands behind a call, by the code of the finding.

    Parameters
    ----------
    graph : Graph
        The model that the call is in.
    call : Call
        What gives the noise its input.
    ignored : collection of str
        Names of noise layers that may stand behind it.
    """
    faults = {}
    normal = batch_normalization_behind(graph, call)
    if normal is not None:
        faults["RW302"] = f"{normal} behind it learns the variance of what it gets, with the noise"
    for consumer in dict.fromkeys(graph.network.successors(call)):
        layer = graph.layer(consumer)
        noisy = noise_in(layer) is not None and layer.name not in ignored
        if noisy or drops_its_input(layer):
            reason = f"{consumer} draws noise on it already, and the two rates would add up"
            return {**faults, "RW304": reason}
    return faults
