"""Keep the working directory, which may be anybody's, off the path that modules come from.

This module imports nothing that Python has not loaded before it.
"""

import os
import sys

_OWN = os.path.abspath(os.path.join(__file__, *[os.pardir] * 3))  # noqa: PTH100, PTH118


def leave_working_directory(*, run_as_module: bool) -> None:
    """Take the working directory off the path, where nobody put it there by name.

    ``python -m`` puts it first, and so does an empty entry of ``PYTHONPATH`` in its place. If this
    program itself lies there, it comes last.

    Parameters
    ----------
    run_as_module : bool
        Whether this is ``python -m``.
    """
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it is gone
        here = ""
    if run_as_module and sys.path[:1] in ([""], [here]):
        del sys.path[0]
    named = os.environ.get("PYTHONPATH")
    if named and "" in named.split(os.pathsep) and not sys.flags.ignore_environment:
        sys.path[:] = [each for each in sys.path if each not in ("", here)]
    if here == _OWN and _OWN not in sys.path:
        sys.path.append(_OWN)
