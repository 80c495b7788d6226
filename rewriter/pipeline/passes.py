"""Passes, found by entry point and run one after the other, and the plan that comes of it.

A pass is a dataclass with options as fields and one method:

    >>> from rewriter.graph import Layer, ModelGraph, Tensor
    >>> class DropAll(Pass):
    ...     '''Remove every Dropout.'''
    ...     name = "drop-all"
    ...     guarantee = Guarantee.SAME
    ...     def run(self, graph):
    ...         for call in graph.calls({"Dropout"}):
    ...             yield graph.remove(call, reason="dropout does nothing at inference")
    >>> graph = ModelGraph(keras=3, class_name="Functional", name="m")
    >>> ids = graph.add(Layer("ids", "InputLayer", {}))
    >>> drop = graph.add(Layer("drop", "Dropout", {"rate": 0.5}), [Tensor(ids)])
    >>> graph.inputs, graph.outputs = [Tensor(ids)], [Tensor(drop)]
    >>> make_plan(graph, [DropAll()]).changes[0].layer
    'drop'
"""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from rewriter.analysis.known_layers import is_assumed
from rewriter.errors import GraphError, PassError, RewriterError
from rewriter.graph.changes import Change, Note
from rewriter.graph.gc_pause import collection_paused
from rewriter.graph.model_graph import ModelGraph
from rewriter.pipeline.context import Context

ENTRY_POINTS = "rewriter.passes"


class Guarantee(str, Enum):
    """What a pass promises of the outputs at inference, the strongest first."""

    SAME = "same"
    SAME_WHERE_UNPADDED = "same-where-unpadded"
    CHANGED_ON_PURPOSE = "changed-on-purpose"

    @classmethod
    def named(cls, name: str) -> Guarantee:
        """Return the guarantee of this name.

        Raises
        ------
        RewriterError
            There is none.
        """
        if name not in {each.value for each in cls}:
            there_are = ", ".join(each.value for each in cls)
            raise RewriterError(f"unknown guarantee {str(name)!r}", fix=f"there are {there_are}")
        return cls(name)

    @classmethod
    def weakest(cls, guarantees: Iterable[Guarantee]) -> Guarantee:
        """Return the weakest; of none, the strongest there is.

        Examples
        --------
        >>> Guarantee.weakest([Guarantee.SAME, Guarantee.SAME_WHERE_UNPADDED]).value
        'same-where-unpadded'
        """
        order = list(cls)
        return max(guarantees, key=order.index, default=cls.SAME)


class Pass(ABC):
    """One named rewrite.

    A subclass that has options is a dataclass, its fields the options, each with a default.
    Run twice, a pass changes nothing the second time.

    Attributes
    ----------
    name : str
        As on the command line.
    guarantee : Guarantee
        What it promises of the outputs at inference; a property where an option decides.
    tolerance : float
        How far outputs may differ where the guarantee says that they are the same, in the
        units of the outputs; 0 promises them equal to the bit.
    """

    name: ClassVar[str]
    tolerance: ClassVar[float] = 0.0

    @property
    @abstractmethod
    def guarantee(self) -> Guarantee:
        """What it promises of the outputs at inference."""

    def tolerance_of(self, change: Change) -> float:
        """Return how far one of its changes may move the outputs: by default `tolerance`."""
        return self.tolerance

    @abstractmethod
    def run(self, graph: ModelGraph) -> Iterator[Change | Note]:
        """Edit one graph; yield each change, and a note where the pass declines."""

    def run_model(self, model: ModelGraph) -> Iterator[Change | Note]:
        """Edit a model with the models nested in it; by default one after the other."""
        for graph in list(model.walk()):
            yield from self.run(graph)

    def run_with(self, model: ModelGraph, context: Context) -> Iterator[Change | Note]:
        """Edit a model as `run_model` does, knowing what stands beside the graph.

        The pipeline calls this one; a pass that needs the user's data, or what custom layers
        declare, defines it.
        """
        yield from self.run_model(model)

    def __str__(self) -> str:
        """Return the pass as it is written on the command line."""
        if not dataclasses.is_dataclass(self):
            return self.name
        changed = [
            f"{field.name}={_spelled(value)}"
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default
        ]
        return f"{self.name}:{','.join(changed)}" if changed else self.name


@dataclass(frozen=True, slots=True)
class PlanData:
    """Everything that a list of passes would do to a model.

    Parameters
    ----------
    model : str
        Path or name of the model.
    passes : tuple of str
        As on the command line.
    guarantee : Guarantee
        The weakest of the passes that change something.
    tolerance : float
        The widest of their changes.
    changes : tuple of Change
        What is changed, in the order in which it was.
    notes : tuple of Note
        Where a pass declined, and why.
    before, after : ModelGraph
        The graph as read, and as the passes left it.
    context : Context
        What the passes were told beside the graph.
    """

    model: str
    passes: tuple[str, ...]
    guarantee: Guarantee
    tolerance: float
    changes: tuple[Change, ...]
    notes: tuple[Note, ...]
    before: ModelGraph
    after: ModelGraph
    context: Context = field(default=Context(), repr=False, compare=False)

    @property
    def keras(self) -> int:
        """The Keras of the model, 2 or 3."""
        return self.before.keras

    @property
    def kind(self) -> str:
        """Class of the model: Sequential, Functional, or a subclass of these."""
        return self.before.class_name


def make_plan(
    graph: ModelGraph,
    passes: Sequence[Pass | type[Pass] | str],
    model: str | None = None,
    context: Context | None = None,
) -> PlanData:
    """Run passes over a copy of a graph.

    Parameters
    ----------
    graph : ModelGraph
        Is not changed.
    passes : sequence of Pass or str
        Passes, their classes, or as on the command line: ``name`` or
        ``name:option=value,option=value``.
    model : str, optional
        Path or name to show.
    context : Context, optional
        What passes are told beside the graph.

    Raises
    ------
    PassError
        A pass or option is unknown, or a pass left a broken graph; ``plan`` of the error is
        the plan of the passes before it.
    """
    ready = [to_pass(each) for each in passes]
    plan = PlanData(
        model=model or graph.name,
        passes=(),
        guarantee=Guarantee.SAME,
        tolerance=0.0,
        changes=(),
        notes=graph.notes,
        before=graph,
        after=graph,
        context=context or Context(),
    )
    with collection_paused():
        for each in ready:
            plan = _with_pass(plan, each)
    return replace(plan, notes=(*plan.notes, *_assumed(plan)))


def _assumed(plan: PlanData) -> Iterator[Note]:
    """Say whose classes of the changed layers are assumed, where the file names no module."""
    changed = {change.layer for change in plan.changes}
    layers = [
        layer
        for graph in plan.before.walk()
        for outer in graph.layers
        for layer in outer.walk()
        if {graph.path_of(outer.name), f"{graph.path_of(outer.name)}/{layer.name}"} & changed
    ]
    classes = dict.fromkeys(each.class_name for each in layers if is_assumed(each))
    if classes:
        said = (
            f"the file names no modules: {', '.join(classes)} are taken for Keras' own, for they "
            "are named so and have no keys but theirs"
        )
        yield Note(plan.before.name, plan.kind, said)


def _with_pass(plan: PlanData, each: Pass) -> PlanData:
    after = plan.after.copy()
    try:
        said = [replace(word, pass_name=each.name) for word in each.run_with(after, plan.context)]
        after.validate()
    except GraphError as error:
        broken = PassError(
            f"the pass broke the graph: {error}",
            where=each.name,
            fix="leave the pass out and report it to its author",
        )
        broken.plan = plan
        raise broken from error
    changes = tuple(word for word in said if isinstance(word, Change))
    notes = tuple(word for word in said if isinstance(word, Note))
    acted = [each] if changes else []
    return replace(
        plan,
        passes=(*plan.passes, str(each)),
        guarantee=Guarantee.weakest([plan.guarantee, *(one.guarantee for one in acted)]),
        tolerance=max([plan.tolerance, *(each.tolerance_of(change) for change in changes)]),
        changes=plan.changes + changes,
        notes=plan.notes + notes,
        after=after,
    )


# Finding passes


def registered_passes() -> dict[str, EntryPoint]:
    """Return the entry points of the installed passes by name."""
    found = entry_points(group=ENTRY_POINTS)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def to_pass(wanted: Pass | type[Pass] | str) -> Pass:
    """Return a pass, given as itself, as its class, or as on the command line.

    Raises
    ------
    PassError
        No pass or option has this name, or a value is not of the option's type.
    """
    if isinstance(wanted, Pass):
        return wanted
    if isinstance(wanted, type) and issubclass(wanted, Pass):
        return wanted()
    name, _, options = str(wanted).partition(":")
    cls = load_pass(name.strip())
    given = dict(_split_option(option, cls) for option in split_options(options))
    try:
        return cls(**given)
    except RewriterError:
        raise
    except (TypeError, ValueError) as error:
        raise PassError(str(error), where=cls.name) from error


def load_pass(name: str) -> type[Pass]:
    """Return the class of a registered pass."""
    known = registered_passes()
    if name not in known:
        raise PassError(f"unknown pass {name!r}", fix=_nearest(name, known, "rewriter passes"))
    cls: type[Pass] = known[name].load()
    return cls


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


def _split_option(option: str, cls: type[Pass]) -> tuple[str, Any]:
    key, equals, value = option.partition("=")
    types = options_of(cls)
    name = key.strip().replace("-", "_")
    if name not in types:
        fix = _nearest(name, types, f"rewriter passes {cls.name}")
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


def _spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({','.join(map(str, value))})"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(name: str, known: Mapping[str, Any] | Sequence[str], command: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    listing = f"{command!r} lists them"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
