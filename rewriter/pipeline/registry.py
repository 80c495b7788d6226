"""Find the installed passes by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from rewriter.errors import PassError, RewriterError
from rewriter.pipeline.options import nearest, split_option, split_options
from rewriter.pipeline.passes import Pass

ENTRY_POINTS = "rewriter.passes"


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
    given = dict(split_option(option, cls) for option in split_options(options))
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
        raise PassError(f"unknown pass {name!r}", fix=nearest(name, known, "rewriter passes"))
    cls: type[Pass] = known[name].load()
    return cls
