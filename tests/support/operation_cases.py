"""Functions of TensorFlow called on tensors of a Keras 2 model, as it records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

INPUTS: Mapping[str, tuple[tuple[int | None, ...], str]] = {
    "x": ((5, 4), "float32"),
    "y": ((5, 4), "float32"),
    "square": ((4, 4), "float32"),
    "image": ((6, 6, 3), "float32"),
    "ids": ((5,), "int32"),
    "steps": ((None, 4), "float32"),
    "flags": ((5, 4), "bool"),
}

Function = Callable[..., Any]

UNARY = """
abs negative square sqrt exp math.log math.log1p math.expm1 sin cos tan sinh cosh tanh asin acos
atan math.asinh math.atanh math.erf math.erfc math.erfinv floor math.ceil math.round math.rint sign
math.is_nan math.is_inf math.is_finite math.sigmoid math.softplus nn.softsign math.reciprocal
math.reciprocal_no_nan math.lgamma math.digamma math.bessel_i0 math.bessel_i0e math.bessel_i1
math.bessel_i1e math.log_sigmoid math.rsqrt math.ndtri nn.relu nn.relu6 nn.elu nn.selu nn.silu
nn.gelu nn.leaky_relu nn.softmax nn.log_softmax identity stop_gradient zeros_like ones_like
math.special.expint math.special.dawsn math.real math.zero_fraction
"""

BINARY = """
math.add math.subtract math.multiply math.truediv math.divide math.pow math.maximum math.minimum
math.floordiv math.floormod math.divide_no_nan math.multiply_no_nan math.squared_difference
math.xlogy math.xlog1py math.xdivy math.atan2 math.greater math.greater_equal math.less
math.less_equal math.igamma math.nextafter linalg.cross
"""

REDUCED = ["mean", "sum", "max", "min", "prod", "std", "variance", "logsumexp", "euclidean_norm"]


def _named(name: str) -> Function:
    value: Any = tf
    for part in name.split("."):
        value = getattr(value, part)
    return value


def cases() -> dict[str, tuple[tuple[str, ...], Function]]:
    """Return what is called on which inputs, by a name of its own."""
    found: dict[str, tuple[tuple[str, ...], Function]] = {}
    for name in UNARY.split():
        found[name] = ("x",), _named(name)
    for name in BINARY.split():
        inputs = ("image", "image") if name == "linalg.cross" else ("x", "y")
        found[name] = inputs, _named(name)
    for name in REDUCED:
        function = _named(f"math.reduce_{name}")
        found[f"reduce_{name}"] = ("x",), lambda x, f=function: f(x, axis=1)
        found[f"reduce_{name} kept"] = ("x",), lambda x, f=function: f(x, [1, 2], keepdims=True)
    for group, inputs in (
        (OPERATORS, ("x", "y")),
        (OF_ONE, ("x",)),
        (OF_SQUARES, ("square",)),
        (OF_IMAGES, ("image",)),
        (OF_IDS, ("ids",)),
        (OF_STEPS, ("steps",)),
        (OF_FLAGS, ("flags",)),
    ):
        found |= {name: (inputs, function) for name, function in group.items()}
    return found


OPERATORS: Mapping[str, Function] = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "x // y": lambda x, y: x // y,
    "x % y": lambda x, y: x % y,
    "x > y": lambda x, y: x > y,
    "x <= y": lambda x, y: x <= y,
    "matmul operator": lambda x, y: x @ tf.transpose(y, [0, 2, 1]),
    "matmul": lambda x, y: tf.matmul(x, y, transpose_b=True),
    "matmul adjoint": lambda x, y: tf.linalg.matmul(x, y, adjoint_a=True),
    "concat": lambda x, y: tf.concat([x, y], axis=-1),
    "concat steps": lambda x, y: tf.concat([x, y], 1),
    "stack": lambda x, y: tf.stack([x, y], axis=2),
    "add_n": lambda x, y: tf.add_n([x, y, x]),
    "where": lambda x, y: tf.where(x > 0.0, x, y),
    "logical_and": lambda x, y: tf.logical_and(x > 0.0, y > 0.0),
    "logical_or": lambda x, y: tf.logical_or(x > 0.0, y > 0.0),
    "logical_xor": lambda x, y: tf.math.logical_xor(x > 0.0, y > 0.0),
    "tensordot": lambda x, y: tf.tensordot(x, y, [[2], [2]]),
    "sigmoid_cross_entropy": lambda x, y: tf.nn.sigmoid_cross_entropy_with_logits(
        labels=x, logits=y
    ),
    "softmax_cross_entropy": lambda x, y: tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.nn.softmax(x), logits=y
    ),
    "bias of a constant": lambda x, y: tf.nn.bias_add(x, tf.constant([1.0, 2.0, 3.0, 4.0])),
    "boolean_mask": lambda x, y: tf.boolean_mask(x, y > 0.0),
}

OF_ONE: Mapping[str, Function] = {
    "1 - x": lambda x: 1 - x,
    "2 / x": lambda x: 2.0 / x,
    "2 ** x": lambda x: 2.0**x,
    "x ** 2": lambda x: x**2,
    "-x": lambda x: -x,
    "abs(x)": abs,
    "x + constant": lambda x: x + tf.constant([1.0, 2.0, 3.0, 4.0]),
    "x * number": lambda x: x * 0.5,
    "maximum of a number": lambda x: tf.maximum(0.0, x),
    "clip_by_value": lambda x: tf.clip_by_value(x, -0.5, 0.5),
    "clip_by_norm": lambda x: tf.clip_by_norm(x, 1.0, axes=[2]),
    "cast": lambda x: tf.cast(x, tf.int32),
    "cast to half": lambda x: tf.cast(x, "float16"),
    "argmax": lambda x: tf.argmax(x, axis=-1),
    "argmin": lambda x: tf.argmin(x, axis=1, output_type=tf.int32),
    "argsort": lambda x: tf.argsort(x, axis=-1, direction="DESCENDING"),
    "sort": lambda x: tf.sort(x, axis=1),
    "top_k": lambda x: tf.math.top_k(x, k=2)[0],
    "top_k places": lambda x: tf.nn.top_k(x, k=2).indices,
    "cumsum": lambda x: tf.cumsum(x, axis=1),
    "cumsum exclusive": lambda x: tf.cumsum(x, axis=1, exclusive=True),
    "cumsum reverse": lambda x: tf.math.cumsum(x, axis=1, reverse=True),
    "cumprod": lambda x: tf.math.cumprod(x, axis=1),
    "cumulative_logsumexp": lambda x: tf.math.cumulative_logsumexp(x, axis=1),
    "count_nonzero": lambda x: tf.math.count_nonzero(x > 0.0, axis=1),
    "any": lambda x: tf.reduce_any(x > 0.0, axis=1),
    "all": lambda x: tf.math.reduce_all(x > 0.0, axis=2, keepdims=True),
    "logical_not": lambda x: tf.logical_not(x > 0.0),
    "unstack": lambda x: tf.unstack(x, axis=1)[2],
    "split": lambda x: tf.split(x, 2, axis=2)[1],
    "split sizes": lambda x: tf.split(x, [1, 3], axis=-1)[1],
    "tile": lambda x: tf.tile(x, [1, 2, 3]),
    "repeat": lambda x: tf.repeat(x, 2, axis=1),
    "expand_dims": lambda x: tf.expand_dims(x, 1),
    "squeeze": lambda x: tf.squeeze(tf.expand_dims(x, 1), [1]),
    "reshape": lambda x: tf.reshape(x, [-1, 20]),
    "reshape to a shape": lambda x: tf.reshape(x, [tf.shape(x)[0], 2, 10]),
    "transpose": lambda x: tf.transpose(x, perm=[0, 2, 1]),
    "reverse": lambda x: tf.reverse(x, [1]),
    "roll": lambda x: tf.roll(x, 1, axis=1),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1]]),
    "pad reflected": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], mode="REFLECT"),
    "pad with a number": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0]], constant_values=2.0),
    "gather": lambda x: tf.gather(x, [0, 2], axis=1),
    "gather_nd": lambda x: tf.gather_nd(x, [[0, 1], [0, 2]]),
    "slice": lambda x: x[:, 1:3],
    "slice one": lambda x: x[:, -1],
    "slice steps": lambda x: x[:, ::2, ::-1],
    "slice new axis": lambda x: x[:, None, :, 0],
    "slice ellipsis": lambda x: x[..., 1:],
    "tf.slice": lambda x: tf.slice(x, [0, 1, 0], [-1, 2, -1]),
    "strided_slice": lambda x: tf.strided_slice(x, [0, 0, 0], [1, 4, 4], [1, 2, 1]),
    "norm": lambda x: tf.norm(x, axis=-1),
    "norm of order 1": lambda x: tf.norm(x, ord=1, axis=1),
    "l2_normalize": lambda x: tf.math.l2_normalize(x, axis=-1),
    "nn.l2_normalize": lambda x: tf.nn.l2_normalize(x, axis=1),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, alpha=0.3),
    "gelu approximate": lambda x: tf.nn.gelu(x, approximate=True),
    "softmax axis": lambda x: tf.nn.softmax(x, axis=1),
    "silu of beta": lambda x: tf.nn.silu(x, beta=2.0),
    "moments": lambda x: tf.nn.moments(x, axes=[1])[1],
    "max_pool1d": lambda x: tf.nn.max_pool1d(x, 2, 2, "VALID"),
    "avg_pool1d": lambda x: tf.nn.avg_pool1d(x, 2, 1, "SAME"),
    "conv1d": lambda x: tf.nn.conv1d(x, tf.ones([2, 4, 3]), 1, "SAME"),
    "polyval": lambda x: tf.math.polyval([1.0, 2.0], x),
    "in_top_k": lambda x: tf.math.in_top_k(tf.argmax(x[:, 0], -1), x[:, 1], 2),
    "frame": lambda x: tf.signal.frame(x, 2, 1, axis=1),
    "rfft": lambda x: tf.abs(tf.signal.rfft(x)),
    "dct": tf.signal.dct,
    "searchsorted": lambda x: tf.searchsorted(tf.sort(x, axis=-1), x),
    "segment_sum": lambda x: tf.math.segment_sum(x[0], [0, 0, 1, 1, 2]),
    "broadcast_to": lambda x: tf.broadcast_to(x[:, :1], tf.shape(x)),
    "ensure_shape": lambda x: tf.ensure_shape(x, [None, 5, 4]),
    "scalar_mul": lambda x: tf.math.scalar_mul(2.0, x),
    "bitcast": lambda x: tf.bitcast(x, tf.int32),
    "reverse_sequence": lambda x: tf.reverse_sequence(x, tf.cast(x[:, 0, 0] > 0, tf.int32) + 1, 1),
    "dropout": lambda x: tf.nn.dropout(x, 0.5),
    "fill": lambda x: tf.fill(tf.shape(x), 3.0),
    "rank": lambda x: tf.cast(tf.rank(x), tf.float32) * x,
    "size": lambda x: tf.size(x) + tf.cast(x, tf.int32),
}

OF_SQUARES: Mapping[str, Function] = {
    "det": tf.linalg.det,
    "inv": tf.linalg.inv,
    "trace": tf.linalg.trace,
    "diag_part": tf.linalg.diag_part,
    "diag": tf.linalg.diag,
    "band_part": lambda x: tf.linalg.band_part(x, -1, 0),
    "matrix_transpose": tf.linalg.matrix_transpose,
    "adjoint": tf.linalg.adjoint,
    "matvec": lambda x: tf.linalg.matvec(x, x[:, 0]),
    "cholesky": lambda x: tf.linalg.cholesky(x @ tf.transpose(x, [0, 2, 1]) + 4.0 * tf.eye(4)),
    "set_diag": lambda x: tf.linalg.set_diag(x, x[:, 0]),
    "einsum": lambda x: tf.einsum("bij,bjk->bik", x, x),
    "expm": tf.linalg.expm,
}

OF_IMAGES: Mapping[str, Function] = {
    "resize": lambda x: tf.image.resize(x, [9, 4]),
    "resize nearest": lambda x: tf.image.resize(x, [3, 3], method="nearest"),
    "resize area": lambda x: tf.image.resize(x, [3, 3], method="area"),
    "resize bicubic": lambda x: tf.image.resize(x, [8, 8], method="bicubic"),
    "flip_left_right": tf.image.flip_left_right,
    "flip_up_down": tf.image.flip_up_down,
    "rgb_to_grayscale": tf.image.rgb_to_grayscale,
    "per_image_standardization": tf.image.per_image_standardization,
    "adjust_contrast": lambda x: tf.image.adjust_contrast(x, 2.0),
    "adjust_brightness": lambda x: tf.image.adjust_brightness(x, 0.2),
    "central_crop": lambda x: tf.image.central_crop(x, 0.5),
    "crop_to_bounding_box": lambda x: tf.image.crop_to_bounding_box(x, 1, 1, 3, 3),
    "extract_patches": lambda x: tf.image.extract_patches(
        x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"
    ),
    "space_to_depth": lambda x: tf.nn.space_to_depth(x, 2),
    "depth_to_space": lambda x: tf.nn.depth_to_space(tf.concat([x] * 4, -1), 2),
    "max_pool2d": lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME"),
    "avg_pool2d": lambda x: tf.nn.avg_pool2d(x, 3, 1, "VALID"),
    "conv2d": lambda x: tf.nn.conv2d(x, tf.ones([2, 2, 3, 2]), 1, "SAME"),
    "depthwise_conv2d": lambda x: tf.nn.depthwise_conv2d(
        x, tf.ones([2, 2, 3, 1]), [1, 1, 1, 1], "VALID"
    ),
    "local_response_normalization": tf.nn.local_response_normalization,
    "rot90": tf.image.rot90,
    "sobel_edges": tf.image.sobel_edges,
    "total_variation": tf.image.total_variation,
    "rgb_to_yuv": tf.image.rgb_to_yuv,
}

OF_IDS: Mapping[str, Function] = {
    "one_hot": lambda x: tf.one_hot(x, 6),
    "one_hot with values": lambda x: tf.one_hot(x, 6, on_value=2.0, off_value=-1.0),
    "one_hot axis": lambda x: tf.one_hot(x, 6, axis=1),
    "cast ids": lambda x: tf.cast(x, tf.float32),
    "sequence_mask": lambda x: tf.sequence_mask(x, 7),
    "gather from a constant": lambda x: tf.gather(tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), x),
    "not_equal": lambda x: tf.not_equal(x, 0),
    "equal": lambda x: tf.equal(x, 0),
    "ids + 1": lambda x: x + 1,
    "ids // 2": lambda x: x // 2,
    "sum of ids": lambda x: tf.reduce_sum(x, axis=1),
    "max of ids": lambda x: tf.reduce_max(x, axis=1),
    "bincount": lambda x: tf.math.bincount(x, minlength=6, axis=-1),
}

OF_STEPS: Mapping[str, Function] = {
    "steps reshaped": lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * 2, 2]),
    "steps flattened": lambda x: tf.reshape(x, [-1, 4]),
    "steps shifted": lambda x: tf.concat([tf.zeros_like(x[:, :1]), x[:, :-1]], axis=1),
    "steps added": lambda x: x + tf.reduce_mean(x, axis=-1, keepdims=True),
    "length": lambda x: tf.shape(x)[1:2],
    "last step": lambda x: x[:, -1, :],
    "range of steps": lambda x: x + tf.cast(tf.range(tf.shape(x)[1]), tf.float32)[:, None],
    "batch_dims": lambda x: tf.gather(x, tf.argmax(x, axis=2), batch_dims=1, axis=2),
    "slice at a tensor": lambda x: x[:, : tf.shape(x)[1] // 2],
}

OF_FLAGS: Mapping[str, Function] = {
    "flags as numbers": lambda x: tf.cast(x, tf.float32),
    "not flags": tf.logical_not,
    "flags chosen": lambda x: tf.where(x, 1.0, 0.0),
}
