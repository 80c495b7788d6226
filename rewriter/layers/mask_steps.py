"""Change a mask as a layer changes the steps: strides, pooling, padding, cropping, repeating.

Plain Python over the few functions that the two do not write alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Steps:
    """How the steps of an output come from those of the input; by default they are the same.

    Parameters
    ----------
    window, stride, dilation : int
        Steps that one step of the output sees, from one to the next, and between two seen.
    padding : str
        ``valid``, ``same`` or ``causal``, as Keras has it.
    whole : bool
        Whether a step counts only if its whole window does. What stands outside the sequence
        counts. Otherwise the step in the middle of the window decides, or the last one where
        the padding is causal: the layer sees zeros in place of the others.
    cut, added : tuple of int
        Steps taken away or added, in front and behind. Added ones count.
    repeat : int
        How often each step stands in the output.
    """

    window: int = 1
    stride: int = 1
    dilation: int = 1
    padding: str = "valid"
    whole: bool = True
    cut: tuple[int, int] = (0, 0)
    added: tuple[int, int] = (0, 0)
    repeat: int = 1

    def to_config(self) -> dict[str, Any]:
        """Return what differs from the steps of the input, as a config has it."""
        plain = asdict(Steps())
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value != plain[key]
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Steps:
        """Return what `to_config` wrote.

        Examples
        --------
        >>> Steps.from_config({"cut": [1, 2]}).cut
        (1, 2)
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list | tuple) else value
            for key, value in config.items()
        }
        return cls(**values)

    @property
    def span(self) -> int:
        """Steps from the first to the last that a window sees."""
        return (self.window - 1) * self.dilation + 1

    @property
    def shifting(self) -> bool:
        """Whether more steps in front or behind may shift the windows."""
        return self.stride > 1


class Functions(Protocol):
    """What a Keras brings to change masks of the shape (batch, steps)."""

    def length(self, mask: Any) -> Any:
        """Return the number of steps."""

    def pad(self, mask: Any, front: int, behind: int) -> Any:
        """Return a mask with steps added that count."""

    def repeat(self, mask: Any, times: int) -> Any:
        """Return a mask with each step so many times."""

    def at_least_zero(self, number: Any) -> Any:
        """Return a number, or zero in the place of a negative one."""


def changed_mask(mask: Any, steps: Steps, functions: Functions) -> Any:
    """Return the mask of what a layer gives, given that of what it gets.

    Parameters
    ----------
    mask : boolean tensor
        Of shape (batch, steps); true where a step counts.
    steps : Steps
        What the layer does with the steps.
    functions : Functions
        Of the Keras in question.
    """
    if any(steps.added):
        mask = functions.pad(mask, *steps.added)
    if any(steps.cut):
        mask = mask[:, steps.cut[0] : functions.length(mask) - steps.cut[1]]
    if steps.repeat > 1:
        mask = functions.repeat(mask, steps.repeat)
    if steps.whole:
        return mask if steps.window == steps.stride == 1 else _whole(mask, steps, functions)
    if steps.stride == 1:
        return mask
    first = 0 if steps.padding == "causal" else (steps.span - 1) // 2
    if steps.padding == "same":
        first = first - _front(functions.length(mask), steps, functions)
    return mask[:, first :: steps.stride]


def _whole(mask: Any, steps: Steps, functions: Functions) -> Any:
    """Return which windows count with all their steps."""
    length, start = functions.length(mask), 0
    count = (length - steps.span) // steps.stride + 1
    if steps.padding == "same":
        margin = steps.span - 1
        count = -(-length // steps.stride)
        start = margin - _front(length, steps, functions)
        mask = functions.pad(mask, margin, margin)
    covered = functions.at_least_zero((count - 1) * steps.stride + 1)
    counts = None
    for place in range(steps.window):
        first = start + place * steps.dilation
        seen = mask[:, first : first + covered : steps.stride]
        counts = seen if counts is None else counts & seen
    return counts


def _front(length: Any, steps: Steps, functions: Functions) -> Any:
    """Return how many steps Keras adds in front where the padding is ``same``."""
    count = -(-length // steps.stride)
    return functions.at_least_zero((count - 1) * steps.stride + steps.span - length) // 2
