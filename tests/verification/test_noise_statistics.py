"""The error bounds: what is right raises nothing, what is wrong is seen."""

import numpy as np
import pytest

from rewriter.verification.noise_statistics import drawn

pytestmark = pytest.mark.fast

SHAPE = (32, 10, 100)


def noise(rate, *, scale=True, shared=(), seed=0, runs=8, stated=None):
    """Return runs of dropout on inputs that are not all alike."""
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(runs):
        inputs = random.standard_normal(SHAPE)
        mask = [1 if axis in shared else size for axis, size in enumerate(SHAPE)]
        keep = random.random(mask) >= (stated or rate)
        pairs.append((inputs, inputs * keep / (1 - rate if scale else 1)))
    return pairs


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shared", [(), (1,), (0,), (0, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_right_noise_raises_nothing(rate, shared, seed):
    found = drawn(noise(rate, shared=shared, seed=seed))
    assert not found.rate_differs(rate)
    assert not found.expectation_differs
    assert not found.variance_differs(rate) or found.draws < 1000


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_noise_that_is_not_scaled_is_seen(rate):
    found = drawn(noise(rate, scale=False))
    assert found.expectation_differs
    assert found.expectation == pytest.approx(1 - rate, abs=0.01)


def test_a_rate_that_is_off_by_a_hundredth_is_seen_on_many_draws():
    assert drawn(noise(0.3, stated=0.31)).rate_differs(0.3)


@pytest.mark.parametrize("shared", [(), (1,), (0, 1), (2,)])
def test_shared_axes_are_told_and_count_as_one_draw(shared):
    found = drawn(noise(0.5, shared=shared))
    assert found.shared_axes == shared
    together = np.prod([SHAPE[axis] for axis in shared])
    assert found.draws == 8 * np.prod(SHAPE) // together


def test_additive_noise_keeps_the_expectation():
    random = np.random.default_rng(0)
    inputs = random.standard_normal(SHAPE)
    assert not drawn([(inputs, inputs + random.standard_normal(SHAPE))]).expectation_differs


def test_zeros_of_the_input_are_not_counted_as_dropped():
    inputs = np.zeros(SHAPE)
    inputs[..., :50] = 1.0
    keep = np.random.default_rng(0).random(SHAPE) >= 0.5
    assert not drawn([(inputs, 2 * inputs * keep)]).rate_differs(0.5)
