"""Monte Carlo uncertainty: how unsure a trained model is of each of its predictions.

    pip install "keras-rewriter[examples]"
    python examples/monte_carlo.py --plot uncertainty.png

`examples/models/vowels_tokens.keras` tells which of nine speakers said a sequence. 50 passes with
dropout on give a mean and a standard deviation; where the deviation is large, it errs more often.
"""

import argparse
from pathlib import Path

import numpy as np
from train_vowels import prepare

import rewriter

MODEL = Path(__file__).parent / "models" / "vowels_tokens.keras"
GROUPS = 5


def plot(path, spreads, right):
    """Draw the deviations of the right and of the wrong predictions."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    bins = np.linspace(0, spreads.max(), 25)
    axes.hist([spreads[right], spreads[~right]], bins, stacked=True, label=["right", "wrong"])
    axes.set_xlabel("standard deviation of the predicted speaker's probability")
    axes.set_ylabel("test sequences")
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--plot", type=Path, help="a .png file")
    options = parser.parse_args(arguments)
    import keras

    keras.utils.set_random_seed(0)
    _, (tokens, speakers) = prepare(keras, "no-mask", seed=0)
    model = keras.models.load_model(MODEL)
    mean, std = rewriter.predict_mc(model, tokens, samples=options.samples, batch_size=128)
    chosen = mean.argmax(1)
    right, spreads = chosen == speakers, std[np.arange(len(std)), chosen]
    print(f"accuracy of the mean of {options.samples} passes: {right.mean():.3f}")
    print("| deviation | sequences | accuracy |")
    print("| --- | --- | --- |")
    for rows in np.array_split(spreads.argsort(), GROUPS):
        low, high = spreads[rows[0]], spreads[rows[-1]]
        print(f"| {low:.3f} to {high:.3f} | {len(rows)} | {right[rows].mean():.3f} |")
    if options.plot:
        plot(options.plot, spreads, right)


if __name__ == "__main__":
    main()
