"""Models of sequences that attend, point, gate and label, as practitioners write them."""

from __future__ import annotations

import numpy as np

from recipes.register import ids, numbers, operations, recipe


@recipe
def perceiver(k):
    """Few latent rows ask a long sequence, again and again with the same layers."""
    layers = k.layers
    x = layers.Input((12, 5), name="x")
    latents = own_latents(k)(3, 6, name="latents")(x)
    seen = layers.Dense(6, name="project")(layers.Dropout(0.1, name="noise")(x))
    cross = layers.MultiHeadAttention(2, 3, dropout=0.1, name="cross")
    inside = layers.MultiHeadAttention(2, 3, name="inside")
    drop = layers.Dropout(0.1, name="drop")
    for _ in range(2):
        latents = layers.Add()([latents, drop(cross(latents, seen))])
        latents = layers.Add()([latents, inside(latents, latents)])
    y = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(latents))
    return k.Model(x, layers.Dense(2, name="out")(y)), {"x": numbers(12, 5)}


def own_latents(k):
    @k.saving.register_keras_serializable("recipes")
    class Latents(k.layers.Layer):
        """Gives the same trained rows to each sample."""

        def __init__(self, rows, units, **kwargs):
            super().__init__(**kwargs)
            self.rows, self.units = rows, units

        def build(self, shape):
            self.table = self.add_weight(
                name="table", shape=(self.rows, self.units), initializer="random_normal"
            )
            super().build(shape)

        def call(self, inputs):
            return self.table[None] + 0.0 * inputs[:, :1, :1]

        def compute_output_shape(self, shape):
            return (shape[0], self.rows, self.units)

        def get_config(self):
            return {**super().get_config(), "rows": self.rows, "units": self.units}

    return Latents


@recipe
def pointer_network(k):
    """The scores of an additive attention over the steps of the input are the output."""
    layers = k.layers
    cities = layers.Input((None, 2), name="cities")
    encoded, state = layers.GRU(
        6, return_sequences=True, return_state=True, dropout=0.1, name="encoder"
    )(layers.Masking(name="mask")(cities))
    decoded = layers.GRU(6, return_sequences=True, name="decoder")(
        layers.Dropout(0.2, name="drop")(encoded), initial_state=state
    )
    scores = layers.Dot((2, 2), name="scores")(
        [layers.Dense(6, name="query")(decoded), layers.Dense(6, name="key")(encoded)]
    )
    return k.Model(cities, layers.Softmax(name="pointer")(scores)), {"cities": numbers(5, 2)}


def pooled(k, y, name):
    """Return the average of the steps, weighted by what they say themselves."""
    layers = k.layers
    told = layers.Dense(5, activation="tanh", name=f"{name}_told")(y)
    weights = layers.Softmax(axis=1, name=f"{name}_weights")(
        layers.Dense(1, use_bias=False, name=f"{name}_score")(told)
    )
    y = layers.Dot((1, 1), name=f"{name}_pool")([weights, y])
    return layers.Reshape((-1,), name=f"{name}_flat")(y)


@recipe
def hierarchical_attention(k):
    """Words to sentences, sentences to paragraphs, these to a document: nested wrappers."""
    layers = k.layers
    x = layers.Input((5,), dtype="int32")
    y = layers.SpatialDropout1D(0.1, name="words")(layers.Embedding(40, 6, name="table")(x))
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(y)
    sentence = k.Model(x, pooled(k, y, "sentence"), name="sentence")
    x = layers.Input((3, 5), dtype="int32")
    y = layers.TimeDistributed(sentence, name="sentences")(x)
    y = layers.GRU(4, return_sequences=True, dropout=0.1, name="over_sentences")(y)
    paragraph = k.Model(
        x, layers.Dropout(0.2, name="drop")(pooled(k, y, "paragraph")), name="paragraph"
    )
    x = layers.Input((2, 3, 5), dtype="int32", name="document")
    y = layers.TimeDistributed(paragraph, name="paragraphs")(x)
    y = layers.TimeDistributed(layers.Dropout(0.1), name="noise")(y)
    y = layers.GlobalAveragePooling1D(name="average")(y)
    given = np.random.default_rng(0).integers(1, 40, (4, 2, 3, 5)).astype("int32")
    return k.Model(x, layers.Dense(2, name="out")(y)), {"document": given}


def gated(k, y, name):
    """Return a gated residual unit: a part of what it computes is let through."""
    layers = k.layers
    inner = layers.Dense(4, activation="elu", name=f"{name}_inner")(y)
    inner = layers.Dropout(0.1, name=f"{name}_drop")(layers.Dense(4, name=f"{name}_linear")(inner))
    gate = layers.Dense(4, activation="sigmoid", name=f"{name}_gate")(inner)
    opened = layers.Multiply(name=f"{name}_opened")([inner, gate])
    around = y if y.shape[-1] == 4 else layers.Dense(4, name=f"{name}_around")(y)
    return layers.LayerNormalization(name=f"{name}_norm")(
        layers.Add(name=f"{name}_add")([around, opened])
    )


@recipe
def temporal_fusion(k):
    """Past, known future and fixed features, gated and attended to, as quantiles."""
    layers = k.layers
    past = layers.Input((8, 3), name="past")
    future = layers.Input((4, 2), name="future")
    fixed = layers.Input((1,), dtype="int32", name="fixed")
    context = layers.Flatten()(layers.Embedding(7, 4, name="shops")(fixed))
    state = gated(k, context, "context")
    encoded, h, c = layers.LSTM(4, return_sequences=True, return_state=True, name="encoder")(
        gated(k, past, "past_unit"), initial_state=[state, state]
    )
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(
        gated(k, future, "future_unit"), initial_state=[h, c]
    )
    y = layers.Concatenate(axis=1, name="whole")([encoded, decoded])
    y = layers.Add()([y, layers.MultiHeadAttention(2, 2, dropout=0.1, name="attention")(y, y)])
    y = layers.Cropping1D((8, 0), name="last")(gated(k, y, "after"))
    outputs = layers.TimeDistributed(layers.Dense(3), name="quantiles")(y)
    data = {"past": numbers(8, 3), "future": numbers(4, 2), "fixed": ids(7, 1)}
    return k.Model([past, future, fixed], outputs), data


@recipe
def sessions_of_items(k):
    """GRU4Rec with features: items and categories of a session, both padded alike."""
    layers = k.layers
    items = layers.Input((None,), dtype="int32", name="items")
    kinds = layers.Input((None,), dtype="int32", name="kinds")
    y = layers.Concatenate(name="both")(
        [
            layers.Embedding(40, 6, mask_zero=True, name="item_table")(items),
            layers.Embedding(8, 2, mask_zero=True, name="kind_table")(kinds),
        ]
    )
    y = layers.GRU(8, return_sequences=True, dropout=0.1, name="one")(y)
    y = layers.GRU(8, recurrent_dropout=0.1, name="two")(layers.Dropout(0.25, name="drop")(y))
    model = k.Model([items, kinds], layers.Dense(40, name="scores")(y))
    model.compile("adagrad", k.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, {"items": ids(40, 6), "kinds": ids(8, 6, 1)}


def own_labels(k):
    @k.saving.register_keras_serializable("recipes")
    class Labels(k.layers.Layer):
        """Scores of label sequences: emissions with trained transitions added, as in a CRF."""

        def __init__(self, size, **kwargs):
            super().__init__(**kwargs)
            self.size, self.supports_masking = size, True

        def build(self, shape):
            self.transitions = self.add_weight(
                name="transitions", shape=(self.size, self.size), initializer="random_normal"
            )
            super().build(shape)

        def call(self, inputs, mask=None):
            import tensorflow as tf

            moved = tf.matmul(tf.nn.softmax(inputs[:, :-1]), self.transitions)
            scores = inputs + tf.pad(moved, [[0, 0], [1, 0], [0, 0]])
            return scores if mask is None else scores * tf.cast(mask, scores.dtype)[..., None]

        def compute_mask(self, inputs, mask=None):
            return mask

        def compute_output_shape(self, shape):
            return shape

        def get_config(self):
            return {**super().get_config(), "size": self.size}

    return Labels


@recipe
def tagger_with_transitions(k):
    """BiLSTM-CRF: a layer of the user's own at the end reads the mask."""
    layers = k.layers
    tokens = layers.Input((None,), dtype="int32", name="tokens")
    y = layers.Embedding(40, 6, mask_zero=True, name="table")(tokens)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.1), name="both")(
        layers.Dropout(0.3, name="words")(y)
    )
    y = layers.TimeDistributed(layers.Dense(5), name="emissions")(layers.Dropout(0.3)(y))
    return k.Model(tokens, own_labels(k)(5, name="labels")(y)), {"tokens": ids(40, 7)}


@recipe
def language_model_with_causal_mask(k):
    """A decoder: each step attends to those before it, and the head scores the vocabulary."""
    layers = k.layers
    tokens = layers.Input((8,), dtype="int32", name="tokens")
    places = own_latents(k)(8, 6, name="places")
    y = layers.Embedding(30, 6, name="table")(tokens)
    y = layers.Dropout(0.1, name="start")(layers.Add(name="placed")([y, places(y)]))
    for name in ("one", "two"):
        more = layers.LayerNormalization(name=f"{name}_norm")(y)
        more = layers.MultiHeadAttention(2, 3, dropout=0.1, name=f"{name}_attention")(
            more, more, use_causal_mask=True
        )
        y = layers.Add(name=f"{name}_add")([y, layers.Dropout(0.1, name=f"{name}_drop")(more)])
        wide = layers.Dense(12, activation="gelu", name=f"{name}_wide")(y)
        y = layers.Add(name=f"{name}_last")([y, layers.Dense(6, name=f"{name}_down")(wide)])
    return k.Model(tokens, layers.Dense(30, name="words")(y)), {"tokens": ids(30, 8)}


@recipe
def wavenet_with_skips(k):
    """Gated causal convolutions, whose skips are added up."""
    layers = k.layers
    x = layers.Input((None, 1), name="sound")
    y = layers.Conv1D(4, 2, padding="causal", name="start")(x)
    skips = []
    for step in (1, 2, 4):
        one, other = (
            layers.Conv1D(4, 2, dilation_rate=step, padding="causal", activation=kind)(y)
            for kind in ("tanh", "sigmoid")
        )
        z = layers.Dropout(0.1, name=f"drop{step}")(layers.Multiply()([one, other]))
        skips.append(layers.Conv1D(4, 1, name=f"skip{step}")(z))
        y = layers.Add()([y, layers.Conv1D(4, 1, name=f"on{step}")(z)])
    y = layers.ReLU()(layers.Add(name="skips")(skips))
    return k.Model(x, layers.Conv1D(6, 1, name="out")(y)), {"sound": numbers(16, 1)}


@recipe
def mixed_whole_numbers(k):
    """Ids that are cast, compared and embedded: nothing between may get noise."""
    layers, ops = k.layers, operations(k)
    codes = layers.Input((6,), name="codes")
    whole = ops.cast(codes, "int32")
    table = layers.Embedding(9, 4, name="table")(layers.Reshape((6,), name="row")(whole))
    y = layers.Dropout(0.2, name="drop")(layers.Flatten(name="flat")(table))
    y = layers.Concatenate(name="join")([y, ops.cast(ops.equal(whole, 3), "float32")])
    return k.Model(codes, layers.Dense(2, name="out")(y)), {"codes": ids(9, 6).astype("float32")}


CUSTOM = (own_latents, own_labels)
