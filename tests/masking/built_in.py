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
        "Activation": lambda L: L.Activation("tanh"),
        "ActivityRegularization": lambda L: L.ActivityRegularization(0.1),
        "AdaptiveAveragePooling1D": lambda L: L.AdaptiveAveragePooling1D(3),
        "AdaptiveMaxPooling1D": lambda L: L.AdaptiveMaxPooling1D(3),
        "AlphaDropout": lambda L: L.AlphaDropout(0.5),
        "AveragePooling1D": lambda L: L.AveragePooling1D(2),
        "BatchNormalization": lambda L: L.BatchNormalization(),
        "Bidirectional": lambda L: L.Bidirectional(L.GRU(3)),
        "Bidirectional sequences": lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True)),
        "Bidirectional apart": lambda L: L.Bidirectional(
            L.LSTM(3, return_sequences=True), merge_mode=None
        ),
        "Bidirectional states": lambda L: L.Bidirectional(
            L.GRU(3, return_sequences=True, return_state=True)
        ),
        "Conv1D": lambda L: L.Conv1D(4, 3),
        "Conv1DTranspose": lambda L: L.Conv1DTranspose(4, 3),
        "Cropping1D": lambda L: L.Cropping1D(1),
        "Dense": lambda L: L.Dense(4),
        "DepthwiseConv1D": lambda L: L.DepthwiseConv1D(3),
        "Discretization": lambda L: L.Discretization([0.0, 1.0]),
        "Dropout": lambda L: L.Dropout(0.5),
        "ELU": lambda L: L.ELU(),
        "EinsumDense": lambda L: L.EinsumDense("abc,cd->abd", output_shape=(None, 4)),
        "Flatten": lambda L: L.Flatten(),
        "GRU": lambda L: L.GRU(3),
        "GRU sequences": lambda L: L.GRU(3, return_sequences=True),
        "GRU states": lambda L: L.GRU(3, return_sequences=True, return_state=True),
        "GaussianDropout": lambda L: L.GaussianDropout(0.5),
        "GaussianNoise": lambda L: L.GaussianNoise(0.5),
        "GlobalAveragePooling1D": lambda L: L.GlobalAveragePooling1D(),
        "GlobalMaxPooling1D": lambda L: L.GlobalMaxPooling1D(),
        "GroupNormalization": lambda L: L.GroupNormalization(2),
        "Identity": lambda L: L.Identity(),
        "LSTM": lambda L: L.LSTM(3),
        "LSTM sequences": lambda L: L.LSTM(3, return_sequences=True),
        "LSTM states": lambda L: L.LSTM(3, return_state=True),
        "LayerNormalization": lambda L: L.LayerNormalization(),
        "LeakyReLU": lambda L: L.LeakyReLU(),
        "LocallyConnected1D": lambda L: L.LocallyConnected1D(4, 3),
        "Masking": lambda L: L.Masking(0.0),
        "MaxPooling1D": lambda L: L.MaxPooling1D(2),
        "Normalization": lambda L: L.Normalization(mean=0.5, variance=2.0),
        "PReLU": lambda L: L.PReLU(),
        "Permute": lambda L: L.Permute((2, 1)),
        "RMSNormalization": lambda L: L.RMSNormalization(),
        "RNN": lambda L: L.RNN(L.GRUCell(3)),
        "RNN cells": lambda L: L.RNN([L.LSTMCell(3), L.LSTMCell(2)], return_sequences=True),
        "ReLU": lambda L: L.ReLU(),
        "Rescaling": lambda L: L.Rescaling(2.0),
        "Reshape": lambda L: L.Reshape((6, 4, 2)),
        "STFTSpectrogram": lambda L: L.STFTSpectrogram(
            frame_length=4, frame_step=2, fft_length=8, data_format="channels_last"
        ),
        "SeparableConv1D": lambda L: L.SeparableConv1D(4, 3),
        "SimpleRNN": lambda L: L.SimpleRNN(3),
        "SimpleRNN sequences": lambda L: L.SimpleRNN(3, return_sequences=True),
        "Softmax": lambda L: L.Softmax(),
        "SpatialDropout1D": lambda L: L.SpatialDropout1D(0.5),
        "SpectralNormalization": lambda L: L.SpectralNormalization(L.Dense(4)),
        "ThresholdedReLU": lambda L: L.ThresholdedReLU(),
        "TimeDistributed": lambda L: L.TimeDistributed(L.Dense(4)),
        "TimeDistributed noise": lambda L: L.TimeDistributed(L.Dropout(0.5)),
        "UnitNormalization": lambda L: L.UnitNormalization(),
        "UpSampling1D": lambda L: L.UpSampling1D(2),
        "ZeroPadding1D": lambda L: L.ZeroPadding1D(1),
    },
    "scalars": {
        "MelSpectrogram": lambda L: L.MelSpectrogram(fft_length=4, sequence_stride=2),
        "RepeatVector": lambda L: L.RepeatVector(3),
    },
    "rows": {
        "ConvLSTM1D": lambda L: L.ConvLSTM1D(2, 3),
        "ConvLSTM1D sequences": lambda L: L.ConvLSTM1D(2, 3, return_sequences=True),
        "TimeDistributed convolution": lambda L: L.TimeDistributed(L.Conv1D(4, 3)),
        "TimeDistributed flat": lambda L: L.TimeDistributed(L.Flatten()),
        "TimeDistributed recurrent": lambda L: L.TimeDistributed(L.GRU(3)),
        "TimeDistributed sequences": lambda L: L.TimeDistributed(L.GRU(3, return_sequences=True)),
        "TimeDistributed pooling": lambda L: L.TimeDistributed(L.GlobalAveragePooling1D()),
    },
    "squares": {
        "Conv2D": lambda L: L.Conv2D(4, 3),
        "Conv2DTranspose": lambda L: L.Conv2DTranspose(4, 3),
        "DepthwiseConv2D": lambda L: L.DepthwiseConv2D(3),
        "LocallyConnected2D": lambda L: L.LocallyConnected2D(4, 3),
        "SeparableConv2D": lambda L: L.SeparableConv2D(4, 3),
        "AdaptiveAveragePooling2D": lambda L: L.AdaptiveAveragePooling2D(2),
        "AdaptiveMaxPooling2D": lambda L: L.AdaptiveMaxPooling2D(2),
        "AveragePooling2D": lambda L: L.AveragePooling2D(2),
        "MaxPooling2D": lambda L: L.MaxPooling2D(2),
        "GlobalAveragePooling2D": lambda L: L.GlobalAveragePooling2D(),
        "GlobalMaxPooling2D": lambda L: L.GlobalMaxPooling2D(),
        "Cropping2D": lambda L: L.Cropping2D(1),
        "UpSampling2D": lambda L: L.UpSampling2D(2),
        "ZeroPadding2D": lambda L: L.ZeroPadding2D(1),
        "SpatialDropout2D": lambda L: L.SpatialDropout2D(0.5),
    },
    "images": {
        "AugMix": lambda L: L.AugMix(value_range=(0, 1)),
        "AutoContrast": lambda L: L.AutoContrast(value_range=(0, 1)),
        "CenterCrop": lambda L: L.CenterCrop(4, 4),
        "ContrastLimitedAdaptiveHistogramEqualization": lambda L: (
            L.ContrastLimitedAdaptiveHistogramEqualization(
                value_range=(0, 1), tile_grid_size=(2, 2)
            )
        ),
        "CutMix": lambda L: L.CutMix(),
        "Equalization": lambda L: L.Equalization(value_range=(0, 1)),
        "MixUp": lambda L: L.MixUp(),
        "RandAugment": lambda L: L.RandAugment(value_range=(0, 1)),
        "RandomBrightness": lambda L: L.RandomBrightness(0.2),
        "RandomColorDegeneration": lambda L: L.RandomColorDegeneration(0.5, value_range=(0, 1)),
        "RandomColorJitter": lambda L: L.RandomColorJitter(
            value_range=(0, 1), brightness_factor=0.2
        ),
        "RandomContrast": lambda L: L.RandomContrast(0.2),
        "RandomCrop": lambda L: L.RandomCrop(4, 4),
        "RandomElasticTransform": lambda L: L.RandomElasticTransform(value_range=(0, 1)),
        "RandomErasing": lambda L: L.RandomErasing(value_range=(0, 1)),
        "RandomFlip": lambda L: L.RandomFlip(),
        "RandomGaussianBlur": lambda L: L.RandomGaussianBlur(value_range=(0, 1)),
        "RandomGrayscale": lambda L: L.RandomGrayscale(),
        "RandomHeight": lambda L: L.RandomHeight(0.2),
        "RandomHue": lambda L: L.RandomHue(0.2, value_range=(0, 1)),
        "RandomInvert": lambda L: L.RandomInvert(value_range=(0, 1)),
        "RandomPerspective": lambda L: L.RandomPerspective(),
        "RandomPosterization": lambda L: L.RandomPosterization(4, value_range=(0, 1)),
        "RandomRotation": lambda L: L.RandomRotation(0.2),
        "RandomSaturation": lambda L: L.RandomSaturation(0.5, value_range=(0, 1)),
        "RandomSharpness": lambda L: L.RandomSharpness(0.5, value_range=(0, 1)),
        "RandomShear": lambda L: L.RandomShear(0.2, 0.2),
        "RandomTranslation": lambda L: L.RandomTranslation(0.2, 0.2),
        "RandomWidth": lambda L: L.RandomWidth(0.2),
        "RandomZoom": lambda L: L.RandomZoom(0.2),
        "Resizing": lambda L: L.Resizing(4, 4),
        "Solarization": lambda L: L.Solarization(value_range=(0, 1)),
    },
    "volumes": {
        "AdaptiveAveragePooling3D": lambda L: L.AdaptiveAveragePooling3D(2),
        "AdaptiveMaxPooling3D": lambda L: L.AdaptiveMaxPooling3D(2),
        "AveragePooling3D": lambda L: L.AveragePooling3D(2),
        "Conv3D": lambda L: L.Conv3D(4, 3),
        "Conv3DTranspose": lambda L: L.Conv3DTranspose(4, 3),
        "ConvLSTM2D": lambda L: L.ConvLSTM2D(2, 3),
        "ConvLSTM2D sequences": lambda L: L.ConvLSTM2D(2, 3, return_sequences=True),
        "Cropping3D": lambda L: L.Cropping3D(1),
        "GlobalAveragePooling3D": lambda L: L.GlobalAveragePooling3D(),
        "GlobalMaxPooling3D": lambda L: L.GlobalMaxPooling3D(),
        "MaxPooling3D": lambda L: L.MaxPooling3D(2),
        "SpatialDropout3D": lambda L: L.SpatialDropout3D(0.5),
        "UpSampling3D": lambda L: L.UpSampling3D(2),
        "ZeroPadding3D": lambda L: L.ZeroPadding3D(1),
    },
    "films": {
        "ConvLSTM3D": lambda L: L.ConvLSTM3D(2, 3),
        "ConvLSTM3D sequences": lambda L: L.ConvLSTM3D(2, 3, return_sequences=True),
    },
    "ids": {
        "CategoryEncoding": lambda L: L.CategoryEncoding(9, output_mode="multi_hot"),
        "Embedding": lambda L: L.Embedding(9, 4),
        "Embedding masking": lambda L: L.Embedding(9, 4, mask_zero=True),
        "Hashing": lambda L: L.Hashing(5),
        "IntegerLookup": lambda L: L.IntegerLookup(vocabulary=[1, 2, 3]),
        "ReversibleEmbedding": lambda L: L.ReversibleEmbedding(9, 4),
        "ReversibleEmbedding masking": lambda L: L.ReversibleEmbedding(9, 4, mask_zero=True),
    },
    "words": {
        "StringLookup": lambda L: L.StringLookup(vocabulary=["a", "b"]),
    },
    "text": {
        "TextVectorization": lambda L: L.TextVectorization(vocabulary=["a", "b"]),
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
            yield _pair(name, masked, lambda L, name=name: getattr(L, name)())
    for masked in ((True, True), (True, False)):
        yield _pair("Concatenate time", masked, lambda L: L.Concatenate(axis=1))
    yield _pair("Dot", (True, True), lambda L: L.Dot(axes=2))
    for name in ("Attention", "AdditiveAttention"):
        for masked in ((True, True), (True, False), (False, True)):
            yield _pair(name, masked, lambda L, name=name: getattr(L, name)())
    for masked in ((True, True), (True, False), (False, True)):
        make = lambda L: L.MultiHeadAttention(2, 4)  # noqa: E731
        yield _pair("MultiHeadAttention", masked, make, call="tensors")
        if hasattr(layers, "GroupQueryAttention"):
            make = lambda L: L.GroupQueryAttention(4, 4, 2)  # noqa: E731
            yield _pair("GroupedQueryAttention", masked, make, call="tensors")
    yield _pair("HashedCrossing", (True, True), lambda L: L.HashedCrossing(5), of="single ids")


def _wrappers() -> Iterator[Case]:
    """Yield layers around layers that take ids or whole models."""
    yield Case(
        "TimeDistributed embedding",
        "TimeDistributed",
        lambda L: L.TimeDistributed(L.Embedding(9, 4, mask_zero=True)),
        ("grids",),
    )
    yield Case(
        "TimeDistributed normalized",
        "TimeDistributed",
        lambda L: L.TimeDistributed(L.LayerNormalization()),
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
