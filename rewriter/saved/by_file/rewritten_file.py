"""Write a copy of a model file with another config, its weights where Keras will look for them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from rewriter.dialects import encode
from rewriter.errors import RewriterError, first_line
from rewriter.graph.model_graph import ModelGraph
from rewriter.graph.nested import leaves
from rewriter.saved.by_file.archive_copy import copy_archive
from rewriter.saved.by_file.archive_weights import WeightsEdit, plan_archive
from rewriter.saved.by_file.copying import copy_part
from rewriter.saved.by_file.hdf5_model import ModelEdit, plan_hdf5
from rewriter.saved.by_file.layer_order import UncertainError
from rewriter.saved.by_file.member_to_edit import EditedMember
from rewriter.saved.by_file.tensor_specs import with_specs
from rewriter.saved.formats.weights_h5 import WEIGHTS
from rewriter.saved.formats.zip_members import DAMAGE, seekable
from rewriter.saved.safety.file_state import size_of
from rewriter.saved.safety.open_file import CONFIG, OpenModelFile
from rewriter.saved.writing.hdf5_writer import hdf5_to_write, opened

METADATA = "metadata.json"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What is to be written for a rewrite that is done on the file.

    Parameters
    ----------
    document : dict
        The new config.
    edit : WeightsEdit or ModelEdit
        What changes among the weights.
    """

    document: dict[str, Any]
    edit: WeightsEdit | ModelEdit


def plan_by_file(source: OpenModelFile, before: ModelGraph, after: ModelGraph) -> FilePlan:
    """Return what a rewrite does to the file of a model.

    Parameters
    ----------
    source : OpenModelFile
        The file, looked through and held open.
    before, after : ModelGraph
        Its graph, and as the passes left it.

    Raises
    ------
    UncertainError
        It does not follow with certainty from the graphs and the file.
    """
    file = source.file
    if file.training_config and _outputs(before) != _outputs(after):
        raise UncertainError("its outputs have other names, by which it may be compiled")
    try:
        if file.format == "keras":
            edit: WeightsEdit | ModelEdit = _plan_archive(source, before, after)
        else:
            import h5py

            assert source.opened is not None
            with h5py.File(source.opened, "r") as root:
                edit = plan_hdf5(before, after, root, file.training_config)
    except RewriterError:
        raise
    except (*DAMAGE, KeyError, TypeError, AttributeError) as error:
        what = f"its weights file is not as Keras writes it: {first_line(error)}"
        raise UncertainError(what) from error
    return FilePlan(encode(with_specs(after, before)), edit)


def write_by_file(
    source: OpenModelFile, planned: FilePlan, target: Path, record: tuple[str, dict[str, Any]]
) -> None:
    """Write the file of a rewrite, under a temporary name.

    Parameters
    ----------
    source : OpenModelFile
        The file that it comes from.
    planned : FilePlan
        What changes.
    target : Path
        An empty file.
    record : (str, dict)
        The key under which the file tells of the rewrite, and what it tells.
    """
    key, said = record
    raw = source.unbuffered
    if isinstance(planned.edit, WeightsEdit):
        _write_archive(raw, planned, planned.edit, target, {key: said})
        return
    with target.open("r+b", buffering=0) as file:
        copy_part(raw, 0, size_of(source.file.state), cast(BinaryIO, file), 0)
    texts = {"model_config": json.dumps(planned.document), key: json.dumps(said)}
    with hdf5_to_write(target, "r+") as root:
        planned.edit.apply(root, texts)


def _plan_archive(source: OpenModelFile, before: ModelGraph, after: ModelGraph) -> WeightsEdit:
    import h5py

    assert source.opened is not None
    with zipfile.ZipFile(source.opened) as archive:
        if WEIGHTS not in archive.NameToInfo:
            raise UncertainError(f"it has no {WEIGHTS}")
        with (
            seekable(archive, archive.getinfo(WEIGHTS)) as member,
            h5py.File(member, "r") as root,
        ):
            training = source.file.training_config or {}
            version = source.file.version or ""
            return plan_archive(before, after, root, training.get("optimizer"), version)


def _write_archive(
    raw: BinaryIO, planned: FilePlan, edit: WeightsEdit, target: Path, record: dict[str, Any]
) -> None:
    def change(member: EditedMember) -> None:
        with opened(member, "r+") as root:
            edit.apply(root)

    edits: Mapping[str, Callable[[EditedMember], None]] = {} if edit.empty else {WEIGHTS: change}
    with zipfile.ZipFile(raw) as archive, target.open("r+b", buffering=0) as file:
        metadata = {**json.loads(archive.read(METADATA)), **record}
        texts = {CONFIG: planned.document, METADATA: metadata}
        copied = {name: json.dumps(each).encode() for name, each in texts.items()}
        copy_archive(raw, archive, cast(BinaryIO, file), copied, edits)


def _outputs(graph: ModelGraph) -> list[str]:
    return [end.call.layer for end in leaves(graph.outputs)]
