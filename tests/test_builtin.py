from rewriter.analysis.known_layers import BUILT_IN

BASES = {"Layer", "Wrapper", "AbstractRNNCell"}
WRITTEN_BY_OLD_VERSIONS = {"CuDNNGRU", "CuDNNLSTM"}
OPERATIONS = {"SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"}


def test_the_table_names_the_layers_that_keras_brings(dialect):
    layers = dialect.keras.layers
    brought = {
        value.__name__
        for value in vars(layers).values()
        if isinstance(value, type) and issubclass(value, layers.Layer)
    }
    known = BUILT_IN[dialect.number] - WRITTEN_BY_OLD_VERSIONS - OPERATIONS
    assert brought - BASES <= known
    version = tuple(int(part) for part in dialect.keras.__version__.split(".")[:2])
    if version >= {2: (2, 21), 3: (3, 15)}[dialect.number]:
        assert known == brought - BASES
