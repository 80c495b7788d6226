"""The next training step of a rewritten model is the next step of the original."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.live import training_keras

FEATURES = 4


def data(batch=4, seed=0):
    random = np.random.default_rng(seed)
    return (
        random.standard_normal((batch, FEATURES)).astype("float32"),
        random.standard_normal((batch, 2)).astype("float32"),
    )


def functional(keras, rate=0.5, frozen=False):
    inputs = keras.Input((FEATURES,), name="x")
    hidden = keras.layers.Dense(3, name="hidden", trainable=not frozen)(inputs)
    dropped = keras.layers.Dropout(rate, name="drop")(
        keras.layers.BatchNormalization(name="normal")(hidden)
    )
    return keras.Model(inputs, keras.layers.Dense(2, name="out")(dropped), name="m")


def trained(model, steps=2):
    for step in range(steps):
        model.train_on_batch(*data(batch=4 - step, seed=step))
    return model


def state(number, model):
    """Return everything that a training step reads or writes, by name."""
    training = training_keras(number)
    names = {id(v): f"{i}" for i, v in enumerate(model.weights)}
    found = {f"weight {i}": np.asarray(v) for i, v in enumerate(model.weights)}
    for name, owner, value in training.optimizer_state(model.optimizer, model.variables):
        found[f"{name} {names.get(id(owner))}"] = np.asarray(value)
    return found


def assert_same_next_step(number, original, rewritten, step=9):
    """Train both one more step on the same data, and compare everything to the bit.

    The original's function is traced again, for one that was traced for several batch sizes
    takes other kernels; and Keras 2 draws noise from TensorFlow's own state.
    """
    import tensorflow as tf

    original.train_function = None
    for model in (original, rewritten):
        tf.random.set_seed(step)
        model.train_on_batch(*data(batch=5, seed=step))
    one, other = state(number, original), state(number, rewritten)
    assert one.keys() == other.keys()
    different = [name for name in one if not np.array_equal(one[name], other[name])]
    assert not different


def tripled(gradients):
    return [(3.0 * gradient, variable) for gradient, variable in gradients]


def schedule(keras):
    return keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)


BOTH = {
    "SGD": lambda k: k.optimizers.SGD(0.1),
    "SGD momentum": lambda k: k.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": lambda k: k.optimizers.Adam(0.01, amsgrad=True),
    "AdamW": lambda k: k.optimizers.AdamW(0.01),
    "RMSprop": lambda k: k.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "Adagrad": lambda k: k.optimizers.Adagrad(0.1),
    "Adadelta": lambda k: k.optimizers.Adadelta(1.0),
    "Adamax": lambda k: k.optimizers.Adamax(0.01),
    "Nadam": lambda k: k.optimizers.Nadam(0.01),
    "Ftrl": lambda k: k.optimizers.Ftrl(0.1),
    "Lion": lambda k: k.optimizers.Lion(0.01),
    "Adafactor": lambda k: k.optimizers.Adafactor(0.01),
    "EMA": lambda k: k.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "schedule": lambda k: k.optimizers.Adam(schedule(k)),
    "clipped": lambda k: k.optimizers.Adam(0.01, global_clipnorm=0.1),
    "name of one": lambda k: "adam",
}
KERAS3 = {
    "LossScale": lambda k: k.optimizers.LossScaleOptimizer(k.optimizers.Adam(0.01)),
    "accumulation": lambda k: k.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "Lamb": lambda k: k.optimizers.Lamb(0.01),
    "Muon": lambda k: k.optimizers.Muon(0.01),
    "MultiOptimizer": lambda k: k.optimizers.MultiOptimizer(
        k.optimizers.OptimizerMap(k.optimizers.Adam(0.01), {"out/.*": k.optimizers.SGD(0.1, 0.9)})
    ),
    "callable rate": lambda k: k.optimizers.SGD(lambda: 0.1),
}
KERAS2 = {
    "LossScale": lambda k: k.mixed_precision.LossScaleOptimizer(k.optimizers.Adam(0.01)),
    "legacy LossScale": lambda k: k.mixed_precision.LossScaleOptimizer(
        k.optimizers.legacy.Adam(0.01)
    ),
    "legacy SGD": lambda k: k.optimizers.legacy.SGD(0.1, momentum=0.9),
    "legacy SGD, gradients transformed": lambda k: k.optimizers.legacy.SGD(
        0.1, gradient_transformers=[tripled]
    ),
    "legacy Adam": lambda k: k.optimizers.legacy.Adam(schedule(k), amsgrad=True),
    "legacy RMSprop": lambda k: k.optimizers.legacy.RMSprop(0.01, momentum=0.5),
    "legacy Adagrad": lambda k: k.optimizers.legacy.Adagrad(0.1),
    "legacy Adadelta": lambda k: k.optimizers.legacy.Adadelta(1.0),
    "legacy Adamax": lambda k: k.optimizers.legacy.Adamax(0.01),
    "legacy Nadam": lambda k: k.optimizers.legacy.Nadam(0.01),
    "legacy Ftrl": lambda k: k.optimizers.legacy.Ftrl(0.1),
}
COMPILED = ("Adam", "Nadam", "LossScale", "legacy LossScale", "accumulation")
CASES = [
    *((number, name, make) for name, make in BOTH.items() for number in (2, 3)),
    *((2, name, make) for name, make in KERAS2.items()),
    *((3, name, make) for name, make in KERAS3.items()),
]


def keras_of_number(number):
    if number == 2:
        import tf_keras

        return tf_keras
    import keras

    return keras


@pytest.mark.parametrize(
    ("number", "name", "make"),
    CASES,
    ids=[f"keras{number}-{name}" for number, name, _ in CASES],
)
def test_the_next_step_is_the_original_s(number, name, make):
    keras = keras_of_number(number)
    original = functional(keras)
    original.compile(make(keras), loss="mse", metrics=["mae"], run_eagerly=name not in COMPILED)
    trained(original)
    result = rewriter.rewrite(original, [], verify=False)
    assert not result.plan.notes
    assert_same_next_step(number, original, result.model)


def quiet(keras):
    """Return a compiled model with a noise layer in front of an LSTM, all noise off."""
    inputs = keras.Input((None, FEATURES), name="x")
    noisy = keras.layers.Dropout(0.0, name="drop")(inputs)
    last = keras.layers.LSTM(3, name="lstm")(noisy)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(last), name="m")
    model.compile(keras.optimizers.Adam(0.01), loss="mse", run_eagerly=True)
    return model


def step_on_sequences(model, seed):
    x, y = data(batch=5, seed=seed)
    model.train_on_batch(np.stack([x, x + 1, x * 2], 1), y)


@pytest.mark.parametrize("name", ["strip-dropout", "move-dropout", "replace-dropout"])
def test_without_noise_the_next_step_survives_the_pass(dialect, name):
    from rewriter.pipeline.registry import registered_passes

    if name not in registered_passes():
        pytest.skip(f"{name} is not there yet")
    original = quiet(dialect.keras)
    step_on_sequences(original, 0)
    result = rewriter.rewrite(original, [name], verify=False)
    assert result.plan.changes
    for model in (original, result.model):
        step_on_sequences(model, 1)
    one, other = state(dialect.number, original), state(dialect.number, result.model)
    assert len(one) == len(other)
    assert all(np.array_equal(one[key], other[key]) for key in one)


def sequence_model(keras, *layers, **options):
    inputs = keras.Input(batch_shape=(options.get("batch"), None, FEATURES), name="x")
    x = inputs
    for layer in (*layers, keras.layers.Dense(2, name="out")):
        x = layer(x)
    model = keras.Model(inputs, x, name="m")
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    return model


MODELS_OF_OTHER_PASSES = {
    "strip-dropout": lambda k: sequence_model(
        k, k.layers.LSTM(3, dropout=0.5, recurrent_dropout=0.25)
    ),
    "externalise-dropout": lambda k: sequence_model(
        k, k.layers.Bidirectional(k.layers.GRU(3, dropout=0.5, recurrent_dropout=0.25))
    ),
    "internalise-dropout": lambda k: sequence_model(
        k, k.layers.SpatialDropout1D(0.5), k.layers.LSTM(3)
    ),
    "insert-dropout:rate=0.5": lambda k: sequence_model(
        k, k.layers.LSTM(3, return_sequences=True), k.layers.GRU(3)
    ),
    "free-batch": lambda k: sequence_model(
        k, k.layers.Dropout(0.5, noise_shape=(5, 1, FEATURES)), k.layers.LSTM(3), batch=5
    ),
    "unwrap-time-distributed": lambda k: sequence_model(
        k, k.layers.TimeDistributed(k.layers.Dense(3)), k.layers.LSTM(3)
    ),
}


def step_without_noise(keras, model, seed):
    """Make a training step of one's own, with training=False: noise is off."""
    import tensorflow as tf

    x, y = data(batch=5, seed=seed)
    with tf.GradientTape() as tape:
        outputs = model(np.stack([x, x + 1, x * 2], 1), training=False)
        loss = tf.reduce_mean(keras.losses.mean_squared_error(y, outputs))
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))


@pytest.mark.parametrize("name", MODELS_OF_OTHER_PASSES)
def test_without_noise_the_next_step_is_within_the_tolerance_of_other_passes(dialect, name):
    original = MODELS_OF_OTHER_PASSES[name](dialect.keras)
    step_without_noise(dialect.keras, original, 0)
    result = rewriter.rewrite(original, [name], verify=False)
    assert result.plan.changes
    assert not [note for note in result.plan.notes if "optimizer" in note.reason]
    before = [np.array(weight) for weight in original.get_weights()]
    for model in (original, result.model):
        step_without_noise(dialect.keras, model, 1)
    one, other = state(dialect.number, original), state(dialect.number, result.model)
    assert len(one) == len(other)
    assert all(np.allclose(one[key], other[key], rtol=0, atol=1e-5) for key in one)
    after = original.get_weights()
    assert not any(np.allclose(a, b, rtol=0, atol=1e-4) for a, b in zip(before, after, strict=True))


def test_frozen_layers_stay_frozen_and_have_no_slots(dialect):
    original = functional(dialect.keras, frozen=True)
    original.compile("adam", loss="mse", run_eagerly=True)
    trained(original)
    model = rewriter.rewrite(original, [], verify=False).model
    assert not model.get_layer("hidden").trainable
    assert_same_next_step(dialect.number, original, model)


def test_a_layer_frozen_after_compiling_keeps_its_slots(dialect):
    original = functional(dialect.keras)
    original.compile("adam", loss="mse", run_eagerly=True)
    trained(original)
    original.get_layer("hidden").trainable = False
    result = rewriter.rewrite(original, [], verify=False)
    assert not result.plan.notes
    assert_same_next_step(dialect.number, original, result.model)


def test_an_optimizer_that_never_ran_stays_as_it_is(dialect):
    original = functional(dialect.keras)
    original.compile("adam", loss="mse", run_eagerly=True)
    model = rewriter.rewrite(original, [], verify=False).model
    assert_same_next_step(dialect.number, original, model)


def test_a_learning_rate_set_while_training_is_kept(dialect):
    original = functional(dialect.keras)
    original.compile("adam", loss="mse", run_eagerly=True)
    trained(original)
    original.optimizer.learning_rate.assign(0.0123)
    model = rewriter.rewrite(original, [], verify=False).model
    assert float(np.asarray(model.optimizer.learning_rate)) == np.float32(0.0123)


FILES = [(2, ".keras"), (2, ".h5"), (3, ".keras")]


@pytest.mark.parametrize(("number", "ending"), FILES)
@pytest.mark.parametrize("name", ["Adam", "Nadam", "SGD momentum", "legacy Adam"])
def test_through_a_file_the_next_step_is_that_of_keras_own_reload(number, ending, name, tmp_path):
    makers = BOTH | (KERAS2 if number == 2 else KERAS3)
    if name not in makers:
        pytest.skip("Keras 3 has no such optimizer")
    keras = keras_of_number(number)
    original = functional(keras, rate=0.0)
    original.compile(makers[name](keras), loss="mse", metrics=["mae"], run_eagerly=True)
    trained(original).save(tmp_path / f"before{ending}")
    rewriter.rewrite(
        tmp_path / f"before{ending}", [], output=tmp_path / f"after{ending}", verify=False
    )
    one, other = (
        keras.models.load_model(tmp_path / f"{stem}{ending}") for stem in ("before", "after")
    )
    assert_same_next_step(number, one, other)


def test_keras_3_loses_the_optimizer_of_an_h5_file_which_is_told(tmp_path):
    import keras

    original = functional(keras, rate=0.0)
    original.compile("adam", loss=keras.losses.MeanSquaredError(), run_eagerly=True)
    trained(original).save(tmp_path / "before.h5")
    with pytest.raises(ValueError, match="Unknown variable"):
        keras.models.load_model(tmp_path / "before.h5").train_on_batch(*data())
    result = rewriter.rewrite(tmp_path / "before.h5", [], verify=False)
    fresh = [note.layer for note in result.plan.notes if "starts fresh for" in note.reason]
    assert fresh == ["hidden", "hidden", "normal", "normal", "out", "out"]
    result.model.train_on_batch(*data())


# What a model is compiled with


def own_loss(y_true, y_pred):
    import tensorflow as tf

    return tf.reduce_mean((y_true - y_pred) ** 2 + 1.0, -1)


def two_outputs(keras):
    inputs = keras.Input((FEATURES,), name="x")
    hidden = keras.layers.Dense(3, name="hidden")(inputs)
    first = keras.layers.Dense(2, name="first")(hidden)
    second = keras.layers.Dropout(0.5, name="drop")(keras.layers.Dense(2, name="second")(hidden))
    return keras.Model(inputs, [first, second], name="m")


def test_compile_arguments_are_repeated(dialect):
    keras = dialect.keras
    original = two_outputs(keras)
    original.compile(
        keras.optimizers.SGD(0.1),
        loss={"first": own_loss, "drop": "mae"},
        loss_weights={"first": 1.0, "drop": 0.25},
        metrics={"first": ["mae", keras.metrics.MeanSquaredError(name="mine")]},
        weighted_metrics={"drop": [keras.metrics.MeanAbsoluteError(name="weighed")]},
        steps_per_execution=2,
        run_eagerly=True,
    )
    x, y = data()
    original.fit(x, [y, y], 2, verbose=0)
    result = rewriter.rewrite(original, [], verify=False)
    assert not result.plan.notes
    assert result.model.run_eagerly
    assert result.model.get_compile_config()["steps_per_execution"] == 2
    logs = [
        model.evaluate(x, [y, y], 2, 0, sample_weight=[np.ones(4), np.arange(4.0)])
        for model in (original, result.model)
    ]
    assert logs[0] == logs[1]
    assert [one.name for one in result.model.metrics] == [one.name for one in original.metrics]


def test_losses_follow_an_output_whose_layer_is_removed(dialect):
    original = two_outputs(dialect.keras)
    weights = {"first": 1.0, "drop": 0.25}
    losses = {"first": "mse", "drop": "mae"}
    original.compile("sgd", loss=losses, loss_weights=weights, run_eagerly=True)
    result = rewriter.rewrite(original, ["strip-dropout"], verify=False)
    assert [note.reason for note in result.plan.notes] == [
        "the output drop gets the name second, after the layer it comes from; losses and metrics "
        "follow, and targets by name must be given as second"
    ]
    x, y = data()
    logs = [model.evaluate(x, [y, y], verbose=0) for model in (original, result.model)]
    assert logs[0] == logs[1]
    result.model.train_on_batch(x, {"first": y, "second": y})


def test_metrics_of_the_original_are_not_shared(dialect):
    keras = dialect.keras
    metric = keras.metrics.MeanAbsoluteError()
    original = functional(keras)
    original.compile("sgd", loss="mse", metrics=[metric], run_eagerly=True)
    model = rewriter.rewrite(original, [], verify=False).model
    model.train_on_batch(*data())
    assert float(metric.result()) == 0.0


def test_what_is_not_registered_is_carried_live(dialect):
    keras = dialect.keras

    class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.125

        def get_config(self):
            return {}

    class OwnOptimizer(keras.optimizers.Adam):
        pass

    class OwnMetric(keras.metrics.MeanAbsoluteError):
        def __init__(self, wanted):
            super().__init__()
            self.wanted = wanted

    original = functional(keras, rate=0.0)
    original.compile(
        OwnOptimizer(OwnSchedule()),
        loss=lambda y, p: own_loss(y, p) * 2.0,
        metrics=[OwnMetric(3)],
        run_eagerly=True,
    )
    trained(original)
    result = rewriter.rewrite(original, [], verify=False)
    (note,) = result.plan.notes
    assert "both models share the metric mean_absolute_error" in note.reason
    assert type(result.model.optimizer) is OwnOptimizer
    assert_same_next_step(dialect.number, original, result.model)


# What cannot be carried


def test_a_slot_that_does_not_fit_is_told_by_variable(dialect):
    original = functional(dialect.keras)
    original.compile("adam", loss="mse", run_eagerly=True)
    trained(original)
    slots = original.optimizer._momentums
    wrong = type(slots[0])(np.zeros((7, 7), "float32"), trainable=False)
    slots[0] = wrong
    result = rewriter.rewrite(original, [], verify=False)
    (note,) = [note for note in result.plan.notes if note.layer == "hidden"]
    assert note.reason == (
        "the optimizer starts fresh for kernel: its _momentums is (7, 7) in the original, "
        "(4, 3) here"
    )
    kept = np.asarray(result.model.optimizer._momentums[1])
    assert np.array_equal(kept, np.asarray(slots[1]))


def test_an_optimizer_of_another_model_is_told_by_variable(dialect):
    keras = dialect.keras
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(other.trainable_variables)
    original = functional(keras)
    original.compile(optimizer, loss="mse", run_eagerly=True)
    notes = rewriter.rewrite(original, [], verify=False).plan.notes
    assert any("which is no variable of the model" in note.reason for note in notes)
    assert any("the optimizer starts fresh for kernel" in note.reason for note in notes)


def test_a_class_with_its_own_compile_is_left_to_its_author(dialect):
    keras = dialect.keras

    class Own(keras.Model):
        def compile(self, strength, **others):
            super().compile(**others)
            self.strength = strength

    plain = functional(keras)
    original = Own(inputs=plain.inputs, outputs=plain.outputs)
    original.compile(2.0, optimizer="sgd", loss="mse")
    result = rewriter.rewrite(original, [], verify=False)
    (note,) = result.plan.notes
    assert note.reason == ("is not compiled: Own has a compile() but no compile_from_config()")


@pytest.mark.parametrize("by", ["variables", "names"])
@pytest.mark.parametrize("trained", [True, False])
def test_variables_without_weight_decay_stay_so(dialect, by, trained):
    keras = dialect.keras
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((3,)), layers.Dropout(0.0), layers.Dense(2, bias_initializer="ones")]
    )
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    bias = model.layers[-1].bias
    told = {"var_list": [bias]} if by == "variables" else {"var_names": ["bias"]}
    optimizer.exclude_from_weight_decay(**told)
    model.compile(optimizer, "mse")
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    if trained:
        model.train_on_batch(x, y)
    new = rewriter.rewrite(model, ["strip-dropout"], verify=False).model
    for each in (model, new):
        each.train_on_batch(x, y)
    for one, other in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_set_before_the_first_step_is_carried(dialect):
    """A count of steps to start from, and an attribute of a class of the user's own."""
    keras = dialect.keras

    class Boosted(keras.optimizers.SGD):
        boost = 1.0

        def update_step(self, gradient, *others):
            return super().update_step(self.boost * gradient, *others)

    model = functional(keras, rate=0.0)
    optimizer = Boosted(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))
    optimizer.iterations.assign(3)
    optimizer.boost = 2.0
    model.compile(optimizer, "mse")
    new = rewriter.rewrite(model, ["strip-dropout"], verify=False).model
    for each in (model, new):
        each.train_on_batch(*data())
    for one, other in zip(model.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
