"""Look up what a layer class does with a mask, in Keras 2 and in Keras 3.

Measured with tf_keras 2.21 and Keras 3.15, eagerly, layer by layer; `tests/analysis/masks` measures
it again with the Keras that is installed and names the layer that has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from rewriter.analysis.known_layers import is_known, is_operation
from rewriter.analysis.layer_kinds import NOISE
from rewriter.graph.graph import Layer


class Rule(Enum):
    """What a layer does with a mask, as a clause with the layer as its subject."""

    PASS = "passes the mask on"
    TRAIN = "passes the mask on, and uses it in training"
    USE = "uses the mask, and gives none"
    DROP = "drops the mask"
    HAND_ON = "hands its input on at inference, the mask with it"
    SOURCE = "makes a mask of its own"
    EMBEDDING = "makes a mask of its own if mask_zero is set"
    RECURRENT = "uses the mask, and passes it on with the sequence if it returns that"
    RECURRENT_END = "uses the mask, and gives none, returned sequence or not"
    AND = "joins the masks of its inputs that have one"
    OR = "joins the masks of its inputs, or drops them if one has none"
    USE_OR = "uses the masks of its inputs, and joins them, or drops them if one has none"
    CONCATENATE = "joins the masks of its inputs"
    QUERY = "uses the masks, and passes that of its first input on"
    TAKE_QUERY = "uses the masks, takes them off its inputs, and gives that of the first"
    FAIL = "fails when it gets a mask"
    FAIL_ON_SEQUENCE = "fails when it gets a mask with a sequence"
    EACH_STEP = "applies its layer to each step, and passes the mask on"
    INNER = "does with the mask what its own layers do"
    CARRY = "puts the mask of its second input on its first"
    UNKNOWN = "is not known to this program"


Row = tuple[str, Rule, Rule]

# classes, Keras 2 (tf_keras 2.21), Keras 3 (3.15). A class that only one of them has stands
# with what that one does.
TABLE: Sequence[Row] = (
    # sources
    ("Masking", Rule.SOURCE, Rule.SOURCE),
    ("Embedding ReversibleEmbedding", Rule.EMBEDDING, Rule.EMBEDDING),
    # step by step
    (
        "Dense Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU LayerNormalization "
        "UnitNormalization ActivityRegularization",
        Rule.PASS,
        Rule.PASS,
    ),
    (
        "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout "
        "GaussianNoise AlphaDropout DynamicDropout",
        Rule.PASS,
        Rule.PASS,
    ),
    ("Identity Rescaling Normalization", Rule.DROP, Rule.PASS),
    ("BatchNormalization", Rule.TRAIN, Rule.TRAIN),
    ("GroupNormalization", Rule.FAIL, Rule.PASS),
    ("RMSNormalization EinsumDense Discretization", Rule.DROP, Rule.DROP),
    ("Softmax", Rule.FAIL_ON_SEQUENCE, Rule.FAIL_ON_SEQUENCE),
    # over the time axis
    ("LSTM GRU SimpleRNN RNN Bidirectional", Rule.RECURRENT, Rule.RECURRENT),
    ("ConvLSTM1D ConvLSTM2D ConvLSTM3D", Rule.RECURRENT, Rule.RECURRENT),
    ("CuDNNLSTM CuDNNGRU", Rule.FAIL, Rule.FAIL),
    ("TimeDistributed", Rule.EACH_STEP, Rule.EACH_STEP),
    ("SpectralNormalization", Rule.DROP, Rule.PASS),
    ("Attention AdditiveAttention", Rule.QUERY, Rule.QUERY),
    ("MultiHeadAttention MultiHeadAttentionOfKeras2", Rule.QUERY, Rule.TAKE_QUERY),
    ("GroupedQueryAttention GroupQueryAttention", Rule.QUERY, Rule.QUERY),
    ("GlobalAveragePooling1D", Rule.USE, Rule.USE),
    # of several inputs
    ("Add Subtract Average", Rule.AND, Rule.OR),
    ("Multiply Maximum Minimum", Rule.AND, Rule.USE_OR),
    ("Concatenate", Rule.CONCATENATE, Rule.CONCATENATE),
    ("Dot HashedCrossing", Rule.DROP, Rule.DROP),
    # the mask is lost
    (
        "Conv1D SeparableConv1D DepthwiseConv1D Conv1DTranspose LocallyConnected1D MaxPooling1D "
        "AveragePooling1D GlobalMaxPooling1D AdaptiveAveragePooling1D AdaptiveMaxPooling1D "
        "ZeroPadding1D Cropping1D UpSampling1D Flatten Reshape Permute RepeatVector Lambda "
        "TFOpLambda SlicingOpLambda ClassMethod InstanceMethod InstanceProperty "
        "STFTSpectrogram MelSpectrogram",
        Rule.DROP,
        Rule.DROP,
    ),
    (
        "Conv2D Conv3D SeparableConv2D DepthwiseConv2D Conv2DTranspose Conv3DTranspose "
        "LocallyConnected2D MaxPooling2D MaxPooling3D AveragePooling2D AveragePooling3D "
        "GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling2D GlobalMaxPooling3D "
        "AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling2D "
        "AdaptiveMaxPooling3D ZeroPadding2D ZeroPadding3D Cropping2D Cropping3D UpSampling2D "
        "UpSampling3D",
        Rule.DROP,
        Rule.DROP,
    ),
    (
        "CategoryEncoding Hashing IntegerLookup StringLookup TextVectorization CenterCrop "
        "Resizing AutoContrast ContrastLimitedAdaptiveHistogramEqualization",
        Rule.DROP,
        Rule.DROP,
    ),
    (
        "AugMix CutMix Equalization MixUp RandAugment RandomBrightness RandomColorDegeneration "
        "RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip "
        "RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert "
        "RandomPerspective RandomPosterization RandomRotation RandomSaturation "
        "RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom Solarization",
        Rule.HAND_ON,
        Rule.HAND_ON,
    ),
    ("RandomCrop", Rule.DROP, Rule.HAND_ON),
    # layers of this program
    ("ZeroMaskedSteps", Rule.PASS, Rule.PASS),
    ("CarryMask", Rule.CARRY, Rule.CARRY),
    ("CopyWithMask MaskOf", Rule.PASS, Rule.PASS),
    ("GatewiseLSTM GatewiseGRU", Rule.RECURRENT, Rule.RECURRENT),
    ("FusedConvLSTM1D FusedConvLSTM2D FusedConvLSTM3D", Rule.RECURRENT, Rule.RECURRENT),
    ("EachStep", Rule.EACH_STEP, Rule.EACH_STEP),
    ("MergeWithMasks", Rule.AND, Rule.AND),
    ("StopMask TensorFlowFunction", Rule.DROP, Rule.DROP),
    ("InputLayer", Rule.DROP, Rule.DROP),
)

# What releases after the one that was measured do otherwise, by the first of them.
LATER: Mapping[int, Mapping[tuple[int, int], Mapping[str, Rule]]] = {
    2: {},
    3: {
        (3, 16): {
            "LSTM GRU SimpleRNN RNN Bidirectional": Rule.RECURRENT_END,
            "TimeDistributed": Rule.DROP,
        }
    },
}

# Layers that give the very tensor that they get, at inference: the two share one mask.
HANDING_ON: Mapping[int, frozenset[str]] = {
    2: frozenset({"ActivityRegularization"}),
    3: NOISE | {"Identity", "ActivityRegularization"},
}


@lru_cache
def rules(keras: int, release: tuple[int, int] | None = None) -> Mapping[str, Rule]:
    """Return the rule of each class.

    Parameters
    ----------
    keras : int
        2 or 3.
    release : tuple of int, optional
        Major and minor version of Keras; by default that of the installed one.
    """
    release = release or installed_release(keras)
    table = {
        name: in_keras2 if keras == 2 else in_keras3
        for names, in_keras2, in_keras3 in TABLE
        for name in names.split()
    }
    for first, changes in LATER[keras].items():
        if release >= first:
            table |= {name: rule for names, rule in changes.items() for name in names.split()}
    return table


@lru_cache
def installed_release(keras: int) -> tuple[int, int]:
    """Return major and minor version of the installed Keras, which is not imported."""
    try:
        numbers = version("keras" if keras == 3 else "tf_keras").split(".")
    except PackageNotFoundError:
        return (keras, 0)
    return int(numbers[0]), int(numbers[1])


def rule_of(layer: Layer, keras: int, declared: str | None = None) -> Rule:
    """Return what a layer does with a mask.

    Parameters
    ----------
    layer : Layer
        The layer.
    keras : int
        2 or 3.
    declared : str, optional
        The name of the rule that the class of a custom layer declares.

    Examples
    --------
    >>> rule_of(Layer("add", "Add", {}), 2).value
    'joins the masks of its inputs that have one'
    """
    if declared is not None:
        return Rule[declared]
    if is_operation(layer):
        return Rule.DROP
    if not is_known(layer, keras):
        return Rule.UNKNOWN
    if layer.class_name == "Lambda" and layer.config.get("mask") is not None:
        return Rule.UNKNOWN
    return rules(keras).get(layer.class_name, Rule.UNKNOWN)
