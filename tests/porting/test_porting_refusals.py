"""What cannot be ported is refused by name, with what to do."""

from __future__ import annotations

import pytest

import rewriter
from rewriter.errors import PortError, UnsupportedModelError
from rewriter.graph.calls import Arguments, Hole, Tensor
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.porting import translate
from rewriter.porting.layers import layer_config


def graph_of(class_name, config=None, *, kwargs=None, envelope=None):
    """Return a model of Keras 2 around one layer."""
    graph = ModelGraph(keras=2, class_name="Functional", name="m")
    entrance = {"name": "x", "batch_input_shape": [None, 7, 4], "dtype": "float32"}
    x = graph.add(Layer("x", "InputLayer", entrance))
    layer = Layer("layer", class_name, {"name": "layer", **(config or {})}, envelope or {})
    arguments = Arguments([[Hole(0)]], kwargs or {})
    call = graph.add(layer, [Tensor(x)], arguments=arguments)
    graph.inputs, graph.outputs = [Tensor(x)], [Tensor(call)]
    return graph


REFUSED = [
    ("LocallyConnected1D", {}, "Keras 3 has no locally connected layers"),
    ("LocallyConnected2D", {}, "Keras 3 has no locally connected layers"),
    ("RandomHeight", {}, "no layer that changes the height or width at random"),
    ("RandomWidth", {}, "no layer that changes the height or width at random"),
    ("DenseFeatures", {}, "no feature columns"),
    ("SequenceFeatures", {}, "no feature columns"),
    ("TensorFlowOpLayer", {}, "as it stood in a graph"),
    ("BatchNormalization", {"axis": [1, 2]}, "normalises over the axes [1, 2]"),
    ("Conv1DTranspose", {"groups": 2}, "Keras 3 knows no groups=2"),
    ("DepthwiseConv2D", {"groups": 2}, "Keras 3 knows no groups=2"),
    ("SeparableConv1D", {"padding": "causal"}, "no causal padding"),
    ("UpSampling2D", {"interpolation": "gaussian"}, "no gaussian interpolation"),
    ("Resizing", {"interpolation": "mitchellcubic"}, "no mitchellcubic interpolation"),
    ("InputLayer", {"ragged": True, "batch_input_shape": [None, 2]}, "ragged tensors"),
    ("TextVectorization", {"ragged": True}, "gives ragged tensors"),
    ("StringLookup", {"vocabulary": "words.txt"}, "its vocabulary is the file 'words.txt'"),
    ("MultiHeadAttention", {"softmax_robust_masking": True}, "softmax_robust_masking=True"),
    ("Dense", {"activation": "<lambda>"}, "its activation is '<lambda>'"),
    ("Dense", {"activation": "own"}, "its activation is 'own'"),
    ("TFOpLambda", {"function": "nn.dropout"}, "no operation for tf.nn.dropout"),
    ("ClassMethod", {}, "a method of ragged or sparse tensors"),
    ("InstanceProperty", {}, "a method of ragged or sparse tensors"),
    ("Mine", {}, "a class of the user's own"),
]


@pytest.mark.parametrize(("class_name", "config", "reason"), REFUSED)
def test_a_layer_without_counterpart_is_refused_by_name(class_name, config, reason):
    translation = translate(graph_of(class_name, config))
    (refusal,) = translation.refusals
    assert (refusal.layer, refusal.class_name) == ("layer", class_name)
    assert reason in refusal.reason
    assert refusal.fix


def test_the_class_of_the_user_passes_once_it_is_named():
    graph = graph_of("Mine", envelope={"registered_name": "Mine"})
    assert translate(graph).refusals
    assert not translate(graph, custom=["Mine"]).refusals


def test_a_function_of_the_user_passes_once_it_is_named():
    graph = graph_of("Dense", {"units": 2, "activation": "own"})
    after = translate(graph, custom=["own"]).after
    assert after.layer("layer").config["activation"]["config"] == "own"


def test_a_class_of_the_users_is_not_taken_for_one_of_keras():
    envelope = {"module": "mine", "registered_name": "mine>LayerScale"}
    assert translate(graph_of("LayerScale", envelope=envelope)).refusals
    keras = {"module": "tf_keras.src.applications.convnext", "registered_name": None}
    assert not translate(graph_of("LayerScale", envelope=keras)).refusals


def test_every_refusal_is_told_at_once():
    graph = graph_of("LocallyConnected1D")
    more = Layer("more", "RandomHeight", {"name": "more"})
    call = graph.add(more, [graph.outputs[0]], arguments=Arguments([[Hole(0)]]))
    graph.outputs = [Tensor(call)]
    assert [refusal.layer for refusal in translate(graph).refusals] == ["layer", "more"]


def test_a_model_of_keras_3_is_refused():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(PortError, match="it is a model of Keras 3 already"):
        rewriter.port(model)


def test_a_subclassed_model_is_refused():
    import tf_keras

    class Own(tf_keras.Model):
        def call(self, x):
            return x

    with pytest.raises(UnsupportedModelError):
        rewriter.port(Own())


def test_a_failed_verification_leaves_no_file(tmp_path, monkeypatch):
    import tf_keras

    model = tf_keras.Sequential([tf_keras.Input((3,)), tf_keras.layers.ELU(alpha=0.5)])
    monkeypatch.setattr("rewriter.porting.one_layer.layer_config", _forgetful)
    with pytest.raises(rewriter.VerificationError, match="verification failed"):
        rewriter.port(model, tmp_path / "new.keras")
    assert not list(tmp_path.iterdir())


def _forgetful(class_name, config):
    """Translate as a table would that forgot a key."""
    kept = {key: value for key, value in config.items() if key != "alpha"}
    return layer_config(class_name, kept)
