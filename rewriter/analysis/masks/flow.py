"""Follow the masks through a model, call by call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.analysis.known_layers import class_of
from rewriter.analysis.masks.execution_order import calls_in_order
from rewriter.analysis.masks.mask import NO_MASK, Join, Mask, changed, joined, sliced, unknown
from rewriter.analysis.masks.mask_arguments import given_masks, hides_mask_by_state
from rewriter.analysis.masks.rules import Done, behave, of_each_step
from rewriter.analysis.masks.symbolic_masks import masked_source
from rewriter.analysis.masks.table import HANDING_ON, Rule, rule_of
from rewriter.analysis.shapes import rank_of
from rewriter.graph.calls import Call, Tensor
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves


@dataclass(frozen=True, slots=True)
class CallFlow:
    """What happens to masks at one call.

    Parameters
    ----------
    graph : ModelGraph
        The model, nested or not, that the call is in.
    call : Call
        The call.
    layer, class_name : str
        Path and class of its layer.
    rule : Rule
        What the layer does with masks.
    masks_in : tuple of Mask
        Of its inputs, in the order of the holes.
    masks_out : tuple of Mask
        Of its outputs, as far as the config tells how many there are; the others have none.
    uses : bool
        Whether a mask changes what the layer gives at inference.
    trains : bool
        Whether a mask changes what the layer does in training alone.
    fails : str
        Why Keras raises because of a mask; empty if it does not.
    carried : bool
        Whether a mask was taken as if it were carried around the call.
    way : tuple of str
        The calls that lead to the model that the call is in.
    """

    graph: ModelGraph
    call: Call
    layer: str
    class_name: str
    rule: Rule
    masks_in: tuple[Mask, ...]
    masks_out: tuple[Mask, ...]
    uses: bool = False
    trains: bool = False
    fails: str = ""
    carried: bool = False
    way: tuple[str, ...] = ()

    @property
    def mask_in(self) -> Mask:
        """The masks that come in, as one."""
        return joined(Join.AND, [mask for mask in self.masks_in if mask or not mask.known])

    @property
    def mask_out(self) -> Mask:
        """The mask of the first output."""
        return self.masks_out[0] if self.masks_out else NO_MASK

    @property
    def loses(self) -> bool:
        """Whether a mask comes in, is not used, and goes neither out nor around."""
        lost = any(self.masks_in) and not any(mask or not mask.known for mask in self.masks_out)
        return lost and not self.uses and not self.fails and not self.goes_around

    @property
    def goes_around(self) -> bool:
        """Whether the mask is carried around the call to all that get its output."""
        consumers = self.graph.consumers(Tensor(self.call))
        return bool(consumers) and all(
            self.graph.layer(call).class_name.removeprefix("rewriter>") == "CarryMask"
            for call, _ in consumers
        )

    @property
    def ignores(self) -> bool:
        """Whether a recurrent layer is not handed the mask of its input, as in Keras 3."""
        return self.rule is Rule.RECURRENT and bool(self.masks_in[0]) and not self.uses

    def to_json(self) -> dict[str, Any]:
        """Return what happens as plain data."""
        return {
            "call": str(self.call),
            "layer": self.layer,
            "class": self.class_name,
            "mask_in": _named(self.mask_in),
            "mask_out": _named(self.mask_out),
            "uses_mask": self.uses,
            "uses_mask_in_training": self.uses or self.trains,
            "loses_mask": self.loses,
            "fails": self.fails or None,
        }


def _named(mask: Mask) -> str | None:
    return None if not mask and mask.known else str(mask)


def mask_flow(
    graph: ModelGraph,
    switched_on: Collection[str] = (),
    carried: Callable[[ModelGraph, Call], bool] | None = None,
    declared: Mapping[str, str] | None = None,
) -> list[CallFlow]:
    """Return what happens to masks at every call, nested models included.

    The calls stand in the order in which Keras runs them, those of a nested model before the
    call of the model; a nested model that is called twice is followed twice.

    Parameters
    ----------
    graph : ModelGraph
        The outermost model.
    switched_on : collection of str
        Paths of Embedding layers that are taken as if ``mask_zero`` were set, and of layers
        that are taken as if a Masking layer stood behind them.
    carried : callable, optional
        Given a graph and a call that drops its mask, whether the mask is taken as if it were
        carried around the call.
    declared : mapping of str to str, optional
        The names of the rules that custom layers declare, by the layer's path.
    """
    carrying = carried or (lambda graph, call: False)
    following = _Following(frozenset(switched_on), carrying, declared or {})
    with collection_paused():
        following.model(graph, [_Holder() for _ in leaves(graph.inputs)], graph.path)
    return following.flows


def flows_of(flows: Sequence[CallFlow], source: str) -> Iterator[CallFlow]:
    """Yield the calls that the mask of a layer comes to, given the layer's path."""
    sources = {
        one
        for flow in flows
        if flow.layer == source and flow.mask_out.join is Join.SOURCE
        for one in flow.mask_out.sources
    }
    return (
        flow
        for flow in flows
        if sources and any(one in sources for mask in flow.masks_in for one in mask.sources)
    )


@dataclass(slots=True)
class _Holder:
    """A live tensor, which may be the output of several layers and has one mask."""

    mask: Mask = NO_MASK


@dataclass(slots=True)
class _Following:
    """Follows the masks, call by call.

    `place` has the calls that lead to a model, or to a call: called twice, a source in a nested
    model makes two masks, and they are named by the way to them.
    """

    switched_on: frozenset[str]
    carried: Callable[[ModelGraph, Call], bool]
    declared: Mapping[str, str]
    flows: list[CallFlow] = field(default_factory=list)
    ranks: dict[int, dict[Tensor, int | None]] = field(default_factory=dict)

    def model(
        self, graph: ModelGraph, given: Sequence[_Holder], place: tuple[str, ...]
    ) -> list[_Holder]:
        """Follow the masks through one model; return its outputs."""
        held: dict[Tensor, _Holder] = dict(zip(leaves(graph.inputs), given, strict=False))
        handing_on = HANDING_ON[graph.keras]
        for call in calls_in_order(graph):
            fillings = graph.fillings(call)
            if not fillings:
                self.entrance(graph, call, held, place)
                continue
            holders = [
                held.get(tensor) or _Holder(_behind(held, tensor)) for tensor in fillings.values()
            ]
            outputs = self.call(graph, call, fillings, holders, place)
            if len(holders) == 1 and class_of(graph.layer(call)) in handing_on:
                outputs[0] = _shared(holders[0], outputs[0])
            for number, output in enumerate(outputs):
                held[Tensor(call, number)] = output
        return [held.get(end) or _Holder(_behind(held, end)) for end in leaves(graph.outputs)]

    def entrance(
        self, graph: ModelGraph, call: Call, held: dict[Tensor, _Holder], place: tuple[str, ...]
    ) -> None:
        """Follow a mask that comes in with an input of the model."""
        holder = held.setdefault(Tensor(call), _Holder())
        before, path = holder.mask, graph.path_of(call)
        if path in self.switched_on:
            held[Tensor(call)] = holder = _Holder(Mask.of(_named_by(place, call)))
        class_name = graph.layer(call).class_name
        masks = (before,), (holder.mask,)
        self.flows.append(CallFlow(graph, call, path, class_name, Rule.PASS, *masks, way=place))

    def call(
        self,
        graph: ModelGraph,
        call: Call,
        fillings: Mapping[int, Tensor],
        holders: list[_Holder],
        place: tuple[str, ...],
    ) -> list[_Holder]:
        """Follow the masks through one call; return its outputs."""
        layer, path = graph.layer(call), graph.path_of(call)
        if graph.arguments(call).kwargs:
            holders, masks = _with_given_masks(graph, call, fillings, holders, place)
        else:
            masks = [holder.mask for holder in holders]
        if layer.graph is not None:
            rule, carried = Rule.INNER, False
            for holder, mask in zip(holders, masks, strict=True):
                holder.mask = mask
            outputs = self.model(layer.graph, holders, (*place, str(call)))
            done = Done([holder.mask for holder in outputs])
            leaving = done.masks
        else:
            rule = rule_of(layer, graph.keras, self.declared.get(path))
            done = self.layer(graph, layer, rule, masks, (*place, str(call)), call)
            leaving = done.masks
            carried = _is_lost(masks, leaving) and self.carried(graph, call)
            if carried:
                leaving = [changed(next(mask for mask in masks if mask))]
            if rule is Rule.TAKE_QUERY:
                for holder in holders:
                    holder.mask = NO_MASK
            if self.switched_on and rule is not Rule.EMBEDDING and path in self.switched_on:
                leaving = [Mask.of(_named_by(place, call))]
            outputs = [_Holder(mask) for mask in leaving]
        self.flows.append(
            CallFlow(
                graph,
                call,
                path,
                layer.class_name,
                rule,
                tuple(masks),
                tuple(leaving),
                uses=done.uses,
                trains=rule is Rule.TRAIN and bool(masks[0]),
                fails=done.fails,
                carried=carried,
                way=place,
            )
        )
        return outputs

    def layer(
        self,
        graph: ModelGraph,
        layer: Layer,
        rule: Rule,
        masks: Sequence[Mask],
        place: tuple[str, ...],
        call: Call | None,
    ) -> Done:
        """Return what one layer does with masks; `call` is None for a wrapped layer."""
        if rule is Rule.EMBEDDING:
            path = "/".join(place) if call is None else graph.path_of(call)
            on = layer.config.get("mask_zero") or path in self.switched_on
            rule = Rule.SOURCE if on else Rule.DROP
        if rule is Rule.SOURCE:
            known = self.ranks.setdefault(id(graph), {})
            return Done([_made(graph, layer, place, call, known)])
        if rule is Rule.EACH_STEP:
            return self.each_step(graph, layer, masks, place)
        done = behave(rule, layer, graph.keras, masks)
        if done.uses and rule is Rule.RECURRENT and graph.keras == 3 and call is not None:
            hidden = hides_mask_by_state(graph.arguments(call))
            return Done(done.masks, done.uses and not hidden, done.fails)
        return done

    def each_step(
        self, graph: ModelGraph, layer: Layer, masks: Sequence[Mask], place: tuple[str, ...]
    ) -> Done:
        """Follow a mask into the layer or model that TimeDistributed applies to each step."""
        inner = layer.inner.get("layer")
        if inner is None:
            return Done([unknown(masks)] if any(masks) else [NO_MASK])
        mask = masks[0] if masks else NO_MASK
        step = sliced(mask)
        if inner.graph is not None:
            followed = _Following(self.switched_on, self.carried, self.declared, ranks=self.ranks)
            ends = followed.model(inner.graph, [_Holder(step)], (*place, inner.name))
            self.flows.extend(followed.flows)
            fails = next((flow.fails for flow in followed.flows if flow.fails), "")
            done = Done([end.mask for end in ends], any(f.uses for f in followed.flows), fails)
        else:
            rule = rule_of(inner, graph.keras)
            done = self.layer(graph, inner, rule, [step], (*place, inner.name), None)
            if graph.keras == 2 and mask and rule is Rule.DROP and inner.class_name != "Lambda":
                done = Done([NO_MASK], fails=f"{inner.class_name} in it fails when it gets a mask")
        return Done([of_each_step(graph.keras, mask, done.masks[0])], done.uses, done.fails)


def _shared(taken: _Holder, given: _Holder) -> _Holder:
    """Return one holder for the input and the output of a layer that hands it on."""
    return taken if taken.mask is given.mask else given


def _is_lost(masks: Sequence[Mask], leaving: Sequence[Mask]) -> bool:
    """Whether the mask of the steps alone comes in, and none goes out."""
    return not any(leaving) and any(mask and mask.axes == 1 for mask in masks)


def _named_by(place: tuple[str, ...], call: Call) -> str:
    return "/".join((*place, str(call)))


def _made(
    graph: ModelGraph,
    layer: Layer,
    place: tuple[str, ...],
    call: Call | None,
    ranks: dict[Tensor, int | None],
) -> Mask:
    """Return the mask that a source makes, as deep as its input is."""
    rank = None if call is None else rank_of(graph, graph.producers(call)[0], ranks)
    less = 2 if layer.class_name == "Masking" else 1
    return Mask.of("/".join(place), axes=1 if rank is None else max(rank - less, 0))


def _behind(held: Mapping[Tensor, _Holder], tensor: Tensor) -> Mask:
    """Return the mask of an output that was not foreseen: none, or what an unknown layer left."""
    first = held.get(Tensor(tensor.call))
    return NO_MASK if first is None or first.mask.known else first.mask


def _with_given_masks(
    graph: ModelGraph,
    call: Call,
    fillings: Mapping[int, Tensor],
    holders: Sequence[_Holder],
    place: tuple[str, ...],
) -> tuple[list[_Holder], list[Mask]]:
    """Return the tensors that a call takes, and their masks, those given as arguments put in."""
    given = given_masks(graph.arguments(call))
    held = dict(zip(fillings, holders, strict=True))
    kept = [one for hole, one in held.items() if hole not in given]
    masks = [holder.mask for holder in kept]
    for hole, number in given.items():
        if number < len(masks):
            source = fillings[hole].call
            if graph.layer(source).class_name == "MaskOf":
                masks[number] = held[hole].mask
                continue
            masks[number] = Mask.of(_named_by(place, masked_source(graph, source) or source))
    return kept, masks
