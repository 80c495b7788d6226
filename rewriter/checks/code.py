"""Describe a code such as RW101: its text, and the rule that finds it in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rewriter.checks.checked_model import CheckedModel


class Problem(NamedTuple):
    """A place where a rule applies.

    Parameters
    ----------
    layer : str
        Path of the layer; empty for the whole model.
    message : str
        What happens there, as a clause without a full stop.
    fix : str or None
        The pass that mends it here; by default that of the code.
    """

    layer: str
    message: str
    fix: str | None = ""


Rule = Callable[[CheckedModel], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for: findings, `explain` and the README's table come from it.

    Parameters
    ----------
    code, name : str
        ``RW101`` and a name in words; neither ever changes.
    title : str
        What is wrong, in one line.
    reason : str
        Why that matters.
    example : str
        The smallest model that shows it, in Python; ``keras`` and ``layers`` are those of the
        Keras in question.
    keras2, keras3 : str
        What each Keras does; empty where the fault cannot occur.
    source : str
        Where that can be read, or how it was seen.
    rule : callable
        Finds the places.
    fix : str or None
        The pass that mends it, as on the command line.
    since : str
        The version with which it began; empty for always.
    """

    code: str
    name: str
    title: str
    reason: str
    example: str
    keras2: str
    keras3: str
    source: str
    rule: Rule
    fix: str | None = None
    since: str = ""

    @property
    def dialects(self) -> tuple[int, ...]:
        """The Keras in which the fault can occur."""
        said = {2: self.keras2, 3: self.keras3}
        return tuple(keras for keras, words in said.items() if words)
