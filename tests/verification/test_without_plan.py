"""Two models that were built apart are compared as those of a plan are, by the order of layers."""

import numpy as np
import pytest

import rewriter
from rewriter.verification.differences import Spread


def build(k, *, units=3, shape=(4,), dtype="float32", regularizer=None, rate=0.5):
    kl = k.layers
    x = k.Input(shape, dtype=dtype)
    y = kl.Dense(units, kernel_regularizer=regularizer, kernel_initializer="ones")(x)
    return k.Model(x, kl.Dense(2, kernel_initializer="ones")(kl.Dropout(rate)(y)))


def test_other_names_are_told_and_decide_nothing(dialect):
    one, other = build(dialect.keras), build(dialect.keras)
    said = rewriter.verify(one, other)
    assert said.ok
    assert "different, and not counted: output 0 is named" in str(said)


@pytest.mark.parametrize(
    ("other", "said"),
    [({"regularizer": "l2"}, "kernel_regularizer"), ({"rate": 0.2}, "dropout")],
)
def test_what_no_output_shows_is_told(dialect, other, said):
    one, two = build(dialect.keras), build(dialect.keras, **other)
    assert said in rewriter.verify(one, two).not_verified


@pytest.mark.parametrize(
    ("other", "said"),
    [({"dtype": "float64"}, "takes the type float64"), ({"shape": (5,)}, "takes the shape")],
)
def test_inputs_that_take_something_else_fail(dialect, other, said):
    verification = rewriter.verify(build(dialect.keras), build(dialect.keras, **other))
    assert not verification.ok
    assert said in verification.reason


def test_what_takes_more_shapes_takes_those_of_the_other(dialect):
    k = dialect.keras
    fixed, free = (
        k.Sequential([k.Input((steps, 2)), k.layers.GlobalMaxPooling1D()]) for steps in (5, None)
    )
    assert rewriter.verify(fixed, free).ok
    assert "takes the shape" in rewriter.verify(free, fixed).reason


def test_numbers_of_one_magnitude_are_told_apart_beside_greater_ones():
    spread = Spread(resolution=1e-3)
    spread.add(np.array([[0.1], [0.2], [0.4]], "float32"))
    spread.add(np.full((3, 1), 10_000, "float32"))
    assert spread.features().tolist() == [True]
