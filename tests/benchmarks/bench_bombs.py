"""Measure what the command line takes for small files whose models take too much.

``python tests/benchmarks/bench_bombs.py`` rewrites each with the command, and prints a table:
seconds, the peak of the resident memory of all its processes together, and what it said.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from support.bombs import BOMBS, METRICS, bomb

_PAGE = 4096


def resident(process: int) -> int:
    """Return the bytes of memory that a process and all below it have."""
    total, pending = 0, [process]
    while pending:
        number = pending.pop()
        try:
            total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * _PAGE
            for task in Path(f"/proc/{number}/task").iterdir():
                pending += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return total


def measured(command: list[str], seconds: float) -> tuple[float, int, int, str]:
    """Return the seconds, the peak of the memory, the exit code and the last line of a command."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
    reader.start()
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        if time.monotonic() - start > seconds:
            process.terminate()
        time.sleep(0.05)
    reader.join()
    said = next(
        (line for line in reversed(lines) if line.startswith("error:")), "".join(lines[-1:])
    )
    return time.monotonic() - start, peak, process.returncode, said.strip()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--only", default="")
    parser.add_argument("--command", nargs="+", default=["rewrite", "-p", "strip-dropout"])
    parser.add_argument("--seconds", type=float, default=700)
    asked = parser.parse_args()
    print("| file | Keras | seconds | MB | exit | said |\n| --- | --- | --- | --- | --- | --- |")
    for name in [*BOMBS, *METRICS]:
        for keras in asked.keras if re.search(asked.only, name) else ():
            with tempfile.TemporaryDirectory() as folder:
                path = bomb(name, keras, Path(folder))
                verb, *rest = asked.command
                out = ["-o", str(Path(folder) / "out.keras")] if verb == "rewrite" else []
                command = [sys.executable, "-m", "rewriter", verb, str(path), *rest, *out]
                took, peak, code, said = measured(command, asked.seconds)
                said = said.replace(str(path), "FILE")
            shown = f"{took:.1f} | {peak / 2**20:,.0f} | {code} | {said[:150]}"
            print(f"| {name} | {keras} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
