"""Train a small recurrent classifier on the Japanese Vowels data, with a bug left in on purpose.

Nine speakers say /ae/; each of the 270 training and 370 test sequences has 7 to 29 frames of
12 channels, and the model tells who speaks. The data comes with sktime:

    pip install "keras-rewriter[examples]"
    python examples/train_vowels.py --variant no-mask --out vowels_tokens.keras

Variants:

no-mask
    Frames become token ids, 0 is padding, and the Embedding has no mask_zero: the recurrent layer
    reads the padding as if somebody had said it. Dropout feeds the recurrent layer.
noise-before-masking
    Dropout in front of Masking: a frame whose channels are all dropped counts as padding.
gaussian-before-masking
    GaussianNoise in front of Masking: in training no padding is recognised.

The seed fixes the tokens, the initial weights, the order of the batches and the noise, so that on
one machine, with one version of Keras and TensorFlow, the same command gives the same weights.
"""

import argparse

import numpy as np
from sktime.datasets import load_japanese_vowels

LENGTH = 29  # frames of the longest sequence
CHANNELS = 12
SPEAKERS = 9
TOKENS = 63
MORE = 4  # steps of padding added to measure how much padding matters
VARIANTS = ("noise-before-masking", "gaussian-before-masking", "no-mask")


def load_frames(split):
    """Return the sequences of a split, each of shape (frames, 12), and the speakers from 0."""
    sequences, speakers = load_japanese_vowels(split=split, return_type="df-list")
    return [each.to_numpy("float32") for each in sequences], speakers.astype("int32") - 1


def nearest(frames, centroids):
    """Return for each frame the index of the centroid that is nearest to it."""
    return ((frames[:, None] - centroids) ** 2).sum(-1).argmin(1)


def find_centroids(frames, seed, rounds=10):
    """Return the centres of `TOKENS` clusters of frames: k-means, a few rounds of it."""
    random = np.random.default_rng(seed)
    centroids = frames[random.choice(len(frames), TOKENS, replace=False)]
    for _ in range(rounds):
        cluster = nearest(frames, centroids)
        for k in np.unique(cluster):
            centroids[k] = frames[cluster == k].mean(0)
    return centroids


def prepare(keras, variant, seed):
    """Return the padded inputs and the speakers, of the training and of the test split."""
    (train, train_speakers), (test, test_speakers) = load_frames("train"), load_frames("test")
    dtype = "float32"
    if variant == "no-mask":
        dtype = "int32"
        centroids = find_centroids(np.concatenate(train), seed)
        train = [nearest(frames, centroids) + 1 for frames in train]
        test = [nearest(frames, centroids) + 1 for frames in test]
    # pad_sequences pads in front unless told otherwise, and so do most of its users.
    train, test = (keras.utils.pad_sequences(each, LENGTH, dtype) for each in (train, test))
    return (train, train_speakers), (test, test_speakers)


def build(keras, variant, cell):
    """Return a compiled model: Sequential for tokens, Functional for frames."""
    layers = keras.layers
    recurrent = getattr(layers, cell)(32)
    classifier = layers.Dense(SPEAKERS, activation="softmax", name="speaker")
    if variant == "no-mask":
        tokens = keras.Input((None,), dtype="int32", name="tokens")
        embedding = layers.Embedding(TOKENS + 1, 16)
        model = keras.Sequential([tokens, embedding, layers.Dropout(0.3), recurrent, classifier])
    else:
        gaussian = variant == "gaussian-before-masking"
        noise = layers.GaussianNoise(0.1) if gaussian else layers.Dropout(0.3)
        frames = keras.Input((None, CHANNELS), name="frames")
        x = layers.Masking(0.0)(noise(frames))
        model = keras.Model(frames, classifier(recurrent(x)))
    model.compile(
        optimizer=keras.optimizers.Adam(0.005),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def padding_sensitivity(model, inputs, speakers):
    """Return how far the probabilities move, and the accuracy, with more padding on each side."""
    before = model.predict(inputs, verbose=0)
    moved = {}
    for side, steps in {"in front": (MORE, 0), "behind": (0, MORE)}.items():
        width = [(0, 0), steps] + [(0, 0)] * (inputs.ndim - 2)
        after = model.predict(np.pad(inputs, width), verbose=0)
        moved[side] = abs(after - before).max(), (after.argmax(1) == speakers).mean()
    return moved


def report(model, variant, inputs, speakers):
    """Print what the test split shows of the model and of its bug."""
    _, accuracy = model.evaluate(inputs, speakers, verbose=0)
    print(f"test accuracy {accuracy:.3f}")
    for side, (moved, accuracy) in padding_sensitivity(model, inputs, speakers).items():
        print(f"{MORE} more steps {side}: moved by {moved:.2g}, accuracy {accuracy:.3f}")
    if variant != "no-mask":
        valid = inputs.any(-1)
        kept = np.array(model.layers[1](inputs, training=True)).any(-1)
        print(f"in training, frames taken for padding: {1 - kept[valid].mean():.1%}")
        print(f"in training, padding taken for frames: {kept[~valid].mean():.1%}")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keras", type=int, choices=(2, 3), default=3)
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--cell", choices=("GRU", "LSTM"), default="GRU")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help="the model's file, .keras or .h5")
    parser.add_argument("--inputs", help="an .npz file for 64 of the padded test inputs")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.keras == 2:
        import tf_keras as keras
    else:
        import keras
    keras.utils.set_random_seed(options.seed)
    (train, train_speakers), (test, test_speakers) = prepare(keras, options.variant, options.seed)
    model = build(keras, options.variant, options.cell)
    model.fit(train, train_speakers, batch_size=16, epochs=options.epochs, verbose=0)
    report(model, options.variant, test, test_speakers)
    model.save(options.out)
    if options.inputs:
        padding = (test == 0).reshape(len(test), -1).sum(1)
        chosen = np.argsort(padding, kind="stable")[np.linspace(0, len(test) - 1, 64).astype(int)]
        np.savez_compressed(options.inputs, **{model.inputs[0].name: test[chosen]})


if __name__ == "__main__":
    main()
