"""Apply the mask rule of a layer: which masks go out, and whether it uses those it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rewriter.analysis.layer_kinds import returns_sequences
from rewriter.analysis.masks.mask import (
    EVERY_STEP,
    NO_MASK,
    Join,
    Mask,
    changed,
    joined,
    made_inside,
    reduced,
    unknown,
)
from rewriter.analysis.masks.table import Rule
from rewriter.graph.graph import Layer


@dataclass(frozen=True, slots=True)
class Done:
    """The masks that leave a layer, whether it used any, and why it fails."""

    masks: Sequence[Mask] = ()
    uses: bool = False
    fails: str = ""


def behave(rule: Rule, layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    """Return what a layer of a rule does with masks; of those that make none and wrap nothing.

    Examples
    --------
    >>> done = behave(Rule.RECURRENT, Layer("gru", "GRU", {}), 3, [Mask.of("emb")])
    >>> [str(mask) for mask in done.masks], done.uses
    (['none'], True)
    """
    first = masks[0] if masks else NO_MASK
    if first and first.axes != 1 and rule in _OF_TIME_ALONE:
        return Done([NO_MASK], fails=_WRONG_AXES)
    return _RULES[rule](layer, keras, masks)


_OF_TIME_ALONE = (Rule.RECURRENT, Rule.RECURRENT_END, Rule.USE)
_WRONG_AXES = "takes a mask of the time axis alone, and this one has more or fewer axes"


def of_each_step(keras: int, mask: Mask, inner: Mask) -> Mask:
    """Return the mask of TimeDistributed, given that of its input and what its layer gives.

    tf_keras/src/layers/rnn/time_distributed.py, `compute_mask`; in Keras 3 it is the input's.
    """
    if keras == 3:
        return mask
    if inner:
        known = mask.sources == inner.sources
        return mask if known else made_inside(inner)
    while mask and mask.axes > 1:
        mask = reduced(mask)
    return mask


Apply = Callable[[Layer, int, Sequence[Mask]], Done]


def _pass(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([masks[0]])


def _drop(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([NO_MASK])


def _use(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([NO_MASK], _hides(masks[0]))


def _recurrent(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    mask = masks[0] if returns_sequences(layer) else NO_MASK
    apart = layer.class_name == "Bidirectional" and layer.config.get("merge_mode", "") is None
    return Done([mask] * (2 if apart else 1), _hides(masks[0]))


def _and(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([joined(Join.AND, [mask for mask in masks if mask])])


def _or(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([joined(Join.OR, masks) if all(masks) else NO_MASK])


def _use_or(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done(_or(layer, keras, masks).masks, any(map(_hides, masks)))


def _concatenate(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    if not any(masks):
        return Done([NO_MASK])
    axis = layer.config.get("axis", -1)
    over_time = axis in (1, -2)
    if over_time and keras == 2 and not all(masks):
        return Done([NO_MASK], fails="joins over time what has a mask and what has none")
    present = [mask or EVERY_STEP for mask in masks]
    if over_time:
        return Done([joined(Join.THEN, present)])
    return Done([joined(Join.AND if keras == 2 else Join.OR, present)])


def _query(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    # The third input of Attention, the keys, is used without its mask.
    used = masks[:2] if layer.class_name in ("Attention", "AdditiveAttention") else masks
    return Done([masks[0]], any(map(_hides, used)))


def _fail(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([masks[0]], fails="fails when it gets a mask" if any(masks) else "")


def _fail_on_sequence(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    return Done([masks[0]], fails="fails when it gets a mask with a sequence" if masks[0] else "")


def _carry(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    mask = masks[1] if len(masks) > 1 else NO_MASK
    return Done([changed(mask) if layer.config.get("steps") else mask])


def _unknown(layer: Layer, keras: int, masks: Sequence[Mask]) -> Done:
    some = any(mask or not mask.known for mask in masks)
    return Done([unknown(masks) if some else NO_MASK])


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
