"""Models of sequences as practitioners write them, each with a batch of what it is given."""

from __future__ import annotations

import numpy as np
from recipes.register import ids, numbers, recipe, words


@recipe
def sentiment(k):
    L = k.layers
    model = k.Sequential(
        [
            L.Input((None,), dtype="int32", name="ids"),
            L.Embedding(50, 8, name="table"),
            L.SpatialDropout1D(0.2, name="words"),
            L.Bidirectional(L.LSTM(6, dropout=0.2), name="both"),
            L.Dropout(0.5, name="drop"),
            L.Dense(1, activation="sigmoid", name="out"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model, {"ids": ids(50, 9)}


@recipe
def stacked_lstm(k):
    L = k.layers
    model = k.Sequential(
        [
            L.Input((12, 3), name="x"),
            L.LSTM(6, return_sequences=True, name="one"),
            L.Dropout(0.2, name="between"),
            L.LSTM(6, recurrent_dropout=0.1, name="two"),
            L.BatchNormalization(name="norm"),
            L.Dense(1, name="out"),
        ]
    )
    model.compile("rmsprop", "mse")
    return model, {"x": numbers(12, 3)}


@recipe
def forecast_with_masking(k):
    L = k.layers
    x = L.Input((10, 2), name="x")
    y = L.Dropout(0.1, name="noise")(x)
    y = L.Masking(-1.0, name="mask")(y)
    y = L.GRU(5, name="gru")(y)
    return k.Model(x, L.Dense(3, name="out")(y)), {"x": numbers(10, 2)}


@recipe
def seq2seq_with_states(k):
    L = k.layers
    source = L.Input((None,), dtype="int32", name="source")
    target = L.Input((None,), dtype="int32", name="target")
    encoder = L.LSTM(6, return_state=True, dropout=0.1, name="encoder")
    _, h, c = encoder(L.Embedding(30, 5, name="source_table")(source))
    decoder = L.LSTM(6, return_sequences=True, return_state=True, name="decoder")
    y, _, _ = decoder(L.Embedding(40, 5, name="target_table")(target), initial_state=[h, c])
    y = L.Dense(40, activation="softmax", name="words")(L.Dropout(0.3, name="drop")(y))
    model = k.Model([source, target], y)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, {"source": ids(30, 7), "target": ids(40, 5)}


@recipe
def seq2seq_with_attention(k):
    L = k.layers
    source = L.Input((None,), dtype="int32", name="source")
    target = L.Input((None,), dtype="int32", name="target")
    encoded = L.GRU(6, return_sequences=True, name="encoder")(L.Embedding(30, 6)(source))
    decoded = L.GRU(6, return_sequences=True, name="decoder")(L.Embedding(40, 6)(target))
    context = L.Attention(name="attention")([decoded, encoded])
    both = L.Dropout(0.2, name="drop")(L.Concatenate(name="join")([decoded, context]))
    y = L.TimeDistributed(L.Dense(40, activation="softmax"), name="words")(both)
    return k.Model([source, target], y), {"source": ids(30, 7), "target": ids(40, 5)}


def block(k, y, name):
    L = k.layers
    attended = L.MultiHeadAttention(2, 4, dropout=0.1, name=f"{name}_attention")(y, y)
    y = L.LayerNormalization(name=f"{name}_norm")(
        L.Add(name=f"{name}_add")([y, L.Dropout(0.1, name=f"{name}_drop")(attended)])
    )
    wide = L.Dense(8, name=f"{name}_down")(L.Dense(16, activation="relu", name=f"{name}_up")(y))
    return L.Add(name=f"{name}_last")([y, L.Dropout(0.1, name=f"{name}_end")(wide)])


@recipe
def transformer_with_segments_and_positions(k):
    L = k.layers
    tokens = L.Input((8,), dtype="int32", name="tokens")
    segments = L.Input((8,), dtype="int32", name="segments")
    positions = L.Input((8,), dtype="int32", name="positions")
    y = L.Add(name="sum")(
        [
            L.Embedding(60, 8, name="token_table")(tokens),
            L.Embedding(2, 8, name="segment_table")(segments),
            L.Embedding(8, 8, name="position_table")(positions),
        ]
    )
    for name in ("one", "two"):
        y = block(k, y, name)
    y = L.GlobalAveragePooling1D(name="average")(y)
    model = k.Model([tokens, segments, positions], L.Dense(2, name="out")(y))
    data = {
        "tokens": ids(60, 8),
        "segments": np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 4, 0).astype("int32"),
        "positions": np.repeat([range(8)], 4, 0).astype("int32"),
    }
    return model, data


@recipe
def transformer_masked_already(k):
    L = k.layers
    tokens = L.Input((None,), dtype="int32", name="tokens")
    y = L.Embedding(60, 8, mask_zero=True, name="table")(tokens)
    y = block(k, block(k, y, "one"), "two")
    return k.Model(tokens, L.Dense(3, name="tags")(y)), {"tokens": ids(60, 8)}


@recipe
def tagger_of_words_and_flags(k):
    L = k.layers
    text = L.Input((None,), dtype="int32", name="text")
    flags = L.Input((None, 1), name="flags")
    y = L.Concatenate(name="join")([L.Embedding(50, 6, name="table")(text), flags])
    y = L.Bidirectional(L.GRU(5, return_sequences=True), name="both")(y)
    y = L.TimeDistributed(L.Dense(4, activation="softmax"), name="tags")(y)
    flagged = np.zeros((4, 6, 1), "float32")
    flagged[:, ::2] = 1
    return k.Model([text, flags], y), {"text": ids(50, 6), "flags": flagged}


@recipe
def convolutions_over_text(k):
    L = k.layers
    text = L.Input((20,), dtype="int32", name="text")
    y = L.Dropout(0.2, name="words")(L.Embedding(50, 6, name="table")(text))
    sizes = [
        L.GlobalMaxPooling1D()(L.Conv1D(4, size, activation="relu", name=f"conv{size}")(y))
        for size in (2, 3)
    ]
    y = L.Dropout(0.5, name="drop")(L.Concatenate()(sizes))
    return k.Model(text, L.Dense(2, name="out")(y)), {"text": ids(50, 20)}


@recipe
def convolution_and_recurrence(k):
    L = k.layers
    text = L.Input((None,), dtype="int32", name="text")
    y = L.Embedding(50, 6, name="table")(text)
    y = L.Conv1D(6, 3, padding="same", activation="relu", name="conv")(y)
    y = L.LSTM(5, name="lstm")(L.Dropout(0.2, name="drop")(y))
    return k.Model(text, L.Dense(2, name="out")(y)), {"text": ids(50, 16)}


@recipe
def average_of_words(k):
    L = k.layers
    text = L.Input((None,), dtype="int32", name="text")
    y = L.GlobalAveragePooling1D(name="average")(L.Embedding(50, 6, name="table")(text))
    y = L.Dense(4, activation="relu")(L.Dropout(0.3, name="drop")(y))
    return k.Model(text, L.Dense(2, name="out")(y)), {"text": ids(50, 9)}


@recipe
def siamese(k):
    L = k.layers
    x = L.Input((None,), dtype="int32")
    y = L.LSTM(5, dropout=0.1, name="lstm")(L.Embedding(40, 6, name="table")(x))
    encoder = k.Model(x, L.Dropout(0.2, name="drop")(y), name="encoder")
    pair = [L.Input((None,), dtype="int32", name=name) for name in ("left", "right")]
    y = L.Dot(1, normalize=True, name="similarity")([encoder(each) for each in pair])
    return k.Model(pair, L.Dense(1, name="out")(y)), {"left": ids(40, 6), "right": ids(40, 9, 1)}


@recipe
def document_of_sentences(k):
    L = k.layers
    x = L.Input((6,), dtype="int32")
    sentence = k.Model(x, L.GRU(4)(L.Embedding(40, 5, name="table")(x)), name="sentence")
    document = L.Input((3, 6), dtype="int32", name="document")
    y = L.TimeDistributed(sentence, name="each")(document)
    y = L.GRU(4, name="gru")(L.Dropout(0.2, name="drop")(y))
    given = np.random.default_rng(0).integers(1, 40, (4, 3, 6)).astype("int32")
    return k.Model(document, L.Dense(2, name="out")(y)), {"document": given}


@recipe
def stateful_forecast(k):
    L = k.layers
    x = L.Input(batch_shape=(4, 6, 3), name="x")
    y = L.LSTM(5, stateful=True, return_sequences=True, name="one")(x)
    y = L.LSTM(5, stateful=True, name="two")(L.Dropout(0.2, name="drop")(y))
    return k.Model(x, L.Dense(1, name="out")(y)), {"x": numbers(6, 3)}


@recipe
def fixed_batch(k):
    L = k.layers
    x = L.Input(batch_shape=(4, 6, 3), name="x")
    y = L.GRU(5, return_sequences=True, name="gru")(L.Dropout(0.2, (4, 1, 3), name="noise")(x))
    return k.Model(x, L.Dense(1, name="out")(L.Flatten()(y))), {"x": numbers(6, 3)}


@recipe
def film_of_convolutions(k):
    L = k.layers
    x = L.Input((4, 6, 6, 1), name="film")
    y = L.ConvLSTM2D(3, 3, padding="same", dropout=0.1, return_sequences=True, name="one")(x)
    y = L.BatchNormalization(name="norm")(L.Dropout(0.2, name="drop")(y))
    y = L.ConvLSTM2D(2, 3, padding="same", name="two")(y)
    return k.Model(x, L.Conv2D(1, 1, name="out")(y)), {"film": numbers(4, 6, 6, 1)}


@recipe
def cells_in_a_row(k):
    L = k.layers
    x = L.Input((7, 3), name="x")
    y = L.RNN([L.LSTMCell(4, dropout=0.1), L.GRUCell(3)], name="rnn")(L.Dropout(0.1, name="d")(x))
    return k.Model(x, L.Dense(2, name="out")(y)), {"x": numbers(7, 3)}


@recipe
def monte_carlo(k):
    L = k.layers
    x = L.Input((5,), name="x")
    y = L.Dropout(0.3, name="always")(L.Dense(6, activation="relu")(x), training=True)
    return k.Model(x, L.Dense(1, name="out")(y)), {"x": numbers(5)}


@recipe
def wavenet(k):
    L = k.layers
    x = L.Input((16, 2), name="x")
    y = x
    for step in (1, 2, 4):
        more = L.Conv1D(4, 2, dilation_rate=step, padding="causal", name=f"conv{step}")(y)
        more = L.SpatialDropout1D(0.1, name=f"drop{step}")(L.Activation("relu")(more))
        y = L.Add(name=f"add{step}")([L.Conv1D(4, 1, name=f"skip{step}")(y), more])
    return k.Model(x, L.Dense(1, name="out")(y)), {"x": numbers(16, 2)}


@recipe
def text_to_class(k):
    L = k.layers
    text = L.Input((4,), dtype="string", name="text")
    y = L.StringLookup(vocabulary=["a", "b", "c"], mask_token="", name="lookup")(text)
    y = L.GRU(4, name="gru")(L.Embedding(5, 6, name="table")(y))
    return k.Model(text, L.Dense(2, name="out")(L.Dropout(0.2)(y))), {"text": words(4)}


@recipe
def speech_with_ctc(k):
    own = loss_layer(k)
    L = k.layers
    sound = L.Input((16, 5), name="sound")
    labels = L.Input((3,), name="labels")
    y = L.Conv1D(6, 3, padding="same", activation="relu", name="conv")(sound)
    y = L.BatchNormalization(name="norm")(L.Dropout(0.2, name="noise")(y))
    y = L.Bidirectional(L.LSTM(5, return_sequences=True, dropout=0.25), name="both")(y)
    y = L.Dense(8, activation="softmax", name="letters")(L.Dropout(0.2, name="drop")(y))
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
