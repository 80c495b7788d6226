"""Move the weights of a ``.keras`` file to where Keras will look for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rewriter.graph.model_graph import ModelGraph
from rewriter.saved.by_file.level_edits import LevelEdit, LevelPlanner
from rewriter.saved.by_file.optimizer_order import sequence, slot_order
from rewriter.saved.by_file.stored_groups import child, own_name

_WITHOUT_SEEDS = ("2.", "3.15.")
"""Releases of Keras that were seen to save no seeds of noise layers."""

_MOVED = "moved by keras-rewriter"


@dataclass(frozen=True, slots=True)
class WeightsEdit:
    """What changes in the weights file of an archive.

    Parameters
    ----------
    levels : sequence of LevelEdit
        Changes among groups, in the order in which they are made.
    slots : sequence of int
        The old numbers of the optimizer's variables, in their new order; empty if that stays.
    """

    levels: Sequence[LevelEdit]
    slots: Sequence[int]

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.levels and not self.slots

    def apply(self, root: Any) -> None:
        """Make the changes in an open HDF5 file."""
        named = own_name(root) is not None
        for level in self.levels:
            group = root.require_group(level.group)
            for name in level.removed:
                del group[name]
            for name, layer in level.renamed.items():
                group[name]["vars"].attrs["name"] = layer
            _rename(group, level.renames)
            for name, layer in level.inserted.items():
                own = group.create_group(name).create_group("vars")
                if named:
                    own.attrs["name"] = layer
        if self.slots:
            names = {str(old): str(new) for new, old in enumerate(self.slots) if old != new}
            _rename(root["optimizer/vars"], names)


def plan_archive(
    before: ModelGraph,
    after: ModelGraph,
    root: Any,
    optimizer: Any,
    version: str,
) -> WeightsEdit:
    """Return what changes in a weights file, given its root group.

    Parameters
    ----------
    before, after : ModelGraph
        The graph of the file, and as passes left it.
    root : h5py.Group
        The weights file.
    optimizer : mapping, str or None
        The optimizer as the config tells it.
    version : str
        The release of Keras that saved it.

    Raises
    ------
    UncertainError
        It does not follow.
    """
    planner = LevelPlanner(saves_no_seeds=version.startswith(_WITHOUT_SEEDS))
    planner.plan(before, after, child(root, "layers"))
    edits = [
        each
        for each in planner.edits
        if each.renames or each.removed or each.inserted or each.renamed
    ]
    old, new = sequence(before, planner.data), sequence(after, planner.data)
    held = child(root, "optimizer")
    own = None if held is None else child(held, "vars")
    if old == new or own is None:
        return WeightsEdit(edits, ())
    shapes = [own[str(number)].shape for number in range(len(own))]
    layers = {
        layer.origin: (layer, [each.shape for each in planner.data.get(layer.origin, ())])
        for graph in before.walk()
        for layer in graph.layers
    }
    order = slot_order(optimizer or {}, shapes, old, new, layers)
    return WeightsEdit(edits, () if order == sorted(order) else order)


def _rename(group: Any, names: Mapping[str, str]) -> None:
    """Give groups other names, which some of the others may have now."""
    for old in names:
        group.move(old, f"{_MOVED} {old}")
    for old, new in names.items():
        group.move(f"{_MOVED} {old}", new)
