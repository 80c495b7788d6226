"""What is compiled to be compared is traced once, and run forward alone."""

import numpy as np

import rewriter


def test_each_model_is_compiled_once(dialect):
    import tensorflow as tf

    keras, traced = dialect.keras, []

    class Traced(keras.layers.Layer):
        def call(self, inputs):
            if not tf.executing_eagerly():
                traced.append(self.name)
            return inputs * 2.0

    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(2)(Traced(name="traced")(x)))
    traced.clear()
    assert rewriter.verify(model, model, custom_objects={"Traced": Traced}).ok
    assert traced == ["traced", "traced"]  # as the original, and as the rewritten model


def test_gradients_are_made_where_a_model_is_trained_and_nowhere_before(monkeypatch):
    """LSTM and GRU of Keras 2 make those of two kernels wherever they are called in a graph."""
    import tf_keras
    from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction

    layers = tf_keras.layers
    x = layers.Input((4, 3))
    model = tf_keras.Model(
        x, layers.Dropout(0.5)(layers.GRU(2)(layers.LSTM(2, return_sequences=True)(x)))
    )
    made, make = [], ConcreteFunction.add_gradient_functions_to_graph
    monkeypatch.setattr(
        ConcreteFunction,
        "add_gradient_functions_to_graph",
        lambda function, *args, **kwargs: (made.append(function), make(function, *args, **kwargs)),
    )
    result = rewriter.rewrite(model, ["strip-dropout"])
    assert result.verification.ok
    assert made == []
    result.model.compile("sgd", "mse")
    before = [weight.numpy() for weight in result.model.weights]
    result.model.fit(np.ones((2, 4, 3)), np.ones((2, 2)), verbose=0)
    assert made
    changed = zip(before, result.model.weights, strict=True)
    assert not any(np.array_equal(one, other) for one, other in changed)
