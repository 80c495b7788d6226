"""Where `enable-masking` acts, where it declines, and what it says."""

import numpy as np
import pytest

import rewriter
from rewriter.graph import Arguments, Hole, Layer, ModelGraph, Tensor
from rewriter.pipeline.context import Context
from rewriter.pipeline.run import make_plan
from rewriter.rebuild import rebuild


def chain(keras, *layers, ids=True):
    """Return the graph of a chain of layers behind an input of ids, or of floats."""
    graph = ModelGraph(keras=keras, class_name="Functional", name="m")
    shape = (None, None) if ids else (None, None, 4)
    key = "batch_shape" if keras == 3 else "batch_input_shape"
    config = {key: shape, "dtype": "int32" if ids else "float32"}
    tensor = Tensor(graph.add(Layer("x", "InputLayer", config)))
    graph.inputs = [tensor]
    for name, class_name, config in layers:
        tensor = Tensor(graph.add(Layer(name, class_name, config), [tensor]))
    graph.outputs = [tensor]
    return graph


EMBEDDING = ("emb", "Embedding", {"input_dim": 9})
GRU = ("gru", "GRU", {})


def plan(graph, data=None, spelled="enable-masking"):
    return make_plan(graph, [spelled], context=Context(data=data or {}))


def reasons(made):
    return [note.reason for note in made.notes]


@pytest.mark.fast
@pytest.mark.parametrize("keras", [2, 3])
def test_an_embedding_gives_its_mask_where_a_layer_uses_it(keras):
    made = plan(chain(keras, EMBEDDING, ("drop", "Dropout", {"rate": 0.5}), GRU))
    assert made.after.layer("emb").config["mask_zero"] is True
    assert "gru" in made.changes[0].reason
    assert not plan(made.after).changes


@pytest.mark.fast
@pytest.mark.parametrize("keras", [2, 3])
def test_a_float_sequence_gets_a_masking_layer_with_the_value_asked_for(keras):
    made = plan(chain(keras, GRU, ids=False), spelled="enable-masking:mask_value=-1,cudnn=keep")
    assert [str(call) for call in made.after.calls()] == ["x", "x_masking", "gru"]
    assert made.after.layer("x_masking").config == {"mask_value": -1.0}
    assert not plan(made.after).changes


@pytest.mark.fast
def test_only_the_inputs_asked_for_are_masked():
    graph = chain(3, EMBEDDING, GRU)
    with pytest.raises(rewriter.RewriterError, match="no input 'y'; the inputs are x"):
        plan(graph, spelled="enable-masking:input=y")
    assert plan(graph, spelled="enable-masking:input=x").changes


@pytest.mark.fast
@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([("conv", "Conv1D", {}), GRU], "it; the pass carry-mask carries it around conv"),
        ([("flat", "Flatten", {})], "flat (Flatten) drops the mask before any layer"),
        ([("dense", "Dense", {})], "no layer uses the mask"),
        (
            [("soft", "Softmax", {}), GRU],
            "soft (Softmax) fails when it gets a mask with a sequence",
        ),
        ([("own", "Own", {}), GRU], "what own (Own) does with the mask is not known"),
    ],
)
@pytest.mark.parametrize("keras", [2, 3])
def test_it_declines_where_the_mask_is_lost_useless_harmful_or_unknown(keras, layers, words):
    made = plan(chain(keras, EMBEDDING, *layers))
    assert not made.changes
    assert words in reasons(made)[0]


@pytest.mark.fast
def test_it_declines_what_fails_in_keras_2_alone():
    layers = [EMBEDDING, ("norm", "GroupNormalization", {}), GRU]
    assert (
        "norm (GroupNormalization) fails when it gets a mask" in reasons(plan(chain(2, *layers)))[0]
    )
    assert plan(chain(3, *layers)).changes


@pytest.mark.fast
@pytest.mark.parametrize(("keras", "declines"), [(2, True), (3, False)])
def test_joining_over_time_what_has_no_mask_fails_in_keras_2(keras, declines):
    graph = chain(keras, EMBEDDING)
    values = graph.add(Layer("y", "InputLayer", {"batch_shape": (None, 3, 4), "dtype": "float16"}))
    both = [Tensor(graph.calls_of("emb")[0]), Tensor(values)]
    joined = graph.add(Layer("cat", "Concatenate", {"axis": 1}), both)
    end = graph.add(Layer("gru", "GRU", {}), [Tensor(joined)])
    graph.inputs, graph.outputs = [*graph.inputs, Tensor(values)], [Tensor(end)]
    made = plan(graph, spelled="enable-masking:input=x")
    assert bool(made.changes) is not declines
    if declines:
        assert "joins over time" in reasons(made)[0]


@pytest.mark.fast
@pytest.mark.parametrize(
    ("row", "real"),
    [([1, 0, 2], True), ([0, 0, 2], False), ([2, 0, 0], False), ([0, 0, 0], False)],
)
def test_the_data_tells_whether_index_0_is_a_token(row, real):
    made = plan(chain(3, EMBEDDING, GRU), {"x": np.array([[1, 2, 3], row])})
    assert bool(made.changes) is not real
    if real:
        assert "index 0 is a real token" in reasons(made)[0]
        assert "row 1" in reasons(made)[0]


@pytest.mark.fast
def test_the_data_tells_whether_a_step_of_zeros_is_one():
    values = np.ones((2, 5, 4))
    values[1, 2] = 0
    made = plan(chain(3, GRU, ids=False), {"x": values})
    assert not made.changes
    assert "a step of 0 is a real one" in reasons(made)[0]


@pytest.mark.fast
def test_in_keras_3_the_fast_kernel_goes_and_the_plan_says_why():
    made = plan(chain(3, EMBEDDING, GRU))
    assert made.after.layer("gru").config["use_cudnn"] is False
    assert "fails on padding in front" in made.changes[1].reason
    assert "Keras reads that and does not save it" in reasons(made)[0]
    assert not plan(chain(2, EMBEDDING, GRU)).after.layer("gru").config


@pytest.mark.fast
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "without --data it is not known"),
        ([[1, 2, 0]], "your data has padding only behind sequences"),
        ([[0, 1, 2]], "your data has padding in front"),
        ([[1, 2, 0], [0, 0, 0]], "your data has padding in front"),
    ],
)
def test_the_fast_kernel_is_kept_if_asked_and_the_plan_says_what_the_data_shows(data, words):
    given = None if data is None else {"x": np.array(data)}
    made = plan(chain(3, EMBEDDING, GRU), given, "enable-masking:cudnn=keep")
    assert "use_cudnn" not in made.after.layer("gru").config
    assert words in reasons(made)[0]


@pytest.mark.fast
@pytest.mark.parametrize("config", [{"recurrent_dropout": 0.1}, {"activation": "relu"}])
def test_a_layer_that_has_no_fast_kernel_is_left_alone(config):
    assert len(plan(chain(3, EMBEDDING, ("gru", "GRU", config))).changes) == 1


@pytest.mark.fast
def test_it_says_what_changes_in_later_training():
    sequence = {"return_sequences": True}
    layers = [
        EMBEDDING,
        ("norm", "BatchNormalization", {}),
        ("gru", "GRU", sequence),
        ("dense", "Dense", {}),
    ]
    said = " ".join(reasons(plan(chain(2, *layers))))
    assert "padded steps no longer count in its statistics" in said
    assert "losses and metrics no longer count padded steps" in said
    pooled = plan(chain(2, EMBEDDING, ("mean", "GlobalAveragePooling1D", {})))
    assert "no longer averages over padded steps" in reasons(pooled)[0]


def test_the_fast_kernel_stays_off_in_the_file_and_keras_alone_reads_it(tmp_path):
    import keras

    kl = keras.layers
    model = keras.Sequential(
        [kl.Input((None,)), kl.Embedding(9, 4), kl.Bidirectional(kl.LSTM(3)), kl.Dense(1)]
    )
    path = tmp_path / "m.keras"
    rewriter.rewrite(model, ["enable-masking"], output=path, verify=False)
    loaded = keras.models.load_model(path)
    both = loaded.layers[1].forward_layer, loaded.layers[1].backward_layer
    assert [layer.use_cudnn for layer in both] == [False, False]
    again = rewriter.rewrite(path, ["strip-dropout"], output=tmp_path / "n.keras", verify=False)
    assert again.model.layers[1].forward_layer.use_cudnn is False
    assert not rewriter.plan(path, ["enable-masking"]).changes


def test_models_of_ids_and_of_values_are_masked_together_if_both_are_named(dialect):
    kl = dialect.keras.layers
    ids, values = kl.Input((None,), dtype="int32", name="ids"), kl.Input((None, 4), name="values")
    merged = kl.Add()([kl.Embedding(9, 4)(ids), values])
    model = dialect.keras.Model([ids, values], kl.GRU(3)(merged))
    assert not rewriter.plan(model, ["enable-masking"]).changes
    made = rewriter.plan(model, ["enable-masking:input=(ids,values)"])
    new = rebuild(made.after, made.before, model).model
    given = [np.array([[1, 2, 3]]), np.ones((1, 3, 4), "float32")]
    more = [np.array([[1, 2, 3, 0, 0]]), np.pad(given[1], [(0, 0), (0, 2), (0, 0)])]
    assert np.array_equal(np.asarray(new(given)), np.asarray(model(given)))
    assert np.array_equal(np.asarray(new(more)), np.asarray(new(given)))


@pytest.mark.parametrize("given", [False, True])
def test_ids_in_sequences_of_sequences_are_padded_where_the_mask_hides_them(dialect, given):
    kl = dialect.keras.layers
    words = kl.Input((6,), dtype="int32")
    encoded = kl.SimpleRNN(3)(kl.Embedding(9, 4)(words))
    encoder = dialect.keras.Model(words, encoded, name="encoder")
    document = kl.Input((3, 6), dtype="int32", name="document")
    model = dialect.keras.Model(document, kl.SimpleRNN(2)(kl.TimeDistributed(encoder)(document)))
    ids = np.random.default_rng(0).integers(1, 9, (4, 3, 6))
    ids[:2, :, 4:] = 0
    result = rewriter.rewrite(model, ["enable-masking"], data={"document": ids} if given else None)
    padding = result.verification.padding
    assert padding.changed > 0
    assert min(padding.before.values()) > 1e-4
    assert max(padding.after.values()) == 0.0


def test_a_custom_layer_is_known_by_what_its_class_declares(dialect):
    base = dialect.keras.layers.Layer

    class Passing(base):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs):
            return inputs * 2.0

    class Silent(base):
        def call(self, inputs):
            return inputs * 2.0

    kl = dialect.keras.layers
    for own, mask in ((Passing, "emb"), (Silent, "none")):
        ids = kl.Input((None,))
        out = own(name="own")(kl.Embedding(9, 4, mask_zero=True, name="emb")(ids))
        flows = {flow.layer: flow for flow in rewriter.masks(dialect.keras.Model(ids, out))}
        assert str(flows["own"].mask_out) == mask


@pytest.mark.fast
@pytest.mark.parametrize(("keras", "sees"), [(2, True), (3, False)])
def test_keras_3_hands_no_mask_to_a_recurrent_layer_with_an_initial_state(keras, sees):
    graph = chain(keras, EMBEDDING)
    state = Tensor(graph.add(Layer("s", "InputLayer", {"batch_shape": (None, 4)})))
    arguments = Arguments(args=[Hole(0)], kwargs={"initial_state": [Hole(1)]})
    both = [Tensor(graph.calls_of("emb")[0]), state]
    end = graph.add(Layer("gru", "GRU", {}), both, arguments=arguments)
    graph.inputs, graph.outputs = [*graph.inputs, state], [Tensor(end)]
    made = plan(graph)
    assert bool(made.changes) is sees
    if not sees:
        assert "gru (GRU) does not get the mask" in reasons(made)[0]


def test_keras_3_really_hands_no_mask_to_a_recurrent_layer_with_an_initial_state(dialect):
    import tensorflow as tf

    values = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    values[:, 3:] = 0
    masked, layer = dialect.keras.layers.Masking()(values), dialect.keras.layers.GRU(3)
    started = np.asarray(layer(masked, initial_state=tf.zeros((2, 3))))
    same = layer(masked if dialect.number == 2 else values)
    assert np.array_equal(started, np.asarray(same))


def averaging(keras, conv=False):
    kl = keras.layers
    ids = kl.Input((None,), dtype="int32", name="ids")
    y = kl.Embedding(9, 4, name="table")(ids)
    y = kl.Conv1D(4, 3, padding="same", name="conv")(y) if conv else y
    return keras.Model(ids, kl.GlobalAveragePooling1D(name="average")(y))


@pytest.mark.parametrize("wanted", ["enable-masking", "carry-mask"])
def test_a_sequence_of_padding_alone_is_said_to_become_nan_and_that_is_avoidable(dialect, wanted):
    model = averaging(dialect.keras, conv=wanted == "carry-mask")
    empty = np.zeros((1, 5), "int32")
    result = rewriter.rewrite(model, [wanted], verify=False)
    assert np.isnan(np.asarray(result.model(empty))).any()
    assert any("of padding alone NaN, which empty=off" in note.reason for note in result.plan.notes)
    assert not rewriter.plan(model, [f"{wanted}:empty=off"]).changes
    data = {"ids": np.array([[1, 2, 3], [0, 0, 0]])}
    shown = rewriter.plan(model, [wanted], data=data)
    assert not shown.changes
    assert any("1 sequences of 'ids' in the data" in note.reason for note in shown.notes)
