"""Carry a plan out on the file of a model, where what has to be written follows with certainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.plans import Plan, plan_and_load, plan_file
from rewriter.api.result import Later, Result, Way
from rewriter.api.rewriting import LOADING, Progress, lost_notes, measured, plan_changes, record_of
from rewriter.errors import RewriterError, UnsupportedModelError, first_line
from rewriter.live.loading import Loaded, load
from rewriter.saved import ModelFile, read
from rewriter.saved.additions.carry import RECORD
from rewriter.saved.additions.config_merge import lost
from rewriter.saved.by_file.layer_order import UncertainError
from rewriter.saved.by_file.rewritten_file import FilePlan, plan_by_file, write_by_file
from rewriter.saved.safety.admission import admit
from rewriter.saved.safety.links_and_sizes import ENDINGS
from rewriter.saved.safety.open_file import OpenModelFile, kept_open
from rewriter.saved.writing.replace import replacing

if TYPE_CHECKING:
    from rewriter.verification.result import Verification


@dataclass(frozen=True, slots=True)
class FileRewrite:
    """A rewrite of a file to a file.

    Parameters
    ----------
    file : ModelFile
        The original.
    target : Path
        Where it is written.
    custom_objects : mapping of str to class or function
        What is needed to load either.
    verify, allow_code, limits, force : bool
        As `rewriter.rewrite` takes them.
    data : mapping of str to array, or None
        Inputs of the user's.
    doing : callable
        Given what is being done, in words, returns a context that lasts as long.
    """

    file: ModelFile
    target: Path
    custom_objects: Mapping[str, Any]
    verify: bool
    data: Any
    force: bool
    allow_code: bool
    limits: bool
    doing: Progress

    def run(self, plan: Plan) -> Result:
        """Write the file of a plan; verified, if that is wanted.

        Raises
        ------
        UncertainError
            What has to be written does not follow: nothing was written.
        RewriterError
            The file is refused, or cannot be written, or the guarantee does not hold.
        """
        in_place = self.target.exists() and self.target.samefile(self.file.path)
        with (
            self.doing(f"writing {self.target}"),
            replacing(
                self.target, backup=in_place, like=self.file.path, force=self.force
            ) as temporary,
        ):
            planned = self.write(plan, temporary)
            made: Any = Later(cache(partial(self.load, self.target)))
            verification = None
            if self.verify:
                plan, made, verification = self.verified(plan, temporary)
        notes = lost_notes(lost(self.file.document, planned.document))
        plan = replace(plan, notes=(*plan.notes, *notes))
        return Result(made, plan, verification, self.target, way=Way("file"))

    def write(self, plan: Plan, temporary: Path) -> FilePlan:
        """Look the file through as if it were to be loaded, and write the new one."""
        with kept_open(self.file) as source:
            self.admit(source)
            planned = plan_by_file(source, plan.before, plan.after)
            said = record_of(plan, verified=self.verify and plan_changes(plan))
            write_by_file(source, planned, temporary, (RECORD, said))
        return planned

    def admit(self, source: OpenModelFile) -> None:
        """Refuse what would be refused if it were loaded."""
        admit(
            self.file,
            self.custom_objects,
            source,
            allow_code=self.allow_code,
            limits=self.limits,
        )

    def verified(self, plan: Plan, written: Path) -> tuple[Plan, Any, Verification]:
        """Have Keras load both files, and compare them."""
        from rewriter.analysis.graph_differences import differences
        from rewriter.live.reading import written_graph

        with self.doing(LOADING):
            plan, original = plan_and_load(self.file, plan, self.data, self.load_original)
            try:
                new = self.load(written)
                other = next(differences(plan.after, written_graph(new)), None)
            except Exception as error:
                raise UncertainError(
                    f"Keras does not load the edited file: {first_line(error)}"
                ) from error
        if other is not None:
            raise UncertainError(f"Keras loads another model from the edited file: {other.what}")
        verification = measured(
            plan, original.model, new, self.doing, self.data, self.custom_objects, share=False
        )
        said = "Keras loads it, and it is what was compared"
        verification = replace(verification, written=said)
        return replace(plan, notes=(*original.notes, *plan.notes)), new, verification

    def load_original(self, graph: Any) -> Loaded:
        """Have Keras load the file."""
        return load(
            self.file,
            self.custom_objects,
            allow_code=self.allow_code,
            limits=self.limits,
            graph=graph,
        )

    def load(self, path: Path) -> Any:
        """Have Keras load the new file: what it holds was looked through in the old one."""
        file = read(path, limits=self.limits)
        return load(file, self.custom_objects, allow_code=self.allow_code, limits=self.limits).model


def plan_for_file(file: ModelFile, passes: Any, data: Any) -> Plan | None:
    """Return the plan for a file, made of the file alone; None where that does not do."""
    if isinstance(passes, Plan):
        known = passes.source.file is file and passes.source.loaded is None
        return passes if known else None
    try:
        return plan_file(file, passes, data)
    except UnsupportedModelError:
        return None


def why_not(file: ModelFile | None, target: Path | None, weights: str, rehearse: bool) -> str:
    """Say why a rewrite is none of a file to a file of the same form; nothing if it is one."""
    if file is None:
        return "the model is a live one"
    if target is None:
        return "no file is written"
    if target.suffix not in ENDINGS.get(file.format, ()):
        return "the new file is of another format, or a directory"
    if weights != "copy" or rehearse:
        return "two live models are wanted"
    return ""


def require_way(error: RewriterError) -> str:
    """Return the reason for which Keras writes the file."""
    return f"{error.where}: {error.what}" if error.where else error.what
