"""Give changed models, plans, data and settings to the commands, past the point of reading.

``python tests/fuzz/fuzz_commands.py --seconds 3600`` runs for an hour and tells how many inputs it
gave, where anything but a result or a `RewriterError` came out, and how much memory it took. What
the commands do with an unforeseen error is not used: each such error counts.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import math
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.extend([str(Path(__file__).parents[number]) for number in (0, 1, 2)])

import numpy as np
from support.written import save
from written_models import LAYERS, MERGES, documents, small_documents

from rewriter.errors import RewriterError

PASSES = [
    "strip-dropout",
    "move-dropout",
    "enable-masking",
    "carry-mask",
    "insert-dropout:after=*",
    "replace-dropout:to=dynamic",
    "replace-dropout:to=standard",
    "externalise-dropout",
    "internalise-dropout",
    "free-batch",
    "unwrap-time-distributed",
    "honour-training",
]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, -(2**31), 2**31, 2**63, 10**30),
    *(0.5, -0.5, 1e308, math.inf, -math.inf, math.nan),
    *("", "x", "valid", "\x1b[31mred", "a/b", "ab,bc->ac", "é" * 40, "int32", "none"),
    *([], {}, [None], [[]], [0], [-1, 0], [None, None], [1, 2, 3, 4], [2**40, 2], [math.inf]),
    *({"class_name": "L2"}, {"config": None}, {"class_name": "Dense", "config": {}}, [{}], [["x"]]),
]


@dataclass(slots=True)
class Tally:
    """What came out."""

    inputs: int = 0
    refused: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container with every key in it."""
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict | list):
            keys = list(each) if isinstance(each, dict) else list(range(len(each)))
            found += [(each, key) for key in keys]
            pending += [each[key] for key in keys]
    return found


def change(document: Any, draw: random.Random) -> None:
    """Change one thing in a document."""
    every = places(document)
    if not every:
        return
    configs = [(held, key) for held, key in every if isinstance(held, dict) and "name" in held]
    holder, key = draw.choice(draw.choice([every, configs or every]))
    kind = draw.randrange(8)
    if kind < 4:
        holder[key] = copy.deepcopy(draw.choice(VALUES))
    elif kind == 4:
        del holder[key]
    elif kind == 5:
        other, place = draw.choice(every)
        holder[key] = copy.deepcopy(other[place])
    elif kind == 6:
        holder[key] = [holder[key]] if draw.random() < 0.5 else {"config": holder[key]}
    elif isinstance(holder, dict):
        holder["class_name" if "class_name" in holder else str(key)] = draw.choice(
            [*LAYERS, *MERGES, "TimeDistributed", "Bidirectional", "RNN", "Functional", "Lambda"]
        )
    else:
        holder.insert(key, copy.deepcopy(holder[key]))


def commands(draw: random.Random, path: Path) -> Iterator[list[str]]:
    """Yield what is asked of one file."""
    yield ["check", str(path), "--isolated"]
    yield ["show", str(path)]
    yield ["show", str(path), "--masks"]
    masks = draw.choice([[], ["--masks"]])
    yield ["show", str(path), "--format", "json", *masks]
    chosen = draw.sample(PASSES, draw.randint(1, 3))
    asked = [part for each in chosen for part in ("-p", each)]
    report = path.with_name(f"report{draw.choice(['.html', '.md', '.json'])}")
    report.unlink(missing_ok=True)
    yield ["rewrite", str(path), *asked, "--dry-run", "--full", "--report", str(report)]
    yield ["check", str(path), "--isolated", "--to", "keras3"]
    yield ["port", str(path), "--dry-run", *draw.choice([[], ["--partial"]])]
    yield ["check", str(path), "--isolated", "--format", draw.choice(["json", "sarif"])]


def run(command: list[str], tally: Tally) -> None:
    """Run a command without what catches unforeseen errors."""
    from rewriter.cli.app import app

    tally.inputs += 1
    start = time.monotonic()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            app(command, standalone_mode=False)
    except RewriterError:
        tally.refused += 1
    except Exception as error:
        if hasattr(error, "format_message"):  # how the command was written
            return
        note(error, command, tally)
    tally.slowest = max(tally.slowest, time.monotonic() - start)


def note(error: Exception, command: list[str], tally: Tally) -> None:
    """Count an error by the place in this program where it was raised."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "rewriter" in frame.filename or "passes" in frame.filename
    ]
    last = frames[-1]
    site = f"{type(error).__name__} {Path(last.filename).name}:{last.lineno} {last.name}"
    if site not in tally.sites:
        print(f"new: {site}: {str(error)[:120]}", file=sys.stderr, flush=True)
    tally.sites[site] += 1
    tally.examples.setdefault(site, f"{str(error)[:120]} | {' '.join(command)[:60]}")


def models(draw: random.Random, folder: Path) -> Iterator[Callable[[Tally], None]]:
    """Yield runs of commands on changed models."""
    large, small = (
        [(keras, json.dumps(document)) for keras, document in made]
        for made in (documents(), small_documents())
    )

    def one(tally: Tally) -> None:
        keras, text = draw.choice(draw.choice([large, small, small, small]))
        document = json.loads(text)
        for _ in range(draw.choice([1, 1, 1, 2, 3, 5])):
            change(document, draw)
        path = save(document, keras, folder / "model.keras")
        for command in commands(draw, path):
            run(command, tally)

    while True:
        yield one


def others(draw: random.Random, folder: Path) -> Iterator[Callable[[Tally], None]]:
    """Yield runs of commands on changed plans, data and settings, beside a sound model."""
    keras, document = next(iter(documents()))
    model = save(document, keras, folder / "sound.keras")
    plan = folder / "plan.json"
    said = io.StringIO()
    from rewriter.cli.app import app

    asked = ["rewrite", str(model), "-p", "strip-dropout", "--dry-run"]
    with redirect_stdout(said):
        app([*asked, "--format", "json"], standalone_mode=False)

    def changed_plan(tally: Tally) -> None:
        saved = json.loads(said.getvalue())
        for _ in range(draw.choice([1, 2, 4])):
            change(saved, draw)
        plan.write_text(json.dumps(saved))
        run(["rewrite", str(model), "--plan", str(plan), "--dry-run"], tally)

    def changed_data(tally: Tally) -> None:
        content = io.BytesIO()
        np.savez(content, ids=np.ones((2, 6), draw.choice(["int32", "float32", "S3", "U2", "O"])))
        raw = bytearray(content.getvalue())
        for _ in range(draw.choice([0, 1, 3])):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        data = folder / "data.npz"
        data.write_bytes(raw[: draw.choice([len(raw), draw.randrange(len(raw))])])
        run([*asked, "--data", str(data), "-p", "enable-masking"], tally)

    while True:
        yield from (changed_plan, changed_data)


def fuzz(seconds: float, seed: int, folder: Path) -> Tally:
    """Fuzz for so many seconds."""
    from rewriter.checks import files

    draw, tally = random.Random(seed), Tally()
    warnings.simplefilter("ignore")
    ways = [models(draw, folder), models(draw, folder), others(draw, folder)]
    end = time.monotonic() + seconds
    with patch.object(files, "contradictory", _raised):
        while time.monotonic() < end:
            for way in ways:
                next(way)(tally)
    return tally


def _raised(path: str, error: Exception) -> Any:
    """Let an error out that `check` tells beside the findings of other files."""
    raise error


def main() -> None:
    """Fuzz, and say what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = fuzz(asked.seconds, asked.seed, Path(folder))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{tally.inputs} inputs, {tally.refused} refused, {len(tally.sites)} sites of other")
    print(f"errors, {memory:.0f} MB at most, {tally.slowest:.1f} s for the slowest")
    for site, count in tally.sites.most_common():
        print(f"{count:6} {site}: {tally.examples[site]}")
    sys.exit(bool(tally.sites))


if __name__ == "__main__":
    main()
