"""Describe the mask of a tensor: where it comes from, and what joined or changed it.

Equal masks are one object, so that they are compared by identity; a mask has at most
`LARGEST` parts, those of its parts counted, and beyond that it is `TOO_LARGE`, which is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from weakref import WeakValueDictionary

LARGEST = 256
"""Parts of a mask that are kept, at any depth."""

_SHOWN_PARTS = 24
_SHOWN_SOURCES = 8


class Join(str, Enum):
    """How a mask is made of others."""

    SOURCE = "source"
    """Not at all: it is the mask of the one source that is named."""
    AND = "and"
    """A step counts if it counts in all parts."""
    OR = "or"
    """A step counts if it counts in one part."""
    THEN = "then"
    """The steps of the parts stand one behind the other."""
    ANY = "any"
    """A step counts if anything within it counts: the last axis is reduced."""
    EVERY = "every"
    """Every step counts; a mask is there, but hides nothing."""
    CHANGED = "changed"
    """The steps were changed with the sequence: cut, added, strided or repeated."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Mask:
    """The mask of a tensor. It is made by the functions of this module alone.

    Parameters
    ----------
    sources : tuple of str
        Paths of the layers whose masks it is made of; none for a tensor without a mask.
    known : bool
        False where a layer that this program does not know may have changed it.
    join : Join or None
        How it is made of its parts; None for a tensor without a mask.
    parts : tuple of Mask
        The masks that it is made of.
    axes : int
        Axes of the mask besides the batch; 1 is the time axis alone.
    size : int
        How many parts it is made of, those of its parts counted.

    Examples
    --------
    >>> str(joined(Join.AND, [Mask.of("first"), Mask.of("second"), Mask.of("first")]))
    'first and second'
    >>> Mask.of("first") is Mask.of("first")
    True
    >>> bool(NO_MASK), str(NO_MASK), str(EVERY_STEP)
    (False, 'none', 'every step')
    """

    sources: tuple[str, ...] = ()
    known: bool = True
    join: Join | None = None
    parts: tuple[Mask, ...] = ()
    axes: int = 1
    size: int = 1

    @classmethod
    def of(cls, source: str, axes: int = 1) -> Mask:
        """Return the mask that a layer makes."""
        return _the_one((source,), join=Join.SOURCE, axes=axes)

    def __bool__(self) -> bool:
        return self.join is not None

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        if self.join is None:
            return "none"
        if self.join is Join.EVERY:
            return "every step"
        if len(self.parts) < 2 or self.size > _SHOWN_PARTS:
            return _listed(self.sources)
        shown = (f"({part})" if len(part.parts) > 1 else str(part) for part in self.parts)
        return f" {self.join.value} ".join(shown)

    def __reduce__(self) -> tuple[object, ...]:
        """Be the one mask also where it was pickled or copied."""
        return _the_one, (self.sources, self.known, self.join, self.parts, self.axes)


def _listed(sources: Sequence[str]) -> str:
    shown = " and ".join(sources[:_SHOWN_SOURCES])
    more = len(sources) - _SHOWN_SOURCES
    return f"{shown} and {more} more" if more > 0 else shown


_MASKS: WeakValueDictionary[tuple[object, ...], Mask] = WeakValueDictionary()
_MAKING = Lock()


def _the_one(
    sources: tuple[str, ...] = (),
    known: bool = True,
    join: Join | None = None,
    parts: tuple[Mask, ...] = (),
    axes: int = 1,
) -> Mask:
    """Return the mask that is so, made now or before."""
    size = 1 + sum(part.size for part in parts)
    if size > LARGEST or len(sources) > LARGEST:
        return TOO_LARGE
    key = (sources, known, join, parts, axes)
    with _MAKING:
        found = _MASKS.get(key)
        if found is None:
            _MASKS[key] = found = Mask(*key, size)
    return found


def _sources_of(masks: Iterable[Mask]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for mask in masks for source in mask.sources))


NO_MASK = _the_one()
EVERY_STEP = _the_one(join=Join.EVERY)
TOO_LARGE = _the_one(known=False, join=Join.AND)
"""Of a mask with more than `LARGEST` parts, and of all that is made of it."""


def joined(join: Join, masks: Sequence[Mask]) -> Mask:
    """Return the mask that is made of others.

    Equal parts of ``and`` and ``or`` count once, and parts of the same kind are taken apart;
    ``or`` with a part in which every step counts is such a part.

    Examples
    --------
    >>> joined(Join.OR, [Mask.of("ids"), EVERY_STEP]) is EVERY_STEP
    True
    """
    if not masks:
        return NO_MASK
    if TOO_LARGE in masks:
        return TOO_LARGE
    first = masks[0]
    if join is Join.THEN:
        if all(mask.join is Join.EVERY for mask in masks):
            return EVERY_STEP
        parts = tuple(masks)
    elif all(mask is first for mask in masks):
        return first
    else:
        flat = [part for mask in masks for part in _apart(mask, join)]
        parts = tuple(dict.fromkeys(flat))
        if join is Join.OR and EVERY_STEP in parts:
            return EVERY_STEP
        if join is Join.AND:
            parts = tuple(part for part in parts if part.join is not Join.EVERY) or parts[:1]
        if len(parts) == 1:
            return parts[0]
    known = all(mask.known for mask in masks)
    return _the_one(_sources_of(parts), known, join, parts, max(mask.axes for mask in masks))


def _apart(mask: Mask, join: Join) -> tuple[Mask, ...]:
    """Return the parts of a mask that is joined in the same way; an unknown one has none."""
    return mask.parts if mask.join is join and mask.parts else (mask,)


def changed(mask: Mask) -> Mask:
    """Return a mask whose steps were changed with those of its sequence."""
    if not mask:
        return mask
    if mask is TOO_LARGE:
        return mask
    return _the_one(mask.sources, mask.known, Join.CHANGED, (mask,), mask.axes)


def reduced(mask: Mask) -> Mask:
    """Return a mask without its last axis: what counts is whether anything does."""
    return _the_one(mask.sources, mask.known, Join.ANY, (mask,), mask.axes - 1)


def unknown(masks: Sequence[Mask]) -> Mask:
    """Return what may be left of masks behind a layer that is not known."""
    if TOO_LARGE in masks:
        return TOO_LARGE
    sources = _sources_of(masks)
    return _the_one(sources, known=False, join=Join.AND if sources else None)


def sliced(mask: Mask) -> Mask:
    """Return the mask of one step of a sequence of sequences."""
    if not mask or mask is TOO_LARGE:
        return mask
    return _the_one(mask.sources, mask.known, mask.join, mask.parts, mask.axes - 1)


def made_inside(mask: Mask) -> Mask:
    """Return the mask that a layer in TimeDistributed makes, with the axis of the steps."""
    return _the_one(mask.sources, mask.known, Join.SOURCE, (), mask.axes + 1)
