"""The shapes of a run that follow from configs are those that Keras gives."""

from __future__ import annotations

from math import prod

import numpy as np
import tensorflow as tf
from support.built_in import cases
from support.oracle import array

from rewriter.analysis.run_shapes import given_by
from rewriter.dialects import DIALECTS
from rewriter.dialects.decoder import _Decoder

_NOT_KNOWN_NAMES = """
AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MixUp
Normalization RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform
RandomErasing RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert
RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear RandomWidth
Rescaling ReversibleEmbedding Solarization
"""
NOT_KNOWN = frozenset(_NOT_KNOWN_NAMES.split())
"""Layers that are traced once they are loaded; for those that stay in shape, too."""
AT_MOST = (
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "TextVectorization",
    "MelSpectrogram",
    "STFTSpectrogram",
)


def further(layers):
    """Yield layers with what moves their shapes, and the shape that each is called on."""
    yield layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (2, 9, 3)
    yield layers.Conv1D(6, 3, strides=2, groups=3), (2, 9, 3)
    yield layers.Conv2D(4, (3, 2), strides=(2, 3), padding="same"), (2, 9, 8, 3)
    yield layers.Conv2D(4, (3, 2), data_format="channels_first"), (2, 3, 9, 8)
    yield layers.Conv2DTranspose(4, 3, strides=2), (2, 5, 6, 3)
    yield layers.DepthwiseConv2D((3, 2), depth_multiplier=3), (2, 9, 8, 3)
    yield layers.SeparableConv1D(4, 3, dilation_rate=2), (2, 9, 3)
    yield layers.MaxPooling1D(3, strides=2, padding="same"), (2, 9, 3)
    yield layers.AveragePooling2D((2, 3), data_format="channels_first"), (2, 3, 9, 8)
    yield layers.ZeroPadding1D((1, 4)), (2, 9, 3)
    yield layers.ZeroPadding2D(((1, 2), (3, 4))), (2, 9, 8, 3)
    yield layers.ZeroPadding2D((1, 2), data_format="channels_first"), (2, 3, 9, 8)
    yield layers.ZeroPadding3D(2), (2, 3, 4, 5, 6)
    yield layers.Cropping1D((1, 2)), (2, 9, 3)
    yield layers.Cropping2D(((1, 2), (0, 3))), (2, 9, 8, 3)
    yield layers.UpSampling2D((2, 3)), (2, 4, 5, 3)
    yield layers.UpSampling3D((2, 3, 4)), (2, 3, 4, 5, 6)
    yield layers.Reshape((-1, 2)), (2, 4, 5)
    yield layers.Permute((3, 1, 2)), (2, 4, 5, 6)
    yield layers.GlobalMaxPooling2D(data_format="channels_first"), (2, 3, 9, 8)
    yield layers.EinsumDense("...x,xy->...y", output_shape=7), (2, 4, 5)
    yield layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 6)), (2, 4, 5)
    yield layers.CategoryEncoding(9, output_mode="one_hot"), (2, 1)
    yield layers.CategoryEncoding(9, output_mode="count"), (2, 4)
    yield layers.Resizing(5, 6), (2, 9, 8, 3)
    yield layers.Bidirectional(layers.LSTM(3), merge_mode="sum"), (2, 9, 3)
    yield layers.ConvLSTM2D(2, 3, padding="same", strides=2), (2, 4, 6, 7, 3)
    yield layers.TimeDistributed(layers.TimeDistributed(layers.RepeatVector(3))), (2, 4, 5, 6)


def measured(keras):
    """Yield each layer with the shape that it gives, and the shapes that it is called on."""
    random = np.random.default_rng(0)
    for case in cases(keras.layers):
        layer, arrays = case.make(keras.layers), [array(kind, random) for kind in case.inputs]
        held = arrays if case.call == "tensors" else [arrays if len(arrays) > 1 else arrays[0]]
        yield layer, [tuple(each.shape) for each in arrays], layer(*held)
    for layer, shape in further(keras.layers):
        yield layer, [shape], layer(random.integers(0, 2, shape).astype("float32"))


def test_a_run_has_the_shapes_that_keras_gives(dialect):
    keras = dialect.keras
    unknown, wrong = set(), []
    decoder = _Decoder(DIALECTS[dialect.number])
    for live, shapes, outputs in measured(keras):
        layer = decoder.layer(keras.saving.serialize_keras_object(live), (), ())
        given = given_by(layer, shapes)
        if given is None:
            unknown.add(layer.class_name)
            continue
        expected = tuple(tf.nest.flatten(outputs)[0].shape)
        more = prod(given.shape) >= prod(expected) and layer.class_name in AT_MOST
        if given.shape != expected and not more:
            wrong.append((layer.name, shapes, given.shape, expected))
    assert wrong == []
    assert unknown <= NOT_KNOWN
