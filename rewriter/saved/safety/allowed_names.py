"""List the names that a config may hold, by the part of Keras that has them.

The table holds what Keras 2.21 (tf_keras) and Keras 3.15 load in safe mode. A part is the first
step of a module's path below ``keras`` or ``tf_keras``, ``src`` and the like aside, so that it
is the same for ``keras.layers``, ``keras.src.layers.core.dense`` of Keras 3 and
``keras.layers.core`` of Keras 2.12: paths differ between releases, names do not. A test asks both
Keras, module by module, whether a name of this table ever stands for anything else.
"""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES = {
    "": """
        DTypePolicy FloatDTypePolicy Initializer Layer Loss Metric Model Optimizer Quantizer
        Regularizer Sequential
    """,
    "applications": """
        CustomScaleLayer LayerScale StochasticDepth
    """,
    "constraints": """
        Constraint MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm
    """,
    "distillation": """
        DistillationLoss Distiller FeatureDistillation LogitsDistillation
    """,
    "dtype_policies": """
        AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy
        Int4DTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy
    """,
    "engine": """
        AddLoss AddMetric BaseRandomLayer Functional InputLayer Layer Model
        PreprocessingLayer Sequential TensorFlowOpLayer
    """,
    "experimental": """
        CosineDecay CosineDecayRestarts LinearModel SequenceFeatures WideDeepModel
    """,
    "feature_column": """
        BucketizedColumn CrossedColumn DenseFeatures EmbeddingColumn HashedCategoricalColumn
        IdentityCategoricalColumn IndicatorColumn NumericColumn SequenceCategoricalColumn
        SequenceFeatures SequenceNumericColumn SharedEmbeddingColumn
        VocabularyFileCategoricalColumn VocabularyListCategoricalColumn
        WeightedCategoricalColumn
    """,
    "initializers": """
        Constant ConstantV2 GlorotNormal GlorotNormalV2 GlorotUniform GlorotUniformV2
        HeNormal HeNormalV2 HeUniform HeUniformV2 Identity IdentityInitializer IdentityV2
        Initializer LecunNormal LecunNormalV2 LecunUniform LecunUniformV2 Ones OnesV2
        Orthogonal OrthogonalInitializer OrthogonalV2 RandomInitializer RandomNormal
        RandomNormalV2 RandomUniform RandomUniformV2 STFT STFTInitializer TruncatedNormal
        TruncatedNormalV2 VarianceScaling VarianceScalingV2 Zeros ZerosV2
    """,
    "layers": """
        AbstractRNNCell Activation ActivityRegularization AdaptiveAveragePooling1D
        AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
        AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout
        Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
        AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BaseAdaptiveAveragePooling
        BaseAdaptiveMaxPooling BaseAdaptivePooling BaseConv BaseConvTranspose
        BaseDenseAttention BaseDepthwiseConv BaseGlobalPooling BaseImagePreprocessingLayer
        BasePooling BaseSeparableConv BaseSpatialDropout BasicLSTMCell BasicRNNCell
        BatchNormalization BatchNormalizationBase BatchNormalizationV1 BatchNormalizationV2
        Bidirectional CategoryEncoding CenterCrop ClassMethod Concatenate
        ContrastLimitedAdaptiveHistogramEqualization Conv Conv1D Conv1DTranspose Conv2D
        Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM ConvLSTM1D ConvLSTM2D ConvLSTM3D
        ConvLSTMCell ConvRNN Convolution1D Convolution1DTranspose Convolution2D
        Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D
        Cropping3D CuDNNGRU CuDNNLSTM CutMix DataLayer Dense DenseFeatures DepthwiseConv
        DepthwiseConv1D DepthwiseConv2D DeviceWrapper Discretization Dot Dropout
        DropoutWrapper DynamicEmbedding DynamicLookup ELU EinsumDense Embedding Equalization
        FeatureSpace Flatten FlaxLayer FunctionalPreprocessingStage GRU GRUCell GRUCellV1
        GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
        GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
        GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
        GlobalMaxPooling2D GlobalMaxPooling3D GlobalPooling1D GlobalPooling2D
        GlobalPooling3D GroupNormalization GroupQueryAttention GroupedQueryAttention
        HashedCrossing Hashing Identity IndexLookup InputLayer InstanceMethod
        InstanceProperty IntegerLookup JaxLayer LSTM LSTMCell LSTMCellV1 LSTMCellV2 LSTMV1
        LSTMV2 Lambda Layer LayerNormalization LayerRNNCell LeakyReLU LocallyConnected1D
        LocallyConnected2D Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D
        MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Merge Minimum MixUp
        MultiHeadAttention MultiRNNCell Multiply Normalization PReLU Permute Pipeline
        Pooling1D Pooling2D Pooling3D PreprocessingLayer PreprocessingStage RMSNormalization
        RNN RNNCell RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
        RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
        RandomFourierFeatures RandomGaussianBlur RandomGrayscale RandomHeight RandomHue
        RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
        RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU
        RepeatVector Rescaling Reshape ResidualWrapper Resizing ReversibleEmbedding
        STFTSpectrogram SeparableConv SeparableConv1D SeparableConv2D SeparableConvolution1D
        SeparableConvolution2D SimpleRNN SimpleRNNCell SlicingOpLambda Softmax Solarization
        SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
        StackedRNNCells StringLookup Subtract SyncBatchNormalization TFOpLambda TFSMLayer
        TextVectorization ThresholdedReLU TimeDistributed TorchModuleWrapper
        UnitNormalization UpSampling1D UpSampling2D UpSampling3D Wrapper ZeroPadding1D
        ZeroPadding2D ZeroPadding3D
    """,
    "legacy": """
        AlphaDropout RandomHeight RandomWidth ThresholdedReLU
    """,
    "legacy_tf_layers": """
        AveragePooling1D AveragePooling2D AveragePooling3D AvgPool2D BatchNorm
        BatchNormalization Conv1D Conv2D Conv2DTranspose Conv3D Conv3DTranspose
        Convolution1D Convolution2D Convolution2DTranspose Convolution3D
        Convolution3DTranspose Deconv2D Deconv3D Deconvolution2D Deconvolution3D Dense
        Dropout Flatten FullyConnected Layer MaxPool2D MaxPooling1D MaxPooling2D
        MaxPooling3D SeparableConv1D SeparableConv2D SeparableConvolution2D
    """,
    "losses": """
        BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy
        CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge
        Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh Loss
        LossFunctionWrapper MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
        MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge
        Tversky
    """,
    "metrics": """
        AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
        CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity
        F1Score FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError
        Mean MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper
        MeanRelativeError MeanSquaredError MeanSquaredLogarithmicError MeanTensor Metric
        OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision PrecisionAtRecall
        PyMetric R2Score Recall RecallAtPrecision Reduce RootMeanSquaredError
        SensitivityAtSpecificity SensitivitySpecificityBase SparseCategoricalAccuracy
        SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SpecificityAtSensitivity
        SquaredHinge Sum SumOverBatchSize SumOverBatchSizeMetricWrapper
        TopKCategoricalAccuracy TrueNegatives TruePositives
    """,
    "mixed_precision": """
        DTypePolicy DynamicLossScale FixedLossScale LossScaleOptimizer LossScaleOptimizerV3
        Policy PolicyV1
    """,
    "models": """
        Functional LinearModel Model Sequential SharpnessAwareMinimization WideDeepModel
    """,
    "ops": """
        Abs Absolute AdaptiveAveragePool AdaptiveMaxPool Add AffineTransform All AllClose
        Amax Amin Angle Any Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2
        Arctanh Argmax Argmin Argpartition Argsort Array ArraySplit AssociativeScan Average
        AveragePool BatchNorm BinaryCrossentropy Bincount BitwiseAnd BitwiseInvert
        BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo CDist
        CTCDecode CTCLoss Cast CategoricalCrossentropy Cbrt Ceil Celu Cholesky
        CholeskyInverse Clip Concatenate Cond Conj Conjugate Conv ConvTranspose
        ConvertToTensor Copy Corrcoef Correlate Cos Cosh CountNonzero CropImages Cross
        Cumprod Cumsum Deg2rad DepthToSpace DepthwiseConv Det Diag Diagflat Diagonal Diff
        Digitize Divide DivideNoNan Dot DotProductAttention Dsplit Dstack Eig Eigh Einsum
        ElasticTransform Elu EmptyLike Equal Erf Erfc Erfinv Exp Exp2 ExpandDims Expm1
        ExtractPatches ExtractSequences FFT FFT2 Fabs Flip Fliplr Flipud Floor FloorDivide
        Fmax Fmin Fmod Fold ForiLoop Full FullLike GaussianBlur Gcd Gelu Geomspace GetItem
        Glu Greater GreaterEqual HSVToRGB HardShrink HardSigmoid HardSilu HardTanh Heaviside
        Histogram Hsplit Hstack Hypot I0 IFFT2 IRFFT ISTFT Imag InTopK Inner Inv IsIn
        Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal JVP Kron LayerNorm Lcm Ldexp
        LeakyRelu LeftShift Less LessEqual Linspace Log Log10 Log1p Log2 LogSigmoid
        LogSoftmax Logaddexp Logaddexp2 Logdet LogicalAnd LogicalNot LogicalOr LogicalXor
        Logspace Logsumexp Lstsq LuFactor Map MapCoordinates Matmul MatrixRank Max MaxPool
        Maximum Mean Median Meshgrid Min Minimum Mod Moments Moveaxis MultiHot Multiply
        NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin
        Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative Nextafter
        Nonzero Norm Normalize NotEqual OneHot OnesLike Outer PSNR Pad PadImages Percentile
        PerspectiveTransform Pinv Polar Power Prod Ptp Qr Quantile RFFT RGBToGrayscale
        RGBToHSV RMSNorm Rad2deg Ravel Real Rearrange Reciprocal Relu Relu6 Repeat Reshape
        Resize RightShift Roll Rot90 Round Rsqrt SSIM STFT SVD SaturateCast
        ScaleAndTranslate Scan Scatter ScatterUpdate SearchSorted SegmentMax SegmentMin
        SegmentProd SegmentReduction SegmentSum Select Selu SeparableConv Sigmoid Sign
        Signbit Silu Sin Sinc Sinh Size Slice SliceUpdate Slogdet SobelEdges SoftShrink
        Softmax Softplus Softsign Solve SolveTriangular Sort SpaceToDepth
        SparseCategoricalCrossentropy SparsePlus SparseSigmoid Sparsemax Split Sqrt Square
        Squareplus Squeeze Stack Std StopGradient Subtract Sum Swapaxes Switch Take
        TakeAlongAxis Tan Tanh TanhShrink Tensordot Threshold Tile TopK Trace Transpose
        Trapezoid Tril Triu TrueDivide Trunc Unfold Unique UnravelIndex Unstack Vander Var
        Vdot VectorizedMap View ViewAsComplex ViewAsReal Vsplit Vstack Where WhileLoop
        ZerosLike
    """,
    "optimizers": """
        Adadelta Adafactor Adagrad Adam AdamW Adamax CosineDecay CosineDecayRestarts
        ExponentialDecay Ftrl InverseTimeDecay Lamb LearningRateSchedule LinearCosineDecay
        Lion LossScaleOptimizer MultiOptimizer Muon Nadam NoisyLinearCosineDecay
        NonFusedAdam Optimizer OptimizerV2 PiecewiseConstantDecay PolynomialDecay RMSProp
        RMSprop SGD ScheduleFreeAdamW
    """,
    "premade_models": """
        LinearModel WideDeepModel
    """,
    "quantizers": """
        AWQConfig AbsMaxQuantizer FakeQuantWithMinMaxVars Float8QuantizationConfig
        GPTQConfig GPTQQuantizer Int4QuantizationConfig Int8QuantizationConfig
        QuantizationConfig Quantizer
    """,
    "random": """
        SeedGenerator
    """,
    "regularizers": """
        L1 L1L2 L2 OrthogonalRegularizer Regularizer
    """,
}

CLASSES: Mapping[str, frozenset[str]] = {
    part: frozenset(names.split()) for part, names in _CLASSES.items()
}
"""Classes, by the part of Keras; the whole of it is ``""``."""

_FUNCTIONS = {
    "activations": """
        celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish
        hard_tanh leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid
        silu soft_shrink softmax softmax_v2 softplus softsign sparse_plus sparse_sigmoid
        sparsemax squareplus swish tanh tanh_shrink threshold
    """,
    "losses": """
        BCE KLD MAE MAPE MSE MSLE bce binary_crossentropy binary_focal_crossentropy
        categorical_crossentropy categorical_focal_crossentropy
        categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc
        dice hinge huber huber_loss kl_divergence kld kullback_leibler_divergence log_cosh
        logcosh mae mape mean_absolute_error mean_absolute_percentage_error
        mean_squared_error mean_squared_logarithmic_error mse msle poisson
        sparse_categorical_crossentropy squared_hinge tversky
    """,
    "metrics": """
        ACC BCE KLD MAE MAPE MSE MSLE acc accuracy bce binary_accuracy binary_crossentropy
        binary_focal_crossentropy categorical_accuracy categorical_crossentropy
        categorical_focal_crossentropy categorical_hinge concordance_correlation
        cosine_proximity cosine_similarity hinge huber kl_divergence kld
        kullback_leibler_divergence log_cosh logcosh mae mape mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
        msle pearson_correlation poisson sparse_categorical_accuracy
        sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
        top_k_categorical_accuracy
    """,
    "ops": """
        abs absolute adaptive_average_pool adaptive_max_pool add affine_transform all
        allclose amax amin angle any append arange arccos arccosh arcsin arcsinh arctan
        arctan2 arctanh argmax argmin argpartition argsort array array_split
        associative_scan average average_pool bartlett batch_normalization
        binary_crossentropy bincount bitwise_and bitwise_invert bitwise_left_shift
        bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman broadcast_to cast
        categorical_crossentropy cbrt cdist ceil celu cholesky cholesky_inverse clip
        concatenate cond conj conjugate conv conv_transpose convert_to_numpy
        convert_to_tensor copy corrcoef correlate cos cosh count_nonzero crop_images cross
        ctc_decode ctc_loss cumprod cumsum custom_gradient deg2rad depth_to_space
        depthwise_conv det diag diagflat diagonal diff digitize divide divide_no_nan dot
        dot_product_attention dsplit dstack dtype eig eigh einsum elastic_transform elu
        empty empty_like equal erf erfc erfinv exp exp2 expand_dims expm1 extract_patches
        extract_patches_3d extract_sequences eye fabs fft fft2 flip fliplr flipud floor
        floor_divide fmax fmin fmod fold fori_loop full full_like gaussian_blur gcd gelu
        geomspace get_item glu greater greater_equal hamming hanning hard_shrink
        hard_sigmoid hard_silu hard_swish hard_tanh heaviside histogram hsplit hstack
        hsv_to_rgb hypot i0 identity ifft2 imag in_top_k inner inv irfft is_tensor isclose
        isfinite isin isinf isnan isneginf isposinf isreal istft jvp kaiser kron
        layer_normalization lcm ldexp leaky_relu left_shift less less_equal linspace log
        log10 log1p log2 log_sigmoid log_softmax logaddexp logaddexp2 logdet logical_and
        logical_not logical_or logical_xor logspace logsumexp lstsq lu_factor map
        map_coordinates matmul matrix_rank max max_pool maximum mean median meshgrid min
        minimum mod moments moveaxis multi_hot multiply nan_to_num nanargmax nanargmin
        nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
        nanquantile nanstd nansum nanvar ndim negative nextafter nonzero norm normalize
        not_equal one_hot ones ones_like outer pad pad_images percentile
        perspective_transform pinv polar power prod psnr ptp qr quantile rad2deg ravel real
        rearrange reciprocal relu relu6 repeat reshape resize rfft rgb_to_grayscale
        rgb_to_hsv right_shift rms_normalization roll rot90 round rsqrt saturate_cast
        scale_and_translate scan scatter scatter_update searchsorted segment_max segment_min
        segment_prod segment_sum select selu separable_conv shape sigmoid sign signbit silu
        sin sinc sinh size slice slice_update slogdet sobel_edges soft_shrink softmax
        softplus softsign solve solve_triangular sort space_to_depth
        sparse_categorical_crossentropy sparse_plus sparse_sigmoid sparsemax split sqrt
        square squareplus squeeze ssim stack std stft stop_gradient subtract sum svd
        swapaxes swish switch take take_along_axis tan tanh tanh_shrink tensordot threshold
        tile top_k trace transpose trapezoid tri tril triu true_divide trunc unfold unique
        unravel_index unstack vander var vdot vectorize vectorized_map view view_as_complex
        view_as_real vsplit vstack where while_loop zeros zeros_like
    """,
    "regularizers": """
        l1_l2
    """,
}

FUNCTIONS: Mapping[str, frozenset[str]] = {
    part: frozenset(names.split()) for part, names in _FUNCTIONS.items()
}
"""Functions, by the part of Keras."""

ANY_CLASS = frozenset().union(*CLASSES.values())
"""Where a config names no module, Keras looks among its own classes."""

ANY_FUNCTION = frozenset({"abs", "round"}).union(
    *(names for part, names in FUNCTIONS.items() if part != "ops")
)
"""What ``builtins`` and a name without a module stand for.

Keras 2 writes ``tf.abs`` and ``tf.round`` so as well, and finds Python's, which do the same.
"""

STRINGS = frozenset(
    name.replace("_", "").lower()
    for name in (
        *ANY_CLASS,
        *ANY_FUNCTION,
        "ce",
        "crossentropy",
        "gaussian",
        "laplacian",
        "normal",
        "one",
        "uniform",
        "zero",
    )
)
"""What strings may stand for, without underscores and capitals, as Keras compares some of them."""

PACKAGES = frozenset({"keras", "rewriter", "Custom"})
"""Where classes of both tables are registered; ``Custom`` is that of Keras 2's optimizers."""

_INITIALIZERS = """
Constant GlorotNormal GlorotUniform Identity Ones Orthogonal RandomNormal RandomUniform
TruncatedNormal VarianceScaling Zeros
"""

TENSORFLOW_INITIALIZERS = frozenset(_INITIALIZERS.split())
"""What ``tf.constant_initializer`` and its like are: `TENSORFLOW_INITIALIZERS_MODULE` has them.

EfficientNetV2 of tf_keras.applications is made with one.
"""

TENSORFLOW_INITIALIZERS_MODULE = "tensorflow.python.ops.init_ops_v2"

TYPE_SPECS = frozenset(
    {
        ("tensorflow.python.framework.tensor", "TensorSpec"),
        ("tensorflow.python.framework.tensor", "BoundedTensorSpec"),
        ("tensorflow.python.framework.tensor_spec", "TensorSpec"),
        ("tensorflow.python.framework.tensor_spec", "BoundedTensorSpec"),
        ("tensorflow.python.framework.indexed_slices", "IndexedSlicesSpec"),
        ("tensorflow.python.framework.sparse_tensor", "SparseTensorSpec"),
        ("tensorflow.python.ops.ragged.ragged_tensor", "RaggedTensorSpec"),
        ("tensorflow", "TensorSpec"),
        ("tensorflow", "IndexedSlicesSpec"),
        ("tensorflow", "SparseTensorSpec"),
        ("tensorflow", "RaggedTensorSpec"),
    }
)
"""Types of tensors, by module and name."""

_REGISTERED = "tf.BoundedTensorSpec tf.RaggedTensorSpec tf.SparseTensorSpec tf.TensorSpec"

REGISTERED_TYPE_SPECS = frozenset(_REGISTERED.split())
"""Types of tensors, as ``.h5`` files name them."""

_DATA = """
CompositeTensor TensorShape __bytes__ __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__
__tuple__
"""

DATA = frozenset(_DATA.split())
"""What stands for a value, and looks nothing up."""
