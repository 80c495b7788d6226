"""Ask Keras itself about live models; a package for each Keras."""

from rewriter.live.adapters import (
    Live,
    LiveKeras,
    NoiseKeras,
    TrainingKeras,
    keras_of,
    live_keras,
    noise_keras,
    require_tensorflow_backend,
    training_keras,
)
from rewriter.live.walk import layer_at

__all__ = [
    "Live",
    "LiveKeras",
    "NoiseKeras",
    "TrainingKeras",
    "keras_of",
    "layer_at",
    "live_keras",
    "noise_keras",
    "require_tensorflow_backend",
    "training_keras",
]
