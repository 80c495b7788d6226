"""The noise in numbers: fixed seeds, bounds of five standard errors (5.7e-7, two-sided)."""

import numpy as np
import pytest
import tensorflow as tf

BOUND = 5.0
DRAWS = 1_000_000
RATES = [0.001, 0.05, 0.1, 0.5, 0.9]
EPSILON = {"float32": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}


def dropout(layer, inputs):
    return np.asarray(tf.cast(layer(inputs, training=True), "float32"))


def standard_errors_of_the_rate(dropped, rate):
    """The binomial test: how far the number of dropped units is from n * rate."""
    return (dropped.sum() - dropped.size * rate) / np.sqrt(dropped.size * rate * (1 - rate))


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("rate", RATES)
def test_units_are_dropped_at_the_rate(dialect, rate, dtype):
    layer = dialect.layer(rate, seed=11, dtype=dtype)
    dropped = dropout(layer, tf.ones((1000, DRAWS // 1000), dtype)) == 0
    assert abs(standard_errors_of_the_rate(dropped, rate)) < BOUND


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("rate", RATES)
def test_masks_that_steps_share_are_drawn_at_the_rate(dialect, rate, dtype):
    layer = dialect.layer(rate, shared_axes=1, seed=11, dtype=dtype)
    outputs = dropout(layer, tf.ones((1000, 2, DRAWS // 1000), dtype))
    np.testing.assert_array_equal(outputs[:, 0], outputs[:, 1])
    kept = outputs[outputs != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=EPSILON[dtype] / 2 + 1e-7)
    dropped = outputs[:, 0] == 0
    assert abs(standard_errors_of_the_rate(dropped, rate)) < BOUND


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("rate", RATES)
def test_the_expectation_in_training_is_the_value_at_inference(dialect, rate, dtype):
    """The z-test: the variance of a unit x is x**2 * rate / (1 - rate).

    The dtype rounds each scaled unit by up to half an epsilon, and all of them to the same side
    where the scale is that near to 1.
    """
    inputs = tf.cast(tf.random.stateless_uniform((1000, DRAWS // 1000), seed=(1, 2)), dtype)
    layer = dialect.layer(rate, seed=13, dtype=dtype)
    at_inference = np.asarray(tf.cast(layer(inputs), "float64"))
    in_training = dropout(layer, inputs).astype("float64")
    variance = (at_inference**2).sum() * rate / (1 - rate)
    rounding = in_training.sum() * EPSILON[dtype] / 2
    difference = abs((in_training - at_inference).sum())
    assert difference < BOUND * np.sqrt(variance) + rounding


def test_the_dropout_of_keras_misses_the_rate_in_bfloat16(dialect):
    """Its noise comes in steps of 2**-7: a rate of 0.001 drops one unit in 128."""
    layer = dialect.keras.layers.Dropout(0.001, seed=11, dtype="bfloat16")
    dropped = dropout(layer, tf.ones((1000, DRAWS // 1000), "bfloat16")) == 0
    assert standard_errors_of_the_rate(dropped, 0.001) > 100
    assert abs(standard_errors_of_the_rate(dropped, 1 / 128)) < BOUND


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_neighbours_along_an_axis_are_independent(dialect, axis):
    outputs = dropout(dialect.layer(0.5, seed=17), tf.ones((100, 100, DRAWS // 10_000)))
    ahead, behind = (np.delete(outputs, end, axis).ravel() for end in (0, -1))
    correlation = np.corrcoef(ahead, behind)[0, 1]
    assert abs(correlation) * np.sqrt(ahead.size) < BOUND


def test_one_call_is_independent_of_the_next(dialect):
    layer = dialect.layer(0.5, seed=19)
    first, second = (dropout(layer, tf.ones((1000, DRAWS // 1000))).ravel() for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(DRAWS) < BOUND


def test_monte_carlo_predictions_have_the_mean_and_variance_of_dropout(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((1000,)), dialect.layer(0.2, always_on=True, seed=23)]
    )
    drawn = model.predict(np.ones((DRAWS // 1000, 1000), "float32"), verbose=0).astype("float64")
    # One unit is 1.25 with probability 0.8: variance 0.25, and 0.1406 is that of its square
    # about the mean.
    assert abs(drawn.mean() - 1) / np.sqrt(0.25 / DRAWS) < BOUND
    squares = (drawn - 1) ** 2
    assert abs(squares.mean() - 0.25) / np.sqrt(squares.var() / DRAWS) < BOUND


def unscaled_dropout(dialect, rate):
    """Dropout by hand as it is often written: a mask, and no division by 1 - rate."""

    class UnscaledDropout(dialect.keras.layers.Layer):
        def call(self, inputs, training=None):
            if not training:
                return inputs
            kept = tf.random.uniform(tf.shape(inputs)) > rate
            return inputs * tf.cast(kept, inputs.dtype)

    return UnscaledDropout()


def trained_for_one(dialect, noise):
    """What a linear layer predicts at inference that was trained to give 1 behind the noise."""
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((64,)), noise, layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(dialect.keras.optimizers.SGD(0.005), "mse", jit_compile=False)
    inputs = np.ones((256, 64), "float32")
    model.fit(np.tile(inputs, (100, 1)), np.ones((25600, 1)), batch_size=256, verbose=0)
    return model.predict(inputs[:1], verbose=0).item()


def test_without_the_scale_a_trained_model_predicts_about_twice_its_target(dialect):
    """The least squares solution for rate p and n inputs is n / (1 + (n - 1) * (1 - p)) unscaled,
    1.97 here, and 1 - p times that scaled, 0.985. The last steps of training scatter by 0.03."""
    assert trained_for_one(dialect, unscaled_dropout(dialect, 0.5)) == pytest.approx(1.97, abs=0.1)
    assert trained_for_one(dialect, dialect.layer(0.5, seed=29)) == pytest.approx(0.985, abs=0.1)


def test_without_the_scale_the_expectation_is_off_by_the_rate(dialect):
    outputs = dropout(unscaled_dropout(dialect, 0.5), tf.ones((1000, DRAWS // 1000)))
    assert abs(outputs.mean(dtype="float64") - 0.5) / np.sqrt(0.25 / DRAWS) < BOUND
