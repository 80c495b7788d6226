"""Import TensorFlow and Keras, or say which extra installs them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from rewriter.errors import RewriterError

EXTRA_WITH = {"tensorflow": "tensorflow", "tf_keras": "tensorflow", "keras": "tensorflow"}
"""The extra of this package that installs a framework, by the framework's module."""


def import_framework(module: str) -> ModuleType:
    """Import a framework, or a module that imports one.

    Raises
    ------
    RewriterError
        The framework is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA_WITH:
            raise
        raise _not_installed(error.name) from error


def require_framework(module: str) -> None:
    """Refuse to go on where a framework is not installed; it is not imported.

    Raises
    ------
    RewriterError
        The framework is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise _not_installed(module)


def _not_installed(module: str) -> RewriterError:
    extra = EXTRA_WITH[module]
    return RewriterError(
        f"{module} is not installed, and this needs it",
        fix=f"install the extra `{extra}`: pip install 'keras-rewriter[{extra}]'",
    )
