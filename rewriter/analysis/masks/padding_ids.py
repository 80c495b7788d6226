"""Tell whether id 0 of an Embedding means padding."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.lookups import BINS, LOOKUPS, makes_ids, meaning_of_id_zero
from rewriter.analysis.value_flow import Receiver, ValueFlow, keeps_values, unwrap_time_distributed
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


def not_padding(model: ModelGraph) -> dict[str, str]:
    """Return why index 0 is no padding, or not known to be, by the path of the Embedding.

    In ids that are given to the model it is padding, as Keras has it. Of ids that the model
    makes itself, the layers that turn words, numbers and texts into ids tell; those of other
    layers are not known.

    Parameters
    ----------
    model : ModelGraph
        The outermost model.

    Examples
    --------
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> words = graph.add(Layer("words", "InputLayer", {}))
    >>> ids = graph.add(Layer("ids", "Hashing", {"num_bins": 9}), [Tensor(words)])
    >>> emb = graph.add(Layer("emb", "Embedding", {"input_dim": 9}), [Tensor(ids)])
    >>> graph.inputs, graph.outputs = Tensor(words), Tensor(emb)
    >>> not_padding(graph)
    {'emb': 'index 0 is a bin of ids (Hashing), no padding'}
    """
    flow = ValueFlow(model)
    receivers = [each for end in leaves(model.inputs) for each in flow.receivers(model, end)]
    pairs = list(_receivers_of_made_ids(model, flow))
    receivers += [receiver for receiver, _ in pairs]
    known = {(id(receiver.graph), receiver.call) for receiver in receivers}
    real = {path: f"index 0 is {zero}, no padding" for path, zero in _real(pairs).items()}
    return dict(_unknown(model, known)) | dict(_ragged(model, flow)) | real


def real_zeros(model: ModelGraph) -> dict[str, str]:
    """Return what index 0 of an Embedding is where it is known to be no padding, by its path."""
    return _real(_receivers_of_made_ids(model, ValueFlow(model)))


def _real(pairs: Iterable[tuple[Receiver, str]]) -> dict[str, str]:
    return {to.path: zero for to, zero in pairs if zero and _is_embedding(to.layer)}


def _is_embedding(layer: Layer) -> bool:
    return class_of(layer) == "Embedding"


def _receivers_of_made_ids(model: ModelGraph, flow: ValueFlow) -> Iterator[tuple[Receiver, str]]:
    """Yield what gets ids that the model makes of something else, and what 0 is in them."""
    for graph in model.walk():
        for call in graph.calls(LOOKUPS | BINS):
            if makes_ids(graph.layer(call)):
                zero = meaning_of_id_zero(graph, call)
                yield from ((each, zero) for each in flow.receivers(graph, Tensor(call)))


def _ragged(model: ModelGraph, flow: ValueFlow) -> Iterator[tuple[str, str]]:
    """Yield the Embeddings that get ragged ids: those have no padding."""
    for end in leaves(model.inputs):
        if model.layer(end.call).config.get("ragged"):
            for each in flow.receivers(model, end):
                if _is_embedding(each.layer):
                    yield each.path, f"the ids of {end.call.layer} are ragged, without padding"


def _unknown(model: ModelGraph, known: Collection[tuple[int, Call]]) -> Iterator[tuple[str, str]]:
    """Yield the Embeddings some of whose ids come from elsewhere, and where from."""
    for graph in model.walk():
        for call in graph.calls({"Embedding"}):
            makers = list(_strange_makers(graph, call))
            if (id(graph), call) not in known:
                makers += [tensor.call for tensor in graph.producers(call)]
            if makers:
                where = f"{graph.path_of(makers[0])} ({graph.layer(makers[0]).class_name})"
                reason = f"whether index 0 is padding in the ids of {where} is not known"
                yield graph.path_of(call), reason


def _strange_makers(graph: ModelGraph, call: Call) -> Iterator[Call]:
    """Yield the calls in the same model that make some of a call's values, and no ids."""
    pending, seen = [call], {call}
    while pending:
        for tensor in graph.producers(pending.pop()):
            layer, _ = unwrap_time_distributed(graph.layer(tensor.call))
            if layer.graph is not None or makes_ids(layer) or tensor.call in seen:
                continue
            seen.add(tensor.call)
            if keeps_values(layer):
                pending.append(tensor.call)
            else:
                yield tensor.call
