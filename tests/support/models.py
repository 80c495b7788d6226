"""One small model for each thing that a Functional or Sequential model can hold.

A model is made by a function of the Keras module, the same for both where both can; its
docstring names what it covers. `MODELS` has them by name, each with the Keras it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Named(NamedTuple):
    """A model that can be made, and the Keras that have what it takes."""

    make: Callable[[Any], Any]
    keras: tuple[int, ...]


MODELS: dict[str, Named] = {}


def covers(*keras: int):
    """Register a model, for both Keras unless told otherwise."""

    def register(make):
        MODELS[make.__name__] = Named(make, keras or (2, 3))
        return make

    return register


def number(k) -> int:
    return 2 if k.__name__ == "tf_keras" else 3


def encoder(k, name="encoder", size=4, units=4):
    """A nested model with noise in it."""
    x = k.Input((size,), name="x")
    y = k.layers.Dropout(0.5, name="drop")(x)
    return k.Model(x, k.layers.Dense(units, name="dense")(y), name=name)


def sequential(k, name="chain", size=4, units=4):
    return k.Sequential(
        [
            k.layers.InputLayer(**{shape_key(k): (None, size)}, name="start"),
            k.layers.Dense(units, name="dense"),
            k.layers.Dropout(0.5, name="drop"),
        ],
        name=name,
    )


def shape_key(k) -> str:
    return "batch_shape" if number(k) == 3 else "batch_input_shape"


# Sharing and nesting


@covers()
def plain_sequential(k):
    return sequential(k)


@covers()
def sequential_without_input_layer(k):
    model = k.Sequential([k.layers.Dense(3, name="a"), k.layers.Dropout(0.5, name="b")], name="m")
    model.build((None, 4))
    return model


@covers()
def sequential_with_equal_shapes_called_on_data(k):
    model = k.Sequential([k.layers.Dropout(0.2), k.layers.LSTM(3), k.layers.Dense(2)], name="m")
    model(np.zeros((4, 8, 3), "float32"))
    return model


@covers()
def layer_called_several_times(k):
    x = k.Input((4,))
    shared, drop = k.layers.Dense(4, name="shared"), k.layers.Dropout(0.5)
    return k.Model(x, shared(drop(shared(drop(shared(x))))))


@covers()
def layer_in_two_nested_models(k):
    shared, drop = k.layers.Dense(4, name="shared"), k.layers.Dropout(0.5, name="noise")
    nested = []
    for name in ("left", "right"):
        y = k.Input((4,), name=f"{name}_in")
        nested.append(k.Model(y, shared(drop(y)), name=name))
    x = k.Input((4,), name="x")
    return k.Model(x, nested[1](nested[0](x)))


@covers()
def layer_inside_a_wrapper_and_outside(k):
    shared = k.layers.Dense(3, name="shared")
    x, y = k.Input((5, 4)), k.Input((4,))
    return k.Model([x, y], [k.layers.TimeDistributed(shared)(x), shared(y)])


@covers()
def nested_model_called_several_times(k):
    inner = encoder(k)
    x = k.Input((4,))
    return k.Model(x, inner(inner(x)))


@covers()
def nested_model_in_two_models(k):
    inner = encoder(k)
    outer = []
    for name in ("left", "right"):
        y = k.Input((4,), name=f"{name}_in")
        outer.append(k.Model(y, inner(y), name=name))
    x = k.Input((4,))
    return k.Model(x, k.layers.Add()([outer[0](x), outer[1](x), inner(x)]))


@covers()
def nested_three_deep(k):
    model = encoder(k, "level0")
    for level in (1, 2, 3):
        x = k.Input((4,), name=f"in{level}")
        model = k.Model(x, k.layers.Dense(4, name="dense")(model(x)), name=f"level{level}")
    return model


@covers()
def functional_in_sequential(k):
    return k.Sequential(
        [k.layers.InputLayer(**{shape_key(k): (None, 4)}), encoder(k), k.layers.Dense(2)], name="m"
    )


@covers()
def functional_first_in_sequential(k):
    return k.Sequential([encoder(k), k.layers.Dropout(0.3), k.layers.Dense(2)], name="m")


@covers()
def sequential_in_functional(k):
    inner = sequential(k)
    x = k.Input((4,))
    return k.Model(x, inner(k.layers.Dropout(0.1)(inner(x))))


@covers()
def unbuilt_sequential_in_functional(k):
    inner = k.Sequential([k.layers.Dense(4), k.layers.Dropout(0.5)], name="inner")
    x = k.Input((4,))
    return k.Model(x, inner(inner(x)))


@covers()
def sequential_in_sequential(k):
    return k.Sequential(
        [k.layers.InputLayer(**{shape_key(k): (None, 4)}), sequential(k), sequential(k, "second")],
        name="m",
    )


@covers()
def unbuilt_sequential_in_sequential(k):
    inner = k.Sequential([k.layers.Dense(4), k.layers.Dropout(0.5)], name="inner")
    model = k.Sequential([inner, k.layers.Dense(2)], name="m")
    model.build((None, 4))
    return model


@covers()
def nested_model_inside_time_distributed(k):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.TimeDistributed(encoder(k), name="each")(x))


@covers()
def sequential_inside_time_distributed(k):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.TimeDistributed(sequential(k), name="each")(x))


@covers()
def equal_names_at_different_depths(k):
    inner = encoder(k, "dense")
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dropout(0.5, name="drop")(inner(x)), name="dense")


# Inputs and outputs


@covers()
def several_inputs_as_a_list(k):
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    return k.Model([b, a], [k.layers.Concatenate()([a, b]), k.layers.Dropout(0.5)(b)])


@covers()
def several_inputs_as_a_dict(k):
    inputs = {"b": k.Input((4,), name="a"), "a": k.Input((3,), name="b")}
    y = k.layers.Concatenate()([inputs["a"], inputs["b"]])
    return k.Model(inputs, {"z": y, "y": k.layers.Dense(2, name="y")(y)})


@covers()
def several_outputs_as_a_tuple(k):
    x = k.Input((4,))
    return k.Model((x,), (k.layers.Dense(2)(x), k.layers.Dropout(0.5)(x)))


@covers()
def outputs_in_a_dict_of_lists(k):
    x = k.Input((4,))
    y = k.layers.Dense(2)(x)
    return k.Model({"x": x}, {"b": [y, x], "a": (k.layers.Dropout(0.5)(y),)})


@covers()
def nested_model_with_dicts(k):
    inputs = {"a": k.Input((4,), name="a"), "b": k.Input((4,), name="b")}
    y = k.layers.Add()([inputs["a"], k.layers.Dropout(0.5)(inputs["b"])])
    inner = k.Model(inputs, {"sum": y, "same": k.layers.Dense(2)(y)}, name="inner")
    x, z = k.Input((4,), name="x"), k.Input((4,), name="z")
    outputs = inner({"a": x, "b": z})
    return k.Model([x, z], [outputs["sum"], outputs["same"]])


@covers()
def nested_model_with_several_inputs_and_outputs(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    inner = k.Model([a, b], [k.layers.Add()([a, b]), k.layers.Dropout(0.5)(a)], name="inner")
    x = k.Input((4,), name="x")
    first, second = inner([x, x])
    return k.Model(x, inner([second, first]))


@covers()
def tensor_that_is_output_twice(k):
    x = k.Input((4,))
    y = k.layers.Dropout(0.5)(k.layers.Dense(3)(x))
    return k.Model(x, [y, y])


@covers()
def input_that_is_output(k):
    x = k.Input((4,))
    return k.Model(x, [x, k.layers.Dropout(0.5)(x)])


@covers()
def output_in_the_middle(k):
    x = k.Input((4,))
    y = k.layers.Dropout(0.5)(k.layers.Dense(3)(x))
    return k.Model(x, [k.layers.Dense(2)(y), y])


@covers()
def unused_outputs(k):
    x = k.Input((5, 4))
    y, _, state = k.layers.LSTM(3, return_state=True, return_sequences=True)(x)
    return k.Model(x, [k.layers.Dropout(0.5)(y), state])


# Arguments


@covers()
def initial_state(k):
    x, h, c = k.Input((5, 4)), k.Input((3,), name="h"), k.Input((3,), name="c")
    _, *states = k.layers.LSTM(3, return_state=True)(x, initial_state=[h, c])
    return k.Model([x, h, c], k.layers.LSTM(3, dropout=0.2)(x, initial_state=states))


@covers()
def initial_state_of_bidirectional(k):
    x, h, c = k.Input((5, 4)), k.Input((3,), name="h"), k.Input((3,), name="c")
    return k.Model([x, h, c], k.layers.Bidirectional(k.layers.GRU(3))(x, initial_state=[h, c]))


@covers()
def mask_argument(k):
    x, m = k.Input((5, 4)), k.Input((5,), dtype="bool", name="m")
    return k.Model([x, m], k.layers.GRU(3)(k.layers.Dropout(0.5)(x), mask=m))


@covers()
def attention_arguments(k):
    q, v = k.Input((5, 4), name="q"), k.Input((3, 4), name="v")
    y = k.layers.MultiHeadAttention(2, 4, dropout=0.1)(query=q, value=v, key=v)
    return k.Model([q, v], k.layers.Attention()([y, v]))


@covers()
def attention_with_scores(k):
    q, v = k.Input((5, 4), name="q"), k.Input((3, 4), name="v")
    layer = k.layers.MultiHeadAttention(2, 4)
    return k.Model([q, v], layer(q, v, return_attention_scores=True))


@covers()
def training_baked_into_a_call(k):
    x = k.Input((4,))
    y = k.layers.Dropout(0.5)(x, training=False)
    return k.Model(x, k.layers.BatchNormalization()(y, training=False))


@covers()
def constants_beside_tensors(k):
    x = k.Input((4,))
    if number(k) == 2:
        import tensorflow as tf

        y = tf.concat([x, tf.add(x[:, :1], np.float32(2.5))], axis=1)
        return k.Model(x, k.layers.Dense(2)(1.0 - y))
    y = k.ops.add(x, np.ones((1, 4), "float32"))
    return k.Model(x, k.layers.Dense(2)(1.0 - k.ops.where(y > 0, y, 0.5)))


# Wrappers and cells


@covers()
def bidirectional(k):
    x = k.Input((5, 4))
    inner = k.layers.LSTM(3, dropout=0.2, recurrent_dropout=0.1, return_sequences=True)
    return k.Model(x, k.layers.Bidirectional(inner, merge_mode="sum")(x))


@covers()
def bidirectional_with_its_own_backward_layer(k):
    x = k.Input((5, 4))
    backward = k.layers.LSTM(2, go_backwards=True, name="back", dropout=0.1)
    return k.Model(x, k.layers.Bidirectional(k.layers.GRU(3), backward_layer=backward)(x))


@covers()
def time_distributed(k):
    x = k.Input((5, 4))
    y = k.layers.TimeDistributed(k.layers.Dropout(0.5))(x)
    return k.Model(x, k.layers.TimeDistributed(k.layers.Dense(2))(y))


@covers()
def time_distributed_twice(k):
    x = k.Input((2, 5, 4))
    inner = k.layers.TimeDistributed(k.layers.Dense(2))
    return k.Model(x, k.layers.TimeDistributed(inner)(x))


@covers()
def rnn_over_a_cell(k):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.RNN(k.layers.LSTMCell(3, dropout=0.2))(x))


@covers()
def rnn_over_a_list(k):
    x = k.Input((5, 4))
    cells = [k.layers.GRUCell(3, dropout=0.2, name="one"), k.layers.SimpleRNNCell(2, name="two")]
    return k.Model(x, k.layers.RNN(cells, return_sequences=True)(x))


@covers()
def cells_shared_in_lists(k):
    x, cell = k.Input((5, 4)), k.layers.GRUCell(4, dropout=0.1)
    stacked = k.layers.RNN([cell, k.layers.LSTMCell(4), cell])(x)
    return k.Model(x, [stacked, k.layers.RNN(cell)(x)])


@covers()
def stacked_rnn_cells(k):
    x = k.Input((5, 4))
    cells = k.layers.StackedRNNCells([k.layers.LSTMCell(3), k.layers.GRUCell(2, dropout=0.1)])
    return k.Model(x, k.layers.RNN(cells, name="stack")(x))


@covers()
def cell_twice_in_a_list(k):
    x = k.Input((5, 3))
    cell = k.layers.GRUCell(3, dropout=0.2, name="cell")
    return k.Model(x, k.layers.RNN([cell, cell], name="twice")(x))


@covers()
def cell_in_two_lists(k):
    x = k.Input((5, 3))
    cell, other = k.layers.LSTMCell(3, dropout=0.1), k.layers.GRUCell(3)
    y = k.layers.RNN([cell, other], return_sequences=True)(x)
    return k.Model(x, k.layers.RNN([cell, k.layers.SimpleRNNCell(2)])(y))


@covers()
def cell_alone_and_in_a_list(k):
    x, cell = k.Input((5, 3)), k.layers.GRUCell(3, recurrent_dropout=0.1)
    y = k.layers.RNN(cell, return_sequences=True)(x)
    return k.Model(x, k.layers.RNN(k.layers.StackedRNNCells([cell, cell]))(y))


@covers()
def bidirectional_over_rnn_over_a_cell(k):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.Bidirectional(k.layers.RNN(k.layers.GRUCell(3)))(x))


def conv_lstm(k, rank):
    x = k.Input((2, *[3] * rank, 1))
    layer = getattr(k.layers, f"ConvLSTM{rank}D")
    return k.Model(x, layer(2, 2, dropout=0.1, recurrent_dropout=0.1)(x))


@covers()
def conv_lstm_1d(k):
    return conv_lstm(k, 1)


@covers()
def conv_lstm_2d(k):
    return conv_lstm(k, 2)


@covers()
def conv_lstm_3d(k):
    return conv_lstm(k, 3)


@covers()
def custom_cell(k):
    class Cell(k.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = self.output_size = units

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
            super().build(shape)

        def call(self, x, states):
            y = x @ self.kernel + states[0]
            return y, [y]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    x = k.Input((5, 4))
    return k.Model(x, k.layers.RNN(Cell(3))(x))


@covers()
def custom_cell_with_a_model_inside(k):
    class Cell(k.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = self.output_size = units
            self.inner = encoder(k, size=units, units=units)
            self.entrance = k.layers.Dense(units)

        def build(self, shape):
            self.entrance.build((None, shape[-1]))
            super().build(shape)

        def call(self, x, states):
            y = self.entrance(x) + self.inner(states[0])
            return y, [y]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    x = k.Input((5, 4))
    return k.Model(x, k.layers.RNN(Cell(3))(x))


@covers(3)  # that of tf_keras 2.21 cannot be called beside Keras 3
def spectral_normalization(k):
    x = k.Input((4,))
    return k.Model(x, k.layers.SpectralNormalization(k.layers.Dense(3))(k.layers.Dropout(0.5)(x)))


@covers()
def stateful(k):
    x = k.Input(batch_shape=(2, 5, 4))
    model = k.Model(x, k.layers.LSTM(3, stateful=True)(k.layers.Dropout(0.5)(x)))
    model.predict(np.ones((2, 5, 4), "float32"), verbose=0)
    return model


# Operations


@covers(2)
def operations_of_keras_2(k):
    """TFOpLambda, SlicingOpLambda, ClassMethod and InstanceProperty."""
    import tensorflow as tf

    x, r = k.Input((5, 4)), k.Input((None,), ragged=True, name="r")
    y = tf.concat([x[:, 1:], tf.cast(tf.shape(x)[1], "float32") * x[:, :1]], axis=1)
    first = tf.RaggedTensor.from_row_splits(r.values, r.row_splits)
    return k.Model([x, r], [k.layers.Dropout(0.5)(y), first.values])


@covers(2)
def constants_in_lists(k):
    import tensorflow as tf

    x, n = k.Input(batch_shape=(2, 3)), k.Input(batch_shape=(2, 3), dtype="int64", name="n")
    y = tf.concat([x, tf.constant([[1.0, 2.0, 3.0]])], 0)
    z = tf.stack([n, np.ones((2, 3), "int64"), [[1, 2, 3]] * 2], 1)
    return k.Model([x, n], [k.layers.Dropout(0.5)(y), z])


@covers(2)
def operations_on_keyword_tensors(k):
    import tensorflow as tf

    x, y = k.Input((4,)), k.Input((4,), name="y")
    z = tf.where(condition=x > 0, x=x, y=y)
    return k.Model([x, y], tf.clip_by_value(z, clip_value_min=-1.0, clip_value_max=x[0, 0] + 9.0))


@covers(2)
def arrays_in_first_arguments(k):
    """Written as lists, which calls would take apart."""
    import tensorflow as tf

    x, n = k.Input((4,)), k.Input((2,), dtype="int32", name="n")
    y = tf.concat([tf.stack([x, x + 1.0]), np.ones((1, 3, 4), "float32")], 0)
    scale = tf.constant([1.0, 2.0, 3.0, 4.0]) * y[0]
    return k.Model([x, n], [scale, tf.concat([n, tf.constant([[7, 8]])], 0)], name="m")


@covers(2)
def constants_among_first_arguments(k):
    import tensorflow as tf

    x = k.Input((4,))
    y = tf.stack([1.0, x[0, 0], 2.0])
    return k.Model(x, [y, tf.stack([[1.0, x[0, 0]], [2.0, x[0, 1]]])])


@covers(3)
def operations_of_keras_3(k):
    """Operators, slicing and keras.ops."""
    x, y = k.Input((5, 4)), k.Input((4,), name="y")
    z = k.ops.concatenate([x[:, 1:], x[:, :1] * 2.0], axis=1) + k.ops.expand_dims(y, 1)
    z = k.ops.where(z > 0, z, -z) ** 2
    return k.Model([x, y], k.ops.stack([k.layers.Dropout(0.5)(z), z], axis=-1)[..., 0])


@covers()
def lambda_with_a_closure(k):
    factor = 3.0
    x = k.Input((4,))
    return k.Model(x, k.layers.Lambda(lambda t: t * factor, output_shape=(4,))(x))


@covers()
def lambda_inside_time_distributed(k):
    factor = 3.0
    x = k.Input((5, 4))
    inner = k.layers.Lambda(lambda t: t * factor, output_shape=(4,))
    return k.Model(x, k.layers.TimeDistributed(inner)(x))


@covers()
def lambda_in_a_nested_model_called_twice(k):
    factor = 3.0
    y = k.Input((4,), name="y")
    out = k.layers.Lambda(lambda t: t * factor, output_shape=(4,))(y)
    inner = k.Model(y, k.layers.Dropout(0.1)(out), name="inner")
    x = k.Input((4,), name="x")
    return k.Model(x, inner(inner(x)))


# State that is not weights


@covers()
def adapted_normalization(k):
    layer = k.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3, 2, (64, 4)).astype("float32"))
    x = k.Input((4,))
    return k.Model(x, k.layers.Dropout(0.5)(layer(x)))


@covers()
def normalization_with_given_statistics(k):
    x = k.Input((4,))
    return k.Model(x, k.layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4])(x))


@covers()
def string_lookup_adapted(k):
    import tensorflow as tf

    layer = k.layers.StringLookup()
    layer.adapt(tf.constant(["a", "the model", "a", "b"]))
    x = k.Input((3,), dtype="string")
    return k.Model(x, k.layers.Embedding(6, 2)(layer(x)))


@covers()
def string_lookup_given(k):
    x = k.Input((3,), dtype="string")
    y = k.layers.StringLookup(vocabulary=["a", "the model"], output_mode="multi_hot")(x)
    return k.Model(x, k.layers.Dense(2)(y))


@covers()
def string_lookup_of_a_file(k):
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "vocabulary.txt"
    path.write_text("a\nthe model\n")
    x = k.Input((3,), dtype="string")
    return k.Model(x, k.layers.Embedding(6, 2)(k.layers.StringLookup(vocabulary=str(path))(x)))


@covers()
def integer_lookup_adapted(k):
    layer = k.layers.IntegerLookup()
    layer.adapt(np.array([[1, 5, 7, 1, 1]]))
    x = k.Input((3,), dtype="int64")
    return k.Model(x, k.layers.Embedding(8, 2)(layer(x)))


@covers()
def text_vectorization_adapted(k):
    import tensorflow as tf

    layer = k.layers.TextVectorization(output_sequence_length=4)
    layer.adapt(tf.constant(["a model", "the model", "a wörd 1"]))
    x = k.Input((), dtype="string")
    return k.Model(x, k.layers.LSTM(2)(k.layers.Dropout(0.2)(k.layers.Embedding(9, 3)(layer(x)))))


@covers()
def text_vectorization_tf_idf(k):
    import tensorflow as tf

    layer = k.layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(tf.constant(["a model", "the model", "a wörd 1"]))
    x = k.Input((), dtype="string")
    return k.Model(x, k.layers.Dense(3)(layer(x)))


@covers()
def discretization_adapted(k):
    layer = k.layers.Discretization(num_bins=4)
    layer.adapt(np.random.default_rng(0).normal(0, 2, (64, 1)).astype("float32"))
    x = k.Input((3,))
    return k.Model(x, k.layers.Embedding(4, 2)(layer(x)))


@covers()
def lookup_in_a_nested_model(k):
    inner = string_lookup_adapted(k)
    x = k.Input((3,), dtype="string")
    return k.Model(x, k.layers.GRU(2)(inner(x)))


@covers()
def hashing_and_category_encoding(k):
    x, y = k.Input((3,), dtype="string"), k.Input((1,), dtype="int64", name="y")
    hashed = k.layers.Embedding(5, 2)(k.layers.Hashing(5)(x))
    return k.Model([x, y], [hashed, k.layers.CategoryEncoding(4)(y)])


@covers()
def seeded_noise(k):
    x = k.Input((4,))
    y = k.layers.GaussianNoise(0.5, seed=3)(k.layers.Dropout(0.5, seed=7)(x))
    return k.Model(x, k.layers.Dense(2)(y))


@covers()
def batch_normalization(k):
    x = k.Input((4,))
    model = k.Model(x, k.layers.BatchNormalization()(k.layers.Dropout(0.5)(k.layers.Dense(3)(x))))
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.zeros((8, 3)), verbose=0)
    return model


# What a config carries


@covers()
def frozen_layers(k):
    inner = encoder(k)
    inner.trainable = False
    x = k.Input((4,))
    frozen = k.layers.Dense(3, trainable=False)
    return k.Model(x, k.layers.BatchNormalization(trainable=False)(frozen(inner(x))))


@covers()
def frozen_layer_in_a_nested_model(k):
    inner = encoder(k)
    inner.layers[-1].trainable = False
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(3)(inner(x)))


@covers()
def frozen_layer_inside_a_wrapper(k):
    x = k.Input((5, 4))
    wrapper = k.layers.Bidirectional(k.layers.LSTM(3))
    model = k.Model(x, wrapper(x))
    wrapper.forward_layer.trainable = False
    return model


def policy(k, name):
    x = k.Input((4,))
    y = k.layers.Dropout(0.5, dtype=name)(k.layers.Dense(3, dtype=name)(x))
    return k.Model(x, k.layers.Dense(2, dtype="float32")(y))


@covers()
def mixed_float16(k):
    return policy(k, "mixed_float16")


@covers()
def mixed_bfloat16(k):
    return policy(k, "mixed_bfloat16")


@covers()
def global_mixed_policy(k):
    k.mixed_precision.set_global_policy("mixed_float16")
    try:
        x = k.Input((5, 4))
        y = k.layers.Bidirectional(k.layers.LSTM(3))(k.layers.Dropout(0.1)(x))
        return k.Model(x, k.layers.Activation("softmax", dtype="float32")(k.layers.Dense(2)(y)))
    finally:
        k.mixed_precision.set_global_policy("float32")


@covers()
def float64(k):
    x = k.Input((4,), dtype="float64")
    return k.Model(x, k.layers.Dropout(0.5, dtype="float64")(k.layers.Dense(3, dtype="float64")(x)))


@covers()
def regularizers_constraints_initializers(k):
    x = k.Input((4,))
    dense = k.layers.Dense(
        3,
        kernel_regularizer=k.regularizers.L1L2(0.1, 0.2),
        kernel_constraint=k.constraints.MaxNorm(2.0, axis=0),
        kernel_initializer=k.initializers.RandomNormal(stddev=0.1, seed=1),
        activity_regularizer=k.regularizers.L2(0.1),
    )
    return k.Model(x, k.layers.Dropout(0.5)(dense(x)))


@covers()
def activity_regularization(k):
    x = k.Input((4,))
    return k.Model(x, k.layers.Dense(2)(k.layers.ActivityRegularization(0.1)(x)))


def own(value):
    return value * 2.0


@covers()
def custom_activation(k):
    x = k.Input((4,))
    return k.Model(x, k.layers.Activation(own)(k.layers.Dense(3, activation=own)(x)))


@covers()
def custom_activation_inside_wrappers(k):
    x = k.Input((5, 4))
    with k.saving.custom_object_scope({"own": own}):  # Bidirectional copies its layer
        y = k.layers.Bidirectional(k.layers.LSTM(3, activation=own, return_sequences=True))(x)
    return k.Model(x, k.layers.TimeDistributed(k.layers.Dense(2, activation=own))(y))


def custom_layer(k):
    class Scale(k.layers.Layer):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
            super().build(shape)

        def call(self, x):
            return x * self.scale * self.factor

        def compute_output_shape(self, shape):
            return shape

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    return Scale


@covers()
def unregistered_custom_layer(k):
    x = k.Input((4,))
    return k.Model(x, custom_layer(k)(3.0)(k.layers.Dropout(0.5)(x)))


@covers()
def custom_layer_inside_wrappers(k):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.TimeDistributed(custom_layer(k)(3.0))(x))


@covers()
def registered_custom_layer(k):
    cls = k.saving.register_keras_serializable("tests")(custom_layer(k))
    x = k.Input((4,))
    return k.Model(x, cls(3.0)(k.layers.Dropout(0.5)(x)))


@covers()
def custom_layer_with_sublayers(k):
    class Block(k.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.dense = [k.layers.Dense(units, name=f"d{i}") for i in range(2)]
            self.drop = k.layers.Dropout(0.5)

        def build(self, shape):
            self.dense[0].build(shape)
            self.dense[1].build((*shape[:-1], self.units))
            super().build(shape)

        def call(self, x):
            return self.dense[1](self.drop(self.dense[0](x)))

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    x = k.Input((4,))
    return k.Model(x, k.layers.Dropout(0.5)(Block(3)(x)))


@covers()
def custom_layer_with_a_model_inside(k):
    class Holder(k.layers.Layer):
        def __init__(self, model, **kwargs):
            super().__init__(**kwargs)
            self.model = model

        def call(self, x):
            return self.model(x)

        def get_config(self):
            serialize = k.saving.serialize_keras_object
            return {**super().get_config(), "model": serialize(self.model)}

        @classmethod
        def from_config(cls, config):
            config["model"] = k.saving.deserialize_keras_object(config["model"])
            return cls(**config)

    x = k.Input((4,))
    return k.Model(x, Holder(encoder(k))(k.layers.Dropout(0.5)(x)))


@covers(2)
def added_loss_and_metric(k):
    import tensorflow as tf

    x = k.Input((4,))
    y = k.layers.Dropout(0.5)(k.layers.Dense(3)(x))
    model = k.Model(x, y)
    model.add_loss(tf.reduce_mean(tf.square(y)))
    model.add_metric(tf.reduce_sum(y), name="total")
    return model


@covers()
def custom_layer_that_adds_a_loss(k):
    class Penalty(k.layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * (x * x)[0, 0])
            return x

    x = k.Input((4,))
    return k.Model(x, k.layers.Dropout(0.5)(Penalty()(k.layers.Dense(3)(x))))


@covers(3)
def custom_layer_with_a_seed_generator(k):
    class Shaken(k.layers.Layer):
        def __init__(self, seed=5, **kwargs):
            super().__init__(**kwargs)
            self.seed = seed
            self.generator = k.random.SeedGenerator(seed)

        def call(self, x, training=False):
            noise = k.random.normal(k.ops.shape(x), seed=self.generator)
            return x + noise if training else x

        def get_config(self):
            return {**super().get_config(), "seed": self.seed}

    x = k.Input((4,))
    model = k.Model(x, k.layers.Dropout(0.5)(Shaken()(x)))
    model(np.ones((2, 4)), training=True)  # the generator has moved on
    return model


@covers()
def sparse_input(k):
    x = k.Input((4,), sparse=True)
    return k.Model(x, k.layers.Dropout(0.5)(k.layers.Dense(3)(x)))


@covers(2)
def input_from_a_tensor_type(k):
    import tensorflow as tf

    x = k.Input(type_spec=tf.TensorSpec((None, 4), tf.float32))
    return k.Model(x, k.layers.Dense(3)(x))


@covers(3)
def optional_input(k):
    x, y = k.Input((4,)), k.Input((4,), optional=True, name="y")

    class Maybe(k.layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

        def compute_output_shape(self, shape, *rest):
            return shape

    return k.Model([x, y], k.layers.Dense(3)(Maybe()(x, y)))


@covers(3)
def quantized_dense(k):
    x = k.Input((8,))
    model = k.Model(x, k.layers.Dropout(0.5)(k.layers.Dense(4)(x)))
    model.quantize("int8")
    return model


@covers(3)
def quantized_in_a_nested_model(k):
    x = k.Input((8,), name="x")
    y = k.layers.Embedding(5, 4)(k.Input((3,), dtype="int32", name="ids"))
    inner = encoder(k, size=8)
    model = k.Model([x, y._keras_history.operation.input], [inner(x), k.layers.GRU(2)(y)])
    model.quantize("int8")
    return model


@covers(3)
def quantized_to_four_bits(k):
    x = k.Input((8,))
    model = k.Model(x, k.layers.Dropout(0.5)(k.layers.Dense(4)(x)))
    model.quantize("int4")
    return model


@covers(3)
def quantized_layers_of_other_kinds(k):
    x = k.Input((3,), dtype="int32")
    y = k.layers.EinsumDense("abc,cd->abd", (None, 4))(k.layers.Embedding(9, 4)(x))
    model = k.Model(x, k.layers.Dropout(0.5)(y))
    model.quantize("int8")
    return model


@covers(3)
def one_policy_of_each_layer_in_a_map(k):
    policies = k.dtype_policies.DTypePolicyMap()
    policies["first"] = k.dtype_policies.DTypePolicy("mixed_bfloat16")
    x = k.Input((4,))
    y = k.layers.Dense(3, dtype=policies["first"])(x)
    return k.Model(x, k.layers.Dense(2, dtype="float16")(k.layers.Dropout(0.5)(y)))


@covers(3)
def low_rank_adapted_layers_of_other_kinds(k):
    x = k.Input((3,), dtype="int32")
    embedding, dense = k.layers.Embedding(9, 4), k.layers.EinsumDense("abc,cd->abd", (None, 4))
    model = k.Model(x, k.layers.Dropout(0.5)(dense(embedding(x))))
    embedding.enable_lora(2)
    dense.enable_lora(2)
    embedding.lora_embeddings_b.assign(np.ones(embedding.lora_embeddings_b.shape))
    return model


@covers(3)
def low_rank_adapted(k):
    x = k.Input((8,))
    dense = k.layers.Dense(4)
    model = k.Model(x, k.layers.Dropout(0.5)(dense(x)))
    dense.enable_lora(2)
    dense.lora_kernel_b.assign(np.ones(dense.lora_kernel_b.shape))
    return model


@covers(3)
def low_rank_adapted_and_quantized(k):
    model = low_rank_adapted(k)
    model.quantize("int8")
    return model


# Subclasses of Functional


@covers()
def subclass_that_lists_its_layers(k):
    class Own(k.Model):
        pass

    x = k.Input((4,))
    return Own(x, k.layers.Dropout(0.5)(k.layers.Dense(3)(x)), name="own")


@covers()
def subclass_with_constructor_arguments(k):
    return backbone(k)


@covers()
def nested_subclass_with_constructor_arguments(k):
    x = k.Input((4,), name="ids")
    return k.Model(x, k.layers.Dense(2)(backbone(k)(k.layers.Dropout(0.1)(x))))


@covers()
def nested_subclass_called_several_times(k):
    """Each call is an output, and the last alone is nothing else."""
    x, inner = k.Input((4,), name="ids"), backbone(k, 4)
    first = inner(x)
    second = inner(k.layers.Dropout(0.1)(first))
    return k.Model(x, [second, first, inner(second)])


@covers()
def custom_layer_whose_second_call_is_output(k):
    """Numbered like the one before, and no model."""
    x, layer = k.Input((4,)), custom_layer(k)(3.0)
    second = layer(k.layers.Dropout(0.1)(layer(x)))
    return k.Model(x, [second, k.layers.Dense(2)(second)])


def backbone(k, units=5):
    class Backbone(k.Model):
        def __init__(self, units=3, **kwargs):
            x = k.Input((4,), name="x")
            y = k.layers.Dropout(0.5, name="drop")(x)
            super().__init__(x, k.layers.Dense(units, name="dense")(y), **kwargs)
            self.units = units

        def get_config(self):
            return {"units": self.units, "name": self.name, "trainable": self.trainable}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return Backbone(units, name="backbone")


# Layers of many kinds


@covers()
def image_layers(k):
    x = k.Input((8, 8, 3))
    y = k.layers.Conv2D(2, 3, padding="same", activation="relu")(k.layers.SpatialDropout2D(0.2)(x))
    y = k.layers.SeparableConv2D(3, 3)(k.layers.MaxPooling2D()(y))
    y = k.layers.DepthwiseConv2D(2)(k.layers.RandomFlip()(y))
    return k.Model(x, k.layers.Dense(2)(k.layers.GlobalAveragePooling2D()(y)))


@covers()
def text_layers(k):
    x = k.Input((None,), dtype="int32")
    y = k.layers.Embedding(10, 4, mask_zero=True)(x)
    y = k.layers.LSTM(3, return_sequences=True)(k.layers.SpatialDropout1D(0.2)(y))
    return k.Model(x, k.layers.Dense(2)(k.layers.GRU(3)(k.layers.LayerNormalization()(y))))
