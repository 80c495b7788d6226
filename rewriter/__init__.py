"""Rewrites trained Keras models, and checks that the outputs are kept.

>>> import rewriter
>>> plan = rewriter.plan("model.keras", ["strip-dropout"])  # doctest: +SKIP
>>> print(plan)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewriter.api import Result, check, masks, plan, read, rehearse, rewrite, verify
    from rewriter.changes import Action, Change, Note
    from rewriter.config import Rewrite
    from rewriter.errors import (
        GraphError,
        ModelReadError,
        ModelWriteError,
        PassError,
        PortError,
        RebuildError,
        RewriterError,
        UnsupportedModelError,
        VerificationError,
        WeightsError,
    )
    from rewriter.findings import Finding
    from rewriter.graph import Call, Layer, ModelGraph, Tensor
    from rewriter.monte_carlo import predict_mc
    from rewriter.pipeline import Guarantee, Pass, Plan
    from rewriter.carrying_port import port
    from rewriter.rehearsal import Rehearsal
    from rewriter.verification import Verification

__version__ = "0.1.0"

_HOMES = {
    "rewriter.api": (
        "Result",
        "check",
        "masks",
        "plan",
        "read",
        "rehearse",
        "rewrite",
        "verify",
    ),
    "rewriter.changes": ("Action", "Change", "Note"),
    "rewriter.config": ("Rewrite",),
    "rewriter.errors": (
        "GraphError",
        "ModelReadError",
        "ModelWriteError",
        "PassError",
        "PortError",
        "RebuildError",
        "RewriterError",
        "UnsupportedModelError",
        "VerificationError",
        "WeightsError",
    ),
    "rewriter.findings": ("Finding",),
    "rewriter.graph": ("Call", "Layer", "ModelGraph", "Tensor"),
    "rewriter.monte_carlo": ("predict_mc",),
    "rewriter.pipeline": ("Guarantee", "Pass", "Plan"),
    "rewriter.carrying_port": ("port",),
    "rewriter.rehearsal": ("Rehearsal",),
    "rewriter.verification": ("Verification",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604
    "DynamicDropout",
    "__version__",
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a rewritten model may need only a layer."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name == "DynamicDropout":
        value = _dynamic_dropout()
    else:
        raise AttributeError(f"module 'rewriter' has no attribute {name!r}")
    globals()[name] = value
    return value


def _dynamic_dropout() -> Any:
    """Return the layer for the Keras that ``tf.keras`` stands for."""
    import tensorflow as tf

    number = 3 if tf.keras.__version__.startswith("3") else 2
    return importlib.import_module(f"rewriter.layers.keras{number}").DynamicDropout
