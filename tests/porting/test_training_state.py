"""A ported model trains on where the original stands: the next step is the same."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter

NEW = ["SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Ftrl"]
NEW += ["Adafactor", "Lion"]
LEGACY = ["SGD", "Adam", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Ftrl"]
MORE = {
    "SGD": [{"momentum": 0.9, "nesterov": True}, {"clipnorm": 0.5}],
    "Adam": [{"amsgrad": True}, {"global_clipnorm": 0.5}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
}
CASES = [
    *((name, False, given) for name in NEW for given in [{}, *MORE.get(name, [])]),
    *((name, True, given) for name in LEGACY for given in [{}, *MORE.get(name, [])[:1]]),
    ("SGD", True, {"decay": 0.1, "momentum": 0.9}),
    ("Adam", True, {"decay": 0.01}),
]
FIGURES = {("Nadam", False): 5e-4, ("Nadam", True): 1.2e-3, ("RMSprop", True): 1e-4}
FEW = (
    ("Adam", False, {"amsgrad": True}),
    ("SGD", True, {"decay": 0.1, "momentum": 0.9}),
    ("RMSprop", True, {}),
)
X = np.random.default_rng(0).standard_normal((8, 3)).astype("float32")
Y = np.random.default_rng(1).standard_normal((8, 2)).astype("float32")


def small(keras):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(2)]
    )


def trained(name, legacy, given):
    import tf_keras

    tf_keras.utils.set_random_seed(3)
    model = small(tf_keras)
    module = tf_keras.optimizers.legacy if legacy else tf_keras.optimizers
    model.compile(
        getattr(module, name)(**{"learning_rate": 0.01, **given}), "mse", run_eagerly=True
    )
    for _ in range(3):
        model.train_on_batch(X, Y)
    return model


@pytest.mark.parametrize(
    ("name", "legacy", "given"),
    [pytest.param(*case, marks=() if case in FEW else pytest.mark.long) for case in CASES],
)
def test_the_next_step_is_the_same(name, legacy, given):
    model = trained(name, legacy, given)
    result = rewriter.port(model, verify=False)
    new = result.model
    assert int(new.optimizer.iterations.numpy()) == 3
    model.train_on_batch(X, Y)
    new.train_on_batch(X, Y)
    pairs = zip(model.get_weights(), new.get_weights(), strict=True)
    worst = max(float(np.abs(old - now).max()) for old, now in pairs)
    said = any("the next step differs" in note.reason for note in result.plan.notes)
    assert said == ((name, legacy) in FIGURES)
    assert worst <= FIGURES.get((name, legacy), 1.2e-7)


def test_a_schedule_losses_and_metrics_come_along(tmp_path):
    import keras
    import tf_keras

    model = small(tf_keras)
    rate = tf_keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model.compile(
        tf_keras.optimizers.Adam(rate),
        tf_keras.losses.LogCosh(reduction="sum"),
        metrics=["mae", tf_keras.metrics.RootMeanSquaredError(name="root"), "logcosh"],
    )
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "old.h5")
    rewriter.port(tmp_path / "old.h5", tmp_path / "new.keras")
    new = keras.models.load_model(tmp_path / "new.keras")
    assert type(new.optimizer._learning_rate).__name__ == "ExponentialDecay"
    old, now = (each.evaluate(X, Y, verbose=0, return_dict=True) for each in (model, new))
    assert set(now) == {"loss", "mae", "root", "logcosh"}
    assert np.allclose([old[key] for key in now], list(now.values()), atol=1e-6)
    histories = [
        each.fit(X, Y, epochs=25, batch_size=4, shuffle=False, verbose=0).history["loss"]
        for each in (model, new)
    ]
    assert np.allclose(*histories, rtol=1e-5)


def test_what_keras_3_does_not_save_of_a_loss_is_told():
    import tf_keras

    model = small(tf_keras)
    model.compile("sgd", tf_keras.losses.Huber(delta=0.5))
    result = rewriter.port(model, verify=False)
    assert result.model.loss.get_config().keys() == {"name", "reduction"}
    assert any("Huber with delta, and does not save it" in n.reason for n in result.plan.notes)


def test_a_loss_of_the_users_is_told_and_the_model_is_not_compiled():
    import tf_keras

    def own(y, z):
        return tf_keras.backend.mean(tf_keras.backend.square(y - z), axis=-1)

    model = small(tf_keras)
    model.compile("adam", own)
    result = rewriter.port(model, verify=False)
    assert not result.model.compiled
    assert any("own is a loss or metric of the user's own" in n.reason for n in result.plan.notes)
