"""Train a copy of a model for a few steps, to see what breaks before your own training does."""

from __future__ import annotations

from rewriter.rehearsal.cases import TrainingCase
from rewriter.rehearsal.noise_result import NoiseMeasured
from rewriter.rehearsal.result import Compared, Rehearsal
from rewriter.rehearsal.run import rehearse_model

__all__ = ["Compared", "NoiseMeasured", "Rehearsal", "TrainingCase", "rehearse_model"]
