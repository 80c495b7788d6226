"""List, for each layer, what Keras 3 writes otherwise than Keras 2.

Measured with tf_keras 2.21 and Keras 3.15.1; `tests/porting` measures every row again.
A layer that stands in no row and in `UNCHANGED` is Keras' own and keeps its config; one that
stands in neither is somebody's own class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rewriter.porting import conversions
from rewriter.porting.refusals import RefusedError
from rewriter.porting.serialised import converted

ANY = object()
"""Stands for every value of a key that is dropped."""


@dataclass(frozen=True, slots=True)
class LayerRule:
    """What becomes of the layers of some classes.

    Parameters
    ----------
    classes : str
        Names of classes of Keras 2, with spaces between them.
    drop : mapping of str to value
        Keys that Keras 3 does not take, with the values that they may have: one, a tuple of
        several, or `ANY`. Another value is refused.
    fails_on : tuple of str
        Keys at which Keras 3 stops when it loads the file as Keras 2 wrote it.
    rename : mapping of str to str
        Keys that have another name.
    convert : sequence of str
        Names of functions of `rewriter.porting.conversions` that change the config.
    into : str
        Class of Keras 3 that stands in its place; by default the same.
    package : bool
        Whether that class is one of this package.
    module : str
        Module of the class in Keras 3, where it is not ``keras.layers``; that in Keras 2 ends
        alike, and tells it from a class of the user's of that name.
    weights : str
        How the weights are converted: a name of `rewriter.porting.weights`.
    filled : mapping of str to str
        Keys whose values stand among the weights, and where: they are told by their source.
    tolerance : float
        How far the outputs may differ, in parts of the greatest; 0 is to the bit.
    training : str
        What is different in training.
    refuse, fix : str
        Why there is no counterpart, and what to do.
    source : str
        Where this is seen.
    """

    classes: str
    drop: Mapping[str, Any] = field(default_factory=dict)
    fails_on: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    convert: Sequence[str] = ()
    into: str = ""
    package: bool = False
    module: str = ""
    weights: str = ""
    filled: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.0
    training: str = ""
    refuse: str = ""
    fix: str = ""
    source: str = ""


_RECURRENT = {"input_dim": ANY, "input_length": ANY, "consume_less": ANY}
_DEPTHWISE = dict.fromkeys(("kernel_initializer", "kernel_regularizer", "kernel_constraint"), ANY)
_RETRAIN = "replace the layer in Keras 2 and train it, or leave it out of the model"

RULES: Sequence[LayerRule] = (
    # recurrent
    LayerRule(
        "LSTM GRU SimpleRNN",
        {**_RECURRENT, "time_major": ANY, "implementation": ANY},
        fails_on=("time_major",),
        source="keras/src/layers/rnn/lstm.py: no time_major; keras#20750",
    ),
    LayerRule(
        "LSTMCell GRUCell SimpleRNNCell",
        {"implementation": ANY},
        source="keras/src/layers/rnn/lstm.py: get_config does not write implementation",
    ),
    LayerRule(
        "RNN",
        {**_RECURRENT, "time_major": ANY, "num_constants": (None, 0)},
        fails_on=("time_major",),
        source="keras/src/layers/rnn/rnn.py",
    ),
    LayerRule(
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D",
        {**_RECURRENT, "time_major": ANY, "implementation": ANY},
        convert=["recurrent_activation_told"],
        tolerance=1e-6,
        fails_on=("time_major",),
        source="keras/src/layers/rnn/conv_lstm.py",
    ),
    LayerRule(
        "CuDNNLSTM",
        {"time_major": ANY},
        into="LSTM",
        convert=["cudnn_lstm"],
        weights="cudnn_lstm",
        tolerance=1e-6,
        source="tf_keras/src/saving/legacy/hdf5_format.py, `_convert_rnn_weights`",
    ),
    LayerRule(
        "CuDNNGRU",
        {"time_major": ANY},
        into="GRU",
        convert=["cudnn_gru"],
        weights="cudnn_gru",
        tolerance=1e-6,
        source="tf_keras/src/saving/legacy/hdf5_format.py, `_convert_rnn_weights`",
    ),
    # convolutions
    LayerRule(
        "DepthwiseConv1D DepthwiseConv2D",
        {"groups": (1, None), "filters": ANY, **_DEPTHWISE},
        fails_on=("groups",),
        source="keras/src/layers/convolutional/base_depthwise_conv.py",
    ),
    LayerRule(
        "SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D",
        {"groups": (1, None), **_DEPTHWISE},
        convert=["public_name"],
        fails_on=("groups",),
        source="keras/src/layers/convolutional/base_separable_conv.py",
    ),
    LayerRule(
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose Convolution2DTranspose "
        "Convolution3DTranspose",
        {"groups": (1, None)},
        convert=["public_name"],
        fails_on=("groups",),
        source="keras/src/layers/convolutional/base_conv_transpose.py",
    ),
    # normalization
    LayerRule(
        "BatchNormalization BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization",
        {
            "renorm": ANY,
            "renorm_clipping": ANY,
            "renorm_momentum": ANY,
            "fused": ANY,
            "virtual_batch_size": ANY,
            "adjustment": (None,),
            "mode": (0,),
        },
        convert=["one_axis", "synchronized"],
        into="BatchNormalization",
        weights="without_renorm",
        tolerance=1e-6,
        training=(
            "on images the moving variance is updated with the variance of the batch, where "
            "Keras 2 multiplies it by n / (n - 1)"
        ),
        source="keras/src/layers/normalization/batch_normalization.py",
    ),
    LayerRule(
        "LayerNormalization UnitNormalization GroupNormalization",
        tolerance=1e-6,
        source="keras/src/layers/normalization/layer_normalization.py",
    ),
    LayerRule(
        "SpectralNormalization",
        weights="spectral",
        source="keras/src/layers/normalization/spectral_normalization.py: u stands before bias",
    ),
    # noise
    LayerRule(
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
        {"trainable": ANY, "noise_shape": (None,)},
        fails_on=("noise_shape",),
        source="keras/src/layers/regularization/spatial_dropout.py",
    ),
    # attention
    LayerRule(
        "MultiHeadAttention",
        {
            "query_shape": ANY,
            "key_shape": ANY,
            "value_shape": ANY,
            "softmax_robust_masking": (False, None),
        },
        tolerance=1e-6,
        fails_on=("query_shape", "softmax_robust_masking"),
        source="keras/src/layers/attention/multi_head_attention.py",
    ),
    LayerRule(
        "Attention AdditiveAttention",
        {"causal": (False,)},
        convert=["score_mode_told"],
        tolerance=1e-6,
        source="keras/src/layers/attention/attention.py",
    ),
    # core
    LayerRule(
        "Embedding",
        {"input_length": ANY, "sparse": (False,), "dropout": (0, 0.0)},
        source="keras/src/layers/core/embedding.py",
    ),
    LayerRule(
        "Lambda",
        {
            "function_type": ANY,
            "module": ANY,
            "output_shape_type": ANY,
            "output_shape_module": ANY,
        },
        convert=["lambda_function"],
        source="keras/src/legacy/saving/saving_utils.py, LAMBDA_DEP_ARGS",
    ),
    LayerRule("InputLayer", convert=["input_layer"], source="keras/src/layers/core/input_layer.py"),
    # activations
    LayerRule(
        "LeakyReLU",
        rename={"alpha": "negative_slope"},
        source="keras/src/layers/activations/leaky_relu.py",
    ),
    LayerRule(
        "ThresholdedReLU",
        package=True,
        source="in no release of Keras 3; rewriter.layers.keras3 has it",
    ),
    # preprocessing
    LayerRule(
        "Discretization",
        {"trainable": ANY, "bins": (None,)},
        convert=["float32"],
        filled={"bin_boundaries": "the boundaries that it adapted itself to"},
        fails_on=("trainable",),
        source="keras/src/layers/preprocessing/discretization.py: casts its inputs to dtype",
    ),
    LayerRule(
        "StringLookup IntegerLookup TextVectorization",
        {"vocabulary_size": ANY, "has_input_vocabulary": ANY},
        convert=["lookup"],
        filled={
            "vocabulary": "the vocabulary that it adapted itself to",
            "idf_weights": "the weights that it adapted itself to",
        },
        source="keras/src/layers/preprocessing/index_lookup.py",
    ),
    LayerRule(
        "RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom",
        {"rng_type": ANY},
        training="it draws other random numbers",
        fails_on=("rng_type",),
        source="keras/src/layers/preprocessing/image_preprocessing",
    ),
    LayerRule(
        "RandomCrop",
        {"rng_type": ANY, "seed": ANY},
        into="Resizing",
        convert=["crop_to_aspect_ratio"],
        training="it does not crop at random: Keras 3's RandomCrop returns its input at inference",
        fails_on=("rng_type",),
        source="keras/src/layers/preprocessing/image_preprocessing/random_crop.py",
    ),
    LayerRule(
        "Resizing",
        convert=["known_interpolation"],
        source="keras/src/layers/preprocessing/image_preprocessing/resizing.py",
    ),
    LayerRule(
        "UpSampling2D",
        convert=["known_interpolation"],
        source="keras/src/layers/reshaping/up_sampling2d.py",
    ),
    # of keras.applications
    LayerRule(
        "LayerScale StochasticDepth",
        module="keras.src.applications.convnext",
        source="keras/src/applications/convnext.py",
    ),
    LayerRule(
        "CustomScaleLayer",
        module="keras.src.applications.inception_resnet_v2",
        source="keras/src/applications/inception_resnet_v2.py",
    ),
    # no counterpart
    LayerRule(
        "LocallyConnected1D LocallyConnected2D",
        refuse="Keras 3 has no locally connected layers",
        fix=_RETRAIN,
    ),
    LayerRule(
        "RandomHeight RandomWidth",
        refuse="Keras 3 has no layer that changes the height or width at random",
        fix="leave it out of the model: it returns its input at inference",
    ),
    LayerRule(
        "DenseFeatures SequenceFeatures",
        refuse="Keras 3 has no feature columns",
        fix="build the columns with preprocessing layers in Keras 2 and save the model again",
    ),
    LayerRule(
        "TensorFlowOpLayer",
        refuse="it holds a TensorFlow operation as it stood in a graph",
        fix="write the operation as a layer in Keras 2 and save the model again",
    ),
    LayerRule(
        "ClassMethod InstanceMethod InstanceProperty",
        refuse="it stands for a method of ragged or sparse tensors",
        fix="make the model with dense tensors in Keras 2",
    ),
    LayerRule(
        "AbstractRNNCell Wrapper StackedRNNCellsV1",
        refuse="it is a base class, which computes nothing by itself",
        fix="give a class that derives from it",
    ),
)

_UNCHANGED = """
Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D
AveragePooling3D Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D Conv2D Conv3D
Cropping1D Cropping2D Cropping3D Dense Dot Dropout ELU EinsumDense Flatten GaussianDropout
GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D HashedCrossing Hashing Identity Layer
Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Multiply Normalization PReLU
Permute ReLU RepeatVector Rescaling Reshape Softmax StackedRNNCells Subtract TimeDistributed
UpSampling1D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""

UNCHANGED = frozenset(_UNCHANGED.split())
"""Classes whose configs Keras 3 takes as Keras 2 writes them."""

EVERY_LAYER = ("batch_input_shape", "input_shape", "dynamic", "autocast", "input_spec")
"""Keys that are dropped from every layer."""


@cache
def rules() -> Mapping[str, LayerRule]:
    """Return the rule of each class that has one."""
    return {name: rule for rule in RULES for name in rule.classes.split()}


def without_class() -> frozenset[str]:
    """Return the classes that Keras 3 has not, ported or not."""
    missing = {
        name
        for name, rule in rules().items()
        if rule.refuse or rule.package or (rule.into and rule.into not in (name, "Resizing"))
    }
    return frozenset(missing - {"Wrapper", "AbstractRNNCell"})


def in_tables(class_name: str) -> bool:
    """Whether a class is one that the tables know."""
    return class_name in UNCHANGED or class_name in rules()


def layer_config(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a layer of Keras 2 as Keras 3 reads it.

    Raises
    ------
    RefusedError
        Keras 3 cannot do what the config says.

    Examples
    --------
    >>> layer_config("LSTM", {"units": 2, "time_major": False, "batch_input_shape": [None, 3, 1]})
    {'units': 2}
    """
    rule = rules().get(class_name, LayerRule(class_name))
    if rule.refuse:
        raise RefusedError(rule.refuse, rule.fix)
    new = dict(config)
    for name in rule.convert:
        new = getattr(conversions, name)(class_name, new)
    if class_name != "InputLayer":
        new = {key: value for key, value in new.items() if key not in EVERY_LAYER}
    for key, allowed in rule.drop.items():
        if key in new and not _is_allowed(new[key], allowed):
            raise RefusedError(
                f"Keras 3 knows no {key}={new[key]!r}", f"set {key} otherwise in Keras 2"
            )
        new.pop(key, None)
    new = {rule.rename.get(key, key): _with_layer(key, value) for key, value in new.items()}
    return converted(new)


def _with_layer(key: str, value: Any) -> Any:
    """Return a layer that stands as an activation as Keras 3 writes it; all else as it is."""
    is_object = isinstance(value, Mapping) and isinstance(value.get("config"), Mapping)
    if not is_object or not key.endswith("activation"):
        return value
    name = str(value["class_name"])
    custom = ">" in str(value.get("registered_name") or "")
    return {
        "module": value.get("module") if custom else "keras.layers",
        "class_name": name,
        "config": dict(value["config"]) if custom else layer_config(name, value["config"]),
        "registered_name": value.get("registered_name") if custom else None,
    }


def _is_allowed(value: Any, allowed: Any) -> bool:
    if allowed is ANY:
        return True
    return value in allowed if isinstance(allowed, tuple) else value == allowed
