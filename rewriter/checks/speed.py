"""RW4xx: settings that cost speed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rewriter.checks.code import Code, Found
from rewriter.checks.subject import Place, Subject

_FUSED = frozenset({"LSTM", "GRU"})


def closed_fast_path(model: Subject) -> Iterator[Found]:
    """Find LSTM and GRU layers that cannot run on cuDNN."""
    for place in model.layers(_FUSED):
        reasons = _reasons(place)
        if reasons:
            only_rate = len(reasons) == 1 and reasons[0].startswith("recurrent_dropout")
            yield Found(
                place.path,
                f"{', '.join(reasons)}: the fast cuDNN kernel is closed on a GPU",
                "externalise-dropout" if only_rate else None,
            )


def _reasons(place: Place) -> list[str]:
    config = place.config
    wanted: list[tuple[str, Any]] = [
        ("activation", "tanh"),
        ("recurrent_activation", "sigmoid"),
        ("use_bias", True),
        ("unroll", False),
    ]
    if place.layer.class_name == "GRU":
        wanted.append(("reset_after", True))
    found = [
        f"{key}={_short(config[key])}"
        for key, value in wanted
        if key in config and config[key] != value
    ]
    rate = place.number("recurrent_dropout")
    return [f"recurrent_dropout={rate:g}", *found] if rate > 0 else found


def _short(value: Any) -> str:
    return str(value) if isinstance(value, str | bool | int | float) else "a function of its own"


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
