"""Define the errors: each says what went wrong, where, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class RewriterError(Exception):
    """Base of every error that this program raises on purpose.

    Parameters
    ----------
    what : str
        What went wrong, as a clause without a full stop.
    where : str, optional
        The file, the path of the layer, the pass or the option.
    fix : str, optional
        What the user can do.

    Attributes
    ----------
    model : live model or None
        The model that was to be rewritten, untouched, where a live one was given.

    Examples
    --------
    >>> print(RewriterError("no such file", where="m.keras", fix="check the path"))
    m.keras: no such file; check the path
    """

    exit_code = 2
    model: Any = None

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f"; {self.fix}" if self.fix else ""
        return f"{place}{self.what}{remedy}"


class ModelReadError(RewriterError):
    """A file is missing, damaged, or not a model that can be read."""


class UnsupportedModelError(RewriterError):
    """A model has no graph, or holds something that cannot be rewritten safely."""


class UnforeseenError(RewriterError):
    """Something happened that this program was not made for; ``__cause__`` has what it was."""


class GraphError(RewriterError):
    """An edit would leave the graph invalid; the graph is as it was before."""


class PassError(RewriterError):
    """A pass or an option is unknown or unusable, or a pass left a broken graph.

    Attributes
    ----------
    plan : Plan or None
        Where a pass broke the graph: the plan of the passes before it.
    """

    plan: Any = None


class PortError(UnsupportedModelError):
    """A model of Keras 2 has something that Keras 3 has not.

    Attributes
    ----------
    refusals : tuple of Refusal
        Every place that keeps the model from being ported.
    """

    refusals: tuple[Any, ...] = ()


class RebuildError(UnsupportedModelError):
    """Keras could not build a layer of the rewritten model."""


class WeightsError(RewriterError):
    """A variable of the rewritten model has no counterpart of the same shape and dtype."""


class ModelWriteError(RewriterError):
    """The output cannot be written, or must not be."""


class VerificationError(RewriterError):
    """The rewritten model does not keep its plan's guarantee.

    Attributes
    ----------
    verification : Verification or None
        What was measured.
    model, rewritten : live model
        The original, untouched, and the rewritten model that was not handed out.
    """

    exit_code = 1
    verification: Any = None
    rewritten: Any = None


_FRAMES = (  # of Keras and TensorFlow, around what a layer says
    "Exception encountered when calling ",
    "Graph execution error:",
    "Detected at node ",
    "<stack frames unavailable>",
    'File "',
)


_CODE = re.compile(r"\{'value': [(\[]'[A-Za-z0-9+/=\\]{20}.*")
"""Marshalled code in a config: it is nobody's to read."""


def first_line(error: Exception) -> str:
    r"""Return the first line of an error's message that says something; its type if none does.

    Examples
    --------
    >>> first_line(ValueError("no such layer\nTraceback"))
    'no such layer'
    >>> first_line(ValueError("Exception encountered when calling GRU.call().\n\nno mask"))
    'no mask'
    >>> first_line(ValueError("Graph execution error:\n\nDetected at node m/emb\nbad id"))
    'bad id'
    >>> first_line(ValueError("unknown {'value': ('4wEAAAAAAAAAAAAAAAIAAAA', None, None)}"))
    'unknown a lambda, saved as code'
    >>> first_line(ValueError())
    'ValueError'
    """
    lines = [line.strip() for line in plain(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(_FRAMES)] or lines
    return _CODE.sub("a lambda, saved as code", telling[0])[:300] if telling else _name(error)


def _name(error: Exception) -> str:
    return type(error).__name__


def plain(error: Exception) -> str:
    """Return an error's message without colours and names of devices."""
    return re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\}|\[Op:.*", "", str(error))
