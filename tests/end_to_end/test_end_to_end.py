"""A saved model, rewritten from file to file, and read again by Keras alone."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rewriter
from rewriter.pipeline import Guarantee

PASSES = ["enable-masking", "move-dropout", "strip-dropout"]

RELOAD = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
number, folder = int(sys.argv[1]), sys.argv[2]
if number == 2:
    import tf_keras as keras
else:
    import keras
import numpy as np
found = {}
for name in sorted(os.listdir(folder)):
    if name.startswith("rewritten"):
        model = keras.models.load_model(os.path.join(folder, name))
        data = np.load(os.path.join(folder, name.replace("rewritten", "expected") + ".npz"))
        out = model(data["ids"])
        out = out[0] if isinstance(out, list) else out
        found[name] = bool(np.array_equal(out, data["out"]))
print(json.dumps({"found": found, "rewriter": "rewriter" in sys.modules}))
"""


def sequential(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((None,), dtype="int32"),
            layers.Embedding(30, 4, name="emb"),
            layers.Dropout(0.3, name="drop"),
            layers.LSTM(5, return_sequences=True, name="lstm"),
            layers.Dropout(0.2, name="between"),
            layers.GRU(3, name="gru"),
            layers.Dense(2, name="dense"),
        ]
    )


def functional(keras):
    layers = keras.layers
    ids = layers.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(30, 4, name="emb")(ids)
    x = layers.GaussianNoise(0.3, name="noise")(x)
    x = layers.Bidirectional(layers.LSTM(5), name="both")(x)
    return keras.Model(ids, [layers.Dense(2, name="a")(x), layers.Dense(3, name="b")(x)])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Rewrite a Functional and a Sequential model of each Keras in both formats, once."""
    import keras
    import tf_keras

    folders = {}
    for number, module in ((2, tf_keras), (3, keras)):
        folder = tmp_path_factory.mktemp(f"keras{number}")
        for build in (sequential, functional):
            for ending in ("h5", "keras"):
                # One model for each file: Keras 3.15 loses the compile configuration of a
                # model that it saved as .h5 before.
                model = build(module)
                model.compile("adam", module.losses.MeanSquaredError())
                source = folder / f"{build.__name__}.{ending}"
                model.save(source)
                output = folder / f"rewritten_{build.__name__}.{ending}"
                result = rewriter.rewrite(source, PASSES, output=output)
                expect(result, folder / f"expected_{build.__name__}.{ending}.npz")
        folders[number] = folder
    return folders


def expect(result, path: Path):
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]], "int32")
    out = result.model(ids)
    np.savez(path, ids=ids, out=np.asarray(out[0] if isinstance(out, list) else out))


@pytest.mark.parametrize("number", [2, 3], ids=["keras2", "keras3"])
def test_keras_alone_reads_the_written_file_and_gives_the_same_outputs(written, number):
    done = subprocess.run(
        [sys.executable, "-c", RELOAD, str(number), str(written[number])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told["found"]) == 4
    assert all(told["found"].values())
    assert not told["rewriter"]


@pytest.mark.parametrize("number", [2, 3], ids=["keras2", "keras3"])
@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_the_written_file_has_the_layers_of_the_plan(written, number, ending):
    def names(kind):
        path = written[number] / f"rewritten_{kind}.{ending}"
        return [call.layer for call in rewriter.read(path).calls()][1:]

    assert names("sequential") == ["emb", "lstm", "gru", "dense"]
    assert names("functional") == ["emb", "both", "a", "b"]


def test_the_plan_of_a_file_is_the_plan_of_the_live_model(written, dialect):
    source = written[dialect.number] / "sequential.keras"
    live = dialect.keras.models.load_model(source)
    plans = [rewriter.plan(model, PASSES).to_json() for model in (source, live)]
    said = [
        [(one["layer"], one["action"], one["reason"]) for one in each["changes"]] for each in plans
    ]
    assert said[0] == said[1]
    assert plans[0]["notes"] == plans[1]["notes"]


def test_the_same_input_gives_the_same_plan(written, dialect):
    source = written[dialect.number] / "functional.h5"
    assert rewriter.plan(source, PASSES).to_json() == rewriter.plan(source, PASSES).to_json()


def test_the_same_input_gives_the_same_bytes_but_for_dates(written, dialect, tmp_path):
    for kind in ("sequential", "functional"):
        source = written[dialect.number] / f"{kind}.keras"
        members = []
        for name in ("one.keras", "two.keras"):
            rewriter.rewrite(source, PASSES, output=tmp_path / name, verify=False, force=True)
            with zipfile.ZipFile(tmp_path / name) as archive:
                members.append({one: archive.read(one) for one in archive.namelist()})
            del members[-1]["metadata.json"]
        assert members[0].keys() == members[1].keys()
        assert [one for one in members[0] if members[0][one] != members[1][one]] == []


@pytest.mark.parametrize(
    "name",
    ["census2010_ln_lstm.h5", "fl_all_name_lstm.h5", "nc_voter_name_hispanic_lstm.h5"],
)
def test_a_real_model_stripped_of_dropout_is_the_same_within_a_rounding_error(real_models, name):
    verification = rewriter.rewrite(real_models / name, ["strip-dropout"]).verification
    assert verification.ok
    assert verification.max_difference <= verification.tolerance <= 1e-5


@pytest.mark.parametrize("name", ["census2010_ln_lstm.h5", "fl_all_name_lstm.h5"])
def test_a_real_model_with_masking_no_longer_depends_on_padding(real_models, name, tmp_path):
    output = tmp_path / name
    result = rewriter.rewrite(real_models / name, ["enable-masking"], output=output)
    assert result.verification.guarantee is Guarantee.SAME_WHERE_UNPADDED
    assert result.verification.max_difference == 0.0
    assert max(result.verification.padding.before.values()) > 0.1
    assert max(result.verification.padding.after.values()) == 0.0
    assert rewriter.read(output).layer("embedding").config["mask_zero"] is True


def test_a_convolution_that_drops_the_mask_is_named(real_models):
    plan = rewriter.plan(real_models / "nc_voter_name_hispanic_lstm.h5", ["enable-masking"])
    assert plan.changes == ()
    assert "conv1d (Conv1D) drops the mask" in plan.notes[0].reason


def test_the_format_of_the_output_is_told_by_its_ending(written, tmp_path):
    source = written[2] / "sequential.h5"
    rewriter.rewrite(source, ["strip-dropout"], output=tmp_path / "out.keras", verify=False)
    assert rewriter.saved.read(tmp_path / "out.keras").format == "keras"


def test_a_file_whose_loss_is_not_there_keeps_its_training_configuration(dialect, tmp_path):
    def own_loss(expected, given):
        return dialect.keras.losses.mean_squared_error(expected, given)

    model = sequential(dialect.keras)
    model.compile("adam", own_loss)
    model.fit(np.ones((4, 3), "int32"), np.ones((4, 2)), verbose=0)
    for ending in ("h5", "keras"):
        source, output = tmp_path / f"m.{ending}", tmp_path / f"out.{ending}"
        model.save(source)
        result = rewriter.rewrite(source, ["strip-dropout"], output=output)
        assert "loaded without its training configuration" in result.plan.notes[0].reason
        before, after = (rewriter.saved.read(path).training_config for path in (source, output))
        assert before == after
        assert "own_loss" in json.dumps(after)
