"""Train, rewrite, train on: what masks and time-constant dropout do to a recurrent classifier.

    pip install "keras-rewriter[examples]"
    python examples/train_and_rewrite.py
    python examples/train_and_rewrite.py --keras 2

A classifier of the Japanese Vowels data is trained with batches of varying size and length, and
with a bug: its Embedding has no mask, so that padding counts. Then it is rewritten in three ways,
and each model trains on for as many epochs, its optimizer going on where it was:

as it is            no pass
masked              enable-masking
masked, constant    enable-masking, and replace-dropout with one mask of noise for all time steps

The table has means and standard deviations over the seeds, on the 370 test sequences: the accuracy,
the accuracy with 4 more steps of padding behind (the models were trained with padding in front),
and how far a probability then moves at most.
"""

import argparse

import numpy as np
from train_vowels import build, padding_sensitivity, prepare

import rewriter

VARIANTS = {
    "as it is": [],
    "masked": ["enable-masking"],
    "masked, constant": ["enable-masking", "replace-dropout:shared_axes=(1,)"],
}
BATCH_SIZES = (8, 24, 16, 32)


def batches(tokens, speakers, epochs, seed):
    """Return shuffled batches of varying size, cut to the longest sequence that is in them."""
    import tensorflow as tf

    random, drawn = np.random.default_rng(seed), []
    for _ in range(epochs):
        order = random.permutation(len(tokens))
        while len(order):
            rows, order = np.split(order, [random.choice(BATCH_SIZES)])
            drawn.append((tokens[rows, tokens[rows].any(0).argmax() :], speakers[rows]))
    spec = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32))
    data = tf.data.Dataset.from_generator(lambda: iter(drawn), output_signature=spec)
    return data.apply(tf.data.experimental.assert_cardinality(len(drawn)))


def measure(model, inputs, speakers):
    """Return the three columns of the table."""
    moved, accuracy = padding_sensitivity(model, inputs, speakers)["behind"]
    right = model.predict(inputs, verbose=0).argmax(1) == speakers
    return right.mean(), accuracy, moved


def run_seed(keras, seed, epochs, more_epochs):
    """Return the columns of each variant."""
    keras.utils.set_random_seed(seed)
    (train, train_speakers), (test, test_speakers) = prepare(keras, "no-mask", seed)
    model = build(keras, "no-mask", "GRU")
    model.fit(batches(train, train_speakers, epochs, seed), shuffle=False, verbose=0)
    columns = {}
    for name, passes in VARIANTS.items():
        result = rewriter.rewrite(model, passes, verify=seed == 0)
        if seed == 0:
            print(f"{name}: {result.verification}")
        more = batches(train, train_speakers, more_epochs, seed + 100)
        result.model.fit(more, shuffle=False, verbose=0)
        columns[name] = measure(result.model, test, test_speakers)
    return columns


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keras", type=int, choices=(2, 3), default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--more-epochs", type=int, default=8)
    options = parser.parse_args(arguments)
    if options.keras == 2:
        import tf_keras as keras
    else:
        import keras
    runs = [
        run_seed(keras, seed, options.epochs, options.more_epochs) for seed in range(options.seeds)
    ]
    print(f"\nKeras {options.keras}, {len(runs)} seeds")
    print("| model | accuracy | with 4 more steps of padding | moved |")
    print("| --- | --- | --- | --- |")
    for name in VARIANTS:
        values = np.array([columns[name] for columns in runs])
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(values.mean(0), values.std(0), strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
