"""A guarantee is measured, and a breach of it is found and placed."""

import numpy as np
import pytest

import rewriter
from rewriter.errors import RewriterError, VerificationError
from rewriter.pipeline import Guarantee, Pass


class Sabotage(Pass):
    """Promise the same outputs and change an activation."""

    name = "sabotage"
    guarantee = Guarantee.SAME

    def run(self, graph):
        yield graph.configure("second", {"activation": "relu"}, reason="to be caught")


class Nothing(Pass):
    """Change nothing."""

    name = "nothing"
    guarantee = Guarantee.SAME

    def run(self, graph):
        return iter(())


def dense(keras):
    names = ("first", "second", "third")
    return keras.Sequential(
        [keras.layers.Input((4,)), *(keras.layers.Dense(4, name=name) for name in names)]
    )


def recurrent(keras, *, mask_zero=False, shape=(None,)):
    return keras.Sequential(
        [
            keras.layers.Input(shape, dtype="int32"),
            keras.layers.Embedding(20, 4, mask_zero=mask_zero, name="emb"),
            keras.layers.GRU(3, name="gru"),
        ]
    )


def test_an_unchanged_model_is_equal_to_the_bit(dialect):
    model = dense(dialect.keras)
    verification = rewriter.verify(model, model)
    assert verification.ok
    assert verification.max_difference == 0.0
    assert {case.mode for case in verification.cases} == {"eager", "compiled"}
    assert {case.batch for case in verification.cases} == {1, 2, 3, 7, 64}


def test_a_plan_without_changes_runs_no_model_and_never_says_verified(dialect, monkeypatch):
    monkeypatch.setattr("rewriter.verification.verify.runner", None)
    verification = rewriter.rewrite(dense(dialect.keras), [Nothing()]).verification
    assert verification.ok and not verification.compared
    assert str(verification).startswith("nothing changed")
    assert verification.cases == ()


def test_a_broken_promise_is_found_and_the_first_layer_that_differs_named(dialect):
    with pytest.raises(VerificationError, match="first at layer second"):
        rewriter.rewrite(dense(dialect.keras), [Sabotage()])


def test_nothing_is_written_when_the_verification_fails(dialect, tmp_path):
    with pytest.raises(VerificationError):
        rewriter.rewrite(dense(dialect.keras), [Sabotage()], output=tmp_path / "out.keras")
    assert list(tmp_path.iterdir()) == []


def test_masking_keeps_unpadded_outputs_and_its_effect_on_padding_is_measured(dialect):
    result = rewriter.rewrite(recurrent(dialect.keras), ["enable-masking"])
    verification = result.verification
    assert verification.guarantee is Guarantee.SAME_WHERE_UNPADDED
    assert verification.max_difference == 0.0
    assert verification.padding.changed == verification.padding.sequences > 0
    assert max(verification.padding.before.values()) > 1e-3
    assert max(verification.padding.after.values()) == 0.0


def test_the_users_data_is_used(dialect):
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    result = rewriter.rewrite(recurrent(dialect.keras), ["enable-masking"], data=ids)
    assert [case.batch for case in result.verification.cases if case.inputs == "data"] == [2, 2]


def test_two_models_are_compared(dialect):
    model, other = dense(dialect.keras), dense(dialect.keras)
    assert rewriter.verify(model, model).ok
    found = rewriter.verify(model, other)
    assert not found.ok
    assert found.where == "first"


def test_models_of_different_keras_are_not_compared():
    import keras
    import tf_keras

    with pytest.raises(RewriterError, match="different Keras"):
        rewriter.verify(dense(keras), dense(tf_keras))


def test_an_input_on_which_the_original_fails_is_left_out_and_told(dialect):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential(
        [layers.Input((None, 3)), layers.Conv1D(2, 8), layers.GlobalAveragePooling1D()]
    )
    verification = rewriter.verify(model, model)
    assert verification.ok
    assert {case.outcome for case in verification.cases} <= {"equal", "left out"}


def test_states_of_stateful_layers_are_given_back(dialect):
    layers = dialect.keras.layers
    given = {"batch_shape": (2, 5, 3)} if dialect.number == 3 else {"batch_input_shape": (2, 5, 3)}
    model = dialect.keras.Sequential(
        [layers.InputLayer(**given), layers.LSTM(4, stateful=True, name="lstm")]
    )
    model(np.ones((2, 5, 3), "float32"))
    states = [np.array(state) for state in model.get_layer("lstm").states]
    verification = rewriter.verify(model, model)
    after = [np.array(state) for state in model.get_layer("lstm").states]
    assert {case.batch for case in verification.cases} == {2}
    assert all(np.array_equal(a, b) for a, b in zip(states, after, strict=True))
    assert np.abs(states[0]).max() > 0


def test_a_model_whose_inference_is_random_is_compared_up_to_its_noise(dialect):
    import tensorflow as tf

    layers = dialect.keras.layers
    noisy = layers.Lambda(lambda x: x + tf.random.uniform([]), name="noisy")
    model = dialect.keras.Sequential([layers.Input((4,)), layers.Dense(3, name="dense"), noisy])
    verification = rewriter.verify(model, model)
    assert verification.ok
    assert [output.by for output in verification.outputs] == ["inner tensors"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_never_finite_are_compared_by_what_they_are_made_of(dialect, value):
    layers = dialect.keras.layers
    model = dialect.keras.Sequential([layers.Input((4,)), layers.Dense(2), layers.Dense(2)])
    model.layers[0].set_weights([np.full((4, 2), value, "float32"), np.zeros(2, "float32")])
    verification = rewriter.verify(model, model)
    assert verification.ok
    assert [output.by for output in verification.outputs] == ["inner tensors"]
    assert verification.rows_left_out > 0
    other = dialect.keras.models.clone_model(model)
    found = rewriter.verify(model, other)
    assert not found.ok and not found.compared
    assert str(found).startswith("not compared")
