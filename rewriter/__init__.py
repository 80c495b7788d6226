"""Rewrite trained Keras models, and check that their outputs are kept.

>>> import rewriter
>>> plan = rewriter.plan("model.keras", ["strip-dropout"])  # doctest: +SKIP
>>> print(plan)  # doctest: +SKIP
"""

import sys

if sys.argv[:1] == ["-m"]:  # this is ``python -m rewriter``, before it comes to __main__
    from rewriter.cli.python_path import leave_working_directory

    leave_working_directory(run_as_module=True)

import importlib

TYPE_CHECKING = False  # typing itself need not be imported

if TYPE_CHECKING:
    from typing import Any

    from rewriter.api.functions import check, masks, plan, read, rewrite, verify
    from rewriter.api.monte_carlo import predict_mc
    from rewriter.api.plans import Plan
    from rewriter.api.porting import port
    from rewriter.api.rehearsing import rehearse
    from rewriter.api.result import Result
    from rewriter.api.rewrite_step import Rewrite
    from rewriter.checks.findings import Finding
    from rewriter.errors import (
        GraphError,
        ModelReadError,
        ModelWriteError,
        PassError,
        PortError,
        RebuildError,
        RewriterError,
        UnforeseenError,
        UnsupportedModelError,
        VerificationError,
        WeightsError,
    )
    from rewriter.graph.calls import Call, Tensor
    from rewriter.graph.changes import Action, Change, Note
    from rewriter.graph.graph import Layer
    from rewriter.graph.model_graph import ModelGraph
    from rewriter.pipeline.passes import Guarantee, Pass
    from rewriter.rehearsal import Rehearsal
    from rewriter.verification.result import Verification

__version__ = "0.1.0"

_HOMES = {
    "rewriter.api.functions": (
        "check",
        "masks",
        "plan",
        "read",
        "rewrite",
        "verify",
    ),
    "rewriter.api.monte_carlo": ("predict_mc",),
    "rewriter.api.plans": ("Plan",),
    "rewriter.api.porting": ("port",),
    "rewriter.api.rehearsing": ("rehearse",),
    "rewriter.api.result": ("Result",),
    "rewriter.api.rewrite_step": ("Rewrite",),
    "rewriter.checks.findings": ("Finding",),
    "rewriter.errors": (
        "GraphError",
        "ModelReadError",
        "ModelWriteError",
        "PassError",
        "PortError",
        "RebuildError",
        "RewriterError",
        "UnforeseenError",
        "UnsupportedModelError",
        "VerificationError",
        "WeightsError",
    ),
    "rewriter.graph.calls": ("Call", "Tensor"),
    "rewriter.graph.changes": ("Action", "Change", "Note"),
    "rewriter.graph.graph": ("Layer",),
    "rewriter.graph.model_graph": ("ModelGraph",),
    "rewriter.pipeline.passes": ("Guarantee", "Pass"),
    "rewriter.rehearsal.result": ("Rehearsal",),
    "rewriter.verification.result": ("Verification",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604
    "DynamicDropout",
    "__version__",
    *_HOME_OF,
]


def __getattr__(name: str) -> "Any":
    """Import what is asked for, and no more: a rewritten model may need only a layer."""
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name == "DynamicDropout":
        value = _dynamic_dropout()
    else:
        raise AttributeError(f"module 'rewriter' has no attribute {name!r}")
    globals()[name] = value
    return value


def _dynamic_dropout() -> "Any":
    """Return the layer for the Keras that ``tf.keras`` stands for."""
    from rewriter.live.frameworks import import_framework

    number = 3 if import_framework("tensorflow").keras.__version__.startswith("3") else 2
    return import_framework(f"rewriter.layers.keras{number}").DynamicDropout
