"""Open a saved legacy .h5 file, check it, rewrite it, and compare the two files.

    python examples/open_legacy_h5.py
    python examples/open_legacy_h5.py MODEL.h5 --out REWRITTEN.h5

Without arguments the file is `examples/models/vowels_tokens_keras2.h5`, which tf_keras saved.
Checking and planning read the file alone: TensorFlow starts with the rewrite.
"""

import argparse
import tempfile
from pathlib import Path

import rewriter

MODEL = Path(__file__).parent / "models" / "vowels_tokens_keras2.h5"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path, default=MODEL)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    for finding in rewriter.check(options.model):
        print(f"{finding.code} {finding.layer}: {finding.message}")
    passes = ["enable-masking", "move-dropout"]
    print(rewriter.plan(options.model, passes))
    with tempfile.TemporaryDirectory() as folder:
        output = options.out or Path(folder) / "rewritten.h5"
        result = rewriter.rewrite(options.model, passes, output=output)
        print(result.verification)
        left = [f"{finding.code} {finding.layer}" for finding in rewriter.check(output)]
        print(f"{output.name}: {', '.join(left) or 'no findings'}")


if __name__ == "__main__":
    main()
