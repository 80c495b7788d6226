"""List the passes and their options, for `passes`."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Sequence
from typing import Any, Literal

from rewriter.pipeline.options import options_of
from rewriter.pipeline.passes import Pass, spelled


def passes_text(passes: Sequence[type[Pass]]) -> str:
    """Return one line for each pass: name, guarantee, and what it does."""
    width = max((len(each.name) for each in passes), default=0)
    promises = [each().guarantee.value for each in passes]
    widest = max(map(len, promises), default=0)
    return "\n".join(
        f"{each.name:<{width}}  {promise:<{widest}}  {_doc(each).splitlines()[0]}"
        for each, promise in zip(passes, promises, strict=True)
    )


def pass_text(cls: type[Pass]) -> str:
    """Return what a pass does, with its guarantee and its options."""
    lines = [f"{cls.name}  (guarantee: {cls().guarantee.value})", "", _doc(cls)]
    types = options_of(cls)
    if types:
        lines += ["", "Options"]
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            default = spelled(field.default).lower()
            lines.append(f"  {field.name}={default}  ({_values(types[field.name])})")
    return "\n".join(lines)


def _values(declared: Any) -> str:
    """Return in words what an option takes.

    Examples
    --------
    >>> _values(Literal["keep", "drop"]), _values(tuple[int, ...]), _values(float | None)
    ('keep, drop', 'whole numbers: (1,2)', 'a number, or none')
    """
    arguments = typing.get_args(declared)
    if typing.get_origin(declared) is Literal:
        return ", ".join(map(str, arguments))
    if type(None) in arguments:
        inner = next(one for one in arguments if one is not type(None))
        return f"{_values(inner)}, or none"
    if typing.get_origin(declared) is tuple:
        return "whole numbers: (1,2)" if arguments[0] is int else "names: (a,b)"
    return _WORDS.get(declared, str(declared))


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _doc(shown: type[Pass]) -> str:
    return inspect.getdoc(shown) or ""
