"""What `carry-mask` inserts, where it declines, and what it says."""

import numpy as np
import pytest

import rewriter
from rewriter.graph import Layer, ModelGraph, Tensor
from rewriter.pipeline.run import make_plan
from rewriter.rebuild import rebuild


def chain(keras, *layers):
    """Return the graph of a chain of layers behind ids and an Embedding without a mask."""
    graph = ModelGraph(keras=keras, class_name="Functional", name="m")
    key = "batch_shape" if keras == 3 else "batch_input_shape"
    tensor = Tensor(graph.add(Layer("x", "InputLayer", {key: (None, None), "dtype": "int32"})))
    graph.inputs = [tensor]
    for name, class_name, config in (("emb", "Embedding", {}), *layers, ("gru", "GRU", {})):
        tensor = Tensor(graph.add(Layer(name, class_name, config), [tensor]))
    graph.outputs = [tensor]
    return graph


def calls(plan):
    return [str(call) for call in plan.after.calls()]


CONVOLUTION = ("conv", "Conv1D", {"kernel_size": [3], "padding": "same"})


@pytest.mark.fast
@pytest.mark.parametrize("keras", [2, 3])
@pytest.mark.parametrize(
    ("layer", "expected", "steps"),
    [
        (CONVOLUTION, ["conv_zeros", "conv", "conv_mask"], {}),
        (("conv", "Conv1D", {"kernel_size": 3}), ["conv", "conv_mask"], {"window": 3}),
        (
            ("pool", "MaxPooling1D", {"pool_size": [2], "strides": [2]}),
            ["pool", "pool_mask"],
            {"window": 2, "stride": 2},
        ),
        (("pad", "ZeroPadding1D", {"padding": [1, 2]}), ["pad", "pad_mask"], {"added": [1, 2]}),
        (("crop", "Cropping1D", {"cropping": [1, 0]}), ["crop", "crop_mask"], {"cut": [1, 0]}),
        (("up", "UpSampling1D", {"size": 3}), ["up", "up_mask"], {"repeat": 3}),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_mask_goes_around_what_drops_it_and_changes_with_the_steps(keras, layer, expected, steps):
    made = make_plan(chain(keras, layer), ["carry-mask"])
    assert calls(made) == ["x", "emb", *expected, "gru"]
    assert made.after.layer("emb").config["mask_zero"] is True
    assert made.after.layer(expected[-1]).config.get("steps", {}) == steps
    assert not make_plan(made.after, ["enable-masking", "carry-mask"]).changes


@pytest.mark.fast
@pytest.mark.parametrize("name", ["Flatten", "Permute", "Reshape", "Own"])
@pytest.mark.parametrize("keras", [2, 3])
def test_it_declines_where_the_steps_are_lost_or_not_known(keras, name):
    graph = chain(keras, ("drop", name, {}))
    made = make_plan(graph, ["carry-mask"])
    assert not made.changes
    refused = "is not known" if name == "Own" else f"drop ({name}) drops the mask before any layer"
    assert "emb" in made.notes[0].layer and made.notes[0].reason.startswith("stays off")
    assert refused in made.notes[0].reason
    graph.configure("emb", {"mask_zero": True}, reason="a mask to lose")
    made = make_plan(graph, ["carry-mask"])
    assert not made.changes
    if name != "Own":
        assert f"the mask ends here, before gru: {name} gives no axis" in made.notes[0].reason


@pytest.mark.fast
def test_nothing_is_said_where_no_layer_behind_could_use_a_mask():
    graph = ModelGraph(keras=3, class_name="Functional", name="m")
    ids = Tensor(graph.add(Layer("x", "InputLayer", {"batch_shape": (None, 7), "dtype": "int32"})))
    emb = Tensor(graph.add(Layer("emb", "Embedding", {}), [ids]))
    graph.inputs = [ids]
    graph.outputs = [Tensor(graph.add(Layer("flat", "Flatten", {}), [emb]))]
    assert not make_plan(graph, ["carry-mask"]).notes


@pytest.mark.fast
def test_a_lambda_is_taken_to_keep_its_steps_and_that_is_said():
    made = make_plan(chain(3, ("own", "Lambda", {})), ["carry-mask"])
    assert "own_mask" in calls(made)
    assert any("taken to give one step for each" in note.reason for note in made.notes)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("class_name", "config", "words"),
    [
        (
            "Conv1D",
            {"kernel_size": 3, "strides": 2, "padding": "same"},
            "its windows shift with the length",
        ),
        ("Conv1D", {"kernel_size": 3, "strides": 2}, "unless it is a multiple of 2 steps"),
        ("MaxPooling1D", {"pool_size": 3}, "unless it is a multiple of 3 steps"),
        ("Cropping1D", {"cropping": [0, 1]}, "of a padded sequence it cuts padding"),
        (
            "AveragePooling1D",
            {"pool_size": 3, "strides": 1, "padding": "same"},
            "a window that padding ends is left out",
        ),
    ],
)
@pytest.mark.parametrize("keras", [2, 3])
def test_where_padding_still_moves_the_steps_is_told(keras, class_name, config, words):
    made = make_plan(chain(keras, ("layer", class_name, config)), ["carry-mask"])
    assert "layer_mask" in calls(made)
    assert any(words in note.reason for note in made.notes)


LENGTHS = {
    "same": lambda kl: kl.Conv1D(4, 3, padding="same", dilation_rate=2),
    "valid": lambda kl: kl.Conv1D(4, 3),
    "strides": lambda kl: kl.Conv1D(4, 3, strides=2),
    "same strides": lambda kl: kl.Conv1D(4, 3, strides=2, padding="same"),
    "causal": lambda kl: kl.Conv1D(4, 3, strides=2, padding="causal"),
    "separable": lambda kl: kl.SeparableConv1D(4, 3, padding="same"),
    "depthwise": lambda kl: kl.DepthwiseConv1D(3, padding="same"),
    "pooling": lambda kl: kl.AveragePooling1D(2),
    "padding": lambda kl: kl.ZeroPadding1D((1, 2)),
    "repeating": lambda kl: kl.UpSampling1D(2),
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_padding_that_shifts_no_window_no_longer_counts(dialect, name):
    dialect.keras.utils.set_random_seed(1)
    kl = dialect.keras.layers
    ids = kl.Input((None,), dtype="int32")
    x = LENGTHS[name](kl)(kl.Embedding(9, 4)(ids))
    model = dialect.keras.Model(ids, kl.GRU(2)(x))
    plan = rewriter.plan(model, ["carry-mask"])
    new = rebuild(plan.after, plan.before, model).model
    given = np.random.default_rng(0).integers(1, 9, (3, 12))
    plain = np.asarray(model(given))
    assert np.array_equal(np.asarray(new(given)), plain)
    for width in ((0, 4), (4, 0)):
        more = np.pad(given, [(0, 0), width])
        assert np.array_equal(np.asarray(new(more)), plain)
    behind = np.pad(given, [(0, 0), (0, 4)])
    assert not np.array_equal(np.asarray(model(behind)), plain)


@pytest.mark.fast
def test_nothing_is_inserted_where_no_layer_behind_uses_a_mask():
    graph = chain(3, CONVOLUTION, ("flat", "Flatten", {}))
    assert not make_plan(graph, ["carry-mask"]).changes


def test_a_shared_layer_has_the_mask_carried_around_each_of_its_calls(dialect):
    kl = dialect.keras.layers
    shared = kl.Conv1D(4, 3, padding="same", name="shared")
    ids = kl.Input((None,), dtype="int32")
    x = kl.Embedding(9, 4, mask_zero=True, name="emb")(ids)
    model = dialect.keras.Model(ids, kl.GRU(2)(shared(shared(x))))
    result = rewriter.rewrite(model, ["carry-mask"])
    assert [layer.name for layer in result.model.layers].count("shared") == 1
    assert max(result.verification.padding.after.values()) == 0.0


def test_a_nested_sequential_model_has_the_mask_carried_inside(dialect):
    kl = dialect.keras.layers
    inner = dialect.keras.Sequential(
        [kl.Input((None, 4)), kl.Conv1D(4, 3, padding="same"), kl.MaxPooling1D(2)], name="inner"
    )
    ids = kl.Input((None,), dtype="int32")
    model = dialect.keras.Model(ids, kl.GRU(2)(inner(kl.Embedding(9, 4)(ids))))
    result = rewriter.rewrite(model, ["carry-mask"])
    assert result.verification.padding.after["behind"] == 0.0
    assert any("becomes Functional" in note.reason for note in result.plan.notes)


def encoder_of_sentences(keras, kind, shared=False):
    """Return a model that encodes each sentence of a document by itself."""
    kl = keras.layers
    steps = [kl.Embedding(9, 4), kl.Conv1D(4, 3, padding="same"), kl.MaxPooling1D(2)]
    steps.append(kl.SimpleRNN(3))
    if kind == "sequential":
        inner = keras.Sequential([kl.Input((None,)), *steps], name="encoder")
    else:
        x = words = kl.Input((None,), dtype="int32")
        for layer in steps:
            x = layer(x)
        inner = keras.Model(words, x, name="encoder")
    document = kl.Input((3, None), dtype="int32", name="document")
    encoded = kl.SimpleRNN(2)(kl.TimeDistributed(inner, name="each")(document))
    if not shared:
        return keras.Model(document, encoded)
    title = kl.Input((None,), dtype="int32", name="title")
    return keras.Model([document, title], kl.Concatenate()([encoded, inner(title)]))


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_model_that_a_wrapper_holds_has_the_mask_carried_inside(dialect, kind, tmp_path):
    model, path = encoder_of_sentences(dialect.keras, kind), tmp_path / "m.keras"
    result = rewriter.rewrite(model, ["carry-mask"], output=path)
    assert any(change.class_name == "CarryMask" for change in result.plan.changes)
    assert result.verification.max_difference == 0.0
    padding = result.verification.padding
    assert padding.before["behind"] > 1e-4
    assert padding.after["behind"] == 0.0
    loaded = dialect.keras.models.load_model(path)
    words = np.array([[[1, 2, 3, 4], [5, 6, 0, 0], [0, 0, 0, 0]]])
    assert np.array_equal(np.asarray(loaded(words)), np.asarray(result.model(words)))
    assert not rewriter.plan(path, ["enable-masking", "carry-mask"]).changes


def test_a_model_inside_a_wrapper_and_outside_stays_one(dialect):
    model = encoder_of_sentences(dialect.keras, "functional", shared=True)
    result = rewriter.rewrite(model, ["carry-mask"])
    assert result.verification.max_difference == 0.0
    assert result.verification.padding.after["behind"] == 0.0
    each = result.model.get_layer("each")
    assert each.layer is result.model.get_layer("encoder")
    assert len(result.model.weights) == len(model.weights)


def test_the_file_is_loaded_with_nothing_but_the_layers(dialect, tmp_path):
    kl = dialect.keras.layers
    ids = kl.Input((None,), dtype="int32")
    x = kl.Conv1D(4, 3, padding="same")(kl.Embedding(9, 4)(ids))
    path = tmp_path / "m.keras"
    result = rewriter.rewrite(
        dialect.keras.Model(ids, kl.GRU(2)(kl.MaxPooling1D(2)(x))), ["carry-mask"], output=path
    )
    loaded = dialect.keras.models.load_model(path)
    ids = np.array([[1, 2, 3, 4, 0, 0]])
    assert np.array_equal(np.asarray(loaded(ids)), np.asarray(result.model(ids)))
    assert not rewriter.plan(path, ["enable-masking", "carry-mask"]).changes


@pytest.mark.parametrize("passes", [["carry-mask"], ["enable-masking", "carry-mask"]])
def test_a_real_model_with_convolutions_no_longer_depends_on_padding(real_models, passes):
    path = real_models / "nc_voter_name_hispanic_lstm.h5"
    result = rewriter.rewrite(path, passes)
    assert result.verification.max_difference == 0.0
    padding = result.verification.padding
    assert max(padding.before.values()) > 0.1
    assert max(padding.after.values()) == 0.0
    ids = np.random.default_rng(0).integers(1, 60, (5, 18))
    given = [result.model(np.pad(ids, [(0, 0), (0, more)])) for more in (0, 2, 7, 30)]
    assert all(np.array_equal(given[0], other) for other in given[1:])
