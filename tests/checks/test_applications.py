"""Good models raise no alarm; `tests/benchmarks/count_applications.py` counts over all of them."""

from __future__ import annotations

import rewriter


def test_a_good_model_has_no_finding_but_what_keras_3_cannot_load(dialect):
    model = dialect.keras.applications.MobileNet(weights=None, alpha=0.25)
    found = {finding.code for finding in rewriter.check(model)}
    assert found == ({"RW502"} if dialect.number == 2 else set())
