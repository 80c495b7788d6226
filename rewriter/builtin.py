"""The layers that each Keras brings, by class name: every other is somebody's own."""

from __future__ import annotations

from collections.abc import Mapping

from rewriter.graph import Layer

_BOTH = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
CategoryEncoding CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D
Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense
DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten GRU
GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell Lambda
LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum
MultiHeadAttention Multiply Normalization PReLU Permute RNN RandomBrightness RandomContrast
RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom ReLU RepeatVector Rescaling
Reshape Resizing SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax
SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells
StringLookup Subtract TextVectorization TimeDistributed UnitNormalization UpSampling1D
UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""

_KERAS_2 = """
CuDNNGRU CuDNNLSTM DenseFeatures LocallyConnected1D LocallyConnected2D RandomHeight RandomWidth
SlicingOpLambda TFOpLambda TensorFlowOpLayer ThresholdedReLU
"""

_KERAS_3 = """
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast
ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization FlaxLayer GroupedQueryAttention
JaxLayer MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline RMSNormalization RandAugment
RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization
RandomSaturation RandomSharpness RandomShear ReversibleEmbedding STFTSpectrogram Solarization
TFSMLayer TorchModuleWrapper
"""

BUILT_IN: Mapping[int, frozenset[str]] = {
    2: frozenset((_BOTH + _KERAS_2).split()),
    3: frozenset((_BOTH + _KERAS_3).split()),
}
"""Class names of tf_keras 2.21 and of Keras 3.15."""

PORTED = frozenset(
    """
CopyWithMask EachStep GatewiseGRU GatewiseGRUCell GatewiseLSTM GatewiseLSTMCell MaskOf
MergeWithMasks StopMask
""".split()
)
"""Layers of this program for Keras 3 alone, which stand for what Keras 2 does."""

OURS = PORTED | {"DynamicDropout", "CarryMask", "ZeroMaskedSteps"}
"""Layers of this program, which passes and ports insert."""

OPERATIONS = ("keras.src.ops.", "keras.ops.")
"""Modules of operators and ``keras.ops`` calls of Keras 3, which stand among the layers."""


def is_operation(layer: Layer) -> bool:
    """Whether a layer of Keras 3 is an operator or a call of ``keras.ops``."""
    return str(layer.envelope.get("module") or "").startswith(OPERATIONS)


def is_built_in(layer: Layer, keras: int) -> bool:
    """Whether a layer is one of Keras' own, or of this program's.

    Examples
    --------
    >>> is_built_in(Layer("d", "Dense", {}), keras=3)
    True
    >>> is_built_in(Layer("d", "Dense", {}, {"registered_name": "mine>Dense"}), keras=3)
    False
    """
    if layer.graph is not None or is_operation(layer):
        return True
    package, _, _ = str(layer.envelope.get("registered_name") or "").rpartition(">")
    if package:
        return package == "rewriter"
    made_here = layer.origin is None and layer.class_name in OURS
    return made_here or layer.class_name in BUILT_IN[keras]
