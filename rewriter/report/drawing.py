"""Draw the calls of each model before and after in one graph, for the HTML report.

What stays is one node on both sides, so that a layout puts it at the same height in both; a
call that moves is two nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import networkx as nx

from rewriter.analysis.masks import CallFlow, Mask, mask_flow
from rewriter.graph.calls import Call
from rewriter.graph.changes import Action, Change
from rewriter.graph.graph import Layer
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.printable import printable, value_text
from rewriter.pipeline.run import PlanData
from rewriter.report.diff import SIGNS, config_changes
from rewriter.report.text import change_detail, option_changes

FOLD_FROM = 40
"""Models with so many calls are drawn folded: runs of unchanged ones as one node."""

DRAWN_CHANGES = 300
"""Changed calls of a model that stay visible when it is folded; the others fold as well."""

_SAID = 8
"""Changes of a layer that are told beside its node."""

_SMALLEST_FOLD = 3
_Node = tuple[str, Call]


@dataclass(frozen=True, slots=True)
class Drawings:
    """What the page draws.

    Parameters
    ----------
    graphs : list of dict
        One for each model, the outermost first: ``title``, ``nodes``, ``edges``, ``folded``.
    masks : list of str
        The masks that edges carry, by number.
    """

    graphs: list[dict[str, Any]]
    masks: list[str]


def drawings(plan: PlanData) -> Drawings:
    """Return a plan as plain data for the page."""
    pairs: dict[tuple[str, ...], list[ModelGraph | None]] = {}
    for side, outermost in enumerate((plan.before, plan.after)):
        for graph in outermost.walk():
            pairs.setdefault(graph.path, [None, None])[side] = graph
    masks: dict[str, int] = {}
    declared = plan.context.declared_masks
    flows = [_flows(plan.before, declared), _flows(plan.after, declared)]
    changes = _Changes.of(plan.changes)
    numbers = {path: number for number, path in enumerate(pairs)}
    drawn = [
        _Drawing(path, pair, flows, masks, changes, numbers).to_json(plan.model)
        for path, pair in pairs.items()
    ]
    return Drawings(drawn, list(masks))


def _flows(
    graph: ModelGraph, declared: Mapping[str, str]
) -> dict[tuple[tuple[str, ...], Call], CallFlow]:
    flows: dict[tuple[tuple[str, ...], Call], CallFlow] = {}
    for flow in mask_flow(graph, declared=declared):
        flows.setdefault((flow.graph.path, flow.call), flow)
    return flows


@dataclass(frozen=True, slots=True)
class _Said:
    """What the changes of a layer say on one side."""

    action: Action | None
    words: list[str]
    config: list[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class _Changes:
    """The changes of a plan by the path of their layer, and of the layers that it is inside of."""

    of_layer: Mapping[str, list[Change]]
    inside: Mapping[str, list[Change]]
    moved: frozenset[str]
    said: dict[tuple[int, str, str], _Said] = field(default_factory=dict)

    @classmethod
    def of(cls, changes: Sequence[Change]) -> _Changes:
        own: dict[str, list[Change]] = {}
        inside: dict[str, list[Change]] = {}
        for change in changes:
            own.setdefault(change.layer, []).append(change)
            place = change.layer.rpartition("/")[0]
            while place:
                if len(there := inside.setdefault(place, [])) < _SAID:
                    there.append(change)
                place = place.rpartition("/")[0]
        moved = frozenset(each.layer for each in changes if each.action is Action.MOVE)
        return cls(own, inside, moved)

    def say(self, layer: Layer, path: str, side: str) -> _Said:
        """Return what is said of a layer, the same at each of its calls."""
        key = (id(layer), path, side)
        if key not in self.said:
            self.said[key] = self._say(layer, path, side)
        return self.said[key]

    def _say(self, layer: Layer, path: str, side: str) -> _Said:
        own = [each for each in self.of_layer.get(path, ()) if _shows(each, side)]
        holds_layers = layer.graph is not None or bool(layer.inner)
        inside = self.inside.get(path, []) if holds_layers else []
        actions = {each.action for each in own} or ({Action.CONFIGURE} if inside else set())
        words = list(dict.fromkeys(map(_said, own[:_SAID])))
        if len(own) > _SAID:
            words.append(f"and {len(own) - _SAID} more changes of this layer")
        words += [f"{printable(each.layer)}: {_said(each)}" for each in inside]
        action = next((each for each in SIGNS if each in actions), None)
        return _Said(action, words, _config(layer, own[:_SAID]))


@dataclass(slots=True)
class _Drawing:
    """One model."""

    path: tuple[str, ...]
    pair: Sequence[ModelGraph | None]
    flows: Sequence[Mapping[tuple[tuple[str, ...], Call], CallFlow]]
    masks: dict[str, int]
    changes: _Changes
    numbers: Mapping[tuple[str, ...], int]
    nodes: dict[_Node, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[_Node, _Node], dict[str, Any]] = field(default_factory=dict)

    def to_json(self, model: str) -> dict[str, Any]:
        """Return the model as plain data."""
        for side, graph in zip(("before", "after"), self.pair, strict=True):
            if graph is not None:
                self.add(graph, side)
        order = {node: number for number, node in enumerate(self.nodes)}
        folds = self.folds()
        for node, said in self.nodes.items():
            said["fold"] = folds.get(node)
        edges = [
            {"from": order[source], "to": order[target], **sides}
            for (source, target), sides in self.edges.items()
        ]
        title = printable("/".join(self.path) or model)
        return {
            "title": title,
            "nodes": list(self.nodes.values()),
            "edges": edges,
            "folded": bool(folds),
        }

    def add(self, graph: ModelGraph, side: str) -> None:
        """Add the calls of one side."""
        flows = self.flows[side == "after"]
        for call in graph.calls():
            layer = graph.layer(call)
            node = self.nodes.setdefault(self.node(graph, call, side), _blank(graph, call, layer))
            node[side] = self.side(graph, call, side, flows.get((graph.path, call)))
            node["nested"] = self.nested(layer)
            node["class"] = max(node["class"], printable(layer.class_name), key=len)
        for source, target, _ in graph.network.edges(keys=True):
            ends = (self.node(graph, source, side), self.node(graph, target, side))
            flow = flows.get((graph.path, source))
            mask = None if flow is None else self.mask(flow.mask_out)
            self.edges.setdefault(ends, {"before": None, "after": None})[side] = {"mask": mask}

    def node(self, graph: ModelGraph, call: Call, side: str) -> _Node:
        """Return the key of a call: one for both sides, unless it moves."""
        return (side if graph.path_of(call) in self.changes.moved else "both", call)

    def side(
        self, graph: ModelGraph, call: Call, side: str, flow: CallFlow | None
    ) -> dict[str, Any]:
        """Return what is drawn of a call on one side."""
        layer = graph.layer(call)
        word = self.changes.say(layer, graph.path_of(call), side)
        return {
            "class": printable(layer.class_name),
            "mark": "" if word.action is None else SIGNS[word.action],
            "action": "" if word.action is None else word.action.value,
            "said": word.words,
            "config": word.config,
            "uses": self.mask(flow.mask_in) if flow is not None and flow.uses else None,
            "loses": flow is not None and flow.loses,
        }

    def nested(self, layer: Layer) -> int | None:
        """Return the number of the model that a layer is, or wraps."""
        for each in layer.walk():
            if each.graph is not None:
                return self.numbers.get(each.graph.path)
        return None

    def mask(self, mask: Mask) -> int | None:
        """Return the number of a mask, -1 if it is not known, None if there is none."""
        if not mask.known:
            return -1
        return self.masks.setdefault(printable(str(mask)), len(self.masks)) if mask else None

    def folds(self) -> dict[_Node, int]:
        """Return the number of its run for each call that is far from a change that stays visible.

        Runs are split at the calls that stay visible, so that the folded graph has no cycle.
        """
        if len(self.nodes) < FOLD_FROM:
            return {}
        network = nx.DiGraph(list(self.edges))
        network.add_nodes_from(self.nodes)
        changed = [node for node, said in self.nodes.items() if _is_changed(said)][:DRAWN_CHANGES]
        if not changed or not nx.is_directed_acyclic_graph(network):
            return {}
        kept = set(changed) | {near for node in changed for near in nx.all_neighbors(network, node)}
        level: dict[_Node, int] = {}
        for node in nx.topological_sort(network):
            above = [level[each] + (each in kept) for each in network.predecessors(node)]
            level[node] = max(above, default=0)
        hidden = nx.Graph()
        hidden.add_nodes_from(node for node in network if node not in kept)
        hidden.add_edges_from(
            (a, b) for a, b in network.edges if level[a] == level[b] and not {a, b} & kept
        )
        runs = [run for run in nx.connected_components(hidden) if len(run) >= _SMALLEST_FOLD]
        return {node: number for number, run in enumerate(runs) for node in run}


def _is_changed(node: Mapping[str, Any]) -> bool:
    return any(node[side] and node[side]["action"] for side in ("before", "after"))


def _blank(graph: ModelGraph, call: Call, layer: Layer) -> dict[str, Any]:
    return {
        "label": printable(str(call)),
        "class": printable(layer.class_name),
        "path": printable(graph.path_of(call), 300),
        "before": None,
        "after": None,
    }


def _shows(change: Change, side: str) -> bool:
    """Whether a change is marked on a side: what is removed is not there afterwards."""
    only = {Action.REMOVE: "before", Action.INSERT: "after"}
    return only.get(change.action, side) == side


def _said(change: Change) -> str:
    detail = [change_detail(change)] if change.action is not Action.INSERT else []
    detail += option_changes(change)
    shown = "; ".join(filter(None, detail))
    reason = f"{printable(change.reason, 400)} [{change.pass_name}]"
    return f"{change.action.value}: {shown + ' - ' if shown else ''}{reason}"


def _config(layer: Layer, changes: Sequence[Change]) -> list[tuple[str, str, bool]]:
    """Return the rows of a layer's config, and which of them a change touches."""
    touched = {key for change in changes for key, _, _ in config_changes(change)}
    rows = [
        (printable(str(key)), _shown(value), key in touched) for key, value in layer.config.items()
    ]
    return [row for row in rows if row[1] != "null" or row[2]][:40]


def _shown(value: Any) -> str:
    """Return a value of a config, an object of Keras by its class and config."""
    if isinstance(value, dict) and "class_name" in value:
        config = value.get("config")
        held = config if isinstance(config, dict) else {}
        inside = ", ".join(f"{key}={each}" for key, each in held.items() if each is not None)
        return printable(f"{value['class_name']}({inside})", 160)
    return value_text(value)
