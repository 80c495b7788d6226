"""Check every model of keras.applications, in both Keras, and count what is found.

    python tests/benchmarks/count_applications.py

They are good models: what is found in them is a false alarm, but for what Keras 3 really cannot
load (RW502), which is tried for each.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from types import ModuleType

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rewriter.checks import check_graph
from rewriter.dialects import decode


def models(keras: ModuleType) -> list[str]:
    """Return the names of the functions that build a model."""
    applications = vars(keras.applications)
    return sorted(
        name for name in applications if name[0].isupper() and callable(applications[name])
    )


def main(wanted: list[str]) -> None:
    """Build and check the models, all or those named."""
    import keras
    import tf_keras

    for number, module in ((2, tf_keras), (3, keras)):
        counts: Counter[str] = Counter()
        names = [name for name in models(module) if not wanted or name in wanted]
        for name in names:
            model = getattr(module.applications, name)(weights=None)
            document = json.loads(model.to_json())
            for finding in check_graph(decode(document, number), format="h5"):
                counts[finding.code] += 1
                print(f"Keras {number} {name}: {finding}", flush=True)
            module.backend.clear_session()
        print(
            f"Keras {number}: {len(names)} models, findings: {dict(counts) or 'none'}", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
