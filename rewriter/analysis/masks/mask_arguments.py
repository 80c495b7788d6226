"""Read the masks given as call arguments, and find those that Keras does not pass on."""

from __future__ import annotations

from collections.abc import Mapping

from rewriter.graph.calls import Arguments, Hole
from rewriter.graph.nested import leaves

_MASK_ARGUMENTS: Mapping[str, int] = {"mask": 0, "query_mask": 0, "value_mask": 1, "key_mask": 2}
"""Arguments that give a mask, and the input that it is for."""


def given_masks(arguments: Arguments) -> dict[int, int]:
    """Return the holes that take a mask, each with the number of the input that it is for.

    Examples
    --------
    >>> given_masks(Arguments(args=[Hole(0)], kwargs={"mask": Hole(1)}))
    {1: 0}
    """
    found = {}
    for name, argument in arguments.kwargs.items():
        if name in _MASK_ARGUMENTS:
            for number, leaf in enumerate(leaves(argument), start=_MASK_ARGUMENTS[name]):
                if isinstance(leaf, Hole):
                    found[leaf.index] = number
    return found


def hides_mask_by_state(arguments: Arguments) -> bool:
    """Whether a recurrent layer of Keras 3 does not see its mask, for it gets its first state.

    Keras 3 hands a mask on by itself only to layers that are called on one tensor argument
    (keras/src/layers/layer.py, `Layer.__call__`, step 6).
    """
    state = arguments.kwargs.get("initial_state")
    more = list(arguments.args)[1:] if isinstance(arguments.args, list | tuple) else []
    if state is None and not more:
        return False
    given = any(isinstance(leaf, Hole) for leaf in leaves([state, more]))
    return given and arguments.kwargs.get("mask") is None
