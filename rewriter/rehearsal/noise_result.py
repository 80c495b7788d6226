"""Hold what was measured of the noise of one layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rewriter.analysis.noise_layers import MASKS
from rewriter.live.adapters import Live
from rewriter.verification.noise_statistics import Drawn

RATE_NAMES = ("rate", "dropout_rate", "drop_rate", "dropout", "p")
"""Under what name a layer may keep the rate of the noise on its input."""


@dataclass(frozen=True, slots=True)
class NoiseMeasured:
    """What a layer that draws noise did.

    Parameters
    ----------
    layer, class_name : str
        Path and class.
    known : bool
        Whether it is a noise layer of Keras or of this program, or a subclass of one.
    configured : float or None
        The rate that the layer says it has.
    in_training, at_inference : bool
        When its output was another than without noise.
    drawn : Drawn or None
        What was measured in training; at inference, if nothing was drawn in training. None
        where what the noise does inside the layer cannot be told from outside.
    constant_over_time : bool or None
        Whether the same units are dropped at all steps; None for a tensor without steps.
    on : str
        What the noise works on: the ``input`` of the layer, its ``state``, its ``output``, the
        ``scores`` of attention.
    """

    layer: str
    class_name: str
    known: bool
    configured: float | None
    in_training: bool
    at_inference: bool
    drawn: Drawn | None
    constant_over_time: bool | None
    on: str = "input"

    @property
    def drops(self) -> bool:
        """Whether it sets units to zero, where others add or multiply noise."""
        if self.drawn is None:
            return False
        return self.class_name in MASKS or (self.drawn.dropped > 0 and not self.is_alpha)

    @property
    def is_alpha(self) -> bool:
        """Whether it keeps mean and variance, but not the expectation of a unit."""
        return "Alpha" in self.class_name


def stated_rate(layer: Live, *names: str) -> float | None:
    """Return the rate that a layer says it has, if it is one."""
    for name in names or RATE_NAMES:
        rate: Any = getattr(layer, name, None)
        if isinstance(rate, int | float) and 0 < rate < 1:
            return float(rate)
    return None
