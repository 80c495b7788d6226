"""Tell whose class a layer has: Keras', this program's, or the user's own.

Module and registered name tell it. Files of ``.h5`` have neither; there a class that is named as
one of Keras' is taken for it if its config has only keys that this class of Keras knows, and
`is_assumed` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rewriter.analysis.layer_keys import KEYS
from rewriter.graph.graph import Layer

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
ClassMethod CuDNNGRU CuDNNLSTM DenseFeatures InstanceMethod InstanceProperty LocallyConnected1D
LocallyConnected2D RandomHeight RandomWidth SlicingOpLambda TFOpLambda TensorFlowOpLayer
ThresholdedReLU
"""

_KERAS_3 = """
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast
ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization FlaxLayer GroupQueryAttention
GroupedQueryAttention JaxLayer MaxNumBoundingBoxes MelSpectrogram MixUp Pipeline
RMSNormalization RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform
RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
RandomPosterization RandomSaturation RandomSharpness RandomShear ReversibleEmbedding
STFTSpectrogram Solarization TFSMLayer TorchModuleWrapper
"""

BUILT_IN: Mapping[int, frozenset[str]] = {
    2: frozenset((_BOTH + _KERAS_2).split()),
    3: frozenset((_BOTH + _KERAS_3).split()),
}
"""Class names of tf_keras 2.21 and of Keras 3.15."""

_PORTED = """
CopyWithMask EachStep FusedConvLSTM1D FusedConvLSTM2D FusedConvLSTM3D GatewiseGRU GatewiseGRUCell
GatewiseLSTM GatewiseLSTMCell MaskOf MergeWithMasks MultiHeadAttentionOfKeras2 StopMask
TensorFlowFunction
"""

OURS = frozenset(["DynamicDropout", "CarryMask", "ZeroMaskedSteps", *_PORTED.split()])
"""Layers of this program, which passes and ports insert."""

OUR_FUNCTIONS = frozenset({"rewriter>hard_sigmoid_of_keras2"})
"""Functions of this program, by the names under which ports register them."""

OPERATIONS = ("keras.src.ops.", "keras.ops.")
"""Modules of operators and ``keras.ops`` calls of Keras 3, which stand among the layers."""

_ROOTS = frozenset({"keras", "tf_keras", "tensorflow", "rewriter"})
_PACKAGES = frozenset({"keras", "rewriter"})
_IN_EITHER = BUILT_IN[2] | BUILT_IN[3]


@lru_cache(maxsize=1024)
def is_known_module(module: str) -> bool:
    """Whether a module is one of Keras, of TensorFlow or of this program.

    Examples
    --------
    >>> is_known_module("keras.src.layers.core.dense"), is_known_module("keras_hub.layers")
    (True, False)
    """
    return module.partition(".")[0] in _ROOTS


def is_operation(layer: Layer) -> bool:
    """Whether a layer of Keras 3 is an operator or a call of ``keras.ops``."""
    return _module(layer).startswith(OPERATIONS)


def is_known(layer: Layer, keras: int | None = None) -> bool:
    """Whether a layer has a class of Keras or of this program that stands in this table.

    A class of the user's own may have the name of one of them:

    1. A registered name with a package, ``mine>Dense``, tells whose it is: Keras looks there
       first.
    2. Else the module tells it.
    3. A registered name alone is that of a class of a script, which has no module.
    4. Where neither is written the class is taken for Keras' if its config has only keys that
       the class knows, and `is_assumed` is true.

    Parameters
    ----------
    layer : Layer
        The layer.
    keras : int, optional
        2 or 3, for the classes of one Keras; by default those of both.

    Examples
    --------
    >>> is_known(Layer("d", "Dense", {}))
    True
    >>> is_known(Layer("d", "Dense", {}, {"module": "keras.layers", "registered_name": None}))
    True
    >>> is_known(Layer("d", "Dense", {}, {"module": None, "registered_name": "Dense"}))
    False
    >>> is_known(Layer("d", "Dense", {}, {"registered_name": "mine>Dense"}))
    False
    >>> is_known(Layer("d", "Dense", {"units": 2, "gate": "mine"}))
    False
    """
    if layer.graph is not None:
        return True
    envelope = layer.envelope
    module, registered = envelope.get("module"), envelope.get("registered_name")
    if module and str(module).startswith(OPERATIONS):
        return True
    named = _IN_EITHER if keras is None else BUILT_IN[keras]
    if layer.class_name not in named and layer.class_name not in OURS:
        return False
    if registered and ">" in str(registered):
        return str(registered).rpartition(">")[0] in _PACKAGES
    if module:
        return is_known_module(str(module))
    return not registered and _has_known_keys(layer)


def class_of(layer: Layer) -> str:
    """Return the class of a layer; empty where the user's own is named as one of Keras.

    Whoever asks for a class by its name asks here.

    Examples
    --------
    >>> class_of(Layer("d", "Dropout", {"rate": 0.5}))
    'Dropout'
    >>> class_of(Layer("d", "Dropout", {"rate": 0.5}, {"registered_name": "mine>Dropout"}))
    ''
    """
    if is_known(layer):
        return layer.class_name
    told = _module(layer) or layer.envelope.get("registered_name")
    named = layer.class_name in _IN_EITHER or layer.class_name in OURS
    return "" if named or told else layer.class_name


def _has_known_keys(layer: Layer) -> bool:
    return layer.class_name in OURS or layer.config.keys() <= KEYS[layer.class_name]


def is_assumed(layer: Layer) -> bool:
    """Whether nothing but its name tells that a layer of a file has a class of Keras.

    Examples
    --------
    >>> is_assumed(Layer("d", "Dense", {}, {"class_name": None}, origin=("d",)))
    True
    >>> is_assumed(Layer("d", "Dense", {}, {"module": "keras.layers"}, origin=("d",)))
    False
    """
    told = _module(layer) or layer.envelope.get("registered_name")
    told = told or layer.envelope.get("class_name")  # it has the package where that is ours
    return layer.origin is not None and not told and is_known(layer)


def _module(layer: Layer) -> str:
    return str(layer.envelope.get("module") or "")
