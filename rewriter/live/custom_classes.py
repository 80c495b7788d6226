"""Find the classes and functions that a live model holds and Keras has not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rewriter.live.adapters import Live, LiveKeras
from rewriter.live.known_classes import is_known_class
from rewriter.live.walk import with_sublayers


def scope_of(live: Live, keras: LiveKeras) -> dict[str, Any]:
    """Return the classes and functions by name that a live layer holds and Keras has not."""
    scope: dict[str, Any] = {}
    for layer in with_sublayers(live, keras):
        held = [each for value in vars(layer).values() for each in _flat(value)]
        scope |= scope_of_values([layer, *held])
    return scope


def scope_of_values(values: Iterable[Any]) -> dict[str, Any]:
    """Return the functions, and the classes of the objects, that Keras has not."""
    scope: dict[str, Any] = {}
    for value in values:
        if type(value) in _PLAIN:
            continue
        named = value if callable(value) and hasattr(value, "__name__") else type(value)
        if _is_foreign(named):
            scope.setdefault(named.__name__, named)
    return scope


_PLAIN = frozenset({bool, int, float, str, type(None), dict, set})


def _flat(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_foreign(named: Any) -> bool:
    root = str(getattr(named, "__module__", None)).partition(".")[0]
    known = is_known_class(named) or root in ("builtins", "numpy")
    return not known and named.__name__ != "<lambda>"
