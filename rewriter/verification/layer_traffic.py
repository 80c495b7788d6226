"""Record what each layer of a live model gets and gives while it runs, and which one fails.

For models of one's own only: each layer's ``call`` is replaced while it is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

from rewriter.live.adapters import Live

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Traffic:
    """One call of a layer: the first tensor that went in, and the first that came out."""

    path: str
    layer: Live
    given: NDArray[Any]
    gave: NDArray[Any]


@dataclass(frozen=True, slots=True)
class WatchedArguments:
    """What a layer was called with, as its ``call`` got it."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(slots=True)
class Watch:
    """What was seen since it was last cleared.

    Parameters
    ----------
    layers : mapping of str to live layer
        Those that are watched, by path.
    traffic : list of Traffic
        The calls in eager mode, in the order in which they ended.
    shapes : list of (path, shape in, shape out)
        Those of every call, traced ones included.
    arguments : mapping of str to WatchedArguments
        Those of the last call in eager mode, by path.
    culprit : str
        Path of the innermost layer whose call raised.
    recording : bool
        Whether traffic and arguments are kept, beside the shapes.
    """

    layers: Mapping[str, Live]
    traffic: list[Traffic] = field(default_factory=list)
    shapes: list[tuple[str, tuple[int | None, ...], tuple[int | None, ...]]] = field(
        default_factory=list
    )
    arguments: dict[str, WatchedArguments] = field(default_factory=dict)
    culprit: str = ""
    recording: bool = False

    def clear(self) -> None:
        """Forget what was seen."""
        self.traffic.clear()
        self.shapes.clear()
        self.arguments.clear()
        self.culprit = ""


@contextmanager
def watching(layers: dict[str, Live]) -> Iterator[Watch]:
    """Watch layers while the context lasts."""
    watch, before = Watch(layers), {path: layer.call for path, layer in layers.items()}
    try:
        for path, layer in layers.items():
            layer.call = _watched(watch, path, layer, layer.call)
        yield watch
    finally:
        for path, layer in layers.items():
            layer.call = before[path]


def _watched(watch: Watch, path: str, layer: Live, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            outputs = call(*args, **kwargs)
        except Exception:
            watch.culprit = watch.culprit or path
            raise
        _see(watch, path, layer, args[0] if args else None, outputs)
        if watch.recording and _is_eager((args, kwargs)):
            watch.arguments[path] = WatchedArguments(args, kwargs)
        return outputs

    return watched


def _see(watch: Watch, path: str, layer: Live, given: Any, gave: Any) -> None:
    import tensorflow as tf

    given, gave = (
        each[0] if isinstance(each, list | tuple) and each else each for each in (given, gave)
    )
    if not isinstance(given, tf.Tensor) or not isinstance(gave, tf.Tensor):
        return
    if given.shape.rank is None or gave.shape.rank is None:
        return
    watch.shapes.append((path, tuple(given.shape), tuple(gave.shape)))
    eager = hasattr(given, "numpy") and hasattr(gave, "numpy")
    if watch.recording and eager and gave.dtype.is_floating and given.shape == gave.shape:
        arrays = [tf.cast(each, "float64").numpy() for each in (given, gave)]
        watch.traffic.append(Traffic(path, layer, *arrays))


def _is_eager(structure: Any) -> bool:
    import tensorflow as tf

    tensors = [each for each in tf.nest.flatten(structure) if isinstance(each, tf.Tensor)]
    return bool(tensors) and all(hasattr(each, "numpy") for each in tensors)
