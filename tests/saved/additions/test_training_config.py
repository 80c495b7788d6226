"""The training configuration carried from file to file."""

import shutil

import pytest

from rewriter.errors import ModelWriteError
from rewriter.saved import read
from rewriter.saved.additions.training_config import carry_training_config


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_the_training_config_stands_in_the_other_file(dialect, real_files, tmp_path, ending):
    source = read(real_files[dialect.number, ending, True])
    written = tmp_path / f"model.{ending}"
    shutil.copy(real_files[dialect.number, ending, False], written)
    before = read(written)
    carry_training_config(source, written)
    after = read(written)
    assert after.training_config == source.training_config
    if ending == "keras":
        assert after.document.pop("compile_config") == source.training_config
        before.document.pop("compile_config", None)
    assert after.document == before.document
    model = dialect.keras.models.load_model(written)
    plain = dialect.keras.models.load_model(real_files[dialect.number, ending, False])
    assert type(model.loss).__name__ == "MeanSquaredError"
    for mine, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        assert (mine == theirs).all()


def test_without_a_training_config_nothing_happens(real_files, tmp_path):
    written = tmp_path / "model.keras"
    shutil.copy(real_files[3, "keras", True], written)
    carry_training_config(read(real_files[3, "keras", False]), written)
    assert written.read_bytes() == real_files[3, "keras", True].read_bytes()


def test_another_format_is_refused(real_files, tmp_path):
    written = tmp_path / "model.keras"
    shutil.copy(real_files[3, "keras", False], written)
    with pytest.raises(ModelWriteError, match="cannot be kept"):
        carry_training_config(read(real_files[3, "h5", True]), written)
