"""Weights and other state, copied from each layer to the one that follows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rewriter.errors import WeightsError
from rewriter.live import Live, LiveKeras


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
    """Copy variables, seeds and ``trainable`` from the old to the new layer of each pair.

    With `share`, the new layers get the old ones' variables themselves; seeds are copied.

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
                )
            if not share:
                keras.assign(new, old)
    if share:
        _share_weights(keras, pairs)
    _copy_trainable(keras, pairs)


def _share_weights(keras: LiveKeras, pairs: Sequence[Pair]) -> None:
    for old, new, path in layer_pairs(keras, pairs):
        for have, want in zip(keras.own_variables(old), keras.own_variables(new), strict=True):
            if not keras.share(new, want, have):
                raise WeightsError(
                    f"the layer holds {want.name} where it cannot be shared",
                    where=path,
                    fix='use weights="copy"',
                )
        for have, want in zip(keras.seeds(old), keras.seeds(new), strict=False):
            keras.assign(want, have)


def variable_pairs(keras: LiveKeras, pairs: Sequence[Pair]) -> Iterator[tuple[Live, Live, str]]:
    """Yield each variable of the original, its counterpart, and the layer's path."""
    for old, new, path in layer_pairs(keras, pairs):
        yield from _own(keras, old, new, path)


def layer_pairs(keras: LiveKeras, pairs: Sequence[Pair]) -> Iterator[tuple[Live, Live, str]]:
    """Yield each layer of the original, what is in it too, its counterpart, and the path."""
    for pair in pairs:
        if pair.is_model:
            yield pair.old, pair.new, pair.path
        else:
            yield from _layer(keras, pair.old, pair.new, pair.path)


def _layer(keras: LiveKeras, old: Live, new: Live, path: str) -> Iterator[tuple[Live, Live, str]]:
    yield old, new, path
    for below, above in _match(keras.sublayers(old), keras.sublayers(new), path):
        yield from _layer(keras, below, above, f"{path}/{above.name}")


def _own(keras: LiveKeras, old: Live, new: Live, path: str) -> Iterator[tuple[Live, Live, str]]:
    have, want = keras.own_variables(old), keras.own_variables(new)
    if len(have) != len(want):
        raise WeightsError(
            f"the original has {len(have)} variables of its own, the new layer {len(want)}",
            where=path,
        )
    for pair in zip(have, want, strict=True):
        yield (*pair, path)
    seeds, new_seeds = keras.seeds(old), keras.seeds(new)
    if len(seeds) == len(new_seeds):
        for pair in zip(seeds, new_seeds, strict=True):
            yield (*pair, path)


def _match(old: Sequence[Live], new: Sequence[Live], path: str) -> list[tuple[Live, Live]]:
    """Pair sublayers by place where their classes agree, else by name."""
    if [type(each) for each in old] == [type(each) for each in new]:
        return list(zip(old, new, strict=True))
    named = {each.name: each for each in old}
    missing = [each.name for each in new if each.name not in named]
    if missing:
        raise WeightsError(f"sublayer {missing[0]} has no counterpart", where=path)
    return [(named[each.name], each) for each in new]


def _copy_trainable(keras: LiveKeras, pairs: Sequence[Pair]) -> None:
    """Set what differs, models first: setting it on a layer sets it on its sublayers too."""
    for pair in reversed(pairs):
        if pair.is_model:
            pair.new._trainable = pair.old._trainable
        elif getattr(pair.new, "trainable", None) != getattr(pair.old, "trainable", None):
            pair.new.trainable = pair.old.trainable
