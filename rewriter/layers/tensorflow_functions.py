"""List the functions of TensorFlow that `TensorFlowFunction` may call.

They compute: none reads or writes files, runs code that it is given, or draws random numbers.
"""

from __future__ import annotations

_FUNCTIONS = """
__operators__.add __operators__.getitem abs acos acosh add add_n argmax argmin argsort asin asinh
atan atan2 atanh batch_to_space bitcast boolean_mask broadcast_to cast ceil clip_by_norm
clip_by_value complex concat cos cosh cumsum divide einsum ensure_shape equal exp expand_dims eye
fill floor floor_div gather gather_nd greater greater_equal identity less less_equal logical_and
logical_not logical_or matmul maximum minimum multiply negative nn.avg_pool nn.avg_pool1d
nn.avg_pool2d nn.avg_pool3d nn.bias_add nn.conv1d nn.conv2d nn.conv2d_transpose nn.conv3d
nn.convolution nn.depth_to_space nn.depthwise_conv2d nn.dilation2d nn.elu nn.erosion2d nn.gelu
nn.in_top_k nn.l2_loss nn.l2_normalize nn.leaky_relu nn.local_response_normalization
nn.log_softmax nn.lrn nn.max_pool nn.max_pool1d nn.max_pool2d nn.max_pool3d nn.moments nn.pool
nn.relu nn.relu6 nn.selu nn.separable_conv2d nn.sigmoid nn.sigmoid_cross_entropy_with_logits
nn.silu nn.softmax nn.softmax_cross_entropy_with_logits nn.softmax_cross_entropy_with_logits_v2
nn.softplus nn.softsign nn.space_to_depth nn.sparse_softmax_cross_entropy_with_logits
nn.sufficient_statistics nn.swish nn.tanh nn.top_k nn.zero_fraction norm not_equal one_hot ones
ones_like pad pow range rank realdiv repeat reshape reverse reverse_sequence roll round
saturate_cast searchsorted sequence_mask shape sigmoid sign sin sinh size slice sort
space_to_batch split sqrt square squared_difference squeeze stack stop_gradient strided_slice
subtract tan tanh tensordot tensor_scatter_nd_add tensor_scatter_nd_update tile transpose truediv
truncatediv truncatemod unstack where zeros zeros_like floordiv floormod math.top_k reduce_all
reduce_any reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum math.abs
math.accumulate_n math.acos math.acosh math.add math.add_n math.angle math.argmax math.argmin
math.asin math.asinh math.atan math.atan2 math.atanh math.bincount math.bessel_i0 math.bessel_i0e
math.bessel_i1 math.bessel_i1e math.betainc math.ceil math.confusion_matrix math.conj math.cos
math.cosh math.count_nonzero math.cumprod math.cumsum math.cumulative_logsumexp math.digamma
math.divide math.divide_no_nan math.equal math.erf math.erfc math.erfcinv math.erfinv math.exp
math.expm1 math.floor math.floordiv math.floormod math.greater math.greater_equal math.igamma
math.igammac math.imag math.in_top_k math.invert_permutation math.is_finite math.is_inf
math.is_nan math.is_non_decreasing math.is_strictly_increasing math.l2_normalize math.lbeta
math.less math.less_equal math.lgamma math.log math.log1p math.log_sigmoid math.log_softmax
math.logical_and math.logical_not math.logical_or math.logical_xor math.maximum math.minimum
math.mod math.multiply math.multiply_no_nan math.ndtri math.negative math.nextafter math.not_equal
math.polygamma math.polyval math.pow math.real math.reciprocal math.reciprocal_no_nan
math.reduce_all math.reduce_any math.reduce_euclidean_norm math.reduce_logsumexp math.reduce_max
math.reduce_mean math.reduce_min math.reduce_prod math.reduce_std math.reduce_sum
math.reduce_variance math.rint math.round math.rsqrt math.scalar_mul math.segment_max
math.segment_mean math.segment_min math.segment_prod math.segment_sum math.sigmoid math.sign
math.sin math.sinh math.softmax math.softplus math.softsign math.special.dawsn math.special.expint
math.sqrt math.square math.squared_difference math.subtract math.tan math.tanh math.truediv
math.unsorted_segment_max math.unsorted_segment_mean math.unsorted_segment_min
math.unsorted_segment_prod math.unsorted_segment_sum math.xdivy math.xlog1py math.xlogy
math.zero_fraction math.zeta linalg.adjoint linalg.band_part linalg.cholesky linalg.cross
linalg.det linalg.diag linalg.diag_part linalg.einsum linalg.expm linalg.eye linalg.inv
linalg.l2_normalize linalg.logdet linalg.matmul linalg.matrix_transpose linalg.matvec linalg.norm
linalg.normalize linalg.pinv linalg.set_diag linalg.slogdet linalg.solve linalg.tensor_diag
linalg.tensor_diag_part linalg.tensordot linalg.trace linalg.triangular_solve
image.adjust_brightness image.adjust_contrast image.adjust_gamma image.adjust_hue
image.adjust_saturation image.central_crop image.convert_image_dtype image.crop_and_resize
image.crop_to_bounding_box image.extract_patches image.flip_left_right image.flip_up_down
image.grayscale_to_rgb image.hsv_to_rgb image.image_gradients image.pad_to_bounding_box
image.per_image_standardization image.psnr image.resize image.resize_with_crop_or_pad
image.resize_with_pad image.rgb_to_grayscale image.rgb_to_hsv image.rgb_to_yiq image.rgb_to_yuv
image.rot90 image.sobel_edges image.ssim image.total_variation image.transpose image.yiq_to_rgb
image.yuv_to_rgb signal.dct signal.fft signal.frame signal.idct signal.inverse_stft signal.irfft
signal.linear_to_mel_weight_matrix signal.overlap_and_add signal.rfft signal.stft strings.join
strings.length strings.lower strings.regex_replace strings.strip strings.substr
strings.to_hash_bucket_fast strings.to_number strings.upper
"""

FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Names behind ``tf.``; those of TensorFlow 1 stand behind ``compat.v1.`` besides."""


def is_allowed(function: str) -> bool:
    """Whether a function may be called by the name that stands in a file.

    Examples
    --------
    >>> is_allowed("math.lgamma"), is_allowed("compat.v1.gather"), is_allowed("io.read_file")
    (True, True, False)
    """
    return function.removeprefix("compat.v1.") in FUNCTIONS
