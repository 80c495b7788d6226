"""Masked models of every kind no longer depend on padding, and are the same without it."""

import numpy as np
import pytest
from support.sequence_models import BODIES, BUILT, IDS, STEPS, model_of, sensitivity

import rewriter
from rewriter.rebuild import rebuild

TOLERANCE = 1e-6
SHORT = {("lstm", "unknown length"), ("nested", "fixed length"), ("convolutions", "by data")}
CASES = [
    pytest.param(name, built, marks=[] if (name, built) in SHORT else [pytest.mark.long])
    for name in BODIES
    for built in BUILT
]
PASSES = ["enable-masking", "carry-mask"]


@pytest.mark.parametrize(("name", "built"), CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_padding_no_longer_counts_and_what_has_none_stays_equal_to_the_bit(dialect, name, built):
    dialect.keras.utils.set_random_seed(1)
    model = model_of(dialect.keras, name, built)
    plan = rewriter.plan(model, PASSES)
    new = rebuild(plan.after, plan.before, model).model
    before = sensitivity(model, built, embedding_of(model))
    after = sensitivity(new, built, embedding_of(new))
    print(f"{name}, {built}: {before} before, {after} after")
    if name != "convolutions":
        assert max(after.values()) <= TOLERANCE
    else:  # padding in front shifts the windows of its pooling
        assert after.get("behind", after.get("another vector at index 0")) <= TOLERANCE
    assert max(before.values()) > 100 * TOLERANCE
    ids = np.random.default_rng(1).integers(1, IDS, (4, STEPS)).astype("int32")
    assert np.array_equal(np.asarray(model(ids)), np.asarray(new(ids)))
    assert not rewriter.plan(new, PASSES).changes


def embedding_of(model):
    return next(layer for layer in model.layers if type(layer).__name__ == "Embedding")


@pytest.mark.parametrize("name", ["convolutions", "causal"])
def test_a_sequential_model_takes_other_lengths_after_it_became_functional(dialect, name):
    model = model_of(dialect.keras, name, "by data")
    plan = rewriter.plan(model, ["carry-mask"])
    new = rebuild(plan.after, plan.before, model).model
    for batch, length in ((2, 15), (5, 9)):
        ids = np.full((batch, length), 3, "int32")
        assert np.array_equal(np.asarray(model(ids)), np.asarray(new(ids)))
