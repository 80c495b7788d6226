"""Read the tables of lookup layers, and share them with another layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = 1000
"""So many words of a vocabulary are told."""


def vocabulary(layer: Any) -> tuple[str | int, ...]:
    """Return words or numbers that a lookup layer knows, without padding and unknown ones."""
    words = layer.get_vocabulary(include_special_tokens=False)[:_WORDS]
    return tuple(word if isinstance(word, str) else int(word) for word in words)


def pads(layer: Any, texts: NDArray[Any]) -> NDArray[Any]:
    """Return for each text whether TextVectorization pads it."""
    import numpy as np

    ids = layer(tf.convert_to_tensor(texts.reshape(-1), tf.string))  # whatever stands in rows
    if isinstance(ids, tf.RaggedTensor):
        return np.zeros(len(texts), bool)
    return np.asarray((np.asarray(ids) == 0).reshape(len(texts), -1).any(1))


def share_table(old: Any, new: Any) -> None:
    """Give a StringLookup or IntegerLookup of either Keras the table of another.

    A table is never changed, only replaced by another one, so that both may have it.
    """
    new.lookup_table = old.lookup_table
    new._frozen_vocab_size = old._frozen_vocab_size
    new._has_input_vocabulary = old._has_input_vocabulary
    weights = getattr(old, "idf_weights", None)
    if weights is None:
        return
    if getattr(new, "idf_weights", None) is None:
        new.idf_weights = tf.Variable(weights, trainable=False, shape=weights.shape)
    else:
        new.idf_weights.assign(weights)
    new.idf_weights_const = new.idf_weights.value()
