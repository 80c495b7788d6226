"""Read the options of a pass as they stand on the command line."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from rewriter.errors import PassError
from rewriter.pipeline.passes import Pass


def options_of(cls: type[Pass]) -> dict[str, Any]:
    """Return the options of a pass by name, with their types."""
    if not dataclasses.is_dataclass(cls):
        return {}
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def split_options(text: str) -> list[str]:
    """Split at commas that stand outside of brackets.

    Examples
    --------
    >>> split_options("rate=0.5,shared_axes=(1,2)")
    ['rate=0.5', 'shared_axes=(1,2)']
    """
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def split_option(option: str, cls: type[Pass]) -> tuple[str, Any]:
    """Return the name and the value of an option written ``name=value``.

    Raises
    ------
    PassError
        The pass has no such option, or the value is not of its type.
    """
    key, equals, value = option.partition("=")
    types = options_of(cls)
    name = key.strip().replace("-", "_")
    if name not in types:
        fix = nearest(name, types, f"rewriter passes {cls.name}")
        raise PassError(f"unknown option {key.strip()!r}", where=cls.name, fix=fix)
    if not equals:
        if types[name] is bool:
            return name, True
        raise PassError(f"option {name} needs a value", where=cls.name, fix=f"write {name}=VALUE")
    try:
        return name, _convert(value.strip(), types[name])
    except ValueError as error:
        raise PassError(f"option {name}: {error}", where=cls.name) from None


def _convert(value: str, wanted: Any) -> Any:
    """Return an option's value as the type that its field declares."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        inside = value.strip("()[]")
        return tuple(_convert(part, args[0]) for part in split_options(inside))
    if origin is typing.Literal:
        if value not in args:
            raise ValueError(f"{value!r} is none of {', '.join(map(str, args))}")
        return value
    if type(None) in args:
        if value.lower() == "none":
            return None
        return _convert(value, next(each for each in args if each is not type(None)))
    if wanted is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if value.lower() not in words:
            raise ValueError(f"{value!r} is neither true nor false")
        return words[value.lower()]
    if wanted in (int, float):
        try:
            return wanted(value)
        except ValueError:
            raise ValueError(f"{value!r} is no {wanted.__name__}") from None
    return value


def nearest(name: str, known: Mapping[str, Any] | Sequence[str], command: str) -> str:
    """Return advice for a name that is unknown: the nearest one, and the command with all."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    listing = f"{command!r} lists them"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
