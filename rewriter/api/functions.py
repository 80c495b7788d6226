"""Define the public functions: read, check, plan, rewrite, verify, rehearse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewriter.api.by_file import FileRewrite, plan_for_file, require_way, why_not
from rewriter.api.one_error import with_one_error
from rewriter.api.plans import (
    Model,
    Passes,
    Plan,
    Source,
    live_graph,
    plan_and_load,
    plan_file,
    plan_for_live,
    plan_live,
)
from rewriter.api.rehearsing import compared
from rewriter.api.result import Result, Way
from rewriter.api.rewriting import LOADING, Progress, carry_out, write
from rewriter.errors import RewriterError
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import keras_of
from rewriter.live.loading import Loaded, load
from rewriter.pipeline.passes import Guarantee
from rewriter.saved import ModelFile
from rewriter.saved import read as read_file
from rewriter.saved.by_file.layer_order import UncertainError
from rewriter.saved.decoding import graph_of
from rewriter.saved.writing.output import check_output

if TYPE_CHECKING:
    from rewriter.analysis.masks import CallFlow
    from rewriter.checks.findings import Finding
    from rewriter.verification.result import Verification


@with_one_error
def read(model: Model, *, limits: bool = True) -> ModelGraph:
    """Return the graph of a model.

    Parameters
    ----------
    model : live model, str or Path
        A file is read without TensorFlow, and nothing in it is run.
    limits : bool
        Whether what a file declares is held against limits before memory is taken for it.

    Raises
    ------
    ModelReadError
        The file is no model.
    UnsupportedModelError
        The model has no graph.

    Examples
    --------
    >>> import keras, rewriter
    >>> model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="out")])
    >>> [str(call) for call in rewriter.read(model).calls()]
    ['x', 'out']
    """
    if isinstance(model, str | Path):
        return graph_of(read_file(model, limits=limits))
    return live_graph(model)[0]


@with_one_error
def check(
    model: Model,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    keras_version: str | None = None,
) -> list[Finding]:
    """Return what is wrong with a model, told from its config alone.

    Parameters
    ----------
    model : live model, str or Path
        A file is read without TensorFlow, and nothing in it is run.
    select, ignore : sequence of str
        Codes, names, or beginnings of codes: ``RW2`` stands for all that begin so.
    keras_version : str, optional
        The Keras in question; by default the one that saved the file, or that is running.

    Raises
    ------
    RewriterError
        The model cannot be read, or there is no such code.

    Examples
    --------
    >>> import keras, rewriter
    >>> layers = keras.layers
    >>> ids = keras.Input((None,), dtype="int32", name="ids")
    >>> last = layers.LSTM(4, name="lstm")(layers.Embedding(9, 4, name="embedding")(ids))
    >>> for finding in rewriter.check(keras.Model(ids, last), select=["RW203"]):
    ...     print(finding.code, finding.layer)
    RW203 embedding
    """
    from rewriter.checks import check_graph, selected_codes
    from rewriter.saved.safety.links_and_sizes import references_by_name

    codes = selected_codes(select, ignore)
    if isinstance(model, str | Path):
        file = read_file(model)
        version = keras_version or file.version
        return check_graph(
            graph_of(file),
            codes=codes,
            version=version,
            format=file.format,
            documents=(file.document, file.training_config),
            references=references_by_name(file.path, file.format, file.document),
        )
    graph, declared = live_graph(model)
    return check_graph(graph, codes=codes, version=keras_version, declared=declared)


@with_one_error
def plan(
    model: Model,
    passes: Passes,
    *,
    data: Any = None,
    limits: bool = True,
) -> Plan:
    """Return what passes would do to a model, which is not changed.

    Parameters
    ----------
    model : live model, str or Path
        A file is read without TensorFlow, and nothing in it is run.
    passes : sequence of Pass or str
        As objects, or as on the command line.
    data : mapping of str to array, optional
        Inputs of the user's, by the names of the inputs, that passes may learn from.
    limits : bool
        Whether what a file declares is held against limits before memory is taken for it.

    Raises
    ------
    RewriterError
        The model cannot be read, or a pass is unknown.

    Examples
    --------
    >>> import keras, rewriter
    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, name="drop")])
    >>> model.add(layers.Dense(2, name="out"))
    >>> for change in rewriter.plan(model, ["strip-dropout"]).changes:
    ...     print(change.action.value, change.layer)
    remove drop
    """
    if isinstance(model, str | Path):
        return plan_file(read_file(model, limits=limits), passes, data)
    return plan_live(model, passes, data)


@with_one_error
def masks(model: Model) -> list[CallFlow]:
    """Return what happens to masks at each call of a model, nested models included.

    Parameters
    ----------
    model : live model, str or Path
        A file is read without TensorFlow, and nothing in it is run; what its custom layers do
        with masks is then not known.

    Returns
    -------
    list of CallFlow
        In the order in which Keras runs the calls; `CallFlow.to_json` gives the names that
        ``rewriter show MODEL --masks --format json`` prints.
    """
    from rewriter.analysis.masks import mask_flow

    if isinstance(model, str | Path):
        return mask_flow(read(model))
    graph, declared = live_graph(model)
    return mask_flow(graph, declared=declared)


@with_one_error
def rewrite(  # noqa: PLR0913
    model: Model,
    passes: Passes | Plan,
    *,
    output: str | Path | None = None,
    verify: bool = True,
    data: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    force: bool = False,
    weights: str = "copy",
    allow_code: bool = False,
    limits: bool = True,
    rehearse: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Rewrite a model: plan, rebuild, copy the weights, verify, write.

    Parameters
    ----------
    model : live model, str or Path
        Is not changed, unless `output` names its file and `force` is set.
    passes : sequence of Pass or str, or Plan
        As objects, or as on the command line; or the plan that `plan` made for this model, which
        is applied as it is.
    output : str or Path, optional
        Where to write the rewritten model, in the format that the ending names; in Keras 2, a
        name without an ending is a SavedModel directory.
    verify : bool
        Whether to measure the guarantee; if it does not hold, nothing is written.
    data : mapping of str to array, optional
        Inputs that passes may learn from, and to verify with besides those that are made.
    custom_objects : mapping of str to class or function, optional
        What a saved model needs to be loaded.
    force : bool
        Whether an output that exists is replaced.
    weights : {"copy", "share"}
        Whether the rewritten model has weights of its own, or uses the original's: for memory.
        Then what trains one changes the other, while each has its own optimizer state, noise
        seeds and states of stateful layers. Verification sees both alike.
    allow_code : bool
        Whether a file that would run code, or read or write another file, is loaded all the same,
        with a warning that says what it does. A live model needs no permission.
    limits : bool
        Whether what a file declares is held against limits before memory is taken for it.
    rehearse : bool
        Whether to make training steps on copies of both models, at several sizes.
    progress : callable, optional
        Given what is being done, in words, returns a context that lasts as long.

    Raises
    ------
    VerificationError
        The rewritten model does not keep the plan's guarantee; the error carries the
        verification and both models.
    RewriterError
        The model cannot be read, rewritten or written; `model` of the error is the live model
        that was given, untouched.

    Examples
    --------
    >>> import keras, rewriter
    >>> layers = keras.layers
    >>> model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, name="drop")])
    >>> model.add(layers.Dense(2, name="out"))
    >>> result = rewriter.rewrite(model, ["strip-dropout"])
    >>> [layer.name for layer in result.model.layers], result.verification.ok
    (['out'], True)
    """
    if weights not in ("copy", "share"):
        raise RewriterError(f"weights is {weights!r}, neither copy nor share", where="weights")
    doing = progress or (lambda words: nullcontext())
    with _handing_back(model):
        file = _file_of(model, passes, limits)
        target = None if output is None else Path(output)
        if target is not None:
            number = keras_of(model) if file is None else file.keras
            check_output(target, None if file is None else file.path, force, number)
        objects = dict(custom_objects or {})

        reason = why_not(file, target, weights, rehearse)
        if not reason and file is not None and target is not None:
            wanted = FileRewrite(
                file, target, objects, verify, data, force, allow_code, limits, doing
            )
            planned_alone = plan_for_file(file, passes, data)
            reason = "the file alone does not tell the plan"
            if planned_alone is not None:
                passes = planned_alone
                try:
                    return wanted.run(planned_alone)
                except UncertainError as error:
                    reason = require_way(error)

        def load_file(graph: ModelGraph | None) -> Loaded:
            assert file is not None
            with doing(LOADING):
                return load(file, objects, allow_code=allow_code, limits=limits, graph=graph)

        if file is None:
            planned, loaded = plan_for_live(model, passes, data), Loaded(model)
        else:
            planned, loaded = plan_and_load(file, passes, data, load_file)
        new, planned, verification = carry_out(
            planned,
            loaded.model,
            doing,
            verify=verify,
            data=data,
            custom_objects=objects,
            compiled=loaded.compiled,
            share=weights == "share",
        )
        notes = (*loaded.notes, *planned.notes)
        planned = replace(planned, notes=notes, source=Source())
        if target is not None:
            with doing(f"writing {target}"):
                verification, lost = write(
                    new,
                    planned,
                    target,
                    file,
                    compiled=loaded.compiled,
                    verification=verification,
                    original=loaded.model,
                    custom_objects=objects,
                    force=force,
                )
            planned = replace(planned, notes=(*planned.notes, *lost))
        rehearsed = None
        if rehearse:
            with doing("rehearsing both models"):
                rehearsed = compared(loaded.model, new, data, objects)
        return Result(new, planned, verification, target, rehearsed, Way("keras", reason))


@with_one_error
def verify(
    before: Model,
    after: Model,
    *,
    guarantee: Guarantee | str = Guarantee.SAME,
    tolerance: float = 0.0,
    data: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    limits: bool = True,
) -> Verification:
    """Measure whether one model gives the same outputs as another.

    Parameters
    ----------
    before, after : live model, str or Path
        Two models of the same Keras, with the same inputs.
    guarantee : Guarantee or str
        What to measure.
    tolerance : float
        How far outputs may differ, as a share of the greatest magnitude of each; 0 is to the bit.
    data : mapping of str to array, optional
        Inputs, besides those that are made.
    custom_objects : mapping of str to class or function, optional
        What saved models need to be loaded.
    allow_code : bool
        Whether a file that would run code, or read or write another file, is loaded all the same,
        with a warning that says what it does. A live model needs no permission.
    limits : bool
        Whether what a file declares is held against limits before memory is taken for it.

    Examples
    --------
    >>> import keras, rewriter
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> other = keras.models.clone_model(model)  # with weights of its own
    >>> rewriter.verify(model, model).ok, rewriter.verify(model, other).ok
    (True, False)
    """
    from rewriter.verification.running import Subject
    from rewriter.verification.verify import verify as verify_guarantee

    wanted = Guarantee.named(guarantee)
    files = [
        read_file(each, limits=limits) if isinstance(each, str | Path) else None
        for each in (before, after)
    ]
    graphs = [
        live_graph(each)[0] if file is None else graph_of(file)
        for each, file in zip((before, after), files, strict=True)
    ]
    if graphs[0].keras != graphs[1].keras:
        raise RewriterError(
            f"the models are of different Keras, {graphs[0].keras} and {graphs[1].keras}",
            fix="give two models of the same one",
        )
    objects = dict(custom_objects or {})
    models = [
        each if file is None else load(file, objects, allow_code=allow_code, limits=limits).model
        for each, file in zip((before, after), files, strict=True)
    ]
    return verify_guarantee(
        Subject(graphs[0], models[0]),
        Subject(graphs[1], models[1]),
        guarantee=wanted,
        tolerance=tolerance,
        data=data,
        custom_objects=objects,
    )


@contextmanager
def _handing_back(model: Model) -> Iterator[None]:
    """Put a live model, which is not changed, into the error that says why."""
    try:
        yield
    except RewriterError as error:
        if error.model is None and not isinstance(model, str | Path):
            error.model = model
        raise


def _file_of(model: Model, passes: Passes | Plan, limits: bool) -> ModelFile | None:
    """Return the file of a model, which a plan may have read; None for a live model."""
    if not isinstance(model, str | Path):
        return None
    known = passes.source.file if isinstance(passes, Plan) else None
    if known is not None and known.path == Path(model):
        return known
    return read_file(model, limits=limits)
