"""Find settings that make a layer slow (RW4xx)."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.analysis.recurrent_layers import FUSED, fast_path_obstacles
from rewriter.checks.checked_model import CheckedModel
from rewriter.checks.code import Code, Problem


def closed_fast_path(model: CheckedModel) -> Iterator[Problem]:
    """Find LSTM and GRU layers that cannot run on cuDNN."""
    for place in model.layers(FUSED):
        reasons = fast_path_obstacles(place.layer)
        if reasons:
            only_rate = list(reasons) == ["recurrent_dropout"]
            yield Problem(
                place.path,
                f"{', '.join(reasons.values())}: on a GPU, Keras cannot run it with cuDNN",
                "externalise-dropout" if only_rate else None,
            )


CODES = (
    Code(
        "RW401",
        "closed-fast-path",
        "an LSTM or GRU that cannot use the cuDNN kernel",
        "On a GPU, LSTM and GRU run on cuDNN if activation is tanh, recurrent_activation sigmoid, "
        "recurrent_dropout 0, unroll False, use_bias True and, for GRU, reset_after True. "
        "Anything else takes the general loop, which was about 25 times slower in tf#38236. "
        "Input dropout costs nothing.",
        """
x = keras.Input((7, 4))
model = keras.Model(x, layers.LSTM(2, recurrent_dropout=0.2)(x))
""",
        "takes the general loop",
        "takes the general loop",
        "tf_keras/src/layers/rnn/lstm.py and keras/src/layers/rnn/lstm.py; tf#38236",
        closed_fast_path,
        fix="externalise-dropout",
    ),
)
