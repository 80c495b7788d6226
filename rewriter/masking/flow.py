"""The way of the masks through a model, call by call."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.baked_masks import masked_source
from rewriter.graph import Call, Hole, Layer, ModelGraph, Tensor
from rewriter.kinds import returns_sequences
from rewriter.masking.mask import (
    EVERY_STEP,
    NO_MASK,
    Join,
    Mask,
    changed,
    joined,
    reduced,
    sliced,
    unknown,
)
from rewriter.masking.order import calls_in_order
from rewriter.masking.rank import rank_of
from rewriter.masking.table import HANDING_ON, Rule, rule_of
from rewriter.structure import leaves


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
    """
    following = _Following(frozenset(switched_on), carried or (lambda graph, call: False))
    following.model(graph, [_Holder() for _ in leaves(graph.inputs)], graph.path)
    return following.flows


@dataclass(slots=True)
class _Holder:
    """A live tensor, which may be the output of several layers and has one mask."""

    mask: Mask = NO_MASK


@dataclass(slots=True)
class _Following:
    switched_on: frozenset[str]
    carried: Callable[[ModelGraph, Call], bool]
    flows: list[CallFlow] = field(default_factory=list)

    def model(
        self, graph: ModelGraph, given: Sequence[_Holder], place: tuple[str, ...]
    ) -> list[_Holder]:
        """Follow the masks through one model; return its outputs.

        `place` has the calls that lead to the model: called twice, it gives two masks.
        """
        held: dict[Tensor, _Holder] = dict(zip(leaves(graph.inputs), given, strict=False))
        for call in calls_in_order(graph):
            fillings = graph.fillings(call)
            if not fillings:
                self.entrance(graph, call, held, place)
                continue
            inputs = {
                hole: held.get(tensor) or _Holder(_behind(held, tensor))
                for hole, tensor in fillings.items()
            }
            outputs = self.call(graph, call, inputs, place)
            if graph.layer(call).class_name in HANDING_ON[graph.keras] and len(inputs) == 1:
                outputs[0] = self.shared(next(iter(inputs.values())), outputs[0])
            for number, output in enumerate(outputs):
                held[Tensor(call, number)] = output
        return [held.get(end) or _Holder(_behind(held, end)) for end in leaves(graph.outputs)]

    def entrance(
        self,
        graph: ModelGraph,
        call: Call,
        held: dict[Tensor, _Holder],
        place: tuple[str, ...],
    ) -> None:
        """Follow a mask that comes in with an input of the model."""
        holder = held.setdefault(Tensor(call), _Holder())
        before = holder.mask
        if graph.path_of(call) in self.switched_on:
            held[Tensor(call)] = holder = _Holder(Mask.of(_source(place, call)))
        layer = graph.layer(call)
        masks = (before,), (holder.mask,)
        path = graph.path_of(call)
        self.flows.append(CallFlow(graph, call, path, layer.class_name, Rule.PASS, *masks))

    @staticmethod
    def shared(taken: _Holder, given: _Holder) -> _Holder:
        """Return one holder for the input and the output of a layer that hands it on."""
        return taken if taken.mask is given.mask else given

    def call(
        self,
        graph: ModelGraph,
        call: Call,
        inputs: Mapping[int, _Holder],
        place: tuple[str, ...],
    ) -> list[_Holder]:
        """Follow the masks through one call; return its outputs."""
        layer = graph.layer(call)
        holders, masks = _incoming(graph, call, inputs, place)
        if layer.graph is not None:
            for holder, mask in zip(holders, masks, strict=True):
                holder.mask = mask
            outputs = self.model(layer.graph, holders, (*place, str(call)))
            self.keep(graph, call, Rule.INNER, masks, [one.mask for one in outputs], _Done())
            return outputs
        rule = rule_of(layer, graph.keras, graph.declared)
        done = self.follow(graph, layer, rule, masks, (*place, str(call)), call)
        leaving = done.masks
        carried = _is_lost(masks, leaving) and self.carried(graph, call)
        if carried:
            leaving = [changed(next(mask for mask in masks if mask))]
        if rule is Rule.TAKE_QUERY:
            for holder in holders:
                holder.mask = NO_MASK
        if graph.path_of(call) in self.switched_on and rule is not Rule.EMBEDDING:
            leaving = [Mask.of(_source(place, call))]
        self.keep(graph, call, rule, masks, leaving, done, carried=carried)
        return [_Holder(mask) for mask in leaving]

    def keep(
        self,
        graph: ModelGraph,
        call: Call,
        rule: Rule,
        masks: Sequence[Mask],
        leaving: Sequence[Mask],
        done: _Done,
        *,
        carried: bool = False,
    ) -> None:
        self.flows.append(
            CallFlow(
                graph,
                call,
                graph.path_of(call),
                graph.layer(call).class_name,
                rule,
                tuple(masks),
                tuple(leaving),
                done.uses,
                rule is Rule.TRAIN and bool(masks[0]),
                done.fails,
                carried,
            )
        )

    def follow(
        self,
        graph: ModelGraph,
        layer: Layer,
        rule: Rule,
        masks: Sequence[Mask],
        place: tuple[str, ...],
        call: Call | None,
    ) -> _Done:
        """Return what one layer does with masks; `call` is None for a wrapped layer."""
        first = masks[0] if masks else NO_MASK
        if rule is Rule.EMBEDDING:
            on = layer.config.get("mask_zero") or layer_path("/".join(place)) in self.switched_on
            rule = Rule.SOURCE if on else Rule.DROP
        if rule is Rule.SOURCE:
            return _Done([_made(graph, layer, place, call)])
        if rule is Rule.EACH_STEP:
            return self.each_step(graph, layer, masks, place)
        done = _RULES[rule](layer, graph.keras, masks)
        if first.axes != 1 and first and rule in (Rule.RECURRENT, Rule.RECURRENT_END, Rule.USE):
            return _Done([NO_MASK], fails=_WRONG_AXES)
        ignored = graph.keras == 3 and rule is Rule.RECURRENT and _has_initial_state(graph, call)
        uses = done.uses and not ignored
        return _Done(done.masks, uses, done.fails)

    def each_step(
        self, graph: ModelGraph, layer: Layer, masks: Sequence[Mask], place: tuple[str, ...]
    ) -> _Done:
        """Follow a mask into the layer or model that TimeDistributed applies to each step."""
        inner = layer.inner.get("layer")
        if inner is None:
            return _Done([unknown(masks)] if any(masks) else [NO_MASK])
        mask = masks[0] if masks else NO_MASK
        step = sliced(mask)
        if inner.graph is not None:
            followed = _Following(self.switched_on, self.carried)
            ends = followed.model(inner.graph, [_Holder(step)], (*place, inner.name))
            self.flows.extend(followed.flows)
            fails = next((flow.fails for flow in followed.flows if flow.fails), "")
            done = _Done([end.mask for end in ends], any(f.uses for f in followed.flows), fails)
        else:
            rule = rule_of(inner, graph.keras)
            done = self.follow(graph, inner, rule, [step], (*place, inner.name), None)
            if graph.keras == 2 and mask and rule is Rule.DROP and inner.class_name != "Lambda":
                done = _Done([NO_MASK], fails=f"{inner.class_name} in it cannot stand a mask")
        return _Done([_each(graph.keras, mask, done.masks[0])], done.uses, done.fails)


def _each(keras: int, mask: Mask, inner: Mask) -> Mask:
    """Return the mask of TimeDistributed, given that of its input and what its layer gives.

    tf_keras/src/layers/rnn/time_distributed.py, `compute_mask`; in Keras 3 it is the input's.
    """
    if keras == 3:
        return mask
    if inner:
        known = mask.sources == inner.sources
        return mask if known else Mask(inner.sources, inner.known, Join.SOURCE, (), inner.axes + 1)
    while mask and mask.axes > 1:
        mask = reduced(mask)
    return mask


def _is_lost(masks: Sequence[Mask], leaving: Sequence[Mask]) -> bool:
    """Whether the mask of the steps alone comes in, and none goes out."""
    return not any(leaving) and any(mask and mask.axes == 1 for mask in masks)


@dataclass(frozen=True, slots=True)
class _Done:
    """The masks that leave a layer, whether it used any, and why it fails."""

    masks: Sequence[Mask] = ()
    uses: bool = False
    fails: str = ""


_WRONG_AXES = "takes a mask of the time axis alone, and this one has more or fewer axes"


def _source(place: tuple[str, ...], call: Call) -> str:
    return "/".join((*place, str(call)))


def layer_path(source: str) -> str:
    """Return the path of the layer that makes a mask, without the numbers of the calls.

    Examples
    --------
    >>> layer_path("encoder (call 2)/embedding")
    'encoder/embedding'
    """
    return _CALL_NUMBER.sub("", source)


_CALL_NUMBER = re.compile(r" \(call \d+\)")


def _made(graph: ModelGraph, layer: Layer, place: tuple[str, ...], call: Call | None) -> Mask:
    """Return the mask that a source makes, as deep as its input is."""
    rank = None if call is None else rank_of(graph, graph.producers(call)[0])
    less = 2 if layer.class_name == "Masking" else 1
    return Mask.of("/".join(place), axes=1 if rank is None else max(rank - less, 0))


def _behind(held: Mapping[Tensor, _Holder], tensor: Tensor) -> Mask:
    """Return the mask of an output that was not foreseen: none, or what an unknown layer left."""
    first = held.get(Tensor(tensor.call))
    return NO_MASK if first is None or first.mask.known else first.mask


def _incoming(
    graph: ModelGraph, call: Call, inputs: Mapping[int, _Holder], place: tuple[str, ...]
) -> tuple[list[_Holder], list[Mask]]:
    """Return the tensors that a call takes, and their masks, those given as arguments put in."""
    explicit = {}
    for name, argument in graph.arguments(call).kwargs.items():
        if name in _MASK_ARGUMENTS:
            first = _MASK_ARGUMENTS[name]
            for number, leaf in enumerate(leaves(argument), start=first):
                if isinstance(leaf, Hole):
                    explicit[leaf.index] = number
    holders = [holder for hole, holder in inputs.items() if hole not in explicit]
    masks = [holder.mask for holder in holders]
    fillings = graph.fillings(call) if explicit else {}
    for hole, number in explicit.items():
        if number < len(masks):
            given = fillings[hole].call
            masks[number] = Mask.of(_source(place, masked_source(graph, given) or given))
    return holders, masks


# Arguments that give a mask, and the input that it is for.
_MASK_ARGUMENTS = {"mask": 0, "query_mask": 0, "value_mask": 1, "key_mask": 2}


def _has_initial_state(graph: ModelGraph, call: Call | None) -> bool:
    """Whether a recurrent layer gets its first state as an input.

    Keras 3 hands a mask on by itself only to layers that are called on one tensor argument, so
    that a recurrent layer with an initial state does not see it
    (keras/src/layers/layer.py, `Layer.__call__`, step 6).
    """
    if call is None:
        return False
    arguments = graph.arguments(call)
    state = arguments.kwargs.get("initial_state")
    more = list(arguments.args)[1:] if isinstance(arguments.args, list | tuple) else []
    given = any(isinstance(leaf, Hole) for leaf in leaves([state, more]))
    return given and arguments.kwargs.get("mask") is None


Apply = Callable[[Layer, int, Sequence[Mask]], _Done]


def _pass(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([masks[0]])


def _drop(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([NO_MASK])


def _use(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([NO_MASK], _hides(masks[0]))


def _recurrent(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    mask = masks[0] if returns_sequences(layer) else NO_MASK
    apart = layer.class_name == "Bidirectional" and layer.config.get("merge_mode", "") is None
    return _Done([mask] * (2 if apart else 1), _hides(masks[0]))


def _and(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([joined(Join.AND, [mask for mask in masks if mask])])


def _or(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([joined(Join.OR, masks) if all(masks) else NO_MASK])


def _use_or(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done(_or(layer, keras, masks).masks, any(map(_hides, masks)))


def _concatenate(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    if not any(masks):
        return _Done([NO_MASK])
    axis = layer.config.get("axis", -1)
    over_time = axis in (1, -2)
    if over_time and keras == 2 and not all(masks):
        return _Done([NO_MASK], fails="joins over time what has a mask and what has none")
    present = [mask or EVERY_STEP for mask in masks]
    if over_time:
        return _Done([joined(Join.THEN, present)])
    return _Done([joined(Join.AND if keras == 2 else Join.OR, present)])


def _query(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    # The third input of Attention, the keys, is used without its mask.
    used = masks[:2] if layer.class_name in ("Attention", "AdditiveAttention") else masks
    return _Done([masks[0]], any(map(_hides, used)))


def _fail(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([masks[0]], fails="cannot stand a mask" if any(masks) else "")


def _fail_on_sequence(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    return _Done([masks[0]], fails="cannot stand a mask on a sequence" if masks[0] else "")


def _carry(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    mask = masks[1] if len(masks) > 1 else NO_MASK
    return _Done([changed(mask) if layer.config.get("steps") else mask])


def _unknown(layer: Layer, keras: int, masks: Sequence[Mask]) -> _Done:
    some = any(mask or not mask.known for mask in masks)
    return _Done([unknown(masks) if some else NO_MASK])


def _hides(mask: Mask) -> bool:
    """Whether a mask may hide a step."""
    return bool(mask) and mask.join is not Join.EVERY


_RULES: Mapping[Rule, Apply] = {
    Rule.PASS: _pass,
    Rule.TRAIN: _pass,
    Rule.USE: _use,
    Rule.DROP: _drop,
    Rule.HAND_ON: _pass,
    Rule.RECURRENT: _recurrent,
    Rule.RECURRENT_END: _use,
    Rule.AND: _and,
    Rule.OR: _or,
    Rule.USE_OR: _use_or,
    Rule.CONCATENATE: _concatenate,
    Rule.QUERY: _query,
    Rule.TAKE_QUERY: _query,
    Rule.FAIL: _fail,
    Rule.FAIL_ON_SEQUENCE: _fail_on_sequence,
    Rule.CARRY: _carry,
    Rule.UNKNOWN: _unknown,
}


def flows_of(flows: Sequence[CallFlow], source: str) -> Iterator[CallFlow]:
    """Yield the calls that the mask of a layer comes to."""
    return (
        flow
        for flow in flows
        if any(source == layer_path(one) for mask in flow.masks_in for one in mask.sources)
    )
