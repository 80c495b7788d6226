"""Two models over the same variables, and errors that hand the model back."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError, VerificationError


def sequence_model(keras, vocabulary=7):
    inputs = keras.Input((None,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(vocabulary, 3, name="embedding")(inputs)
    noisy = keras.layers.Dropout(0.5, name="drop")(embedded)
    both = keras.layers.Bidirectional(
        keras.layers.LSTM(3, kernel_regularizer="l2", dropout=0.5), name="both"
    )(noisy)
    normal = keras.layers.BatchNormalization(name="normal")(both)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(normal), name="m")
    model.compile("adam", loss="mse", run_eagerly=True)
    return model


IDS = np.array([[1, 2, 0], [3, 4, 5]])
TARGETS = np.ones((2, 2), "float32")


@pytest.fixture
def shared(dialect):
    original = sequence_model(dialect.keras)
    result = rewriter.rewrite(
        original, ["enable-masking", "strip-dropout"], verify=False, weights="share"
    )
    return original, result.model


def test_training_one_changes_the_other(shared):
    original, model = shared
    before = [np.array(weight) for weight in original.get_weights()]
    model.train_on_batch(IDS, TARGETS)
    after = original.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(after, model.get_weights(), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.array_equal(original(IDS[1:]), model(IDS[1:]))


def test_the_regularizer_sees_the_shared_weights(shared):
    original, model = shared
    original.get_layer("both").set_weights(
        [np.ones_like(weight) for weight in original.get_layer("both").get_weights()]
    )
    assert float(np.sum(model.losses)) == float(np.sum(original.losses)) > 0


def test_no_second_set_of_tensors_is_kept(dialect, shared):
    original, model = shared

    def tensors(one):
        return {
            id(getattr(weight, "value", weight)) if dialect.number == 3 else id(weight)
            for weight in one.weights
        }

    assert tensors(model) == tensors(original)


def test_a_model_that_shares_is_saved_and_checkpointed_with_the_weights(dialect, shared, tmp_path):
    original, model = shared
    model.train_on_batch(IDS, TARGETS)
    model.save(tmp_path / "m.keras")
    again = dialect.keras.models.load_model(tmp_path / "m.keras")
    assert np.array_equal(again(IDS), model(IDS))
    if dialect.number == 2:
        model.save_weights(tmp_path / "checkpoint")
        kept = model(IDS).numpy()
        original.set_weights([weight * 0 for weight in original.get_weights()])
        model.load_weights(tmp_path / "checkpoint")
        assert np.array_equal(model(IDS), kept)


def test_by_default_each_model_has_weights_of_its_own(dialect):
    original = sequence_model(dialect.keras)
    before = [np.array(weight) for weight in original.get_weights()]
    model = rewriter.rewrite(original, ["strip-dropout"], verify=False).model
    model.train_on_batch(IDS, TARGETS)
    after = original.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_another_word_for_weights_is_refused(dialect):
    with pytest.raises(RewriterError, match="neither copy nor share"):
        rewriter.rewrite(sequence_model(dialect.keras), [], weights="borrow")


# What errors carry


class Scale(rewriter.Pass):
    """Promise that doubling a layer's weights changes nothing."""

    name = "scale"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        for call in graph.calls({"Activation"}):
            yield graph.configure(call.layer, {"activation": "tanh"}, reason="to be wrong")


def test_a_failed_verification_carries_the_evidence_and_both_models(dialect):
    keras = dialect.keras
    original = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Activation("linear", name="act")]
    )
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(original, [Scale()])
    assert caught.value.model is original
    assert caught.value.rewritten.get_layer("act").activation.__name__ == "tanh"
    assert not caught.value.verification.ok
    assert "act" in str(caught.value)


def test_a_model_that_cannot_be_rewritten_comes_back_in_the_error(dialect):
    keras = dialect.keras

    class Stubborn(keras.layers.Layer):
        def get_config(self):
            return super().get_config() | {"unknown": 1}

        def call(self, x):
            return x

    inputs = keras.Input((3,))
    original = keras.Model(inputs, Stubborn(name="stubborn")(keras.layers.Dense(2)(inputs)))
    before = [np.array(weight) for weight in original.get_weights()]
    with pytest.raises(RewriterError, match="stubborn") as caught:
        rewriter.rewrite(original, [])
    assert caught.value.model is original
    assert all(np.array_equal(a, b) for a, b in zip(before, original.get_weights(), strict=True))
