"""Convert the weights of single layers: one function for each name in the table.

Each takes the arrays of the layer in Keras 2, in its order, and returns those of Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Sequence[NDArray[Any]]


def same(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """Return the weights as they are."""
    return list(arrays)


def without_renorm(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """Leave out the statistics of ``renorm``, which stand behind the others."""
    if len(arrays) < 7:
        return list(arrays)
    return list(arrays)[:4]


def spectral(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """Return kernel, u, bias for kernel, bias, u."""
    first, *rest = arrays
    return [first, *rest[-1:], *rest[:-1]]


def cudnn_lstm(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """Return the weights of LSTM for those of CuDNNLSTM, whose biases are two."""
    kernel, recurrent, bias = arrays
    both = bias[: len(bias) // 2] + bias[len(bias) // 2 :]
    return [*_transposed(kernel, recurrent, gates=4), both]


def cudnn_gru(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """Return the weights of GRU(reset_after=True) for those of CuDNNGRU."""
    kernel, recurrent, bias = arrays
    return [*_transposed(kernel, recurrent, gates=3), bias.reshape(2, -1)]


def _transposed(kernel: Any, recurrent: Any, gates: int) -> list[Any]:
    """Return kernels as the other layers hold them: cuDNN's are transposed, gate by gate."""
    import numpy as np

    kernels = [each.T.reshape(each.shape, order="F") for each in np.split(kernel, gates, axis=1)]
    recurrents = [each.T for each in np.split(recurrent, gates, axis=1)]
    return [np.hstack(kernels), np.hstack(recurrents)]


WEIGHTS: Mapping[str, Callable[[Arrays, Mapping[str, Any]], Arrays]] = {
    "": same,
    "without_renorm": without_renorm,
    "spectral": spectral,
    "cudnn_lstm": cudnn_lstm,
    "cudnn_gru": cudnn_gru,
}

REORDERED = frozenset({"", "without_renorm", "spectral"})
"""Those that leave the arrays as they are, but for their order."""
