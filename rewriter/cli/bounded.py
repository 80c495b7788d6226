"""Run a command that has Keras load a file in one child process, within memory and time.

What no Python code can stop happens to the child: a library that loops, takes the machine's
memory, or ends the interpreter. The process of the user keeps its own limits as they are. Where
the system cannot limit a process so, the command runs in this one: see docs/safety.md.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from rewriter.cli import console
from rewriter.errors import RewriterError

MEMORY = 3 * 2**30
"""Bytes that a command may take beyond what an imported framework takes, ..."""

MEMORY_OF_FILE = 12
"""... for each byte of its files, ..."""

MEMORY_OF_CORE = 128 * 2**20
"""... and for each core: threads reserve memory that they do not use."""

SECONDS = 600.0
"""Seconds that a command may take, and one for each `BYTES_A_SECOND` of its files."""

BYTES_A_SECOND = 2**20

_TO_CLEAN_UP = 5.0
_children: set[int] = set()  # the number of this process, once it is one
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the child of a command may take.

    Parameters
    ----------
    memory : int
        Bytes of address space beyond what it has once the framework is imported.
    seconds : float
        Of wall time.
    """

    memory: int
    seconds: float

    @classmethod
    def of(cls, paths: Sequence[str | Path]) -> Budget:
        """Return the budget for files, by their sizes."""
        size = sum(map(_size, map(Path, paths)))
        cores = (os.cpu_count() or 1) * MEMORY_OF_CORE
        return cls(MEMORY + cores + MEMORY_OF_FILE * size, SECONDS + size / BYTES_A_SECOND)


def in_child(paths: Sequence[str | Path], *, limits: bool) -> None:
    """Go on in a child process; this one waits for it, and ends as it ends.

    Nothing happens where limits are not wanted or not to be had: without `os.fork` or
    ``/proc``, or inside another program, which has imported TensorFlow or reads what is printed.

    Parameters
    ----------
    paths : sequence of str or Path
        The files that the command is given.
    limits : bool
        Whether there are any.

    Raises
    ------
    RewriterError
        The child was ended by the system, or took too long.
    SystemExit
        The child has ended by itself, with this code.
    """
    inside_another = "tensorflow" in sys.modules or sys.stdout is not sys.__stdout__
    if not limits or sys.platform != "linux" or inside_another:
        return
    budget = Budget.of(paths)
    sys.stdout.flush()
    sys.stderr.flush()
    ends, open_while_it_runs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ends)
        _become_child(budget)
        return
    os.close(open_while_it_runs)
    with os.fdopen(ends, "rb") as ending:
        raise SystemExit(_wait(child, ending, budget, str(paths[0])))


def leave(code: int) -> NoReturn:
    """End the process; a child ends here, and does not go on as the one that started it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpid() in _children:
        os._exit(code)
    sys.exit(code)


def _become_child(budget: Budget) -> None:
    with suppress(OSError):
        ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGTERM)
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    _children.add(os.getpid())
    # what libraries say when they end the process goes past Python, and is not for the user
    own = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stderr = own
    console.framework_started.append(lambda: _isolate(budget))


def _isolate(budget: Budget) -> None:
    """Limit the memory of this process; what then takes more is ended, and no other need try."""
    from rewriter.saved.safety import child_process

    limit_memory(budget.memory)
    child_process.isolated = True


def limit_memory(budget: int) -> None:
    """Have the system refuse this process memory beyond what it has and a budget."""
    import resource

    import tensorflow as tf

    # one call starts the threads, whose stacks are part of what an imported framework takes
    tf.function(lambda x: tf.linalg.matmul(x, x))(tf.zeros((64, 64)))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + budget
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _wait(child: int, ending: BinaryIO, budget: Budget, path: str) -> int:
    """Wait for a child, hand signals on to it, and return its exit code."""
    handed_on = _hand_on_sigterm(child)
    try:
        status = _status(child, ending, budget.seconds)
    finally:
        signal.signal(signal.SIGTERM, handed_on)
    if status is None:
        raise RewriterError(
            f"it took more than {budget.seconds:,.0f} seconds, and was ended",
            where=path,
            fix="if you trust the file, and it needs more time, give --no-limits, which lifts the "
            "limits of time and memory",
        )
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGTERM:
            return 128 + number
        raise RewriterError(
            f"TensorFlow or another library ended the process ({signal.Signals(number).name}), "
            f"which was allowed {budget.memory / 2**20:,.0f} MB beyond what TensorFlow takes",
            where=path,
            fix="if you trust the file, and it needs more memory, give --no-limits",
        )
    return os.WEXITSTATUS(status)


def _status(child: int, ending: BinaryIO, seconds: float) -> int | None:
    """Return how a child ended; None where it had to be ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            ended, _, _ = select.select([ending], [], [], max(0.0, end - time.monotonic()))
        except KeyboardInterrupt:  # the child has got it too, and cleans up
            continue
        if ended:
            return os.waitpid(child, 0)[1]
    os.kill(child, signal.SIGTERM)
    if not select.select([ending], [], [], _TO_CLEAN_UP)[0]:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _hand_on_sigterm(child: int) -> Any:
    def hand_on(number: int, _: Any) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    return signal.signal(signal.SIGTERM, hand_on)


def _size(path: Path) -> int:
    with suppress(OSError):
        if path.is_dir():
            return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        return path.stat().st_size
    return 0
