"""Carry the mask of a sequence around layers that drop it, to a later layer that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import networkx as nx

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.layer_kinds import MASK_USERS
from rewriter.analysis.masks import CallFlow, flows_of, mask_flow
from rewriter.analysis.masks.carry_points import GraphCall, calls_to_carry_around
from rewriter.analysis.masks.joined_inputs import not_padded
from rewriter.analysis.masks.padding_evidence import empty_rows, no_padding, right_padded
from rewriter.analysis.masks.side_effects import slow_kernels, training_notes
from rewriter.analysis.masks.sources import Source, sources
from rewriter.analysis.masks.ways_around import Way, way_around
from rewriter.analysis.shapes import INPUT_SHAPE_KEY, has_unknown_steps
from rewriter.graph import Call, Layer, ModelGraph, Tensor
from rewriter.graph.changes import Change, Note
from rewriter.pipeline import Guarantee, Pass
from rewriter.pipeline.context import Context

from .enable_masking import NOT_USED, EnableMasking, decide, users


@dataclass(frozen=True, slots=True)
class CarryMask(Pass):
    """Carry a mask around layers that drop it, to a later layer that uses it.

    1. Behind a layer that drops the mask stands a CarryMask layer, which takes the mask from a
       tensor in front of that layer. Where the layer changes the steps (strides, pooling, padding,
       cropping, repeating), CarryMask changes the mask in the same way: added steps count as data,
       and a window counts if all its steps do.
    2. In front of a convolution whose kernel sees neighbouring steps, ZeroMaskedSteps sets padded
       steps to zero, so that padding does not leak through the kernel.
    3. An Embedding or float input is switched on, as `enable-masking` does it, if its mask reaches
       a layer that uses it only when it is carried.
    4. A mask is not carried around Flatten, Permute and layers that this program does not know;
       a note says so where a layer behind them could use the mask.
    5. A Sequential model becomes Functional if a mask goes around one of its layers, and takes
       every batch size and length that it took before.

    Parameters
    ----------
    mask_value : float
        What padding is in float inputs, as for `enable-masking`.
    input : tuple of str
        Names of the inputs to switch on; by default all.
    cudnn : "off" or "keep"
        As for `enable-masking`.
    empty : "allow" or "off"
        As for `enable-masking`.
    """

    mask_value: float = 0.0
    input: tuple[str, ...] = ()
    cudnn: Literal["off", "keep"] = "off"
    empty: Literal["allow", "off"] = "allow"

    name = "carry-mask"
    guarantee = Guarantee.SAME_WHERE_UNPADDED

    def run_with(self, model: ModelGraph, context: Context) -> Iterator[Change | Note]:
        """Edit a model with what is nested in it, in one go: masks flow across the borders."""
        declared = context.declared_masks
        before = after = mask_flow(model, declared=declared)
        worth = self._worth_switching_on(model, context, before)
        # Rule 4: what cannot be carried, or not be switched on, is told.
        yield from worth.notes
        if worth.missed:
            # Rule 3: sources of which a carried mask reaches a layer that uses it.
            enabling = EnableMasking(self.mask_value, self.input, self.cudnn)
            for source in worth.sources:
                reached = list(flows_of(worth.carried, source.path))
                yield enabling.switch_on(source, users(reached))
            around = calls_to_carry_around(model, worth.carried, worth.missed, _carriable)
            yield from _carry(model, worth.carried, around)
            after = mask_flow(model, declared=declared)
            padded = right_padded(context.data, worth.sources, self.mask_value)
            yield from slow_kernels(model, before, after, self.cudnn, padded)
            yield from training_notes(model, before, after)
            yield from _to_unwrap_first(model)
        # Rule 4: where a mask still ends before a layer that could use it.
        yield from _lost(after)

    def _worth_switching_on(
        self, model: ModelGraph, context: Context, before: list[CallFlow]
    ) -> _Worth:
        """Follow the masks with every source switched on, and then with those worth it."""
        declared = context.declared_masks
        candidates = {source.path: source for source in sources(model, self.input)}
        refused = no_padding(model, candidates, self.mask_value, context.data)
        carried, refused = decide(
            model,
            list(candidates),
            refused,
            _carriable,
            declared,
            partial(
                not_padded,
                model,
                candidates={} if self.input else candidates,
                mask_value=self.mask_value,
                data=context.data,
            ),
            empty_rows(context.data, candidates, self.mask_value, refuse=self.empty == "off"),
        )
        on = [source for path, source in candidates.items() if path not in refused]
        plain = _switched_on(model, on, declared) if on else before
        gained = _using(carried) - _using(plain)
        worth = [
            source
            for source in on
            if any((id(flow.graph), flow.call) in gained for flow in flows_of(carried, source.path))
        ]
        if len(worth) < len(on):
            carried = _switched_on(model, worth, declared, _carriable)
            plain = _switched_on(model, worth, declared) if worth else before
        notes = [
            Note(path, source.graph.layer(source.call).class_name, f"stays off: {refused[path]}")
            for path, source in candidates.items()
            if refused.get(path, NOT_USED) != NOT_USED and _could_use(source.graph, source.call)
        ]
        return _Worth(worth, notes, carried, _using(carried) - _using(plain))


@dataclass(frozen=True, slots=True)
class _Worth:
    """What carrying is worth: the flow with it, and the calls that use a mask only then."""

    sources: list[Source]
    notes: list[Note]
    carried: list[CallFlow]
    missed: set[GraphCall]


def _switched_on(
    model: ModelGraph,
    on: Sequence[Source],
    declared: Mapping[str, str],
    carried: Callable[[ModelGraph, Call], bool] | None = None,
) -> list[CallFlow]:
    """Follow the masks as if these sources made theirs."""
    return mask_flow(model, [source.path for source in on], carried, declared)


def _using(flows: Sequence[CallFlow]) -> set[GraphCall]:
    """Return the calls that use a mask."""
    return {(id(flow.graph), flow.call) for flow in flows if flow.uses}


def _carriable(graph: ModelGraph, call: Call) -> bool:
    """Whether a mask can be carried around a call."""
    return way_around(graph.layer(call)) is not None


def _carry(
    model: ModelGraph, flows: Sequence[CallFlow], around: set[GraphCall]
) -> Iterator[Change | Note]:
    """Insert what carries the mask around each of these calls."""
    masked = {(id(flow.graph), flow.call): flow for flow in flows}
    for graph in list(model.walk()):
        chain = graph.sequential
        calls = [call for call in graph.calls() if (id(graph), call) in around]
        for call in calls:
            way = way_around(graph.layer(call))
            assert way is not None
            yield from _around(graph, call, way, masked[id(graph), call])
        if calls and chain:
            yield from _freed(graph)  # Rule 5


def _around(graph: ModelGraph, call: Call, way: Way, flow: CallFlow) -> Iterator[Change | Note]:
    """Carry the mask of a call's first masked input around the call."""
    layer = graph.layer(call)
    masked = next(number for number, mask in enumerate(flow.masks_in) if mask)
    hole, tensor = list(graph.fillings(call).items())[masked]
    # Rule 2
    if way.zeros and class_of(graph.layer(tensor.call)) not in ("Masking", "ZeroMaskedSteps"):
        name = graph.unique_name(f"{call.layer}_zeros")
        reason = f"without it, {call.layer} would mix numbers of padded steps into real ones"
        yield graph.insert_after(
            tensor, Layer(name, "ZeroMaskedSteps", {}), reason=reason, consumers=[(call, hole)]
        )
        tensor = Tensor(graph.calls_of(name)[0])
    # Rule 1
    config = {"steps": way.steps.to_config()} if way.steps.to_config() else {}
    carrying = Layer(graph.unique_name(f"{call.layer}_mask"), "CarryMask", config)
    reason = f"{call.layer} drops the mask, and a later layer uses it"
    yield graph.insert_after(Tensor(call), carrying, reason=reason, beside=tensor)
    if way.caveat:
        yield Note(graph.path_of(call), layer.class_name, f"the mask is carried, but {way.caveat}")


# Layers that need to know the length when they are built, or compute otherwise without it.
_FIXED_LENGTH = frozenset(
    ("Flatten", "Reshape", "Permute", "LocallyConnected1D", "TimeDistributed", "Lambda")
)


def _freed(graph: ModelGraph) -> Iterator[Change | Note]:
    """Let the input of what is no longer Sequential take what it took before."""
    entrance = next(iter(graph.calls()))
    layer = graph.layer(entrance)
    inside = {each.class_name for outer in graph.layers for each in outer.walk()}
    key = INPUT_SHAPE_KEY[graph.keras]
    shape = layer.config.get(key)
    becomes = "becomes Functional: the mask takes a second way, around a layer"
    yield Note("/".join(graph.path) or graph.name, "Sequential", becomes)
    if not isinstance(shape, list | tuple) or any(
        each.config.get("stateful") or each.config.get("unroll") for each in graph.layers
    ):
        return
    free = [None, *shape[1:]]
    if len(free) > 1 and not inside & _FIXED_LENGTH:
        free[1] = None
    if free != list(shape):
        reason = (
            "as Functional it would refuse other lengths and batch sizes; Sequential takes them"
        )
        yield graph.configure(layer.name, {key: free}, reason=reason)


def _to_unwrap_first(model: ModelGraph) -> Iterator[Note]:
    """Say which TimeDistributed layers go wrong at a second length, mask or no mask."""
    for graph in model.walk() if model.keras == 3 else ():
        for call in graph.calls({"TimeDistributed"}):
            if call.number == 0 and has_unknown_steps(graph, call):
                said = (
                    "compiled, Keras 3.14 and later run it over the batch size once they meet a "
                    "second length: run unwrap-time-distributed first"
                )
                yield Note(graph.path_of(call), "TimeDistributed", said)


def _lost(flows: Sequence[CallFlow]) -> Iterator[Note]:
    """Say where a mask is lost that a layer behind could use."""
    noted: set[str] = set()
    for flow in flows:
        layer = flow.graph.layer(flow.call)
        if flow.loses and flow.layer not in noted and way_around(layer) is None:
            behind = _could_use(flow.graph, flow.call)
            if behind:
                noted.add(flow.layer)
                reason = f"the mask ends here, before {behind}: {_why_not(layer)}"
                yield Note(flow.layer, flow.class_name, reason)


def _could_use(graph: ModelGraph, call: Call) -> str | None:
    """Return the first call behind one that could use its mask, itself or what it holds."""
    behind = nx.descendants(graph.network, call)
    return next(
        (str(each) for each in graph.calls() if each in behind and _holds_user(graph.layer(each))),
        None,
    )


def _holds_user(layer: Layer) -> bool:
    nested = [inner.graph for inner in layer.walk() if inner.graph is not None]
    return any(class_of(inner) in MASK_USERS for inner in layer.walk()) or any(
        _holds_user(inner) for graph in nested for inner in graph.layers
    )


def _why_not(layer: Layer) -> str:
    if class_of(layer) in ("Flatten", "Permute", "Reshape", "RepeatVector"):
        return f"{layer.class_name} gives no axis with the steps in their order"
    return f"what {layer.class_name} does with the steps is not known"
