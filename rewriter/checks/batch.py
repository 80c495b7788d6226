"""Find batch sizes and lengths that are fixed where they should be free (RW1xx)."""

from __future__ import annotations

from collections.abc import Iterator

from rewriter.analysis.batch_in_arguments import (
    Freed,
    freed_call,
    holds_batch,
    input_batches,
    written_shape,
)
from rewriter.analysis.each_step import without_time_distributed
from rewriter.analysis.layer_kinds import NOISE, RECURRENT
from rewriter.analysis.shapes import Shape, as_shape, output_shape, shape_of
from rewriter.checks.checked_model import CheckedModel, LayerCall
from rewriter.checks.code import Code, Problem
from rewriter.graph.nested import leaves


def _noise_batch(place: LayerCall) -> int | None:
    shape = as_shape(place.config.get("noise_shape"))
    return shape[0] if shape else None


def fixed_batch_noise(model: CheckedModel) -> Iterator[Problem]:
    """Find noise whose shape fixes the batch."""
    for place in model.layers(NOISE):
        batch = _noise_batch(place)
        if batch is not None and batch > 1:
            yield Problem(
                place.path,
                f"noise_shape fixes the batch at {batch}: training at other sizes raises, "
                f"and at batch 1 silently gives {batch} rows",
            )


def one_mask_for_the_batch(model: CheckedModel) -> Iterator[Problem]:
    """Find noise that is the same for every sample."""
    for place in model.layers(NOISE):
        if _noise_batch(place) == 1:
            yield Problem(
                place.path,
                "noise_shape begins with 1: all samples of a batch lose the same units",
            )


def fixed_batch_input(model: CheckedModel) -> Iterator[Problem]:
    """Find inputs with a fixed batch, unless a stateful layer needs them so."""
    if any(place.config.get("stateful") for place in model.layers()):
        return
    for tensor in leaves(model.graph.inputs):
        shape = output_shape(model.graph, tensor)
        if shape and shape[0] is not None:
            holder = _holder(model)
            elsewhere = (
                "predict works at other sizes all the same, exported signatures do not"
                if holder is None
                else f"{holder} holds it too, and predict works at no other size"
            )
            yield Problem(
                model.graph.path_of(tensor.call),
                f"the batch is fixed at {shape[0]}: {elsewhere}",
            )


def _holder(model: CheckedModel) -> str | None:
    """Return the first call besides the inputs that works at one batch size alone."""
    batches = input_batches(model.graph)
    for place in model.calls():
        if holds_batch(place.graph, place.call, batches) or freed_call(
            place.graph, place.call, batches
        ):
            return place.path
    return None


def stateful(model: CheckedModel) -> Iterator[Problem]:
    """Find layers whose state has the batch in its shape."""
    for place in model.layers():
        if place.config.get("stateful") is True:
            yield Problem(place.path, "its state fixes the batch size: every other size raises")


def baked_batch(model: CheckedModel) -> Iterator[Problem]:
    """Find operations with a batch size among their arguments."""
    batches = input_batches(model.graph)
    for place in model.calls():
        written = written_shape(place.layer, place.arguments)
        if written is None or written.function not in ("reshape", "broadcast_to"):
            continue
        shape = as_shape(written.sizes)
        if shape and shape[0] is not None and shape[0] > 0 and not _is_of_other_axes(place, shape):
            freed = freed_call(place.graph, place.call, batches)
            yield Problem(
                place.path,
                f"the shape {list(shape)} fixes the batch at {shape[0]}: other sizes fail, "
                "or rows and columns are mixed",
                "free-batch" if isinstance(freed, Freed) else None,
            )


def _is_of_other_axes(place: LayerCall, shape: Shape) -> bool:
    """Whether the first size is that of an axis which is no batch, and works at every size."""
    source = place.graph.producer(place.call)
    given = None if source is None else shape_of(place.graph, source)
    rest = -1 in shape[1:]
    turned = given is not None and None in given[1:] and given[0] == shape[0]
    return rest and (shape[0] == 1 or turned)


def time_distributed_unknown_steps(model: CheckedModel) -> Iterator[Problem]:
    """Find TimeDistributed over an unknown number of steps."""
    if model.keras != 3 or not model.reaches((3, 14)):
        return
    for place in model.calls({"TimeDistributed"}):
        if place.call.number == 0 and place.has_unknown_steps:
            mended = not isinstance(without_time_distributed(place.layer), str)
            yield Problem(
                place.path,
                "compiled, from a second length on it runs over the batch size in place of the "
                "steps: it raises, or silently gives too few steps",
                "unwrap-time-distributed" if mended else None,
            )


def unroll_unknown_steps(model: CheckedModel) -> Iterator[Problem]:
    """Find recurrent layers that are unrolled over an unknown number of steps."""
    if model.keras != 3:
        return
    for place in model.layers(RECURRENT):
        if place.config.get("unroll") is True and place.has_unknown_steps:
            yield Problem(
                place.path,
                "unroll=True with an unknown number of steps: it trains at the first length "
                "and fails at the next",
            )


CODES = (
    Code(
        "RW101",
        "fixed-batch-noise",
        "the noise shape fixes the batch size",
        "Dropout takes noise_shape as it stands. With an integer where the batch is, the noise "
        "has that many rows: training at another batch size raises, and at batch 1 the tensor is "
        "silently broadcast to that many rows. Inference is not touched, so it shows late.",
        """
x = keras.Input((7, 4))
y = layers.Dropout(0.5, noise_shape=(4, 1, 4))(x)
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "training at batch 3 or 5 raises; at batch 1 it gives 4 rows",
        "training at batch 3 or 5 raises; at batch 1 it gives 4 rows",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        fixed_batch_noise,
        fix="free-batch",
    ),
    Code(
        "RW102",
        "one-mask-for-the-batch",
        "one noise mask is shared by the whole batch",
        "A noise_shape that begins with 1 is broadcast over the samples: a unit is dropped for "
        "all of them or for none, so a step of training sees far less noise than the rate says.",
        """
x = keras.Input((7, 4))
y = layers.Dropout(0.5, noise_shape=(1, 7, 4))(x)
model = keras.Model(x, layers.LSTM(2)(y))
""",
        "drops the same units of every sample",
        "drops the same units of every sample",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        one_mask_for_the_batch,
    ),
    Code(
        "RW103",
        "fixed-batch-input",
        "an input fixes the batch size",
        "A model without state takes other batch sizes in predict all the same, but exported "
        "signatures, converters and whoever reads the shape take the size at its word.",
        """
x = keras.Input(batch_shape=(32, 4))
model = keras.Model(x, layers.Dense(2)(x))
""",
        "predict works at other sizes; exported signatures are fixed",
        "predict works at other sizes; exported signatures are fixed",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        fixed_batch_input,
        fix="free-batch",
    ),
    Code(
        "RW104",
        "stateful",
        "a recurrent layer keeps its state, and with it the batch size",
        "With stateful=True the state is a variable of the shape (batch, units). Every other "
        "batch size fails, also for the last, smaller batch of a data set. From zero state, "
        "stateful=False with a free batch gives the same outputs.",
        """
x = keras.Input(batch_shape=(4, 7, 3))
model = keras.Model(x, layers.LSTM(2, stateful=True)(x))
""",
        'other sizes raise: "[3,12] vs. [4,12]"',
        "other sizes raise",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        stateful,
        fix="free-batch:stateful=drop",
    ),
    Code(
        "RW105",
        "baked-batch",
        "an operation has the batch size among its arguments",
        "reshape(x, (32, -1)) is right for batches of 32 alone. For others it fails or, where "
        "the numbers happen to divide, mixes samples. Write -1 for the batch.",
        """
x = keras.Input((2, 2))
reshape = keras.ops.reshape if hasattr(keras, "ops") else tf.reshape
model = keras.Model(x, layers.Dense(2)(reshape(x, (32, 4))))
""",
        "fails at other batch sizes",
        "fails at other batch sizes",
        "seen with tf_keras 2.21 and Keras 3.15.1",
        baked_batch,
        fix="free-batch",
    ),
    Code(
        "RW106",
        "time-distributed-unknown-steps",
        "TimeDistributed over an unknown number of steps",
        "From Keras 3.14 on TimeDistributed is right eagerly and at the first length. Once a "
        "compiled function (predict, fit, tf.function) meets a second length, it runs over the "
        "batch size instead of the steps.",
        """
x = keras.Input((None, 4))
model = keras.Model(x, layers.TimeDistributed(layers.Dense(3))(x))
""",
        "",
        "3.15.1 gives (2, 2, 3) for an input of (2, 8, 4), silently; raises for (7, 6, 4)",
        "seen with Keras 3.15.1",
        time_distributed_unknown_steps,
        fix="unwrap-time-distributed",
        since="Keras 3.14",
    ),
    Code(
        "RW107",
        "unroll-unknown-steps",
        "a recurrent layer is unrolled over an unknown number of steps",
        "Unrolling needs the number of steps. Where the input leaves it open, the layer is built "
        "for the first length that it meets, and fails at the next.",
        """
x = keras.Input((None, 4))
model = keras.Model(x, layers.LSTM(2, unroll=True)(x))
""",
        "",
        "builds, trains at the first length and fails at the next; Keras 2 refuses to build it",
        "seen with Keras 3.15.1",
        unroll_unknown_steps,
        since="Keras 3.0",
    ),
)
