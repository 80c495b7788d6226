"""Training steps on a copy of a model, to see what breaks before the user's job does."""

from __future__ import annotations

from rewriter.rehearsal.cases import Case
from rewriter.rehearsal.noise_result import NoiseMeasured
from rewriter.rehearsal.result import Compared, Rehearsal
from rewriter.rehearsal.run import rehearse_model

__all__ = ["Case", "Compared", "NoiseMeasured", "Rehearsal", "rehearse_model"]
