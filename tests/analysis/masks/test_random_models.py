"""The mask flow agrees with Keras on random models, run eagerly."""

from collections import defaultdict
from contextlib import contextmanager

import numpy as np
import pytest
import tensorflow as tf
from support.oracle import evaluated, mask_of
from support.random_models import FEATURES, LENGTH, Gardener

import rewriter
from rewriter.analysis.masks import Join, mask_flow

FEW, MANY = 12, 1000
CLEARED = 50
"""So many models share a session, for to clear one takes longer than to try a model."""


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_mask_of_every_call_is_the_one_that_keras_carries(dialect, count):
    calls, left_out, wrong = 0, 0, []
    for seed in range(count):
        grown = Gardener(dialect.keras, seed).model(size=8)
        flows = mask_flow(rewriter.read(grown.model))
        try:
            logged = carried(dialect, grown.model, inputs_of(grown.model, seed))
        except Exception as error:
            # A nested model that joins sequences cannot be called again on another length.
            assert "Dimension" in str(error) or any(flow.fails for flow in flows), error
            left_out += 1
            continue
        found, said = compare(flows, logged)
        calls += found
        wrong += [f"seed {seed}, {', '.join(grown.steps)}: {each}" for each in said]
        if seed % CLEARED == 0:
            dialect.keras.backend.clear_session()
    print(f"{count - left_out} random models, {calls} calls; {left_out} fail in Keras")
    assert not wrong, "\n".join(wrong)
    assert calls > 5 * count
    assert left_out <= count // 20


def inputs_of(model, seed):
    random = np.random.default_rng(seed)
    arrays = []
    for tensor in model.inputs:
        if len(tensor.shape) == 2:
            arrays.append(random.integers(0, 3, (2, LENGTH)).astype("int32"))
        else:
            values = random.random((2, LENGTH, FEATURES)).astype("float32")
            values[random.random((2, LENGTH)) < 0.4] = 0
            arrays.append(values)
    return [tf.constant(array) for array in arrays]


def carried(dialect, model, inputs):
    """Run a model eagerly; return the masks that each of its layers gave, call by call."""
    log = defaultdict(list)
    with logged_calls(dialect, log):
        model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return log


@contextmanager
def logged_calls(dialect, log):
    """Write down the masks of what each layer gives, as they are when it gives it."""
    kinds = [dialect.keras.layers.Layer]
    if dialect.number == 3:
        from keras.src.ops.operation import Operation

        kinds.append(Operation)
    originals = [kind.__call__ for kind in kinds]

    def logging(original, kind):
        def call(self, *args, **kwargs):
            outputs = original(self, *args, **kwargs)
            if kind is kinds[0] or not isinstance(self, kinds[0]):
                flat = tf.nest.flatten(outputs)
                log[self.name].append([mask_of(each) for each in flat])
                if type(self).__name__ == "Concatenate":
                    log[self.name, "lengths"].append([each.shape[1] for each in args[0]])
                if flat[0].dtype == tf.bool:
                    log[self.name, "value"].append([flat[0].numpy()])
            return outputs

        return call

    for kind, original in zip(kinds, originals, strict=True):
        kind.__call__ = logging(original, kind)
    try:
        yield
    finally:
        for kind, original in zip(kinds, originals, strict=True):
            kind.__call__ = original


def compare(flows, logged):
    """Compare each call's first masks, those of a layer's calls in any order.

    Returns how many were compared, and what Keras has otherwise.
    """
    values, lengths = source_values(flows, logged), lengths_of_parts(flows, logged)
    predicted, wrong = defaultdict(list), []
    for flow in flows:
        if flow.class_name in ("InputLayer", "Functional", "Model"):
            continue
        if not all(mask.known for mask in flow.masks_out) and flow.class_name != "Lambda":
            wrong.append(f"{flow.layer} ({flow.class_name}) is not known")
        for number, mask in enumerate(flow.masks_out):
            name = flow.layer.rpartition("/")[2]
            shape = next(
                (each[number].shape for each in logged[name] if each[number] is not None), None
            )
            predicted[name, number].append((mask, evaluated(mask, values, shape, lengths)))
    for (name, number), masks in predicted.items():
        real = [printed(each[number]) for each in logged[name]]
        if sorted(printed(value) for _, value in masks) != sorted(real):
            wrong.append(f"{name}: {', '.join(str(mask) for mask, _ in masks)}; it is {real}")
    return sum(len(masks) for masks in predicted.values()), wrong


def lengths_of_parts(flows, logged):
    """Return the steps of the parts of masks that stand one behind the other."""
    found = {}
    for flow in flows:
        if flow.mask_out.join is Join.THEN and flow.class_name == "Concatenate":
            found[flow.mask_out] = logged[flow.layer.rpartition("/")[2], "lengths"][0]
    return found


def source_values(flows, logged):
    """Return the mask that each source really made, by its name in the flow."""
    values = {source: None for flow in flows for mask in flow.masks_out for source in mask.sources}
    for source in values:
        name = source.rpartition("/")[2]
        made = logged.get((name, "value")) or logged[name]
        values[source] = next((each[0] for each in made if each[0] is not None), None)
    return values


def printed(mask):
    return "none" if mask is None else str(mask.astype(int).tolist())


def residual_attention(keras, masked=True):
    """Return two blocks of attention, each added to what it was given."""
    layers = keras.layers
    ids = keras.Input((LENGTH,), dtype="int32")
    y = layers.Embedding(3, FEATURES, mask_zero=True, name="table")(ids)
    for name in ("one", "two"):
        attended = layers.MultiHeadAttention(2, 3, name=f"{name}_attention")(y, y)
        y = layers.Add(name=f"{name}_add")([y, layers.Dropout(0.1, name=f"{name}_drop")(attended)])
        y = layers.LayerNormalization(name=f"{name}_norm")(y)
    return keras.Model(ids, layers.GRU(3, name="gru")(y))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_masks_of_residual_attention_are_those_that_keras_carries(dialect):
    model = residual_attention(dialect.keras)
    flows = mask_flow(rewriter.read(model))
    found, said = compare(flows, carried(dialect, model, inputs_of(model, 0)))
    assert said == []
    assert found >= 8
    added = next(flow for flow in flows if flow.layer == "one_add")
    assert bool(added.mask_out) is (dialect.number == 2)
