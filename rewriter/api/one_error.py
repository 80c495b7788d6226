"""Turn what nobody foresaw into one error that says where, and asks for a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from rewriter.errors import RewriterError, UnforeseenError, first_line
from rewriter.graph.calls import Call
from rewriter.graph.graph import Graph, Layer
from rewriter.saved import ModelFile

P = ParamSpec("P")
R = TypeVar("R")

REPORT = "this is a fault of keras-rewriter; please report it, with the model's config if you can"

MORE_MEMORY = "check that the model is what you think it is; --no-limits lifts the limit"


def with_one_error(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function raise `UnforeseenError` for what is not foreseen about a model's file.

    What a live model, or the code of a user, raises is left as it is: its traceback tells more.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except RewriterError:
            raise
        except Exception as error:
            given = (*args, *kwargs.values())
            if not any(isinstance(each, str | Path) for each in given[:2]):
                raise
            raise unforeseen(error) from error

    return guarded


def unforeseen(error: Exception) -> UnforeseenError:
    """Return the error that stands for one that nobody foresaw; it names the file and the layer.

    Both are told by what the functions that were at work held.
    """
    files: list[str] = []
    layers: list[str] = []
    for frame in _frames(error):
        # the innermost frame is the last: what it holds says most
        files = _files(frame) or files
        layers = _layers(frame) or layers
    where = ": ".join([*files[:1], *layers[:1]])
    if isinstance(error, MemoryError):
        what = "it takes more memory than there is, or than the command line allows"
        return UnforeseenError(what, where=where or None, fix=MORE_MEMORY)
    kind = type(error).__name__
    said = first_line(error)
    what = "unforeseen: " + (kind if said == kind else f"{kind}: {said}")
    return UnforeseenError(what, where=where or None, fix=REPORT)


def _frames(error: Exception) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _files(frame: FrameType) -> list[str]:
    return [str(each.path) for each in _held(frame) if isinstance(each, ModelFile)]


def _layers(frame: FrameType) -> list[str]:
    held = _held(frame)
    graph = next((each for each in held if isinstance(each, Graph)), None)
    calls = [each.layer for each in held if isinstance(each, Call)]
    names = calls or [each.name for each in held if isinstance(each, Layer)]
    return [name if graph is None else graph.path_of(name) for name in names]


def _held(frame: FrameType) -> list[Any]:
    return list(frame.f_locals.values())
