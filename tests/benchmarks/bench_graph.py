"""A graph of many calls: read from a config, one pass, the plan. No TensorFlow is imported.

    python tests/benchmarks/bench_graph.py [--calls 12500 25000 50000 100000]

Prints CPU seconds, and the slope of the time over the number of calls on two logarithmic
scales: 1 is linear. The chains are as deep as they have calls.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from bench_rewrite import slope

from rewriter.dialects import decode
from rewriter.dialects.shared_layers import join
from rewriter.pipeline.run import make_plan

sys.path.insert(0, str(Path(__file__).parents[1]))


def chain(keras, calls):
    from support.written import Written

    model = Written(keras)
    x = model.input("x", (None, 4))
    for number in range(calls // 2):
        x = model.call("Dense", f"dense_{number}", x, units=4)
        x = model.call("Dropout", f"dropout_{number}", x, rate=0.5)
    return model.document(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[12500, 25000, 50000, 100000])
    options = parser.parse_args()
    for keras in (2, 3):
        times = []
        for calls in options.calls:
            document = chain(keras, calls)
            start = time.process_time()
            graph = decode(document, keras)
            join(graph)
            read = time.process_time() - start
            changes = len(make_plan(graph, ["strip-dropout"]).changes)
            times.append(time.process_time() - start)
            print(
                f"Keras {keras}, {calls} calls: read {read:.2f} s, pass and plan "
                f"{times[-1] - read:.2f} s, {changes} changes",
                flush=True,
            )
        if len(times) > 1:
            print(f"Keras {keras}: slope {slope(options.calls, times):.2f}")


if __name__ == "__main__":
    main()
