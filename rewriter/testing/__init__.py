"""Test your own pass: random models, and a check of what every pass must do.

from rewriter.testing import check_pass, random_models


def test_cap_dropout():
for result in check_pass(CapDropout(limit=0.3), random_models(keras=3)):
for layer in result.plan.after.layers:
assert layer.config.get("rate", 0) <= 0.3
"""

from rewriter.testing.checking import check_pass
from rewriter.testing.random_models import random_model, random_models

__all__ = ["check_pass", "random_model", "random_models"]
