"""The check that authors of passes use, and the models that it is run on."""

from __future__ import annotations

import numpy as np
import pytest

import rewriter
from rewriter.errors import PassError, VerificationError
from rewriter.testing import check_pass, random_model, random_models


class Rename(rewriter.Pass):
    """Never be content with a rate."""

    name = "restless"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        for call in graph.calls({"Dropout"}):
            rate = graph.layer(call).config["rate"] / 2
            yield graph.configure(call.layer, {"rate": rate}, reason="still too much")


class Bend(rewriter.Pass):
    """Promise what is not kept."""

    name = "bend"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        for call in graph.calls({"Dense"}):
            if graph.layer(call).config["activation"] == "linear":
                yield graph.configure(call.layer, {"activation": "tanh"}, reason="to be wrong")


def small(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input((3,)), layers.Dropout(0.5), layers.Dense(2)])


@pytest.mark.parametrize("name", ["strip-dropout", "move-dropout"])
def test_built_in_passes_owe_nothing_on_random_models(dialect, name):
    models = random_models(dialect.number, count=2)
    results = check_pass(name, models, reload=dialect.number == 3)
    assert [result.verification.ok for result in results] == [True, True]


def test_a_pass_that_changes_something_each_time_is_named(dialect):
    with pytest.raises(PassError, match="restless: a second run changes the model again"):
        check_pass(Rename(), small(dialect.keras), reload=False)


def test_a_pass_that_breaks_its_promise_is_told(dialect):
    with pytest.raises(VerificationError):
        check_pass(Bend(), small(dialect.keras))


def test_random_models_follow_their_seed_and_run(dialect):
    one, other = (random_model(dialect.number, seed=4) for _ in range(2))
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_random_models_are_of_many_kinds(dialect):
    classes = {
        type(layer).__name__
        for model in random_models(dialect.number, count=12)
        for layer in model.layers
    }
    wanted = {"Masking", "Embedding", "Bidirectional", "LSTM", "Functional", "Dropout"}
    assert wanted <= classes
