"""The mask of a tensor: whose it is, and how it was put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum


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


@dataclass(frozen=True, slots=True)
class Mask:
    """The mask of a tensor.

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

    Examples
    --------
    >>> str(joined(Join.AND, [Mask.of("first"), Mask.of("second"), Mask.of("first")]))
    'first and second'
    >>> bool(NO_MASK), str(NO_MASK), str(EVERY_STEP)
    (False, 'none', 'every step')
    """

    sources: tuple[str, ...] = ()
    known: bool = True
    join: Join | None = None
    parts: tuple[Mask, ...] = ()
    axes: int = 1

    @classmethod
    def of(cls, source: str, axes: int = 1) -> Mask:
        """Return the mask that a layer makes."""
        return cls((source,), join=Join.SOURCE, axes=axes)

    def __bool__(self) -> bool:
        return self.join is not None

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        if self.join is None:
            return "none"
        if self.join is Join.EVERY:
            return "every step"
        if len(self.parts) < 2:
            return " and ".join(self.sources)
        shown = (f"({part})" if len(part.parts) > 1 else str(part) for part in self.parts)
        return f" {self.join.value} ".join(shown)


NO_MASK = Mask()
EVERY_STEP = Mask(join=Join.EVERY)


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
    first = masks[0]
    if join is Join.THEN:
        if all(mask.join is Join.EVERY for mask in masks):
            return EVERY_STEP
        parts = tuple(masks)
    elif all(mask is first for mask in masks):
        return first
    else:
        flat = [part for mask in masks for part in (mask.parts if mask.join is join else (mask,))]
        parts = tuple(dict.fromkeys(flat))
        if join is Join.OR and EVERY_STEP in parts:
            return EVERY_STEP
        if join is Join.AND:
            parts = tuple(part for part in parts if part.join is not Join.EVERY) or parts[:1]
        if len(parts) == 1:
            return parts[0]
    sources = tuple(dict.fromkeys(source for part in parts for source in part.sources))
    known = all(mask.known for mask in masks)
    return Mask(sources, known, join, parts, max(mask.axes for mask in masks))


def changed(mask: Mask) -> Mask:
    """Return a mask whose steps were changed with those of its sequence."""
    if not mask:
        return mask
    return Mask(mask.sources, mask.known, Join.CHANGED, (mask,), mask.axes)


def reduced(mask: Mask) -> Mask:
    """Return a mask without its last axis: what counts is whether anything does."""
    return Mask(mask.sources, mask.known, Join.ANY, (mask,), mask.axes - 1)


def unknown(masks: Sequence[Mask]) -> Mask:
    """Return what may be left of masks behind a layer that is not known."""
    sources = tuple(dict.fromkeys(source for mask in masks for source in mask.sources))
    return Mask(sources, known=False, join=Join.AND if sources else None)


def sliced(mask: Mask) -> Mask:
    """Return the mask of one step of a sequence of sequences."""
    return replace(mask, axes=mask.axes - 1) if mask else mask
