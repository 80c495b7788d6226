"""Copy weights and other state from each layer of the original to the one made from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rewriter.errors import WeightsError
from rewriter.live.adapters import Live, LiveKeras

_ADDED_LATER = (
    "a pass cannot change how many weights a layer has, nor their shapes and types; where training "
    "or quantisation added variables after the layer was made, rewrite the model before that"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer of the rewritten model beside the one of the original that it comes from.

    Parameters
    ----------
    path : str
        Where the new layer stands.
    old, new : live layers
        The two.
    is_model : bool
        Whether they are nested models, whose layers are pairs of their own.
    """

    path: str
    old: Live
    new: Live
    is_model: bool = False


def copy_weights(keras: LiveKeras, pairs: Sequence[Pair], *, share: bool = False) -> None:
    """Copy variables, states, seeds and ``trainable`` from the old to the new layer of each pair.

    With `share`, the new layers get the old ones' variables themselves; seeds and states are
    copied.

    Raises
    ------
    WeightsError
        A variable has no counterpart, or one of another shape or dtype.
    """
    done: set[int] = set()
    for old, new, path in variable_pairs(keras, pairs):
        if id(new) not in done:
            done.add(id(new))
            if tuple(old.shape) != tuple(new.shape) or old.dtype != new.dtype:
                raise WeightsError(
                    f"variable {new.name} is {tuple(new.shape)} {new.dtype}, "
                    f"the original {old.name} is {tuple(old.shape)} {old.dtype}",
                    where=path,
                    fix=_ADDED_LATER,
                )
            if not share:
                keras.assign(new, old)
    if share:
        _share_weights(keras, pairs)
    for old, new, _ in layer_pairs(keras, pairs):
        keras.copy_trainable(old, new)
        keras.finish_state(new)


def check_complete(
    keras: LiveKeras, pairs: Sequence[Pair], removed: Sequence[Live], inserted: Sequence[Live]
) -> None:
    """Check that no variable was left over, but for those of layers that passes took or made.

    Parameters
    ----------
    keras : LiveKeras
        The Keras of both models.
    pairs : sequence of Pair
        The layers that were copied; the last pair is the two models.
    removed, inserted : sequence of live layers
        Layers of the original that have no follower, and new ones that follow none.

    Raises
    ------
    WeightsError
        Names the variable.
    """
    copied = list(variable_pairs(keras, pairs))
    for side, model, alone, what in (
        (0, pairs[-1].old, removed, "of the original is used by no layer"),
        (1, pairs[-1].new, inserted, "got no value from the original"),
    ):
        known = {id(each[side]) for each in copied}
        known |= {id(variable) for layer in alone for variable in getattr(layer, "weights", ())}
        for variable in model.weights:
            if id(variable) not in known and hasattr(variable, "shape"):
                name = getattr(variable, "path", variable.name)
                raise WeightsError(
                    f"variable {name} {what}",
                    where=pairs[-1].path,
                    fix="report it with the class of the layer; the original is as it was",
                )


def _share_weights(keras: LiveKeras, pairs: Sequence[Pair]) -> None:
    for old, new, path in layer_pairs(keras, pairs):
        for have, want in zip(keras.own_variables(old), keras.own_variables(new), strict=True):
            if not keras.share(new, want, have):
                raise WeightsError(
                    f"the layer holds {want.name} where it cannot be shared",
                    where=path,
                    fix='use weights="copy"',
                )
        for have, want in _passing_state(keras, old, new):
            keras.assign(want, have)


def variable_pairs(keras: LiveKeras, pairs: Sequence[Pair]) -> Iterator[tuple[Live, Live, str]]:
    """Yield each variable of the original, its counterpart, and the layer's path."""
    for old, new, path in layer_pairs(keras, pairs):
        yield from _own(keras, old, new, path)


def layer_pairs(keras: LiveKeras, pairs: Sequence[Pair]) -> Iterator[tuple[Live, Live, str]]:
    """Yield each layer of the original, what is in it too, its counterpart, and the path."""
    models = {id(pair.new) for pair in pairs if pair.is_model}

    def within(old: Live, new: Live, path: str) -> Iterator[tuple[Live, Live, str]]:
        yield old, new, path
        if id(new) in models:
            return  # its layers are pairs of their own, also inside a wrapper
        for below, above in _match(keras.sublayers(old), keras.sublayers(new), path):
            yield from within(below, above, f"{path}/{above.name}")

    for pair in pairs:
        yield from within(pair.old, pair.new, pair.path)


def _own(keras: LiveKeras, old: Live, new: Live, path: str) -> Iterator[tuple[Live, Live, str]]:
    have, want = keras.own_variables(old), keras.own_variables(new)
    if len(have) != len(want):
        raise WeightsError(
            f"the original has {len(have)} variables of its own, the new layer {len(want)}",
            where=path,
            fix=_ADDED_LATER,
        )
    for pair in zip(have, want, strict=True):
        yield (*pair, path)
    for pair in _passing_state(keras, old, new):
        yield (*pair, path)


def _passing_state(keras: LiveKeras, old: Live, new: Live) -> Iterator[tuple[Live, Live]]:
    """Yield the seeds, and the states of stateful layers, where both layers have as many."""
    for held in (keras.seeds, keras.layer_states):
        have, want = held(old), held(new)
        if len(have) == len(want):
            yield from zip(have, want, strict=True)


def _match(old: Sequence[Live], new: Sequence[Live], path: str) -> list[tuple[Live, Live]]:
    """Pair sublayers by place where their classes agree, else by name."""
    if [type(each) for each in old] == [type(each) for each in new]:
        return list(zip(old, new, strict=True))
    named = {each.name: each for each in old}
    missing = [each.name for each in new if each.name not in named]
    if missing:
        raise WeightsError(f"sublayer {missing[0]} has no counterpart", where=path)
    return [(named[each.name], each) for each in new]
