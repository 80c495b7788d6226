"""Random models come through: config, rebuild, weights, outputs, every pass, a second run."""

from __future__ import annotations

import os
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.evidence import check_config, check_identity, check_pass, document

from rewriter.pipeline.registry import registered_passes
from rewriter.testing.recipes import build, recipes

EXAMPLES = int(os.environ.get("REWRITER_EXAMPLES", "8"))
"""A short profile; by hand, some hundreds."""

PASSES = tuple(registered_passes())


@pytest.mark.parametrize("number", [2, 3], ids=["keras2", "keras3"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="REWRITER_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(recipe=recipes(), name=st.sampled_from(PASSES))
def test_a_random_model_comes_through(number, recipe, name):
    import keras
    import tf_keras

    module = tf_keras if number == 2 else keras
    tf_keras.backend.clear_session()
    keras.utils.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build(recipe, module)
        check_config(document(model), number)
        check_identity(model)
        check_pass(model, name)
