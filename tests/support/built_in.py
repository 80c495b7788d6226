"""How to make each built-in layer of both Keras, and what to call it on.

A line is a layer: its class, what it is called on, and how it is made. A class that stands in
no line makes `test_oracle.py` fail: a Keras release that brings a new layer is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

SHAPES = {
    "vectors": (2, 6, 8),
    "scalars": (2, 6),
    "rows": (2, 6, 5, 3),
    "images": (2, 6, 8, 3),
    "volumes": (2, 6, 5, 5, 3),
    "films": (2, 6, 5, 5, 5, 3),
    "squares": (2, 6, 8, 8),
}
"""The shape of an input by what it holds; the second axis is time wherever there is one."""


@dataclass(frozen=True)
class Case:
    """One layer, and what it is called on.

    Parameters
    ----------
    name : str
        What tells the case from the others of its class.
    class_name : str
        Class of the layer.
    make : callable
        Given the ``layers`` module, returns the layer.
    inputs : tuple of str
        What it is called on, as in `SHAPES`, ``ids`` or ``words``.
    masked : tuple of bool
        Which of the inputs has a mask.
    call : str
        ``tensor``, ``list``, or ``tensors`` for several positional arguments.
    kwargs : dict
        Keyword arguments of the call.
    """

    name: str
    class_name: str
    make: Callable[[Any], Any]
    inputs: tuple[str, ...] = ("vectors",)
    masked: tuple[bool, ...] = (True,)
    call: str = "tensor"
    kwargs: Any = None


NOT_CALLED = {
    "Layer": "has no call of its own",
    "Wrapper": "has no call of its own",
    "AbstractRNNCell": "has no call of its own",
    "InputLayer": "gives a tensor and takes none",
    "FlaxLayer": "needs Flax",
    "JaxLayer": "needs JAX",
    "TorchModuleWrapper": "needs PyTorch",
    "TFSMLayer": "needs a SavedModel on disk",
    "DenseFeatures": "takes feature columns, not tensors",
    "GRUCell": "is called by a recurrent layer, with its states",
    "LSTMCell": "is called by a recurrent layer, with its states",
    "SimpleRNNCell": "is called by a recurrent layer, with its states",
    "StackedRNNCells": "is called by a recurrent layer, with its states",
    "MaxNumBoundingBoxes": "takes bounding boxes, not tensors",
    "Pipeline": "is a list of preprocessing layers",
}
"""Classes that are not called on a sequence, and why."""

CANNOT_BE_BUILT = {2: {"SpectralNormalization": "takes its InputSpec from Keras 3"}, 3: {}}
"""Classes of the installed release that fail on any input, by Keras."""

_ONE_INPUT: dict[str, dict[str, Callable[[Any], Any]]] = {
    "vectors": {
        "Activation": lambda kl: kl.Activation("tanh"),
        "ActivityRegularization": lambda kl: kl.ActivityRegularization(0.1),
        "AdaptiveAveragePooling1D": lambda kl: kl.AdaptiveAveragePooling1D(3),
        "AdaptiveMaxPooling1D": lambda kl: kl.AdaptiveMaxPooling1D(3),
        "AlphaDropout": lambda kl: kl.AlphaDropout(0.5),
        "AveragePooling1D": lambda kl: kl.AveragePooling1D(2),
        "BatchNormalization": lambda kl: kl.BatchNormalization(),
        "Bidirectional": lambda kl: kl.Bidirectional(kl.GRU(3)),
        "Bidirectional sequences": lambda kl: kl.Bidirectional(kl.LSTM(3, return_sequences=True)),
        "Bidirectional apart": lambda kl: kl.Bidirectional(
            kl.LSTM(3, return_sequences=True), merge_mode=None
        ),
        "Bidirectional states": lambda kl: kl.Bidirectional(
            kl.GRU(3, return_sequences=True, return_state=True)
        ),
        "Conv1D": lambda kl: kl.Conv1D(4, 3),
        "Conv1DTranspose": lambda kl: kl.Conv1DTranspose(4, 3),
        "Cropping1D": lambda kl: kl.Cropping1D(1),
        "Dense": lambda kl: kl.Dense(4),
        "DepthwiseConv1D": lambda kl: kl.DepthwiseConv1D(3),
        "Discretization": lambda kl: kl.Discretization([0.0, 1.0]),
        "Dropout": lambda kl: kl.Dropout(0.5),
        "ELU": lambda kl: kl.ELU(),
        "EinsumDense": lambda kl: kl.EinsumDense("abc,cd->abd", output_shape=(None, 4)),
        "Flatten": lambda kl: kl.Flatten(),
        "GRU": lambda kl: kl.GRU(3),
        "GRU sequences": lambda kl: kl.GRU(3, return_sequences=True),
        "GRU states": lambda kl: kl.GRU(3, return_sequences=True, return_state=True),
        "GaussianDropout": lambda kl: kl.GaussianDropout(0.5),
        "GaussianNoise": lambda kl: kl.GaussianNoise(0.5),
        "GlobalAveragePooling1D": lambda kl: kl.GlobalAveragePooling1D(),
        "GlobalMaxPooling1D": lambda kl: kl.GlobalMaxPooling1D(),
        "GroupNormalization": lambda kl: kl.GroupNormalization(2),
        "Identity": lambda kl: kl.Identity(),
        "LSTM": lambda kl: kl.LSTM(3),
        "LSTM sequences": lambda kl: kl.LSTM(3, return_sequences=True),
        "LSTM states": lambda kl: kl.LSTM(3, return_state=True),
        "LayerNormalization": lambda kl: kl.LayerNormalization(),
        "LeakyReLU": lambda kl: kl.LeakyReLU(),
        "LocallyConnected1D": lambda kl: kl.LocallyConnected1D(4, 3),
        "Masking": lambda kl: kl.Masking(0.0),
        "MaxPooling1D": lambda kl: kl.MaxPooling1D(2),
        "Normalization": lambda kl: kl.Normalization(mean=0.5, variance=2.0),
        "PReLU": lambda kl: kl.PReLU(),
        "Permute": lambda kl: kl.Permute((2, 1)),
        "RMSNormalization": lambda kl: kl.RMSNormalization(),
        "RNN": lambda kl: kl.RNN(kl.GRUCell(3)),
        "RNN cells": lambda kl: kl.RNN([kl.LSTMCell(3), kl.LSTMCell(2)], return_sequences=True),
        "ReLU": lambda kl: kl.ReLU(),
        "Rescaling": lambda kl: kl.Rescaling(2.0),
        "Reshape": lambda kl: kl.Reshape((6, 4, 2)),
        "STFTSpectrogram": lambda kl: kl.STFTSpectrogram(
            frame_length=4, frame_step=2, fft_length=8, data_format="channels_last"
        ),
        "SeparableConv1D": lambda kl: kl.SeparableConv1D(4, 3),
        "SimpleRNN": lambda kl: kl.SimpleRNN(3),
        "SimpleRNN sequences": lambda kl: kl.SimpleRNN(3, return_sequences=True),
        "Softmax": lambda kl: kl.Softmax(),
        "SpatialDropout1D": lambda kl: kl.SpatialDropout1D(0.5),
        "SpectralNormalization": lambda kl: kl.SpectralNormalization(kl.Dense(4)),
        "ThresholdedReLU": lambda kl: kl.ThresholdedReLU(),
        "TimeDistributed": lambda kl: kl.TimeDistributed(kl.Dense(4)),
        "TimeDistributed noise": lambda kl: kl.TimeDistributed(kl.Dropout(0.5)),
        "UnitNormalization": lambda kl: kl.UnitNormalization(),
        "UpSampling1D": lambda kl: kl.UpSampling1D(2),
        "ZeroPadding1D": lambda kl: kl.ZeroPadding1D(1),
    },
    "scalars": {
        "MelSpectrogram": lambda kl: kl.MelSpectrogram(fft_length=4, sequence_stride=2),
        "RepeatVector": lambda kl: kl.RepeatVector(3),
    },
    "rows": {
        "ConvLSTM1D": lambda kl: kl.ConvLSTM1D(2, 3),
        "ConvLSTM1D sequences": lambda kl: kl.ConvLSTM1D(2, 3, return_sequences=True),
        "TimeDistributed convolution": lambda kl: kl.TimeDistributed(kl.Conv1D(4, 3)),
        "TimeDistributed flat": lambda kl: kl.TimeDistributed(kl.Flatten()),
        "TimeDistributed recurrent": lambda kl: kl.TimeDistributed(kl.GRU(3)),
        "TimeDistributed sequences": lambda kl: kl.TimeDistributed(
            kl.GRU(3, return_sequences=True)
        ),
        "TimeDistributed pooling": lambda kl: kl.TimeDistributed(kl.GlobalAveragePooling1D()),
    },
    "squares": {
        "Conv2D": lambda kl: kl.Conv2D(4, 3),
        "Conv2DTranspose": lambda kl: kl.Conv2DTranspose(4, 3),
        "DepthwiseConv2D": lambda kl: kl.DepthwiseConv2D(3),
        "LocallyConnected2D": lambda kl: kl.LocallyConnected2D(4, 3),
        "SeparableConv2D": lambda kl: kl.SeparableConv2D(4, 3),
        "AdaptiveAveragePooling2D": lambda kl: kl.AdaptiveAveragePooling2D(2),
        "AdaptiveMaxPooling2D": lambda kl: kl.AdaptiveMaxPooling2D(2),
        "AveragePooling2D": lambda kl: kl.AveragePooling2D(2),
        "MaxPooling2D": lambda kl: kl.MaxPooling2D(2),
        "GlobalAveragePooling2D": lambda kl: kl.GlobalAveragePooling2D(),
        "GlobalMaxPooling2D": lambda kl: kl.GlobalMaxPooling2D(),
        "Cropping2D": lambda kl: kl.Cropping2D(1),
        "UpSampling2D": lambda kl: kl.UpSampling2D(2),
        "ZeroPadding2D": lambda kl: kl.ZeroPadding2D(1),
        "SpatialDropout2D": lambda kl: kl.SpatialDropout2D(0.5),
    },
    "images": {
        "AugMix": lambda kl: kl.AugMix(value_range=(0, 1)),
        "AutoContrast": lambda kl: kl.AutoContrast(value_range=(0, 1)),
        "CenterCrop": lambda kl: kl.CenterCrop(4, 4),
        "ContrastLimitedAdaptiveHistogramEqualization": lambda kl: (
            kl.ContrastLimitedAdaptiveHistogramEqualization(
                value_range=(0, 1), tile_grid_size=(2, 2)
            )
        ),
        "CutMix": lambda kl: kl.CutMix(),
        "Equalization": lambda kl: kl.Equalization(value_range=(0, 1)),
        "MixUp": lambda kl: kl.MixUp(),
        "RandAugment": lambda kl: kl.RandAugment(value_range=(0, 1)),
        "RandomBrightness": lambda kl: kl.RandomBrightness(0.2),
        "RandomColorDegeneration": lambda kl: kl.RandomColorDegeneration(0.5, value_range=(0, 1)),
        "RandomColorJitter": lambda kl: kl.RandomColorJitter(
            value_range=(0, 1), brightness_factor=0.2
        ),
        "RandomContrast": lambda kl: kl.RandomContrast(0.2),
        "RandomCrop": lambda kl: kl.RandomCrop(4, 4),
        "RandomElasticTransform": lambda kl: kl.RandomElasticTransform(value_range=(0, 1)),
        "RandomErasing": lambda kl: kl.RandomErasing(value_range=(0, 1)),
        "RandomFlip": lambda kl: kl.RandomFlip(),
        "RandomGaussianBlur": lambda kl: kl.RandomGaussianBlur(value_range=(0, 1)),
        "RandomGrayscale": lambda kl: kl.RandomGrayscale(),
        "RandomHeight": lambda kl: kl.RandomHeight(0.2),
        "RandomHue": lambda kl: kl.RandomHue(0.2, value_range=(0, 1)),
        "RandomInvert": lambda kl: kl.RandomInvert(value_range=(0, 1)),
        "RandomPerspective": lambda kl: kl.RandomPerspective(),
        "RandomPosterization": lambda kl: kl.RandomPosterization(4, value_range=(0, 1)),
        "RandomRotation": lambda kl: kl.RandomRotation(0.2),
        "RandomSaturation": lambda kl: kl.RandomSaturation(0.5, value_range=(0, 1)),
        "RandomSharpness": lambda kl: kl.RandomSharpness(0.5, value_range=(0, 1)),
        "RandomShear": lambda kl: kl.RandomShear(0.2, 0.2),
        "RandomTranslation": lambda kl: kl.RandomTranslation(0.2, 0.2),
        "RandomWidth": lambda kl: kl.RandomWidth(0.2),
        "RandomZoom": lambda kl: kl.RandomZoom(0.2),
        "Resizing": lambda kl: kl.Resizing(4, 4),
        "Solarization": lambda kl: kl.Solarization(value_range=(0, 1)),
    },
    "volumes": {
        "AdaptiveAveragePooling3D": lambda kl: kl.AdaptiveAveragePooling3D(2),
        "AdaptiveMaxPooling3D": lambda kl: kl.AdaptiveMaxPooling3D(2),
        "AveragePooling3D": lambda kl: kl.AveragePooling3D(2),
        "Conv3D": lambda kl: kl.Conv3D(4, 3),
        "Conv3DTranspose": lambda kl: kl.Conv3DTranspose(4, 3),
        "ConvLSTM2D": lambda kl: kl.ConvLSTM2D(2, 3),
        "ConvLSTM2D sequences": lambda kl: kl.ConvLSTM2D(2, 3, return_sequences=True),
        "Cropping3D": lambda kl: kl.Cropping3D(1),
        "GlobalAveragePooling3D": lambda kl: kl.GlobalAveragePooling3D(),
        "GlobalMaxPooling3D": lambda kl: kl.GlobalMaxPooling3D(),
        "MaxPooling3D": lambda kl: kl.MaxPooling3D(2),
        "SpatialDropout3D": lambda kl: kl.SpatialDropout3D(0.5),
        "UpSampling3D": lambda kl: kl.UpSampling3D(2),
        "ZeroPadding3D": lambda kl: kl.ZeroPadding3D(1),
    },
    "films": {
        "ConvLSTM3D": lambda kl: kl.ConvLSTM3D(2, 3),
        "ConvLSTM3D sequences": lambda kl: kl.ConvLSTM3D(2, 3, return_sequences=True),
    },
    "ids": {
        "CategoryEncoding": lambda kl: kl.CategoryEncoding(9, output_mode="multi_hot"),
        "Embedding": lambda kl: kl.Embedding(9, 4),
        "Embedding masking": lambda kl: kl.Embedding(9, 4, mask_zero=True),
        "Hashing": lambda kl: kl.Hashing(5),
        "IntegerLookup": lambda kl: kl.IntegerLookup(vocabulary=[1, 2, 3]),
        "ReversibleEmbedding": lambda kl: kl.ReversibleEmbedding(9, 4),
        "ReversibleEmbedding masking": lambda kl: kl.ReversibleEmbedding(9, 4, mask_zero=True),
    },
    "words": {
        "StringLookup": lambda kl: kl.StringLookup(vocabulary=["a", "b"]),
    },
    "text": {
        "TextVectorization": lambda kl: kl.TextVectorization(vocabulary=["a", "b"]),
    },
}

_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


def cases(layers: ModuleType) -> Iterator[Case]:
    """Yield the cases of the layers that this Keras has."""
    for inputs, makers in _ONE_INPUT.items():
        for name, make in makers.items():
            class_name = name.partition(" ")[0]
            number = 2 if layers.__name__.startswith("tf_keras") else 3
            if hasattr(layers, class_name) and class_name not in CANNOT_BE_BUILT[number]:
                yield Case(name, class_name, make, (inputs,))
    yield from _wrappers()
    for name in _MERGES:
        for masked in ((True, True), (True, False), (False, True)):
            yield _pair(name, masked, lambda kl, name=name: getattr(kl, name)())
    for masked in ((True, True), (True, False)):
        yield _pair("Concatenate time", masked, lambda kl: kl.Concatenate(axis=1))
    yield _pair("Dot", (True, True), lambda kl: kl.Dot(axes=2))
    for name in ("Attention", "AdditiveAttention"):
        for masked in ((True, True), (True, False), (False, True)):
            yield _pair(name, masked, lambda kl, name=name: getattr(kl, name)())
    for masked in ((True, True), (True, False), (False, True)):
        make = lambda kl: kl.MultiHeadAttention(2, 4)  # noqa: E731
        yield _pair("MultiHeadAttention", masked, make, call="tensors")
        if hasattr(layers, "GroupQueryAttention"):
            make = lambda kl: kl.GroupQueryAttention(4, 4, 2)  # noqa: E731
            yield _pair("GroupedQueryAttention", masked, make, call="tensors")
    yield _pair("HashedCrossing", (True, True), lambda kl: kl.HashedCrossing(5), of="single ids")


def _wrappers() -> Iterator[Case]:
    """Yield layers around layers that take ids or whole models."""
    yield Case(
        "TimeDistributed embedding",
        "TimeDistributed",
        lambda kl: kl.TimeDistributed(kl.Embedding(9, 4, mask_zero=True)),
        ("grids",),
    )
    yield Case(
        "TimeDistributed normalized",
        "TimeDistributed",
        lambda kl: kl.TimeDistributed(kl.LayerNormalization()),
        ("rows",),
    )


def _pair(
    name: str,
    masked: tuple[bool, bool],
    make: Callable[[Any], Any],
    *,
    call: str = "list",
    of: str = "vectors",
) -> Case:
    which = {(True, True): "both", (True, False): "first", (False, True): "second"}[masked]
    return Case(f"{name} {which} masked", name.partition(" ")[0], make, (of, of), masked, call)
