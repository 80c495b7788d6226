"""Keep hard_sigmoid, which is another function in Keras 3: hs2(x) = hs3(1.2 x).

Keras 2 computes ``clip(0.2 x + 0.5, 0, 1)``, Keras 3 ``relu6(x + 3) / 6``. Either a function of
this package stands in its place (`exact`), or the weights in front of it are multiplied by 1.2,
which needs no package (`stock`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rewriter.graph.changes import Action, Change
from rewriter.graph.graph import Layer
from rewriter.porting.refusals import RefusedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "hard_sigmoid"
KEYS = ("activation", "recurrent_activation")
FACTOR = 1.2

FUNCTION: Mapping[str, Any] = {
    "module": "builtins",
    "class_name": "function",
    "config": "rewriter>hard_sigmoid_of_keras2",
    "registered_name": "function",
}
"""The function of this package, as a file of Keras 3 names it."""

GATEWISE: Mapping[str, str] = {
    name: f"Gatewise{name}" for name in ("LSTM", "GRU", "LSTMCell", "GRUCell")
}
"""Layers of this package that save ``implementation=1``, which Keras 3 does not."""

FUSED: Mapping[str, str] = {f"ConvLSTM{rank}D": f"FusedConvLSTM{rank}D" for rank in (1, 2, 3)}
"""Layers of this package that add their bias as Keras 2 does.

They stand where hard_sigmoid needs this package anyway; elsewhere the layer of Keras 3 is within
a rounding error, and the file needs no package.
"""

_GATES: Mapping[str, tuple[tuple[int, ...], int]] = {
    **dict.fromkeys(("LSTM", "LSTMCell"), ((0, 1, 3), 4)),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), ((0, 1, 3), 4)),
    **dict.fromkeys(("GRU", "GRUCell"), ((0, 1), 3)),
}
"""Which parts of the last axis feed the recurrent activation, and of how many parts."""

_LINEAR = frozenset(
    {
        "Dense",
        "EinsumDense",
        "SimpleRNN",
        "SimpleRNNCell",
        *(f"Conv{rank}D" for rank in (1, 2, 3)),
        *(f"Conv{rank}DTranspose" for rank in (1, 2, 3)),
        *(f"DepthwiseConv{rank}D" for rank in (1, 2)),
        *(f"SeparableConv{rank}D" for rank in (1, 2)),
    }
)
"""Layers whose own activation alone gets the sum that their weights make."""

WITHOUT_GATES = 5e-4
"""How far outputs may move where ``implementation=1`` is left out: 1.2e-4 in a real model."""

SCALED = (
    "in training, steps differ from those of Keras 2, for its weights are scaled: by 7e-4 to 8e-3 "
    "after the first; the optimizer's slots for them start fresh"
)

_HELD = ("regularizer", "constraint")


@dataclass(frozen=True, slots=True)
class Scaling:
    """Which columns of a layer's weights are multiplied by 1.2.

    Parameters
    ----------
    parts : tuple of int
        Parts of the last axis.
    of : int
        The number of parts.
    first : int
        The first of the layer's weights that is scaled.
    """

    parts: tuple[int, ...] = (0,)
    of: int = 1
    first: int = 0

    def apply(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the weights of a layer, scaled.

        Examples
        --------
        >>> import numpy as np
        >>> Scaling((0,), 2).apply([np.array([10.0, 10.0])])[0].tolist()
        [12.0, 10.0]
        """
        return [
            array if number < self.first else self._scaled(array)
            for number, array in enumerate(arrays)
        ]

    def _scaled(self, array: NDArray[Any]) -> NDArray[Any]:
        new = array.copy()
        width = array.shape[-1] // self.of
        for part in self.parts:
            new[..., part * width : (part + 1) * width] *= array.dtype.type(FACTOR)
        return new


def keys_of(config: Mapping[str, Any]) -> list[str]:
    """Return the keys of a config that name hard_sigmoid."""
    return [key for key in KEYS if _is_hard_sigmoid(config.get(key))]


def _is_hard_sigmoid(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = value.get("config")
    return bool(value == NAME)


def exact(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with the function of this package for hard_sigmoid."""
    return {**config, **{key: dict(FUNCTION) for key in keys_of(config)}}


def is_gatewise(layer: Layer) -> bool:
    """Whether Keras 2 multiplies gate by gate in a layer, and Keras 3 would not.

    Where its fast path runs, and where ``recurrent_dropout`` is set, both Keras do alike.
    """
    config = layer.config
    if layer.class_name not in GATEWISE or config.get("implementation", 2) != 1:
        return False
    if config.get("recurrent_dropout"):
        return False
    return layer.class_name.endswith("Cell") or not _is_fast(layer)


def _is_fast(layer: Layer) -> bool:
    """Whether the fast path of Keras 2 runs a layer (tf_keras/src/layers/rnn/lstm.py)."""
    config = layer.config
    return (
        _name(config.get("activation", "tanh")) == "tanh"
        and _name(config.get("recurrent_activation", "sigmoid")) == "sigmoid"
        and not config.get("unroll", False)
        and bool(config.get("use_bias", True))
        and bool(config.get("reset_after", True))
    )


def _name(value: Any) -> Any:
    return value.get("config") if isinstance(value, Mapping) else value


def scaling(layer: Layer) -> Scaling | None:
    """Return how the weights of a layer are scaled for hard_sigmoid of Keras 3.

    Returns
    -------
    Scaling or None
        None where the layer has no weights to scale: Rescaling goes in front of it.

    Raises
    ------
    RefusedError
        Scaling does not give the same layer.
    """
    name, config = layer.class_name, layer.config
    own, gates = (_is_hard_sigmoid(config.get(key)) for key in KEYS)
    if name == "Activation":
        return None
    held = [key for key, value in config.items() if key.endswith(_HELD) and value is not None]
    held = [key for key in held if not key.startswith("activity")]
    if held:
        raise RefusedError(
            f"its weights would be scaled for hard_sigmoid, and {held[0]} counts them",
            "port it with --hard-sigmoid exact",
        )
    if name in _GATES:
        parts, of = _GATES[name] if gates else ((), _GATES[name][1])
        if own and of == 4:
            raise RefusedError(
                "its activation is hard_sigmoid, which it uses twice: no scaling is the same",
                "port it with --hard-sigmoid exact",
            )
        return Scaling((*parts, *((2,) if own else ())), of)
    if own and name in _LINEAR:
        return Scaling(first=1 if name.startswith("Separable") else 0)
    raise RefusedError(
        "no scaling of its weights makes hard_sigmoid of Keras 3 the same",
        "port it with --hard-sigmoid exact",
    )


def scaled_change(layer: Layer, where: str) -> Change:
    """Return the change that tells of scaled weights."""
    return Change(
        Action.CONFIGURE,
        where,
        layer.class_name,
        {"weights": "as in Keras 2"},
        {"weights": f"those that feed hard_sigmoid times {FACTOR}"},
        "hard_sigmoid of Keras 2 is that of Keras 3 at 1.2 times the sum",
        "port",
    )
