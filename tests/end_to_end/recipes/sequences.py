"""Models of sequences as practitioners write them, each with a batch of what it is given."""

from __future__ import annotations

import numpy as np

from recipes.register import ids, numbers, recipe, words


@recipe
def sentiment(k):
    layers = k.layers
    model = k.Sequential(
        [
            layers.Input((None,), dtype="int32", name="ids"),
            layers.Embedding(50, 8, name="table"),
            layers.SpatialDropout1D(0.2, name="words"),
            layers.Bidirectional(layers.LSTM(6, dropout=0.2), name="both"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(1, activation="sigmoid", name="out"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model, {"ids": ids(50, 9)}


@recipe
def stacked_lstm(k):
    layers = k.layers
    model = k.Sequential(
        [
            layers.Input((12, 3), name="x"),
            layers.LSTM(6, return_sequences=True, name="one"),
            layers.Dropout(0.2, name="between"),
            layers.LSTM(6, recurrent_dropout=0.1, name="two"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(1, name="out"),
        ]
    )
    model.compile("rmsprop", "mse")
    return model, {"x": numbers(12, 3)}


@recipe
def forecast_with_masking(k):
    layers = k.layers
    x = layers.Input((10, 2), name="x")
    y = layers.Dropout(0.1, name="noise")(x)
    y = layers.Masking(-1.0, name="mask")(y)
    y = layers.GRU(5, name="gru")(y)
    return k.Model(x, layers.Dense(3, name="out")(y)), {"x": numbers(10, 2)}


@recipe
def seq2seq_with_states(k):
    layers = k.layers
    source = layers.Input((None,), dtype="int32", name="source")
    target = layers.Input((None,), dtype="int32", name="target")
    encoder = layers.LSTM(6, return_state=True, dropout=0.1, name="encoder")
    _, h, c = encoder(layers.Embedding(30, 5, name="source_table")(source))
    decoder = layers.LSTM(6, return_sequences=True, return_state=True, name="decoder")
    y, _, _ = decoder(layers.Embedding(40, 5, name="target_table")(target), initial_state=[h, c])
    y = layers.Dense(40, activation="softmax", name="words")(layers.Dropout(0.3, name="drop")(y))
    model = k.Model([source, target], y)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, {"source": ids(30, 7), "target": ids(40, 5)}


@recipe
def seq2seq_with_attention(k):
    layers = k.layers
    source = layers.Input((None,), dtype="int32", name="source")
    target = layers.Input((None,), dtype="int32", name="target")
    encoded = layers.GRU(6, return_sequences=True, name="encoder")(layers.Embedding(30, 6)(source))
    decoded = layers.GRU(6, return_sequences=True, name="decoder")(layers.Embedding(40, 6)(target))
    context = layers.Attention(name="attention")([decoded, encoded])
    both = layers.Dropout(0.2, name="drop")(layers.Concatenate(name="join")([decoded, context]))
    y = layers.TimeDistributed(layers.Dense(40, activation="softmax"), name="words")(both)
    return k.Model([source, target], y), {"source": ids(30, 7), "target": ids(40, 5)}


def block(k, y, name):
    layers = k.layers
    attended = layers.MultiHeadAttention(2, 4, dropout=0.1, name=f"{name}_attention")(y, y)
    y = layers.LayerNormalization(name=f"{name}_norm")(
        layers.Add(name=f"{name}_add")([y, layers.Dropout(0.1, name=f"{name}_drop")(attended)])
    )
    wide = layers.Dense(8, name=f"{name}_down")(
        layers.Dense(16, activation="relu", name=f"{name}_up")(y)
    )
    return layers.Add(name=f"{name}_last")([y, layers.Dropout(0.1, name=f"{name}_end")(wide)])


@recipe
def transformer_with_segments_and_positions(k):
    layers = k.layers
    tokens = layers.Input((8,), dtype="int32", name="tokens")
    segments = layers.Input((8,), dtype="int32", name="segments")
    positions = layers.Input((8,), dtype="int32", name="positions")
    y = layers.Add(name="sum")(
        [
            layers.Embedding(60, 8, name="token_table")(tokens),
            layers.Embedding(2, 8, name="segment_table")(segments),
            layers.Embedding(8, 8, name="position_table")(positions),
        ]
    )
    for name in ("one", "two"):
        y = block(k, y, name)
    y = layers.GlobalAveragePooling1D(name="average")(y)
    model = k.Model([tokens, segments, positions], layers.Dense(2, name="out")(y))
    data = {
        "tokens": ids(60, 8),
        "segments": np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 4, 0).astype("int32"),
        "positions": np.repeat([range(8)], 4, 0).astype("int32"),
    }
    return model, data


@recipe
def transformer_masked_already(k):
    layers = k.layers
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    y = layers.Embedding(60, 8, mask_zero=True, name="table")(tokens)
    y = block(k, block(k, y, "one"), "two")
    return k.Model(tokens, layers.Dense(3, name="tags")(y)), {"tokens": ids(60, 8)}


@recipe
def tagger_of_words_and_flags(k):
    layers = k.layers
    text = layers.Input((None,), dtype="int32", name="text")
    flags = layers.Input((None, 1), name="flags")
    y = layers.Concatenate(name="join")([layers.Embedding(50, 6, name="table")(text), flags])
    y = layers.Bidirectional(layers.GRU(5, return_sequences=True), name="both")(y)
    y = layers.TimeDistributed(layers.Dense(4, activation="softmax"), name="tags")(y)
    flagged = np.zeros((4, 6, 1), "float32")
    flagged[:, ::2] = 1
    return k.Model([text, flags], y), {"text": ids(50, 6), "flags": flagged}


@recipe
def convolutions_over_text(k):
    layers = k.layers
    text = layers.Input((20,), dtype="int32", name="text")
    y = layers.Dropout(0.2, name="words")(layers.Embedding(50, 6, name="table")(text))
    sizes = [
        layers.GlobalMaxPooling1D()(
            layers.Conv1D(4, size, activation="relu", name=f"conv{size}")(y)
        )
        for size in (2, 3)
    ]
    y = layers.Dropout(0.5, name="drop")(layers.Concatenate()(sizes))
    return k.Model(text, layers.Dense(2, name="out")(y)), {"text": ids(50, 20)}


@recipe
def convolution_and_recurrence(k):
    layers = k.layers
    text = layers.Input((None,), dtype="int32", name="text")
    y = layers.Embedding(50, 6, name="table")(text)
    y = layers.Conv1D(6, 3, padding="same", activation="relu", name="conv")(y)
    y = layers.LSTM(5, name="lstm")(layers.Dropout(0.2, name="drop")(y))
    return k.Model(text, layers.Dense(2, name="out")(y)), {"text": ids(50, 16)}


@recipe
def average_of_words(k):
    layers = k.layers
    text = layers.Input((None,), dtype="int32", name="text")
    y = layers.GlobalAveragePooling1D(name="average")(layers.Embedding(50, 6, name="table")(text))
    y = layers.Dense(4, activation="relu")(layers.Dropout(0.3, name="drop")(y))
    return k.Model(text, layers.Dense(2, name="out")(y)), {"text": ids(50, 9)}


@recipe
def siamese(k):
    layers = k.layers
    x = layers.Input((None,), dtype="int32")
    y = layers.LSTM(5, dropout=0.1, name="lstm")(layers.Embedding(40, 6, name="table")(x))
    encoder = k.Model(x, layers.Dropout(0.2, name="drop")(y), name="encoder")
    pair = [layers.Input((None,), dtype="int32", name=name) for name in ("left", "right")]
    y = layers.Dot(1, normalize=True, name="similarity")([encoder(each) for each in pair])
    return k.Model(pair, layers.Dense(1, name="out")(y)), {
        "left": ids(40, 6),
        "right": ids(40, 9, 1),
    }


@recipe
def document_of_sentences(k):
    layers = k.layers
    x = layers.Input((6,), dtype="int32")
    sentence = k.Model(x, layers.GRU(4)(layers.Embedding(40, 5, name="table")(x)), name="sentence")
    document = layers.Input((3, 6), dtype="int32", name="document")
    y = layers.TimeDistributed(sentence, name="each")(document)
    y = layers.GRU(4, name="gru")(layers.Dropout(0.2, name="drop")(y))
    given = np.random.default_rng(0).integers(1, 40, (4, 3, 6)).astype("int32")
    return k.Model(document, layers.Dense(2, name="out")(y)), {"document": given}


@recipe
def stateful_forecast(k):
    layers = k.layers
    x = layers.Input(batch_shape=(4, 6, 3), name="x")
    y = layers.LSTM(5, stateful=True, return_sequences=True, name="one")(x)
    y = layers.LSTM(5, stateful=True, name="two")(layers.Dropout(0.2, name="drop")(y))
    return k.Model(x, layers.Dense(1, name="out")(y)), {"x": numbers(6, 3)}


@recipe
def fixed_batch(k):
    layers = k.layers
    x = layers.Input(batch_shape=(4, 6, 3), name="x")
    y = layers.GRU(5, return_sequences=True, name="gru")(
        layers.Dropout(0.2, (4, 1, 3), name="noise")(x)
    )
    return k.Model(x, layers.Dense(1, name="out")(layers.Flatten()(y))), {"x": numbers(6, 3)}


@recipe
def film_of_convolutions(k):
    layers = k.layers
    x = layers.Input((4, 6, 6, 1), name="film")
    y = layers.ConvLSTM2D(3, 3, padding="same", dropout=0.1, return_sequences=True, name="one")(x)
    y = layers.BatchNormalization(name="norm")(layers.Dropout(0.2, name="drop")(y))
    y = layers.ConvLSTM2D(2, 3, padding="same", name="two")(y)
    return k.Model(x, layers.Conv2D(1, 1, name="out")(y)), {"film": numbers(4, 6, 6, 1)}


@recipe
def cells_in_a_row(k):
    layers = k.layers
    x = layers.Input((7, 3), name="x")
    y = layers.RNN([layers.LSTMCell(4, dropout=0.1), layers.GRUCell(3)], name="rnn")(
        layers.Dropout(0.1, name="d")(x)
    )
    return k.Model(x, layers.Dense(2, name="out")(y)), {"x": numbers(7, 3)}


@recipe
def monte_carlo(k):
    layers = k.layers
    x = layers.Input((5,), name="x")
    y = layers.Dropout(0.3, name="always")(layers.Dense(6, activation="relu")(x), training=True)
    return k.Model(x, layers.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def wavenet(k):
    layers = k.layers
    x = layers.Input((16, 2), name="x")
    y = x
    for step in (1, 2, 4):
        more = layers.Conv1D(4, 2, dilation_rate=step, padding="causal", name=f"conv{step}")(y)
        more = layers.SpatialDropout1D(0.1, name=f"drop{step}")(layers.Activation("relu")(more))
        y = layers.Add(name=f"add{step}")([layers.Conv1D(4, 1, name=f"skip{step}")(y), more])
    return k.Model(x, layers.Dense(1, name="out")(y)), {"x": numbers(16, 2)}


@recipe
def text_to_class(k):
    layers = k.layers
    text = layers.Input((4,), dtype="string", name="text")
    y = layers.StringLookup(vocabulary=["a", "b", "c"], mask_token="", name="lookup")(text)
    y = layers.GRU(4, name="gru")(layers.Embedding(5, 6, name="table")(y))
    return k.Model(text, layers.Dense(2, name="out")(layers.Dropout(0.2)(y))), {"text": words(4)}


@recipe
def speech_with_ctc(k):
    own = loss_layer(k)
    layers = k.layers
    sound = layers.Input((16, 5), name="sound")
    labels = layers.Input((3,), name="labels")
    y = layers.Conv1D(6, 3, padding="same", activation="relu", name="conv")(sound)
    y = layers.BatchNormalization(name="norm")(layers.Dropout(0.2, name="noise")(y))
    y = layers.Bidirectional(layers.LSTM(5, return_sequences=True, dropout=0.25), name="both")(y)
    y = layers.Dense(8, activation="softmax", name="letters")(layers.Dropout(0.2, name="drop")(y))
    model = k.Model([sound, labels], own(name="loss")([labels, y]))
    return model, {"sound": numbers(16, 5), "labels": np.ones((4, 3), "float32")}


def loss_layer(k):
    @k.saving.register_keras_serializable("recipes")
    class LossLayer(k.layers.Layer):
        """Adds a loss of its inputs, and gives the second of them."""

        def call(self, inputs):
            labels, outputs = inputs
            self.add_loss(0.0 * (labels[0, 0] + outputs[0, 0, 0]))
            return outputs

        def compute_output_shape(self, shapes):
            return shapes[1]

    return LossLayer


CUSTOM = (loss_layer,)
