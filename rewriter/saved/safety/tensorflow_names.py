"""List the names of TensorFlow that may stand in a config: functions that only compute."""

from __future__ import annotations

_SYMBOL_AREAS = """
__operators__ audio bitwise dtypes experimental.numpy image keras.activations keras.backend
keras.losses keras.metrics linalg math nn quantization ragged random sets signal sparse strings
"""

SYMBOL_AREAS = frozenset(_SYMBOL_AREAS.split())
"""The parts of TensorFlow's public API that only compute."""

_SYMBOLS = """
abs acos acosh add add_n argmax argmin argsort as_string asin asinh atan atan2 atanh
batch_to_space bitcast boolean_mask broadcast_dynamic_shape broadcast_static_shape broadcast_to
cast ceil clip_by_global_norm clip_by_norm clip_by_value complex concat constant convert_to_tensor
cos cosh cumprod cumsum debugging.check_numerics div div_no_nan divide dynamic_partition
dynamic_stitch edit_distance eig eigvals einsum ensure_shape equal erf erfc exp expand_dims expm1
eye fill fingerprint floor floor_div floordiv floormod gather gather_nd greater greater_equal
guarantee_const hessians histogram_fixed_width identity identity_n imag is_finite is_inf is_nan
is_tensor lbeta less less_equal lgamma linspace log log1p log_sigmoid logical_and logical_not
logical_or logical_xor matmul matrix_square_root maximum meshgrid minimum mod multiply multinomial
negative no_op norm not_equal one_hot ones ones_like pad parallel_stack pow random_normal
random_uniform range rank real realdiv reciprocal reduce_all reduce_any reduce_logsumexp
reduce_max reduce_mean reduce_min reduce_prod reduce_sum repeat reshape reverse reverse_sequence
rint roll round rsqrt saturate_cast scalar_mul scatter_nd searchsorted segment_max segment_mean
segment_min segment_prod segment_sum sequence_mask shape shape_n sigmoid sign sin sinh size slice
sort space_to_batch space_to_batch_nd split sqrt square squared_difference squeeze stack
stop_gradient strided_slice subtract tan tanh tensor_scatter_nd_add tensor_scatter_nd_max
tensor_scatter_nd_min tensor_scatter_nd_sub tensor_scatter_nd_update tensordot tile to_float
transpose truncatediv truncatemod tuple unique unique_with_counts unravel_index unstack where
zeros zeros_like
"""

SYMBOLS = frozenset(_SYMBOLS.split())
"""Symbols of TensorFlow that only compute and stand in none of `SYMBOL_AREAS`."""

_SIDE_EFFECTS = """
PyMetric TfRecordRepresentativeDatasetSaver batch_set_value clear_session deserialize
deserialize_keras_object disable_tf_random_generator enable_tf_random_generator
experimental_enable_numpy_behavior fixed_unigram_candidate_sampler function get get_global_generator
get_graph get_session get_uid keras_export learning_phase_scope manual_variable_initialization
placeholder print_tensor quantize_saved_model random_normal_variable random_uniform_variable
reset_uids seed serialize serialize_keras_object variable
"""

SIDE_EFFECTS = frozenset(_SIDE_EFFECTS.split())
"""Names in `SYMBOL_AREAS` that do more than compute; ``set_...`` comes on top."""

_OPERATIONS = """
Abs Acos Acosh Add AddN AddV2 All Any ArgMax ArgMin Asin Asinh Assert Atan Atan2 Atanh AvgPool
AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpaceND BiasAdd Bincount BitwiseAnd
BitwiseOr BitwiseXor BroadcastArgs BroadcastTo Bucketize Cast Ceil CheckNumerics ClipByValue Concat
ConcatV2 Const Conv2D Conv3D Cos Cosh Cross Cumprod Cumsum DepthToSpace DepthwiseConv2dNative Diag
DiagPart Digamma Div DivNoNan Einsum Elu EnsureShape Equal Erf Erfc Exp ExpandDims Expm1 Fill Floor
FloorDiv FloorMod FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater
GreaterEqual Identity IdentityN Imag InTopK InTopKV2 IsFinite IsInf IsNan L2Loss LRN LeakyRelu Less
LessEqual Lgamma LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul
MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2
MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve Max MaxPool
MaxPool3D MaxPoolV2 Maximum Mean Min Minimum MirrorPad Mod Mul MulNoNan Neg NoOp NotEqual OneHot
OnesLike Pack Pad PadV2 Pow PreventGradient Prod RandomStandardNormal RandomUniform
RandomUniformInt Range Rank Real RealDiv Reciprocal Relu Relu6 Reshape ResizeArea ResizeBicubic
ResizeBilinear ResizeNearestNeighbor Reverse ReverseSequence ReverseV2 Rint Roll Round Rsqrt
ScatterNd SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Selu Shape ShapeN
Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyWithLogits Softplus Softsign
SpaceToBatchND SpaceToDepth SparseSoftmaxCrossEntropyWithLogits Split SplitV Sqrt Square
SquaredDifference Squeeze StopGradient StridedSlice Sub Sum Tan Tanh TensorScatterAdd
TensorScatterSub TensorScatterUpdate Tile TopK TopKV2 Transpose TruncateDiv TruncateMod
TruncatedNormal Unique UniqueV2 Unpack UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
UnsortedSegmentSum Where Xdivy Xlogy ZerosLike
"""

OPERATIONS = frozenset(_OPERATIONS.split())
"""Operations of TensorFlow's own graphs that only compute."""

_TENSOR_ATTRIBUTES = """
bounding_shape dense_shape dtype flat_values get_shape indices merge_dims nested_row_lengths
nested_row_splits nested_value_rowids nrows ragged_rank rank row_lengths row_limits row_splits
row_starts shape to_sparse to_tensor uniform_row_length value_rowids values with_flat_values
with_row_splits_dtype with_values
"""

TENSOR_ATTRIBUTES = frozenset(_TENSOR_ATTRIBUTES.split())
"""What may be asked of a ragged or sparse tensor."""

_TENSOR_METHODS = """
from_nested_row_lengths from_nested_row_splits from_nested_value_rowids from_row_lengths
from_row_limits from_row_splits from_row_starts from_sparse from_tensor from_uniform_row_length
from_value_rowids
"""

TENSOR_METHODS = frozenset(_TENSOR_METHODS.split())
"""The methods of classes of tensors that make a ragged tensor."""
