"""Call these from a script: read, check, plan, rewrite, verify and rehearse."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rewriter.api.functions import Result, check, masks, plan, read, rehearse, rewrite, verify

_HOME_OF = {
    "Result": "rewriter.api.functions",
    "check": "rewriter.api.functions",
    "masks": "rewriter.api.functions",
    "plan": "rewriter.api.functions",
    "read": "rewriter.api.functions",
    "rehearse": "rewriter.api.functions",
    "rewrite": "rewriter.api.functions",
    "verify": "rewriter.api.functions",
}

__all__ = ["Result", "check", "masks", "plan", "read", "rehearse", "rewrite", "verify"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_HOME_OF[name]), name)
    return value
