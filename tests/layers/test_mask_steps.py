"""The mask behind a layer that changes the steps, counted window by window."""

import numpy as np
import pytest
import tensorflow as tf

from rewriter.layers import keras2, keras3
from rewriter.layers.mask_steps import Steps

LENGTH = 11


@pytest.fixture(params=[keras2, keras3], ids=["keras2", "keras3"])
def layers(request):
    return request.param


def carried(layers, steps, mask, how="eager"):
    """Return the mask that CarryMask puts on a tensor."""
    layer = layers.CarryMask(steps.to_config())

    def call(mask):
        return layer.compute_mask([None, None], [None, mask])

    if how == "compiled":
        call = tf.function(call, input_signature=[tf.TensorSpec([None, None], tf.bool)])
    return np.asarray(call(tf.constant(mask)))


def counted(steps, mask):
    """Return which windows of a sequence count with all their steps, one by one."""
    length = len(mask)
    if steps.padding == "same":
        count = -(-length // steps.stride)
        front = max((count - 1) * steps.stride + steps.span - length, 0) // 2
    else:
        count, front = (length - steps.span) // steps.stride + 1, 0
    starts = [number * steps.stride - front for number in range(count)]
    seen = [[start + step * steps.dilation for step in range(steps.window)] for start in starts]
    return [all(mask[place] for place in each if 0 <= place < length) for each in seen]


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize(
    "steps",
    [
        Steps(window=2, stride=2),
        Steps(window=3),
        Steps(window=3, stride=2),
        Steps(window=2, dilation=3),
        Steps(window=2, stride=2, padding="same"),
        Steps(window=4, stride=3, padding="same"),
    ],
    ids=str,
)
def test_a_window_counts_if_all_its_steps_do(layers, steps, how):
    random = np.random.default_rng(0)
    for length in (LENGTH, LENGTH + 1, 6):
        masks = random.random((5, length)) > 0.3
        expected = np.array([counted(steps, mask) for mask in masks])
        assert np.array_equal(carried(layers, steps, masks, how), expected)


@pytest.mark.parametrize("how", ["eager", "compiled"])
def test_added_steps_count_and_others_go_or_stand_more_than_once(layers, how):
    mask = np.array([[True, False, False]])
    added = carried(layers, Steps(added=(1, 2)), mask, how)
    assert added.tolist() == [[True, True, False, False, True, True]]
    assert carried(layers, Steps(cut=(1, 1)), mask, how).tolist() == [[False]]
    assert carried(layers, Steps(repeat=2), mask, how).tolist() == [[True] * 2 + [False] * 4]


@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize("stride", [2, 3])
def test_the_mask_of_a_strided_convolution_is_as_long_as_its_output(layers, padding, stride):
    steps = Steps(window=4, stride=stride, padding=padding, whole=False)
    for length in range(1, 12):
        mask = carried(layers, steps, np.ones((1, length), bool))
        assert mask.shape == (1, -(-length // stride))


def test_masked_steps_become_zero_and_the_others_stay_to_the_bit(layers):
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[True, False, True], [True, True, True]])
    zeroed = np.asarray(layers.ZeroMaskedSteps()(tf.constant(values), mask=tf.constant(mask)))
    assert np.array_equal(zeroed, values * mask[..., None])


def test_the_layers_come_back_from_their_configs(layers):
    layer = layers.CarryMask({"window": 3, "cut": [1, 2]}, name="carry")
    again = layers.CarryMask.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "carry"
