import doctest

import pytest

from rewriter.errors import RewriterError
from rewriter.layers import keras2, keras3, noise_shape
from rewriter.layers.noise_shape import (
    LayerArgumentError,
    checked_axes,
    checked_rate,
    minimum_rank,
)


@pytest.mark.parametrize("module", [noise_shape, keras2, keras3], ids=lambda m: m.__name__)
def test_the_examples_in_the_docstrings_run(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize(
    "rate", [-0.1, 1, 1.0, 1.5, float("nan"), float("inf"), "0.5", None, [0.5]]
)
def test_a_rate_outside_the_half_open_unit_interval_is_refused(rate):
    with pytest.raises(LayerArgumentError) as caught:
        checked_rate(rate, "DynamicDropout")
    assert str(caught.value) == (
        f"DynamicDropout: rate is {rate!r}; give a number of at least 0 and less than 1"
    )


@pytest.mark.parametrize("axes", ["1", 1.5, [1.5], None, [None], [[1]]])
def test_axes_that_are_no_integers_are_refused(axes):
    with pytest.raises(LayerArgumentError, match=r"shared_axes is .* give an integer or a list"):
        checked_axes(axes, "DynamicDropout")


def test_a_refused_argument_is_an_error_of_this_program_and_a_value_error():
    assert issubclass(LayerArgumentError, RewriterError)
    assert issubclass(LayerArgumentError, ValueError)


def test_the_noise_is_one_long_along_the_shared_axes():
    assert noise_shape.noise_shape((2, 3, 4), ()) == [2, 3, 4]
    assert noise_shape.noise_shape((2, 3, 4), (1,)) == [2, 1, 4]
    assert noise_shape.noise_shape((2, 3, 4), (0, -1)) == [1, 3, 1]
    assert noise_shape.noise_shape((2, 3, 4), (1, -2)) == [2, 1, 4]


@pytest.mark.parametrize(("axes", "rank"), [((0,), 1), ((1,), 2), ((-1,), 1), ((1, -3), 3)])
def test_every_axis_exists_at_the_minimum_rank_and_one_of_them_not_below(axes, rank):
    assert minimum_rank(axes) == rank
    assert all(-rank <= axis < rank for axis in axes)
    assert not all(-(rank - 1) <= axis < rank - 1 for axis in axes)
