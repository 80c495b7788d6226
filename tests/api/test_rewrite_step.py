"""A rewrite as a value: called, pickled, and written to files and read again."""

from __future__ import annotations

import pickle
import pickletools

import pytest

import rewriter
from rewriter import Rewrite
from rewriter.errors import PassError, RewriterError


class Own(rewriter.Pass):
    """Do nothing, without being registered."""

    name = "own"
    guarantee = rewriter.Guarantee.SAME

    def run(self, graph):
        return iter(())


STEPS = [
    Rewrite(["strip-dropout"]),
    Rewrite(["enable-masking", "move-dropout:masking=false"], verify=False),
    Rewrite([], weights="share"),
]


@pytest.mark.fast
@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_every_form_gives_the_rewrite_back(step, tmp_path):
    assert Rewrite.from_toml(step.to_toml()) == step
    assert Rewrite.from_toml("[tool.rewriter]\n" + step.to_toml()) == step
    assert pickle.loads(pickle.dumps(step)) == step
    assert eval(repr(step)) == step
    assert len({step, Rewrite.from_table(step.to_table())}) == 1


@pytest.mark.fast
@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_a_pickle_names_no_module_but_the_package(step):
    named = [word for _, word, _ in pickletools.genops(pickle.dumps(step)) if type(word) is str]
    assert "rewriter" in named
    assert not [word for word in named if word.startswith(("rewriter.", "rewriter.passes."))]


@pytest.mark.fast
@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_yaml_gives_the_rewrite_back(step):
    pytest.importorskip("yaml")
    assert Rewrite.from_yaml(step.to_yaml()) == step


@pytest.mark.fast
def test_a_pyproject_is_read_past_what_check_wants(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[tool.rewriter]\nselect = ["M"]\npasses = []\n')
    assert Rewrite.read(path) == Rewrite([])


@pytest.mark.fast
def test_files_are_read_by_their_ending(tmp_path):
    step = STEPS[1]
    (tmp_path / "a.toml").write_text(step.to_toml())
    assert Rewrite.read(tmp_path / "a.toml") == step
    pytest.importorskip("yaml")
    (tmp_path / "a.yml").write_text(step.to_yaml())
    assert Rewrite.read(tmp_path / "a.yml") == step
    with pytest.raises(RewriterError, match="the ending is not"):
        Rewrite.read(tmp_path / "a.json")


@pytest.mark.fast
def test_passes_as_objects_and_as_words_are_equal():
    from rewriter.passes.move_dropout import MoveDropout

    assert Rewrite([MoveDropout(masking=False)]) == Rewrite(["move-dropout:masking=false"])
    assert Rewrite([MoveDropout()]) != Rewrite(["move-dropout:masking=false"])


@pytest.mark.fast
def test_a_pass_without_a_name_to_find_it_by_is_not_written():
    step = Rewrite([Own()])
    assert repr(step) == "Rewrite(['own'])"
    with pytest.raises(PassError, match="unknown pass 'own'"):
        step.to_toml()
    assert pickle.loads(pickle.dumps(step)) == step


@pytest.mark.fast
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("passes = [", "no TOML"),
        ("", "no passes"),
        ('passes = "strip-dropout"', "passes is not a list"),
        ("passes = [1]", "something else than names of passes"),
        ('passes = []\nverify = "yes"', "verify is not true or false"),
        ('passes = []\nweights = "lend"', "neither copy nor share"),
        ("passes = []\nspeed = 1", "unknown setting 'speed'"),
        ('passes = ["strip-dropuot"]', "did you mean 'strip-dropout'"),
    ],
)
def test_what_is_no_rewrite_is_refused(text, message):
    with pytest.raises(RewriterError, match=message):
        Rewrite.from_toml(text)


@pytest.mark.fast
@pytest.mark.parametrize("text", ["- a", "a: [", "3"])
def test_what_is_no_mapping_is_no_rewrite_either(text):
    pytest.importorskip("yaml")
    with pytest.raises(RewriterError, match="YAML"):
        Rewrite.from_yaml(text)


def test_a_rewrite_is_called_on_models(dialect):
    keras = dialect.keras
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, name="out")]
    )
    step = Rewrite(["strip-dropout"])
    assert [layer.name for layer in step(model).layers] == ["out"]
    assert step.result(model).verification.ok
