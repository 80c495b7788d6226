"""Read and write a few fields of protocol buffer messages.

TensorFlow brings its own reader and the types of its messages; this one works without it, on
messages that nobody vouches for. The format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rewriter.errors import ModelReadError

Value = int | memoryview
"""A number, or the bytes of a string, a message or a fixed-width number."""

_VARINT_LIMIT = 10  # bytes of 64 bits, seven in each
_FIXED = {1: 8, 5: 4}  # bytes by wire type


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message by their numbers, in their order; nothing is copied.

    Raises
    ------
    ModelReadError
        The bytes are no message, or end too early.

    Examples
    --------
    >>> [(number, value) for number, value in fields(memoryview(bytes([8, 150, 1])))]
    [(1, 150)]
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == 2:
            size, position = _varint(message, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise _damaged()
        if size > len(message) - position:
            raise _damaged()
        yield number, message[position : position + size]
        position += size


def messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the messages, strings or bytes that a field holds."""
    for number, value in fields(message):
        if number == wanted:
            if isinstance(value, int):
                raise _damaged()
            yield value


def number(message: memoryview, wanted: int) -> int:
    """Return the last number that a field holds; 0, the default, if it holds none."""
    held = [value for each, value in fields(message) if each == wanted]
    if not held:
        return 0
    if not isinstance(held[-1], int):
        raise _damaged()
    return held[-1]


def text(message: memoryview, wanted: int) -> str:
    """Return the last string that a field holds; the empty one if it holds none."""
    held = list(messages(message, wanted))
    try:
        return str(held[-1], "utf-8") if held else ""
    except UnicodeDecodeError:
        raise _damaged() from None


def encoded(held: Iterable[tuple[int, int | bytes | memoryview]]) -> bytes:
    """Return the message of fields that are numbers, strings or messages.

    Examples
    --------
    >>> list(encoded([(1, 150), (2, b"ab")]))
    [8, 150, 1, 18, 2, 97, 98]
    """
    written = bytearray()
    for key, value in held:
        if isinstance(value, int):
            written += _digits(key << 3) + _digits(value)
        else:
            written += _digits(key << 3 | 2) + _digits(len(value)) + value
    return bytes(written)


def _digits(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*digits, value))


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of varying width, and where the next field begins."""
    value = 0
    for shift, byte in enumerate(message[position : position + _VARINT_LIMIT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, position + shift + 1
    raise _damaged()


def _damaged() -> ModelReadError:
    return ModelReadError("the protocol buffer in it is damaged or truncated")
