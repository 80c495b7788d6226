"""For every code of `check`, the nearest model that has it not; and models built from text."""

from __future__ import annotations

import json
import textwrap

from rewriter.checks import CODES

NEIGHBOURS = {
    "RW101": """
        x = keras.Input((7, 4))
        y = layers.Dropout(0.5, noise_shape=(None, 1, 4))(x)
        model = keras.Model(x, layers.LSTM(2)(y))
    """,
    "RW102": """
        x = keras.Input((7, 4))
        y = layers.Dropout(0.5, noise_shape=(None, 7, 4))(x)
        model = keras.Model(x, layers.LSTM(2)(y))
    """,
    "RW103": """
        x = keras.Input(batch_shape=(None, 4))
        model = keras.Model(x, layers.Dense(2)(x))
    """,
    "RW104": """
        x = keras.Input(batch_shape=(4, 7, 3))
        model = keras.Model(x, layers.LSTM(2)(x))
    """,
    "RW105": """
        x = keras.Input((2, 2))
        reshape = keras.ops.reshape if hasattr(keras, "ops") else tf.reshape
        model = keras.Model(x, layers.Dense(2)(reshape(x, (-1, 4))))
    """,
    "RW106": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.TimeDistributed(layers.Dense(3))(x))
    """,
    "RW107": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.LSTM(2, unroll=True)(x))
    """,
    "RW201": """
        x = keras.Input((None, 1))
        y = layers.Dropout(0.5)(layers.Masking(0.0)(x))
        model = keras.Model(x, layers.LSTM(2)(y))
    """,
    "RW202": """
        x = keras.Input((None,))
        y = layers.Embedding(10, 4, mask_zero=True)(x)
        y = layers.Conv1D(4, 3, padding="same")(y)
        model = keras.Model(x, layers.GlobalMaxPooling1D()(y))
    """,
    "RW203": """
        x = keras.Input((5,))
        y = layers.Embedding(10, 4)(x)
        model = keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    """,
    "RW204": """
        x = keras.Input((3,))
        y = layers.Embedding(10, 4, mask_zero=True)(x)
        model = keras.Model(x, layers.Softmax()(layers.LSTM(3)(y)))
    """,
    "RW205": """
        x = keras.Input((None,), dtype="string")
        y = layers.StringLookup(vocabulary=["good", "bad"], mask_token="")(x)
        y = layers.Embedding(4, 4, mask_zero=True)(y)
        model = keras.Model(x, layers.LSTM(2)(y))
    """,
    "RW301": """
        x = keras.Input((4,))
        y = layers.Dropout(0.5)(x)
        model = keras.Model(x, layers.Dense(2)(y))
    """,
    "RW302": """
        x = keras.Input((4,))
        y = layers.Dropout(0.5)(layers.BatchNormalization()(x))
        model = keras.Model(x, layers.Dense(2)(y))
    """,
    "RW303": """
        x = keras.Input((4,))
        y = layers.Dropout(0.5)(x)
        model = keras.Model(x, layers.Dense(2, activation="softmax")(y))
    """,
    "RW304": """
        x = keras.Input((4,))
        y = layers.Dropout(0.5)(x)
        y = layers.Dropout(0.5)(layers.Dense(2)(y))
        model = keras.Model(x, layers.Dense(2)(y))
    """,
    "RW305": """
        x = keras.Input((4,))
        y = layers.Dropout(0.1)(x)
        model = keras.Model(x, layers.Dense(2)(y))
    """,
    "RW306": """
        x = keras.Input((4,))
        y = layers.Dropout(0.5)(x)
        model = keras.Model(x, layers.Dense(2, trainable=False)(y))
    """,
    "RW307": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.LSTM(2, dropout=0.5)(x))
    """,
    "RW401": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.LSTM(2, dropout=0.2)(x))
    """,
    "RW501": """
        x = keras.Input((4,))
        model = keras.Model(x, layers.Activation("relu")(x))
    """,
    "RW502": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.Conv1D(2, 2)(x))
    """,
    "RW503": """
        x = keras.Input((7, 4))
        model = keras.Model(x, layers.LSTM(2, recurrent_activation="sigmoid")(x))
    """,
}


EITHER = [(code.code, keras) for code in CODES.values() for keras in code.dialects]


# A config that Keras does not write any more is put into what it writes.
WRITTEN_BY_HAND = {"RW307": {"LSTM": {"implementation": 1}}}


def built(source: str, keras: int):
    """Run a model's source in one Keras and return the graph of what that Keras writes."""
    import tensorflow as tf

    if keras == 2:
        import tf_keras as module
    else:
        import keras as module
    names = {"keras": module, "layers": module.layers, "tf": tf}
    exec(textwrap.dedent(source), names)
    return json.loads(names["model"].to_json())


# Models of older versions may have it, this one refuses to build it.
REFUSED = [("RW204", 2)]
