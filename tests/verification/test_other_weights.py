"""Other weights are drawn in copies: the models that the user holds are never touched."""

import numpy as np
import pytest
from hard_models import saturated, zero_head
from wrong_passes import Right, as_pass, insert_dropout

import rewriter
from rewriter.errors import VerificationError
from rewriter.pipeline import Guarantee
from rewriter.verification import other_weights


def right_pass():
    """A pass that no tensor before the head tells from a wrong one."""
    return as_pass(Right("noise", zero_head, insert_dropout("head")))


class AssignedError(Exception):
    """A variable of the user's was assigned to."""


@pytest.fixture
def untouched(dialect, monkeypatch):
    """A model whose variables must neither be assigned to nor change."""
    model = zero_head(dialect.keras)
    kind = type(model.weights[0])
    held, assign = {id(weight) for weight in model.weights}, kind.assign

    def watched(variable, *arguments, **options):
        if id(variable) in held:
            raise AssignedError
        return assign(variable, *arguments, **options)

    before = [np.array(weight).tobytes() for weight in model.weights]
    monkeypatch.setattr(kind, "assign", watched)
    yield model
    assert [np.array(weight).tobytes() for weight in model.weights] == before


def test_the_originals_variables_are_never_assigned_to(untouched):
    verification = rewriter.rewrite(untouched, [right_pass()]).verification
    assert [output.by for output in verification.outputs] == ["other weights"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_changed_where_it_ends_in_the_middle(untouched, failure, monkeypatch):
    drawn, draw = [], other_weights._drawn

    def failing(*arguments):
        drawn.append(arguments)
        if len(drawn) > 1:
            raise failure
        return draw(*arguments)

    monkeypatch.setattr(other_weights, "_drawn", failing)
    with pytest.raises((failure, VerificationError)):
        rewriter.rewrite(untouched, [right_pass()])
    assert len(drawn) > 1


def test_no_copy_is_made_of_shared_weights(dialect):
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(zero_head(dialect.keras), [right_pass()], weights="share")
    assert str(caught.value.verification).startswith("not compared")
    assert "share" in caught.value.verification.reason


def test_where_memory_forbids_a_copy_nothing_is_compared(dialect, monkeypatch):
    monkeypatch.setattr(other_weights, "_free_memory", lambda: 10.0)
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(zero_head(dialect.keras), [right_pass()])
    assert "memory" in caught.value.verification.reason
    assert caught.value.verification.to_json()["compared"] is False


def test_what_was_not_made_to_be_trained_keeps_its_values(dialect):
    k = dialect.keras
    model = k.Sequential([k.layers.Input((4,)), k.layers.BatchNormalization(name="norm")])
    copy = other_weights.copy_of(subject(model), {})
    means = [np.array(weight) for weight in copy.model.non_trainable_weights]
    other_weights.draw_weights(
        keras_of(dialect), copy, subject(k.models.clone_model(model)), "fan-in"
    )
    after = copy.model.non_trainable_weights
    assert all(np.array_equal(a, b) for a, b in zip(means, after, strict=True))
    assert np.ptp(np.array(copy.model.trainable_weights[0])) > 0


def test_constraints_are_respected(dialect):
    k = dialect.keras
    model = k.Sequential(
        [k.layers.Input((4,)), k.layers.Dense(3, kernel_constraint="non_neg", name="dense")]
    )
    copies = [other_weights.copy_of(subject(model), {}) for _ in range(2)]
    other_weights.draw_weights(keras_of(dialect), *copies, "fan-in")
    kernels = [np.array(copy.model.get_layer("dense").kernel) for copy in copies]
    assert np.array_equal(*kernels)
    assert kernels[0].min() >= 0 and not np.array_equal(kernels[0], model.get_weights()[0])


def subject(model):
    from rewriter.verification.running import Subject

    return Subject(rewriter.read(model), model)


def keras_of(dialect):
    from rewriter.live import live_keras

    return live_keras(dialect.number)


def test_a_saturated_head_is_told_apart_by_the_scale_of_fan_in(dialect):
    each = Right("noise", saturated, insert_dropout("head"), guarantee=Guarantee.SAME)
    verification = rewriter.rewrite(saturated(dialect.keras), [as_pass(each)]).verification
    assert verification.ok
