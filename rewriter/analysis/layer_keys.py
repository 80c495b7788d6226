"""List the keys that the config of each layer of Keras may have.

Where a file names no module they tell whose class a layer has. They are the arguments of the
constructors of tf_keras 2.21 and Keras 3.15, and what older releases wrote besides.
"""

from __future__ import annotations

from collections.abc import Mapping

# Keys that every layer may have.
_OF_ALL = """
activity_regularizer autocast batch_input_shape batch_shape batch_size dtype dynamic input_dim
input_dtype input_length input_shape name quantization_config trainable
"""

# Classes, a colon, and under them the keys that they may have besides.
_TABLE = """
Activation:
    activation
ActivityRegularization:
    l1 l2
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D:
    data_format output_size
Add Average Identity Maximum Minimum Multiply Subtract:
AdditiveAttention Attention:
    causal dropout force_generator rng_type score_mode seed use_scale
AlphaDropout Dropout SpatialDropout1D:
    force_generator noise_shape rate rng_type seed
AugMix:
    all_ops alpha bounding_box_format chain_depth data_format factor interpolation num_chains
    seed value_range
AutoContrast:
    bounding_box_format data_format factor value_range
AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D:
    data_format padding pool_dimensions pool_function pool_mode pool_size strides
BatchNormalization:
    adjustment axis beta_constraint beta_initializer beta_regularizer center epsilon fused
    gamma_constraint gamma_initializer gamma_regularizer momentum moving_mean_initializer
    moving_variance_initializer renorm renorm_clipping renorm_momentum scale synchronized
    virtual_batch_size
Bidirectional:
    backward_layer layer merge_mode weights
CategoryEncoding:
    num_tokens output_mode sparse
CenterCrop:
    bounding_box_format data_format factor height width
ClassMethod:
    cls_ref function
Concatenate UnitNormalization:
    axis
ContrastLimitedAdaptiveHistogramEqualization:
    bounding_box_format clip_limit data_format factor tile_grid_size value_range
Conv1D Conv2D Conv3D:
    activation bias_constraint bias_initializer bias_regularizer conv_op data_format
    dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer
    kernel_size lora_alpha lora_rank output_padding padding rank strides use_bias
Conv1DTranspose Conv2DTranspose Conv3DTranspose:
    activation bias_constraint bias_initializer bias_regularizer conv_op data_format
    dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer
    kernel_size output_padding padding rank strides use_bias
ConvLSTM1D ConvLSTM2D ConvLSTM3D:
    activation bias_constraint bias_initializer bias_regularizer cell data_format
    dilation_rate dropout filters go_backwards implementation kernel_constraint
    kernel_initializer kernel_regularizer kernel_size padding rank recurrent_activation
    recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
    return_sequences return_state seed stateful states_shape strides time_major
    unit_forget_bias unroll use_bias zero_output_for_mask
Cropping1D:
    cropping
Cropping2D Cropping3D:
    cropping data_format
CuDNNGRU:
    activation bias_constraint bias_initializer bias_regularizer cell dropout force_generator
    go_backwards kernel_constraint kernel_initializer kernel_regularizer recurrent_activation
    recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
    reset_after return_sequences return_state rng_type seed stateful time_major units unroll
    use_bias use_cudnn zero_output_for_mask
CuDNNLSTM:
    activation bias_constraint bias_initializer bias_regularizer cell dropout force_generator
    go_backwards kernel_constraint kernel_initializer kernel_regularizer recurrent_activation
    recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
    return_sequences return_state rng_type seed stateful time_major unit_forget_bias units
    unroll use_bias use_cudnn zero_output_for_mask
CutMix RandomGrayscale:
    bounding_box_format data_format factor seed
Dense:
    activation bias_constraint bias_initializer bias_regularizer kernel_constraint
    kernel_initializer kernel_regularizer lora_alpha lora_rank units use_bias
DenseFeatures:
    expected_column_type feature_columns partitioner
DepthwiseConv1D DepthwiseConv2D:
    activation bias_constraint bias_initializer bias_regularizer conv_op data_format
    depth_multiplier depthwise_constraint depthwise_initializer depthwise_regularizer
    dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer
    kernel_size output_padding padding rank strides use_bias
Discretization:
    bin_boundaries epsilon num_bins output_mode sparse
Dot:
    axes normalize
ELU:
    alpha
EinsumDense:
    activation bias_axes bias_constraint bias_initializer bias_regularizer equation
    gptq_unpacked_column_size kernel_constraint kernel_initializer kernel_regularizer
    lora_alpha lora_rank output_shape
Embedding:
    embeddings_constraint embeddings_initializer embeddings_regularizer lora_alpha lora_rank
    mask_zero output_dim sparse weights
Equalization:
    bins bounding_box_format data_format factor value_range
Flatten:
    data_format
FlaxLayer:
    call_fn init_fn method module native_serialization_platforms params seed state variables
GRU:
    activation bias_constraint bias_initializer bias_regularizer cell dropout force_generator
    go_backwards implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_activation recurrent_constraint recurrent_dropout recurrent_initializer
    recurrent_regularizer reset_after return_sequences return_state rng_type seed stateful
    states_shape time_major units unroll use_bias use_cudnn zero_output_for_mask
GRUCell:
    activation bias_constraint bias_initializer bias_regularizer dropout force_generator
    implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_activation recurrent_constraint recurrent_dropout recurrent_initializer
    recurrent_regularizer reset_after rng_type seed units use_bias
GaussianDropout:
    force_generator rate rng_type seed
GaussianNoise:
    force_generator rng_type seed stddev
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D:
    data_format keepdims pool_dimensions
GroupNormalization:
    axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint
    gamma_initializer gamma_regularizer groups scale
GroupQueryAttention GroupedQueryAttention:
    bias_constraint bias_initializer bias_regularizer dropout flash_attention head_dim
    kernel_constraint kernel_initializer kernel_regularizer num_key_value_heads
    num_query_heads seed sliding_window use_bias use_gate
HashedCrossing:
    num_bins output_mode sparse
Hashing:
    mask_value num_bins output_mode salt sparse
InputLayer:
    input_tensor optional ragged shape sparse type_spec
InstanceMethod SlicingOpLambda TFOpLambda:
    function
InstanceProperty:
    attr_name
IntegerLookup:
    idf_weights invert mask_token max_tokens num_oov_indices oov_method oov_token output_mode
    pad_to_max_tokens salt sparse vocabulary vocabulary_dtype vocabulary_size
JaxLayer:
    call_fn init_fn native_serialization_platforms params seed state
LSTM:
    activation bias_constraint bias_initializer bias_regularizer cell dropout force_generator
    go_backwards implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_activation recurrent_constraint recurrent_dropout recurrent_initializer
    recurrent_regularizer return_sequences return_state rng_type seed stateful states_shape
    time_major unit_forget_bias units unroll use_bias use_cudnn zero_output_for_mask
LSTMCell:
    activation bias_constraint bias_initializer bias_regularizer dropout force_generator
    implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_activation recurrent_constraint recurrent_dropout recurrent_initializer
    recurrent_regularizer rng_type seed unit_forget_bias units use_bias
Lambda:
    arguments function function_type mask module output_shape output_shape_module
    output_shape_type
LayerNormalization:
    axis beta_constraint beta_initializer beta_regularizer center epsilon gamma_constraint
    gamma_initializer gamma_regularizer rms_scaling scale
LeakyReLU:
    alpha negative_slope
LocallyConnected1D LocallyConnected2D:
    activation bias_constraint bias_initializer bias_regularizer data_format filters
    implementation kernel_constraint kernel_initializer kernel_regularizer kernel_size padding
    strides use_bias
Masking:
    mask_value
MaxNumBoundingBoxes:
    bounding_box_format data_format factor fill_value max_number
MelSpectrogram:
    fft_length mag_exp max_freq min_freq min_power num_mel_bins power_to_db ref_power
    sampling_rate sequence_length sequence_stride top_db window
MixUp:
    alpha bounding_box_format data_format factor seed
MultiHeadAttention:
    attention_axes bias_constraint bias_initializer bias_regularizer dropout flash_attention
    kernel_constraint kernel_initializer kernel_regularizer key_dim key_shape num_heads
    output_shape query_shape seed sliding_window softmax_robust_masking use_bias use_gate
    value_dim value_shape
Normalization:
    axis invert mean variance
PReLU:
    alpha_constraint alpha_initializer alpha_regularizer shared_axes
Permute:
    dims
Pipeline:
    layers
RMSNormalization:
    axis epsilon
RNN:
    cell go_backwards implementation return_sequences return_state stateful states_shape
    time_major unroll zero_output_for_mask
RandAugment:
    bounding_box_format data_format factor interpolation num_ops seed value_range
RandomBrightness RandomContrast:
    bounding_box_format data_format factor force_generator rng_type seed value_range
RandomColorDegeneration RandomHue RandomInvert RandomPosterization RandomSaturation
RandomSharpness:
    bounding_box_format data_format factor seed value_range
RandomColorJitter:
    bounding_box_format brightness_factor contrast_factor data_format factor hue_factor
    saturation_factor seed value_range
RandomCrop:
    bounding_box_format data_format factor force_generator height rng_type seed width
RandomElasticTransform:
    bounding_box_format data_format factor fill_mode fill_value interpolation scale seed
    value_range
RandomErasing:
    bounding_box_format data_format factor fill_value scale seed value_range
RandomFlip:
    bounding_box_format data_format factor force_generator mode rng_type seed
RandomGaussianBlur:
    bounding_box_format data_format factor kernel_size seed sigma value_range
RandomHeight RandomWidth:
    factor force_generator interpolation rng_type seed
RandomPerspective:
    bounding_box_format data_format factor fill_value interpolation scale seed
RandomRotation:
    bounding_box_format data_format factor fill_mode fill_value force_generator interpolation
    rng_type seed
RandomShear:
    bounding_box_format data_format factor fill_mode fill_value interpolation seed x_factor
    y_factor
RandomTranslation RandomZoom:
    bounding_box_format data_format factor fill_mode fill_value force_generator height_factor
    interpolation rng_type seed width_factor
ReLU:
    max_value negative_slope threshold
RepeatVector:
    n
Rescaling:
    offset scale
Reshape:
    target_shape
Resizing:
    antialias bounding_box_format crop_to_aspect_ratio data_format factor fill_mode fill_value
    height interpolation pad_to_aspect_ratio width
ReversibleEmbedding:
    embeddings_constraint embeddings_initializer embeddings_regularizer logit_soft_cap
    lora_alpha lora_rank mask_zero output_dim reverse_dtype tie_weights weights
STFTSpectrogram:
    data_format expand_dims fft_length frame_length frame_step mode padding periodic scaling
    window
SeparableConv1D SeparableConv2D:
    activation bias_constraint bias_initializer bias_regularizer conv_op data_format
    depth_multiplier depthwise_constraint depthwise_initializer depthwise_regularizer
    dilation_rate filters groups kernel_constraint kernel_initializer kernel_regularizer
    kernel_size output_padding padding pointwise_constraint pointwise_initializer
    pointwise_regularizer rank strides use_bias
SimpleRNN:
    activation bias_constraint bias_initializer bias_regularizer cell dropout go_backwards
    implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
    return_sequences return_state seed stateful states_shape time_major units unroll use_bias
    zero_output_for_mask
SimpleRNNCell:
    activation bias_constraint bias_initializer bias_regularizer dropout force_generator
    implementation kernel_constraint kernel_initializer kernel_regularizer
    recurrent_constraint recurrent_dropout recurrent_initializer recurrent_regularizer
    rng_type seed units use_bias
Softmax:
    axis robust_masking
Solarization:
    addition_factor bounding_box_format data_format factor seed threshold_factor value_range
SpatialDropout2D SpatialDropout3D:
    data_format force_generator noise_shape rate rng_type seed
SpectralNormalization:
    layer power_iterations
StackedRNNCells:
    cells
StringLookup:
    encoding idf_weights invert mask_token max_tokens num_oov_indices oov_method oov_token
    output_mode pad_to_max_tokens salt sparse vocabulary vocabulary_dtype vocabulary_size
TFSMLayer:
    call_endpoint call_training_endpoint filepath
TensorFlowOpLayer:
    constants node_def
TextVectorization:
    encoding idf_weights max_tokens ngrams output_mode output_sequence_length
    pad_to_max_tokens ragged sparse split standardize vocabulary vocabulary_size
ThresholdedReLU:
    theta
TimeDistributed Wrapper:
    layer
TorchModuleWrapper:
    module output_shape
UpSampling1D:
    size
UpSampling2D:
    data_format interpolation size
UpSampling3D:
    data_format size
ZeroPadding1D ZeroPadding2D ZeroPadding3D:
    data_format padding
"""


def _read(table: str) -> dict[str, frozenset[str]]:
    """Return the keys of each class: a line of classes ends with a colon, indented ones follow."""
    keys: dict[str, frozenset[str]] = {}
    named: list[str] = []
    ended = True
    for line in table.strip().splitlines():
        words = line.removesuffix(":").split()
        if line.startswith(" "):
            keys |= {name: keys[name] | frozenset(words) for name in named}
            continue
        named = [*([] if ended else named), *words]
        ended = line.endswith(":")
        keys |= dict.fromkeys(named, frozenset(_OF_ALL.split())) if ended else {}
    return keys


KEYS: Mapping[str, frozenset[str]] = _read(_TABLE)
"""The keys by class."""
