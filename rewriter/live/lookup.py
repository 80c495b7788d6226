"""The tables of lookup layers: state that is no weight, and in no config once it is adapted."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


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
