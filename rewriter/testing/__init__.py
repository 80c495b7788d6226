"""Test your own pass: random models, and a check of what every pass must do.

>>> from rewriter.testing import check_pass, random_models
>>> results = check_pass("strip-dropout", random_models(keras=3))  # doctest: +SKIP
"""

from rewriter.testing.checking import check_pass
from rewriter.testing.random_models import random_model, random_models

__all__ = ["check_pass", "random_model", "random_models"]
