"""Turn a plan into rows, one for each call, in the order of the calls, with its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewriter.graph.calls import Call
from rewriter.graph.changes import Action, Change
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.run import PlanData

SIGNS: Mapping[Action, str] = {
    Action.REMOVE: "-",
    Action.INSERT: "+",
    Action.REPLACE: "!",
    Action.MOVE: ">",
    Action.CONFIGURE: "~",
    Action.REWIRE: "~",
}
"""Signs of the actions, the one that says most first."""

CONTEXT = 2
"""Unchanged rows shown on each side of a changed one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A call, or a layer inside a wrapper.

    Parameters
    ----------
    layer : str
        Path of the layer.
    label : str
        Its name, with the number of the call from the second on.
    class_name : str
        Its class, after the change where it has one then.
    depth : int
        How many models and wrappers it is nested in.
    changes : tuple of Change
        What happens to it.
    gone : bool
        Whether the call is no longer there afterwards.
    """

    layer: str
    label: str
    class_name: str
    depth: int
    changes: tuple[Change, ...] = ()
    gone: bool = False

    @property
    def sign(self) -> str:
        """One sign for all its changes; a space if there are none."""
        actions = {change.action for change in self.changes}
        if not self.gone and actions != {Action.REMOVE}:
            actions.discard(Action.REMOVE)
        return next(
            (SIGNS[action] for action in SIGNS if action in actions), "-"[: self.gone] or " "
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of unchanged rows that are not shown."""

    rows: int
    depth: int


def rows(plan: PlanData) -> list[Row]:
    """Return a row for each call before and after; nested models follow their first call.

    Every change is in exactly one row. Those that belong to no call of either model, as those
    of a layer that one pass inserted and another removed, stand at the end.
    """
    reading = _Reading({graph.path: graph for graph in plan.before.walk()})
    for change in plan.changes:
        reading.pending.setdefault(change.layer, []).append(change)
    every = list(reading.model(plan.before, plan.after, 0))
    left = [change for changes in reading.pending.values() for change in changes]
    return every + [Row(each.layer, each.layer, each.class_name, 0, (each,)) for each in left]


def near_changes(every: list[Row]) -> list[Row | Gap]:
    """Return the changed rows, with those around them and the models that they stand in."""
    keep: set[int] = set()
    above: list[int] = []
    for place, row in enumerate(every):
        above = [*above[: row.depth], place]
        if row.changes:
            keep.update(range(max(place - CONTEXT, 0), place + CONTEXT + 1), above)
    shown: list[Row | Gap] = []
    hidden: list[Row] = []
    for place, row in enumerate(every):
        if place not in keep:
            hidden.append(row)
            continue
        shown += [*_gap(hidden), row]
        hidden = []
    return [*shown, *_gap(hidden)]


def _gap(hidden: list[Row]) -> Sequence[Row | Gap]:
    """Return what stands for rows that are not shown: a single one takes no more room itself."""
    if len(hidden) < 2:
        return hidden
    return [Gap(len(hidden), min(row.depth for row in hidden))]


def brief(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is worth showing of the config of a layer that comes or goes.

    Options that are off or empty are not: most are so by default.

    Examples
    --------
    >>> brief({"name": "drop", "rate": 0.0, "always_on": False, "noise_shape": None})
    {'rate': 0.0}
    """
    return {key: value for key, value in _telling(config).items() if not _is_off(value)}


def _telling(config: Mapping[str, Any]) -> dict[str, Any]:
    dull = ("name", "trainable", "dtype", "seed")
    named = {key: _function_name(value) for key, value in config.items()}
    return {
        key: value
        for key, value in named.items()
        if key not in dull and not isinstance(value, dict)
    }


def _is_off(value: Any) -> bool:
    return value is False or (not value and value != 0)


def _function_name(value: Any) -> Any:
    """Return the name of a function that stands serialised; all else as it is."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        return value.get("config")
    return value


def config_changes(change: Change) -> list[tuple[str, Any, Any]]:
    """Return key, old and new value of what a change does to a config that stays."""
    if change.action is Action.CONFIGURE:
        every = {**change.before, **change.after}
        return [(key, change.before.get(key), change.after.get(key)) for key in every]
    if change.action is Action.REPLACE:
        old, new = _telling(change.before["config"]), _telling(change.after["config"])
        pairs = [(key, old.get(key), new.get(key)) for key in {**old, **new}]
        # An option that only one of the two classes has, and that is off, changes nothing.
        return [
            (key, was, now)
            for key, was, now in pairs
            if was != now and not (_is_off(was) and _is_off(now))
        ]
    return []


def is_dropped(change: Change, key: str) -> bool:
    """Whether a change leaves a key out of a config that stays."""
    return change.action is Action.CONFIGURE and key not in change.after


@dataclass(slots=True)
class _Reading:
    """The walk over the models before and after, each nested one read once."""

    before: Mapping[tuple[str, ...], ModelGraph]
    pending: dict[str, list[Change]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def model(self, before: ModelGraph | None, after: ModelGraph, depth: int) -> Iterator[Row]:
        """Yield the rows of one model, removed calls in their old place."""
        self.seen.add(id(after))
        gone = _gone(before, after, self.moved(after))
        for call in (None, *_written(after)):
            if call is not None:
                yield from self.call(after, call, depth)
            for old in gone.get(call, []):
                assert before is not None
                yield self.gone(before, old, depth)

    def moved(self, graph: ModelGraph) -> set[str]:
        """Return the layers of a model that do not stand where they stood."""
        paths = {graph.path_of(layer.name): layer.name for layer in graph.layers}
        return {
            name
            for path, name in paths.items()
            if any(change.action is Action.MOVE for change in self.pending.get(path, ()))
        }

    def gone(self, graph: ModelGraph, call: Call, depth: int) -> Row:
        """Return the row of a call that is no longer there."""
        path = graph.path_of(call)
        pending = self.pending.get(path, [])
        removed = next((each for each in pending if each.action is Action.REMOVE), None)
        if removed is not None:
            pending.remove(removed)
        changes = () if removed is None else (removed,)
        return Row(path, str(call), graph.layer(call).class_name, depth, changes, gone=True)

    def call(self, graph: ModelGraph, call: Call, depth: int) -> Iterator[Row]:
        """Yield the row of a call, and those of what is inside its layer."""
        layer, path = graph.layer(call), graph.path_of(call)
        changes = tuple(self.pending.pop(path, ())) if call.number == 0 else ()
        yield Row(path, str(call), layer.class_name, depth, changes)
        if call.number == 0:
            yield from self.inside(layer, path, depth + 1)

    def inside(self, layer: Layer, path: str, depth: int) -> Iterator[Row]:
        """Yield the rows of a nested model, or of what a wrapper holds."""
        if layer.graph is not None and id(layer.graph) not in self.seen:
            yield from self.model(self.before.get(layer.graph.path), layer.graph, depth)
        for inner in layer.inner.values():
            # the path of a cell skips the wrappers between, as that of a change does
            place = f"{path}/{inner.name}"
            yield Row(
                place, inner.name, inner.class_name, depth, tuple(self.pending.pop(place, ()))
            )
            yield from self.inside(inner, place if inner.graph is not None else path, depth + 1)


def _gone(
    before: ModelGraph | None, after: ModelGraph, moved: set[str]
) -> dict[Call | None, list[Call]]:
    """Return the calls that are no longer there, by the call behind which they stood."""
    gone: dict[Call | None, list[Call]] = {}
    anchor: Call | None = None
    for call in _written(before) if before is not None else ():
        if call not in after.network:
            gone.setdefault(anchor, []).append(call)
        elif call.layer not in moved:
            anchor = call
    return gone


def _written(graph: ModelGraph) -> Iterator[Call]:
    return (call for call in graph.calls() if not graph.layer(call).implicit)
