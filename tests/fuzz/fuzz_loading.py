"""Give changed models to the commands that have Keras load them, one forked process for each.

``python tests/fuzz/fuzz_loading.py --seconds 900``. TensorFlow and both Keras are imported once;
each input then gets a process of its own, within limits of memory and time. Counted is everything
but a result or a `RewriterError`: other errors, signals, and inputs that take too long.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

sys.path.extend([str(Path(__file__).parents[number]) for number in (0, 1, 2)])

from fuzz_commands import change

from rewriter.errors import RewriterError

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "examples" / "models").glob("*.keras"))
MEMORY = 3 * 2**30
"""Bytes of address space beyond what the imports take."""

SECONDS = 120
"""For one input; a busy machine takes its time."""


def changed_model(draw: random.Random, folder: Path) -> Path:
    """Write a sound model with some things changed in its config."""
    with zipfile.ZipFile(draw.choice(MODELS)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(members["config.json"])
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        change(document, draw)
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"config.json": json.dumps(document)}).items():
            archive.writestr(name, content)
    return path


def command(draw: random.Random, path: Path) -> list[str]:
    """Return what is asked of a file."""
    out = str(path.with_name("out.keras"))
    passes = draw.choice([["strip-dropout"], ["enable-masking", "move-dropout"], ["free-batch"]])
    asked = [part for each in passes for part in ("-p", each)]
    return draw.choice(
        [
            ["rewrite", str(path), "-o", out, "--force", *asked],
            ["verify", str(path), str(path)],
            ["rehearse", str(path), "--batch", "2"],
            ["port", str(path), "-o", out, "--force"],
        ]
    )


def run(asked: list[str]) -> str:
    """Run a command; say what came out besides a result or a `RewriterError`."""
    from rewriter.cli.app import app

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            app(asked, standalone_mode=False)
    except RewriterError:
        return "refused"
    except BaseException as error:
        if isinstance(error, SystemExit) or hasattr(error, "exit_code"):
            return ""
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "/rewriter/" in frame.filename or "/passes/" in frame.filename
        ]
        last = frames[-1]
        place = f"{Path(last.filename).name}:{last.lineno} {last.name}"
        return f"{type(error).__name__} {place}: {str(error)[:150]}"
    return ""


def one(asked: list[str]) -> str:
    """Run a command in a process of its own, and say what came out."""
    ends, says = os.pipe()
    child = os.fork()
    if not child:
        os.close(ends)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(says, run(asked).encode()[:4000])
        os._exit(0)
    os.close(says)
    with os.fdopen(ends, "rb") as answer:
        said = answer.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return said


def main() -> None:
    """Fuzz, and say what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras  # noqa: F401
    import tf_keras  # noqa: F401

    draw, sites, inputs, refused = random.Random(asked.seed), Counter[str](), 0, 0
    end = time.monotonic() + asked.seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            path = changed_model(draw, Path(folder))
            wanted = command(draw, path)
            said = one(wanted)
            inputs += 1
            refused += said == "refused"
            if said and said != "refused":
                kept = Path(tempfile.gettempdir()) / f"fuzz_loading_{asked.seed}_{inputs}.keras"
                kept.write_bytes(path.read_bytes())
                print(f"new: {wanted[0]} {kept}: {said}", file=sys.stderr, flush=True)
                sites[said.partition(":")[0]] += 1
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(
        f"{inputs} inputs, {refused} refused, {sum(sites.values())} others, {memory:.0f} MB at most"
    )
    for site, count in sites.most_common():
        print(f"{count:6} {site}")
    sys.exit(bool(sites))


if __name__ == "__main__":
    main()
