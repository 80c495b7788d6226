"""Parse JSON from an untrusted file: an object of bounded size and depth, or an error."""

from __future__ import annotations

import json
from typing import Any

from rewriter.errors import ModelReadError

DEPTH_LIMIT = 256  # a nested model adds four levels; Keras itself gives up far earlier
# Memory per character of structure, measured with CPython 3.11 over the worst cases known.
_MEMORY = {b"{": 200, b"[": 96, b",": 48, b":": 60, b'"': 36}


def parse(text: bytes, name: str, memory_limit: int) -> dict[str, Any]:
    """Return the JSON object that a text holds.

    Parameters
    ----------
    text : bytes
        UTF-8.
    name : str
        What the text is, for messages: ``config.json``.
    memory_limit : int
        Bytes that the text and the parsed object may take together.

    Raises
    ------
    ModelReadError
        If the text is no JSON, no object, nested deeper than `DEPTH_LIMIT`, or would take more
        memory than allowed.

    Examples
    --------
    >>> parse(b'{"class_name": "Sequential"}', "config.json", 2**20)
    {'class_name': 'Sequential'}
    """
    if _memory(text) > memory_limit:
        raise too_large(name, memory_limit)
    try:
        document = json.loads(text.decode("utf-8"))
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:
        raise ModelReadError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelReadError(f"{name} holds no JSON object, so no model")
    level: list[Any] = [document]
    for _ in range(DEPTH_LIMIT):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return document
    raise _too_deep(name)


def too_large(name: str, limit: int) -> ModelReadError:
    """Return the error for a text beyond a limit."""
    return ModelReadError(
        f"{name} takes more than the {limit // 2**20} MB that are read",
        fix="keep large constants and vocabularies out of the config, or lift the limit with "
        "--no-limits (in Python, limits=False)",
    )


def _memory(text: bytes) -> int:
    """Estimate from above what a text and the object parsed from it take.

    Five bytes of JSON can become a dict of 200 bytes, so the length alone says little; 64 MB of
    numbers, which Keras 2 writes for ``Embedding(embeddings_initializer=Constant(matrix))``,
    are harmless.
    """
    decoded_width = 1 if text.isascii() else 4
    string_width = 4 if decoded_width == 4 or b"\\u" in text else 1
    structure = sum(text.count(mark) * size for mark, size in _MEMORY.items())
    return len(text) * (1 + decoded_width + string_width) + structure


def _children(parent: Any) -> list[Any]:
    values = parent.values() if isinstance(parent, dict) else parent
    return [value for value in values if isinstance(value, (dict, list))]


def _too_deep(name: str) -> ModelReadError:
    return ModelReadError(f"{name} is nested more than {DEPTH_LIMIT} levels deep")
