"""Load a saved model with Keras, within the safety rules and the limits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rewriter.analysis.run_sizes import ROWS
from rewriter.dialects import decode
from rewriter.errors import ModelReadError, RewriterError, UnsupportedModelError, first_line
from rewriter.graph.changes import Note, Stage
from rewriter.graph.model_graph import ModelGraph
from rewriter.live.adapters import Live, live_keras, require_tensorflow_backend
from rewriter.live.load_limits import in_proportion, load_bounded, refuse_large_trace
from rewriter.saved import ModelFile
from rewriter.saved.safety.admission import Admission, admit
from rewriter.saved.safety.open_file import OpenModelFile, kept_open
from rewriter.saved.safety.run_limits import refuse_large_run


@dataclass(slots=True)
class Loaded:
    """A saved model, live.

    Parameters
    ----------
    model : live model
        The model.
    compiled : bool
        False where the file has a training configuration that could not be used.
    notes : list of Note
        What the user should know of it.
    """

    model: Live
    compiled: bool = True
    notes: list[Note] = field(default_factory=list)


def load(
    file: ModelFile,
    custom_objects: Mapping[str, Any],
    *,
    allow_code: bool = False,
    limits: bool = True,
    graph: ModelGraph | None = None,
    rows: int = ROWS,
) -> Loaded:
    """Load a saved model; without its training configuration if that cannot be used.

    `graph` is that of the file, where it is known; `rows` the most that it is to be run on.

    Raises
    ------
    UnsupportedModelError
        Loading it would run code, or read or write another file, and that is not allowed.
    ModelReadError
        Keras cannot load it, or it declares more than its size allows.
    """
    require_tensorflow_backend()
    with kept_open(file) as source:
        admission = admit(file, custom_objects, source, allow_code=allow_code, limits=limits)
        known = refuse_large_run(file, graph, limits=limits, rows=rows)
        loaded = _loaded(source, custom_objects, admission, limits, rows)
    if not known:
        refuse_large_trace(file, loaded.model, rows)
    _keep_names(file, graph, loaded.model)
    return loaded


def _keep_names(file: ModelFile, graph: ModelGraph | None, model: Live) -> None:
    from rewriter.live.naming import keep_names

    with suppress(UnsupportedModelError):  # its graph is read from the live model, names and all
        keep_names(graph or decode(file.document, file.keras), model, live_keras(file.keras))


def _loaded(
    source: OpenModelFile,
    custom_objects: Mapping[str, Any],
    admission: Admission,
    limits: bool,
    rows: int,
) -> Loaded:
    file = source.file
    keras = live_keras(file.keras)
    load_file = partial(keras.load, source, custom_objects, allow_code=admission.allow_code)
    bounded = partial(load_bounded, file, limits=limits, rows=rows)
    reason = admission.reason
    if file.training_config and admission.compiled:
        try:
            model, warned = _with_warnings(lambda: bounded(partial(load_file, compiled=True)))
            return Loaded(model, notes=[_note(model, each) for each in warned])
        except ModelReadError:  # beyond a limit
            raise
        except Exception as error:
            reason = first_line(error)
    try:
        model, warned = _with_warnings(lambda: bounded(partial(load_file, compiled=False)))
    except ModelReadError:
        raise
    except Exception as error:
        raise _load_error(file, error, custom_objects, admission, limits) from error
    notes = [_note(model, each) for each in warned]
    if not file.training_config:
        return Loaded(model, notes=notes)
    left_out = (
        f"loaded without its training configuration ({reason}); the configuration is carried "
        "over as it stands in the file, the optimizer's state is not"
    )
    return Loaded(model, False, [_note(model, left_out), *notes])


def _note(model: Live, reason: str) -> Note:
    return Note(model.name, type(model).__name__, reason, stage=Stage.LOAD)


def _with_warnings(load_file: Callable[[], Live]) -> tuple[Live, list[str]]:
    """Return a model, and what Keras said of something that it left out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_file()
    texts = [" ".join(str(each.message).split()) for each in caught]
    return model, [text for text in dict.fromkeys(texts) if text.startswith("Skipping")]


def _load_error(
    file: ModelFile,
    error: Exception,
    custom_objects: Mapping[str, Any],
    admission: Admission,
    limits: bool,
) -> RewriterError:
    revive = partial(
        live_keras(file.keras).revive_layer,
        custom_objects=custom_objects,
        allow_code=admission.allow_code,
    )
    with in_proportion(file, limits=limits):
        layer, reason = next(_rejected(file.document, revive), ("", error))
    text = _innermost(reason)
    unknown = ("Unknown layer", "Could not locate", "Unknown ", "not registered")
    fix = "check that the file loads in Keras"
    if any(words in str(error) for words in unknown):
        fix = "name the module that has the custom class or function with --custom MODULE[:NAME]"
    return ModelReadError(
        f"Keras {file.keras} cannot load it: {text}",
        where=f"{file.path}: {layer}" if layer else str(file.path),
        fix=fix,
    )


def _rejected(
    model: Mapping[str, Any], revive: Callable[[Mapping[str, Any]], Any], above: str = ""
) -> Iterator[tuple[str, Exception]]:
    """Yield the paths of the layers whose configs Keras rejects, and what it says."""
    config = model.get("config")
    for entry in (config.get("layers") if isinstance(config, dict) else config) or ():
        path = f"{above}{entry.get('name') or entry['config'].get('name')}"
        if isinstance(entry["config"], list) or "layers" in entry["config"]:
            yield from _rejected(entry, revive, f"{path}/")
            continue
        try:
            revive(entry)
        except Exception as error:
            yield path, error


def _innermost(error: Exception) -> str:
    """Return what the class of a layer says, where Keras has put a frame around it."""
    causes = re.findall(r"Exception encountered: *(\S.*)", str(error))
    return str(causes[-1])[:300] if causes else first_line(error)
