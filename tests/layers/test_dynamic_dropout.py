from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from rewriter.errors import RewriterError
from rewriter.layers import keras2, keras3

SIZES = [(4, 7), (3, 9), (5, 5), (1, 7)]


def ones(*shape, dtype="float32"):
    return tf.ones(shape, dtype)


def dropped_units(outputs):
    return np.asarray(tf.cast(outputs, "float32")) == 0


@pytest.mark.parametrize("shared_axes", [(), (1,)])
@pytest.mark.parametrize("how", ["eager", "compiled", "xla"])
def test_the_noise_follows_every_batch_size_and_length(dialect, how, shared_axes):
    layer = dialect.layer(0.5, shared_axes=shared_axes, seed=3)
    traces = []

    def call(inputs):
        traces.append(inputs.shape)
        return layer(inputs, training=True)

    if how != "eager":
        call = tf.function(
            call,
            input_signature=[tf.TensorSpec([None, None, 64])],
            jit_compile=how == "xla",
        )
    for batch, time in SIZES:
        outputs = call(ones(batch, time, 64)).numpy()
        assert outputs.shape == (batch, time, 64)
        assert set(np.unique(outputs)) == {0.0, 2.0}
        assert (outputs == outputs[:, :1]).all() == bool(shared_axes)
    assert len(traces) == (len(SIZES) if how == "eager" else 1)


def test_a_model_trains_at_every_batch_size_and_length_in_one_compiled_function(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(10, 4, mask_zero=True),
            dialect.layer(0.5, shared_axes=1),
            layers.SimpleRNN(3),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    batches = tf.data.Dataset.from_generator(
        lambda: ((np.ones((batch, time)), np.ones((batch, 1))) for batch, time in SIZES),
        output_signature=(tf.TensorSpec([None, None]), tf.TensorSpec([None, 1])),
    ).apply(tf.data.experimental.assert_cardinality(len(SIZES)))
    history = model.fit(batches, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_without_shared_axes_it_draws_the_bits_of_dropout(dialect):
    inputs = tf.random.normal((4, 7, 16))
    ours, builtin = dialect.layer(0.3, seed=5), dialect.keras.layers.Dropout(0.3, seed=5)
    for _ in range(2):
        tf.random.set_seed(2)
        expected = builtin(inputs, training=True).numpy()
        tf.random.set_seed(2)
        np.testing.assert_array_equal(ours(inputs, training=True), expected)


def test_sharing_the_time_axis_it_draws_the_bits_of_spatial_dropout_1d(dialect):
    inputs = tf.random.normal((4, 7, 16))
    ours = dialect.layer(0.3, shared_axes=1, seed=5)
    builtin = dialect.keras.layers.SpatialDropout1D(0.3, seed=5)
    for _ in range(2):
        tf.random.set_seed(2)
        expected = builtin(inputs, training=True).numpy()
        tf.random.set_seed(2)
        np.testing.assert_array_equal(ours(inputs, training=True), expected)


@pytest.mark.parametrize("shape", [(None, None, 8), (4, 7, 8)])
def test_a_compiled_step_runs_no_operation_that_the_layers_of_keras_do_not_run(dialect, shape):
    def operations(layer):
        call = tf.function(lambda inputs: layer(inputs, training=True))
        graph = call.get_concrete_function(tf.TensorSpec(shape)).graph
        return Counter(op.type for op in graph.get_operations() if op.type != "Const")

    layers = dialect.keras.layers
    for ours, builtin in (
        (dialect.layer(0.5), layers.Dropout(0.5)),
        (dialect.layer(0.5, shared_axes=1), layers.SpatialDropout1D(0.5)),
    ):
        assert operations(ours) <= operations(builtin)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (-1,), (-3, 1)])
def test_a_mask_is_the_same_along_the_shared_axes_and_no_others(dialect, axes):
    outputs = dialect.layer(0.5, shared_axes=axes)(ones(16, 16, 16), training=True).numpy()
    for axis in range(3):
        shared = (outputs == outputs.take([0], axis)).all()
        assert shared == (axis in axes or axis - 3 in axes)


def test_one_shared_axis_may_be_given_as_an_integer(dialect):
    assert dialect.layer(0.5, shared_axes=-2).shared_axes == (-2,)


def test_every_call_draws_another_mask(dialect):
    layer = dialect.layer(0.5, seed=1)
    compiled = tf.function(lambda inputs: layer(inputs, training=True))
    for call in (compiled, lambda inputs: layer(inputs, training=True)):
        first, second = (dropped_units(call(ones(8, 64))) for _ in range(2))
        assert (first != second).any()


def test_the_gradient_is_one_over_the_kept_fraction_where_a_unit_was_kept(dialect):
    layer = dialect.layer(0.2, seed=1)
    inputs = tf.Variable(ones(8, 64))
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
    gradient = tape.gradient(outputs, inputs)
    np.testing.assert_array_equal(gradient, np.where(dropped_units(outputs), 0, np.float32(1.25)))


@pytest.mark.parametrize(("axes", "dtype"), [((), "float32"), (1, "float32"), (1, "bfloat16")])
def test_a_dropped_infinity_is_zero(dialect, axes, dtype):
    inputs = tf.fill((8, 4, 64), tf.cast(np.inf, dtype))
    outputs = dialect.layer(0.5, shared_axes=axes, seed=1, dtype=dtype)(inputs, training=True)
    assert set(np.unique(tf.cast(outputs, "float32"))) == {0.0, np.inf}


@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.5, None), (0, True)])
def test_inference_and_rate_zero_are_the_identity(dialect, policy, rate, training):
    layer = dialect.layer(rate, dtype=dialect.keras.mixed_precision.Policy(policy))
    inputs = tf.random.normal((4, 7, 3), dtype=layer.compute_dtype)
    outputs = layer(inputs, training=training)
    assert outputs.dtype == inputs.dtype
    assert bool(tf.reduce_all(outputs == inputs))


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("shared_axes", [(), (1,)])
def test_training_keeps_to_the_compute_dtype(dialect, policy, shared_axes):
    policy = dialect.keras.mixed_precision.Policy(policy)
    layer = dialect.layer(0.5, shared_axes=shared_axes, dtype=policy)
    outputs = layer(ones(4, 7, 16), training=True)
    assert outputs.dtype == policy.compute_dtype
    assert set(np.unique(tf.cast(outputs, "float32"))) == {0.0, 2.0}


def test_a_model_of_mixed_precision_trains(dialect):
    layers = dialect.keras.layers
    policy = dialect.keras.mixed_precision.Policy("mixed_bfloat16")
    model = dialect.keras.Sequential(
        [
            layers.Input((None, 4)),
            dialect.layer(0.5, shared_axes=1, dtype=policy),
            layers.GRU(3, dtype=policy),
            layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=False)
    assert np.isfinite(model.train_on_batch(np.ones((4, 7, 4)), np.ones((4, 1))))


@pytest.mark.parametrize("training", [False, True])
def test_the_mask_of_keras_passes_through(dialect, training):
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    embedded = dialect.keras.layers.Embedding(4, 8, mask_zero=True)(tokens)
    outputs = dialect.layer(0.5, shared_axes=1)(embedded, training=training)
    np.testing.assert_array_equal(outputs._keras_mask, tokens != 0)


def test_padding_stays_without_influence_behind_the_layer(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(10, 4, mask_zero=True),
            dialect.layer(0.5),
            layers.SimpleRNN(3),
        ]
    )
    tokens = np.array([[1, 2, 3], [4, 5, 6]])
    padded = np.pad(tokens, ((0, 0), (0, 4)))
    np.testing.assert_array_equal(model.predict_on_batch(tokens), model.predict_on_batch(padded))


def test_a_seed_makes_a_run_repeatable(dialect):
    def run(seed):
        tf.random.set_seed(0)
        layer = dialect.layer(0.5, seed=seed)
        return [dropped_units(layer(ones(8, 64), training=True)) for _ in range(3)]

    np.testing.assert_array_equal(run(7), run(7))
    assert (np.array(run(7)) != np.array(run(8))).any()


def test_a_seed_makes_training_repeatable(dialect):
    def losses():
        dialect.keras.utils.set_random_seed(0)
        layers = dialect.keras.layers
        model = dialect.keras.Sequential(
            [layers.Input((8,)), dialect.layer(0.5, seed=7), layers.Dense(1)]
        )
        model.compile("sgd", "mse", jit_compile=False)
        inputs = np.ones((16, 8), "float32")
        return model.fit(inputs, inputs[:, :1], batch_size=4, epochs=2, verbose=0).history["loss"]

    assert losses() == losses()


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan"), "0.5"])
def test_a_rate_out_of_range_is_refused_as_keras_and_this_program_refuse(dialect, rate):
    with pytest.raises(ValueError, match="give a number of at least 0 and less than 1") as caught:
        dialect.layer(rate)
    assert isinstance(caught.value, RewriterError)


@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_that_the_inputs_do_not_have_is_refused_when_the_model_is_made(dialect, axis):
    inputs = dialect.keras.Input((4,))
    with pytest.raises(ValueError, match="expected min_ndim=3, found ndim=2"):
        dialect.layer(0.5, shared_axes=axis)(inputs)


def test_a_noise_shape_is_refused(dialect):
    with pytest.raises(TypeError, match="noise_shape"):
        dialect.layer(0.5, noise_shape=(4, 1, 3))


def test_inputs_of_unknown_rank_are_dropped_in_keras_2():
    layer = keras2.DynamicDropout(0.5)
    call = tf.function(
        lambda inputs: layer(inputs, training=True), input_signature=[tf.TensorSpec(None)]
    )
    for shape in [(64,), (4, 64), (2, 3, 64)]:
        assert set(np.unique(call(ones(*shape)))) == {0.0, 2.0}


def test_training_may_be_a_tensor_in_keras_2():
    layer = keras2.DynamicDropout(0.5)
    call = tf.function(lambda inputs, training: layer(inputs, training=training))
    assert dropped_units(call(ones(8, 64), tf.constant(True))).any()
    assert not dropped_units(call(ones(8, 64), tf.constant(False))).any()


def test_only_a_rate_above_zero_owns_a_seed_state_in_keras_3():
    layer = keras3.DynamicDropout(0.5)
    assert [variable.name for variable in layer.variables] == ["seed_generator_state"]
    assert layer.get_weights() == []
    assert keras3.DynamicDropout(0).variables == []


@pytest.mark.parametrize("jit_compile", [False, True])
def test_always_on_drops_in_predict_and_anew_each_time(dialect, jit_compile):
    model = dialect.keras.Sequential(
        [dialect.keras.layers.Input((None, 16)), dialect.layer(0.5, always_on=True)]
    )
    model.compile(jit_compile=jit_compile)
    inputs = np.ones((4, 7, 16), "float32")
    first, second = (model.predict(inputs, batch_size=3, verbose=0) for _ in range(2))
    for outputs in (first, second):
        assert set(np.unique(outputs)) == {0.0, 2.0}
    assert (first != second).any()


def test_always_on_drops_in_every_mode_of_a_call(dialect):
    layer = dialect.layer(0.5, always_on=True)
    for training in (True, False, None):
        assert dropped_units(layer(ones(8, 64), training=training)).any()


def test_always_on_with_rate_zero_is_the_identity(dialect):
    layer = dialect.layer(0, always_on=True)
    np.testing.assert_array_equal(layer(ones(8, 64)), ones(8, 64))


def test_dropout_called_with_training_true_drops_in_predict_in_keras_2_only(dialect):
    inputs = dialect.keras.Input((64,))
    outputs = dialect.keras.layers.Dropout(0.5)(inputs, training=True)
    model = dialect.keras.Model(inputs, outputs)
    predicted = model.predict(np.ones((8, 64), "float32"), verbose=0)
    assert dropped_units(predicted).any() == (dialect.name == "keras2")
