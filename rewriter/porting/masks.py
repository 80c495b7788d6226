"""Lead masks in Keras 3 the way that they go in Keras 2.

The way of the masks is followed through the model as Keras 2 and as Keras 3 go it. Where a layer
that uses a mask would get another one, the first layer on the way to it that does otherwise is
mended: only there stands a layer of this package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import networkx as nx

from rewriter.analysis.masks.flow import CallFlow, mask_flow
from rewriter.analysis.masks.table import Rule
from rewriter.graph.calls import Arguments, Call, Hole, Tensor
from rewriter.graph.changes import Action, Change
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting.biases import merge_plainly
from rewriter.porting.envelopes import package_envelope
from rewriter.porting.refusals import Refusal
from rewriter.porting.result import Translation

MERGES = frozenset({"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"})

_MERGED = "Keras 3 joins masks by or, and drops them where an input has none; Keras 2 joins by and"
_STOPPED = "Keras 3 passes the mask on, which Keras 2 stops here"
_TAKEN = "MultiHeadAttention of Keras 3 takes the mask off its inputs, which others use too"
_HANDED = "Keras 3 hands no mask to a layer that gets its first state as an input"

Key = tuple[tuple[str, ...], Call, tuple[str, ...]]
"""A model, a call in it, and the calls that lead to the model."""


def mend_masks(translation: Translation, declared: Mapping[str, str] | None = None) -> None:
    """Lead the masks of the translated model the way that they go in Keras 2.

    Parameters
    ----------
    translation : Translation
        Is changed.
    declared : mapping of str to str, optional
        What custom layers declare to do with masks, by the layer's path.
    """
    after = translation.after
    wanted = dict(_keyed(mask_flow(_as_keras2(after), declared=declared)))
    if not any(flow.masks_in and any(flow.masks_in) for flow in wanted.values()):
        return
    use: Key | None = None
    for _ in range(2 * sum(len(graph.network) for graph in after.walk())):
        found = dict(_keyed(mask_flow(after, declared=declared)))
        use = next((key for key in wanted if _differs(wanted[key], found[key])), None)
        if use is None:
            return
        mended = _mend(translation, wanted, found, use)
        if not mended:
            break
        translation.changes += [replace(change, pass_name="port") for change in mended]
    assert use is not None
    flow = wanted[use]
    translation.refusals.append(
        Refusal(
            flow.layer,
            flow.class_name,
            "the mask that it uses would be another one in Keras 3",
            "hand it the mask by mask= in Keras 2",
        )
    )


def _as_keras2(model: ModelGraph) -> ModelGraph:
    """Return a copy of a translated graph in which masks go as in Keras 2."""
    copy = model.copy()
    for graph in copy.walk():
        graph.keras = 2
    return copy


def _keyed(flows: Sequence[CallFlow]) -> Iterator[tuple[Key, CallFlow]]:
    """Yield what happens at each call; the two Keras go through a model in different orders."""
    for flow in flows:
        yield (flow.graph.path, flow.call, flow.way), flow


def _differs(wanted: CallFlow, found: CallFlow) -> bool:
    """Whether a layer uses a mask in one Keras that it does not get, or not use, in the other."""
    if wanted.fails:
        return False
    if wanted.uses != found.uses:
        return True
    return wanted.uses and wanted.masks_in != found.masks_in


def _mend(
    translation: Translation,
    wanted: Mapping[Key, CallFlow],
    found: Mapping[Key, CallFlow],
    use: Key,
) -> list[Change]:
    """Mend the first call on the way to a use that does otherwise; return what was changed."""
    flow = found[use]
    if wanted[use].masks_in == flow.masks_in:
        if flow.class_name in MERGES:
            return [merge_plainly(translation, flow.graph, flow.graph.layer(flow.call), _MERGED)]
        return _hand_mask(translation, flow) if flow.ignores else []
    for key, each in found.items():
        other = wanted.get(key)
        if other is None or not _leads_to(each, flow):
            continue
        if other.masks_in != each.masks_in:
            return _keep_for_others(translation, found, key)
        if other.masks_out != each.masks_out:
            return _mend_call(translation, each, other)
    return []


def _leads_to(flow: CallFlow, use: CallFlow) -> bool:
    """Whether a call is the use, or its output goes into it; nested models are taken for one."""
    if flow.graph is not use.graph or flow.call == use.call:
        return True
    return flow.call in nx.ancestors(flow.graph.network, use.call)


def _mend_call(translation: Translation, flow: CallFlow, wanted: CallFlow) -> list[Change]:
    """Mend a call that gives another mask than in Keras 2, for the same masks."""
    graph, layer = flow.graph, flow.graph.layer(flow.call)
    if layer.class_name in MERGES:
        return [merge_plainly(translation, graph, layer, _MERGED)]
    if any(flow.masks_out) and not any(wanted.masks_out):
        name = graph.unique_name(f"{layer.name}_stop_mask")
        translation.package.append(graph.path_of(name))
        return [graph.insert_after(Tensor(flow.call), _ours("StopMask", name), reason=_STOPPED)]
    return []


def _keep_for_others(
    translation: Translation, found: Mapping[Key, CallFlow], place: Key
) -> list[Change]:
    """Put copies in front of the attention that takes the mask off what a call gets."""
    before = list(found)[: list(found).index(place)]
    for key in reversed(before):
        flow = found[key]
        if flow.rule is not Rule.TAKE_QUERY or not any(flow.masks_in):
            continue
        graph, changes = flow.graph, []
        tensors: dict[Tensor, list[tuple[Call, int]]] = {}
        for hole, tensor in graph.fillings(flow.call).items():
            if graph.layer(tensor.call).class_name != "CopyWithMask":
                tensors.setdefault(tensor, []).append((flow.call, hole))
        for tensor, holes in tensors.items():
            name = graph.unique_name(f"{tensor.call.layer}_copy")
            translation.package.append(graph.path_of(name))
            layer = _ours("CopyWithMask", name)
            changes.append(graph.insert_after(tensor, layer, reason=_TAKEN, consumers=holes))
        if changes:
            return changes
    return []


def _hand_mask(translation: Translation, flow: CallFlow) -> list[Change]:
    """Hand a recurrent layer the mask of its sequence as an argument."""
    graph, call = flow.graph, flow.call
    arguments = graph.arguments(call)
    first = arguments.first
    if first is None or "mask" in arguments.kwargs:
        return []
    tensor = graph.fillings(call)[first]
    name = graph.unique_name(f"{call.layer}_mask")
    layer = _ours("MaskOf", name)
    given = graph.add(layer, [tensor], after=tensor.call.layer)
    hole = max(arguments.holes) + 1
    new = Arguments(arguments.args, {**arguments.kwargs, "mask": Hole(hole)})
    graph.network.nodes[call]["arguments"] = new
    graph.connect(Tensor(given), call, hole)
    translation.package.append(graph.path_of(name))
    place = f"between {tensor.call} and {call}"
    after = {"class": "MaskOf", "config": dict(layer.config), "place": place}
    return [Change(Action.INSERT, graph.path_of(name), "MaskOf", None, after, _HANDED)]


def _ours(class_name: str, name: str) -> Layer:
    return Layer(name, class_name, {"name": name}, package_envelope(class_name))
