"""Differences that usual inputs do not show: each is found by a comparison of its own."""

from dataclasses import replace

import keras
import pytest
import tensorflow as tf
import tf_keras
from hard_models import lambda_layer
from wrong_passes import Wrong, as_pass, configure, insert, remove

import rewriter
from rewriter.errors import VerificationError
from rewriter.graph import Layer
from rewriter.verification.changed_parts import PartsFound
from rewriter.verification.inputs import tries

KERAS = {2: tf_keras, 3: keras}


def chain(k, shape, *layers, **kind):
    x = y = k.Input(shape, name="x", **kind)
    for layer in layers:
        y = layer(y)
    return k.Model(x, y)


def recurrent(k, *, stateful):
    x = k.Input(batch_shape=(2, 3, 2), name="x")
    return k.Model(x, k.layers.SimpleRNN(2, stateful=stateful, name="rnn")(x))


def scaled(k, dtype):
    return chain(
        k, (3,), k.layers.Rescaling(0.1, name="scale"), k.layers.Dense(2, name="head"), dtype=dtype
    )


def steps_of_zeros(k):
    kl = k.layers
    return chain(k, (4, 3), kl.Dense(24, activation="relu", name="d"), kl.SimpleRNN(2, name="rnn"))


def texts(k):
    kl = k.layers
    words = kl.TextVectorization(
        max_tokens=9, output_sequence_length=4, vocabulary=["a", "b", "c"], name="words"
    )
    pool = kl.GlobalAveragePooling1D(name="pool")
    return chain(k, (1,), words, kl.Embedding(9, 3, name="emb"), pool, dtype="string")


def bins(k):
    kl = k.layers
    borders = kl.Discretization(bin_boundaries=[-0.5, 0.5, 1e6], name="bins")
    return chain(k, (3,), borders, kl.Embedding(4, 3, name="emb"), kl.Flatten(name="flat"))


def limited(k):
    kl = k.layers
    return chain(k, (3,), kl.ReLU(threshold=0.5, name="limit"), kl.Dense(2, name="head"))


def without_nan(tensor):
    return tf.where(tf.math.is_nan(tensor), 0.0, tensor)


def mended(k):
    """A model that takes NaN for zero."""
    kl = k.layers
    return chain(k, (3,), lambda_layer(kl, without_nan, "mend", (3,)), kl.Dense(2, name="head"))


def masked_output(k):
    kl = k.layers
    emb = kl.Embedding(9, 3, mask_zero=True, name="emb")
    return chain(k, (5,), emb, kl.Dense(2, name="head"), dtype="int32")


def zero_residual(k, last="kernel"):
    """A block that adds nothing yet: what it holds shows when it is trained."""
    kl = k.layers
    x = k.Input((4,), name="x")
    y = kl.Dense(4, activation="relu", name="inside")(x)
    if last == "kernel":
        y = kl.Dense(4, kernel_initializer="zeros", name="zero")(y)
    else:
        y = kl.BatchNormalization(gamma_initializer="zeros", name="zero")(y)
    return k.Model(x, kl.Add(name="add")([x, y]))


def nested_residual(k):
    x = k.Input((4,), name="outer")
    block = zero_residual(k)
    block = k.Model(block.input, block.output, name="block")
    return k.Model(x, k.layers.Dense(2, name="head")(block(x)))


def attention(k):
    kl = k.layers
    x = k.Input((3, 4), name="x")
    heads = kl.MultiHeadAttention(2, 2, kernel_initializer="zeros", name="heads")
    return k.Model(x, kl.Add(name="add")([x, heads(x, x)]))


def inside_block(graph):
    reason = "to be caught"
    return graph.layer("block").graph.configure("inside", {"activation": "tanh"}, reason=reason)


def causal(graph):
    call = graph.calls_of("heads")[0]
    arguments = graph.arguments(call)
    kwargs = {**arguments.kwargs, "use_causal_mask": True}
    return graph.rewire(call, replace(arguments, kwargs=kwargs), reason="to be caught")


HIDDEN = [
    Wrong(
        "state kept no more",
        lambda k: recurrent(k, stateful=True),
        configure("rnn", stateful=False),
    ),
    Wrong("state kept", lambda k: recurrent(k, stateful=False), configure("rnn", stateful=True)),
    Wrong("negative integers", lambda k: scaled(k, "int32"), insert("scale", "ReLU", {})),
    Wrong(
        "large integers",
        lambda k: scaled(k, "int32"),
        insert("scale", "ReLU", {"max_value": 30.0, "negative_slope": 1.0}),
    ),
    Wrong("steps of zeros", steps_of_zeros, insert("d", "Masking", {"mask_value": 0.0})),
    Wrong("capitals", texts, configure("words", standardize="strip_punctuation")),
    Wrong("punctuation", texts, configure("words", standardize="lower")),
    Wrong("a border of bins", bins, configure("bins", bin_boundaries=[-0.5, 0.5003, 1e6])),
    Wrong("a border far away", bins, configure("bins", bin_boundaries=[-0.5, 0.5, 2e6])),
    Wrong("a threshold", limited, configure("limit", threshold=0.5004)),
    Wrong("NaN", mended, remove("mend")),
    Wrong("the mask of an output", masked_output, configure("emb", mask_zero=False)),
    Wrong("behind a zero kernel", zero_residual, configure("inside", activation="tanh")),
    Wrong(
        "behind a zero scale",
        lambda k: zero_residual(k, "gamma"),
        configure("inside", activation="tanh"),
    ),
    Wrong("behind zeros in a nested model", nested_residual, inside_block),
    Wrong("attention of zeros", attention, causal),
]


@pytest.mark.parametrize(
    ("wrong", "number"),
    [pytest.param(e, n, id=f"{e.name}-{n}") for e in HIDDEN for n in e.keras],
)
def test_what_usual_inputs_do_not_show_is_found(wrong, number):
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(wrong.model(KERAS[number]), [as_pass(wrong)])
    assert caught.value.verification.verdict == "verification failed"


def embedding(k, row):
    k.utils.set_random_seed(1)
    model = chain(k, (3,), k.layers.Embedding(5000, 2, name="emb"), dtype="int32")
    table = model.get_layer("emb").get_weights()[0]
    table[777] += row
    model.get_layer("emb").set_weights([table])
    return model


def lookup(k, words):
    k.utils.set_random_seed(1)
    kl = k.layers
    ids = kl.StringLookup(vocabulary=words, name="ids")
    return chain(k, (2,), ids, kl.Embedding(2010, 2, name="emb"), dtype="string")


WORDS = [f"w{number}" for number in range(2000)]


@pytest.mark.parametrize("k", KERAS.values(), ids=KERAS)
def test_a_row_that_no_input_draws_is_compared(k):
    same = rewriter.verify(embedding(k, 0.0), embedding(k, 0.0))
    other = rewriter.verify(embedding(k, 0.0), embedding(k, 1.0))
    assert same.ok
    assert (other.ok, other.reason) == (False, "the table of emb is another one")


@pytest.mark.parametrize("k", KERAS.values(), ids=KERAS)
def test_a_word_that_no_input_has_is_compared(k):
    swapped = [*WORDS[:1500], WORDS[1501], WORDS[1500], *WORDS[1502:]]
    other = rewriter.verify(lookup(k, WORDS), lookup(k, swapped))
    assert (other.ok, other.reason) == (False, "the table of ids is another one")


@pytest.mark.parametrize("k", KERAS.values(), ids=KERAS)
@pytest.mark.parametrize("model", [zero_residual, nested_residual, attention])
def test_a_right_pass_on_weights_of_zeros_is_verified(k, model):
    place = {"nested_residual": "block", "attention": "heads"}.get(model.__name__, "inside")
    right = Wrong("right", model, insert(place, "Dropout", {"rate": 0.5}))
    assert rewriter.rewrite(model(k), [as_pass(right)]).verification.verdict == "verified"


def test_zero_weights_are_told_where_no_copy_is_made():
    right = Wrong("right", zero_residual, insert("inside", "Dropout", {"rate": 0.5}))
    said = rewriter.rewrite(zero_residual(keras), [as_pass(right)], weights="share").verification
    assert said.ok
    assert "the weights of zero are zero" in str(said)


def pinned(k, noise):
    """Noise that Keras 2 draws at inference, by ``training=True``."""
    x = k.Input((4, 3), name="x")
    y = k.layers.Dense(3, name="dense")(x)
    return k.Model(x, noise(y, training=True))


def replaced(class_name, **config):
    def edit(graph):
        config_ = {"name": "noise", **config}
        return graph.replace("noise", Layer("noise", class_name, config_), reason="to be caught")

    return edit


@pytest.mark.parametrize(
    ("class_name", "edit", "said"),
    [
        ("Dropout", configure("noise", rate=0.505), "noise has rate 0.505, and had 0.5"),
        ("Dropout", replaced("GaussianDropout", rate=0.5), "mean distance from the mean"),
        ("SpatialDropout1D", replaced("Dropout", rate=0.5), "variance of means over axis 1"),
    ],
)
def test_other_noise_of_the_same_variance_is_found(class_name, edit, said):
    noise = getattr(tf_keras.layers, class_name)(0.5, name="noise")
    wrong = Wrong("other noise", None, edit)
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(pinned(tf_keras, noise), [as_pass(wrong)])
    assert said in str(caught.value.verification)


def test_padding_and_noise_on_purpose_are_compared_where_nothing_is_padded():
    kl = keras.layers
    x = keras.Input((None,), dtype="int32", name="x")
    y = kl.Embedding(20, 4, mask_zero=True, name="emb")(x)
    y = kl.Conv1D(4, 3, padding="same", name="conv")(y)
    y = kl.SimpleRNN(4, name="rnn")(y)
    model = keras.Model(x, kl.Dropout(0.3, name="drop")(y, training=True))
    said = rewriter.rewrite(model, ["carry-mask", "honour-training"]).verification
    assert str(said).startswith("verified changed-on-purpose")
    assert "on sequences without padding" in str(said)


def step(k):
    """A layer of the user's, whose config has a key that is a training setting elsewhere."""

    class Step(k.layers.Layer):
        def __init__(self, rate, **kind):
            super().__init__(**kind)
            self.rate = rate

        def call(self, x):
            return tf.cast(x > self.rate, "float32")

        def compute_output_shape(self, shape):
            return shape

        def get_config(self):
            return {**super().get_config(), "rate": self.rate}

    return Step


@pytest.mark.parametrize("k", KERAS.values(), ids=KERAS)
def test_a_rate_of_a_class_of_the_users_counts_at_inference(k):
    cls = step(k)
    model = chain(k, (3,), k.layers.Dense(2, name="dense"), cls(0.5, name="step"))
    wrong = Wrong("wrong", None, configure("step", rate=0.50001))
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(model, [as_pass(wrong)], custom_objects={"Step": cls})
    assert caught.value.verification.verdict == "not compared"


@pytest.mark.parametrize("k", KERAS.values(), ids=KERAS)
@pytest.mark.parametrize(
    ("class_name", "config", "said"),
    [
        ("ActivityRegularization", {"l1": 0.1}, "regularizers (made)"),
        ("RandomZoom", {"height_factor": 0.1}, "augmentation (made)"),
        ("GaussianNoise", {"stddev": 0.1}, "training-time settings (made)"),
    ],
)
def test_a_layer_that_acts_in_training_alone_is_told(k, class_name, config, said):
    model = chain(k, (4, 4, 1), k.layers.ReLU(name="relu"), k.layers.Flatten(name="flat"))
    right = Wrong("right", None, insert("relu", class_name, config))
    assert rewriter.rewrite(model, [as_pass(right)]).verification.not_verified == said


def ragged(*layers):
    tf_keras.utils.set_random_seed(1)
    x = y = tf_keras.Input((None, 3), ragged=True, name="x")
    for layer in (*layers, tf_keras.layers.SimpleRNN(2, name="rnn")):
        y = layer(y)
    return tf_keras.Model(x, y)


def test_ragged_rows_have_several_lengths():
    dense = tf_keras.layers.Lambda(lambda x: x.to_tensor(), name="dense")
    assert rewriter.verify(ragged(), ragged()).ok
    assert not rewriter.verify(ragged(), ragged(dense)).ok


def nothing(*_):
    return ""


def no_try(*_):
    return []


def without(label):
    """Leave out one of the inputs that are tried beside the usual ones."""
    further = tries.further_tries

    def fewer(*arguments):
        found, left_out = further(*arguments)
        return [each for each in found if label not in each.label], left_out

    return fewer


@pytest.mark.parametrize(
    ("place", "off", "name"),
    [
        ("evidence.hidden_by_zeros", nothing, "behind a zero kernel"),
        ("verify.other_masks", nothing, "the mask of an output"),
        ("verify.further_tries", without("both signs"), "negative integers"),
        ("verify.further_tries", without("many of them 0"), "steps of zeros"),
        ("verify.further_tries", without("thresholds"), "a threshold"),
        ("verify.with_nan", no_try, "NaN"),
    ],
)
def test_each_comparison_is_what_finds_it(place, off, name, monkeypatch):
    wrong = next(each for each in HIDDEN if each.name == name)
    monkeypatch.setattr("rewriter.verification.verify.compare_parts", lambda _: PartsFound())
    monkeypatch.setattr(f"rewriter.verification.{place}", off)
    assert rewriter.rewrite(wrong.model(keras), [as_pass(wrong)]).verification.ok


def test_states_that_a_plan_drops_are_told_as_not_verified(dialect):
    keras = dialect.keras
    x = keras.Input(batch_shape=(4, 5, 3))
    model = keras.Model(x, keras.layers.GRU(2, stateful=True, name="gru")(x))
    verification = rewriter.rewrite(model, ["free-batch:stateful=drop"]).verification
    assert verification.ok
    assert "states from call to call (gru.stateful)" in str(verification)
