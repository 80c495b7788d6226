"""Let a model file in to Keras, or refuse it with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewriter.errors import UnsupportedModelError
from rewriter.saved.model_file import ModelFile
from rewriter.saved.safety.child_process import references_of
from rewriter.saved.safety.dangers import Danger, dangers, known_names
from rewriter.saved.safety.open_file import OpenModelFile

SHOWN = 5
"""So many dangers are told one by one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """How a file may be loaded.

    Parameters
    ----------
    allow_code : bool
        Whether Keras' safe mode is lifted.
    compiled : bool
        Whether the training configuration may be used.
    reason : str
        Why not, where not.
    """

    allow_code: bool
    compiled: bool = True
    reason: str = ""


def admit(
    file: ModelFile,
    custom_objects: Mapping[str, Any],
    source: OpenModelFile | None = None,
    *,
    allow_code: bool = False,
    limits: bool = True,
) -> Admission:
    """Look a file through before Keras sees it, and refuse what would run, read or write.

    A training configuration that names what is not at hand keeps nobody out: it is not used.

    Parameters
    ----------
    file : ModelFile
        What was read of it.
    custom_objects : mapping of str to class or function
        What the user brought.
    source : OpenModelFile, optional
        The file, held open until it is loaded.
    allow_code : bool
        Whether the user trusts the file: what it does is then told in a warning.
    limits : bool
        Whether what the file declares must be in proportion to its size.

    Raises
    ------
    UnsupportedModelError
        The file would run code, or read or write another file.
    ModelReadError
        It is damaged, or declares more than its size allows.
    """
    known = known_names(custom_objects, file.keras)
    document = {key: each for key, each in file.document.items() if key != "compile_config"}
    found = [
        *dangers(document, known),
        *(
            Danger(place, "what the file holds", what)
            for place, what in references_of(file, source, limits=limits)
        ),
    ]
    in_training = list(dangers(file.training_config, known))
    if allow_code:
        if found or in_training:
            does = _list([*found, *in_training])
            warnings.warn(f"{file.path} is trusted, and does this: {does}", stacklevel=3)
        return Admission(True)
    if found:
        raise _refusal(file, found)
    return Admission(False, not in_training, _list(in_training))


def _refusal(file: ModelFile, dangers: list[Danger]) -> UnsupportedModelError:
    first, *rest = dangers
    where = f"{file.path}: {first.layer}" if first.layer else str(file.path)
    more = f"; there is more in this file: {_list(rest)}" if rest else ""
    fix = "if you trust the file, load it with --allow-code (in Python, allow_code=True)"
    if first.custom:
        fix = (
            "name the module that defines it with --custom MODULE[:NAME] (in Python, "
            f"custom_objects); {fix}"
        )
    return UnsupportedModelError(f"{first.class_name} {first.what}{more}", where=where, fix=fix)


def _list(dangers: list[Danger]) -> str:
    shown = "; ".join(map(str, dangers[:SHOWN]))
    return (
        shown
        if len(dangers) <= SHOWN
        else f"{shown}; and {len(dangers) - SHOWN} more, which the command check lists"
    )
