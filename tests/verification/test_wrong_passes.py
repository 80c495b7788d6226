"""A pass that is wrong on purpose is never called verified; a right one is, on hard models too.

Each pass runs in one Keras, by turns: what is compared does not depend on it.
"""

import keras
import numpy as np
import pytest
import tf_keras
from right_table import RIGHT
from wrong_passes import as_pass
from wrong_table import WRONG

import rewriter
from rewriter.errors import VerificationError
from rewriter.verification.changed_parts import PartsFound
from rewriter.verification.comparison import Judged
from rewriter.verification.ends import Ends
from rewriter.verification.inputs import tries

KERAS = {2: tf_keras, 3: keras}


def by_turns(table):
    return [
        pytest.param(each, each.keras[number % len(each.keras)], id=each.name.replace(" ", "-"))
        for number, each in enumerate(table)
    ]


def rewritten(each, number):
    return rewriter.rewrite(each.model(KERAS[number]), [as_pass(each)]).verification


def said_of(each, number):
    """Return what is said of a wrong pass: ``verified``, ``not compared``, ..."""
    try:
        return rewritten(each, number).verdict
    except VerificationError as error:
        return error.verification.verdict


@pytest.mark.parametrize(("wrong", "number"), by_turns(WRONG))
def test_a_wrong_pass_is_caught_or_answered_not_compared(wrong, number, tmp_path):
    output = tmp_path / "out.keras"
    with pytest.raises(VerificationError) as caught:
        rewriter.rewrite(wrong.model(KERAS[number]), [as_pass(wrong)], output=output)
    verification = caught.value.verification
    told = verification.to_json()
    assert told["ok"] is False
    assert told["compared"] is not str(verification).startswith("not compared")
    assert str(verification).startswith(("verification failed", "not compared"))
    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("right", "number"), by_turns(RIGHT))
def test_a_right_pass_on_a_hard_model_is_verified(right, number):
    verification = rewritten(right, number)
    assert str(verification).startswith("verified")
    assert tuple(output.by for output in verification.outputs) == right.by


def test_there_are_at_least_forty_of_each_kind():
    for table in (WRONG, RIGHT):
        assert len({each.name for each in table}) == len(table) >= 40


# Mutation: each comparison, switched off, lets a wrong pass through


def nothing(*_, **__):
    return ""


def without(label):
    """Leave out one of the inputs that are tried beside the usual ones."""
    further = tries.further_tries

    def fewer(*arguments):
        found, left_out = further(*arguments)
        others = (label, "at thresholds")  # which shows what large numbers show
        return [each for each in found if not any(one in each.label for one in others)], left_out

    return fewer


FURTHER = {  # what is tried beside the usual inputs, and the wrong pass that it alone shows
    "at 10,000": "at large scale",
    "from 0 to 255": "from 0 to 255",
    "at 0.01": "at small scale",
    "a row wholly padded": "a row wholly padded",
    "length 1": "one step alone",
    "integers": "integers beyond 1",
    "64 rows": "64 rows",
    "257 steps": "long sequences",
}


def zero(*_):
    return 0.0


def true(*_):
    return True


def no_difference(*_):
    return Ends()


def every_feature(_):
    return np.ones(1, bool)


def equal(*_, **__):
    return Judged("equal", 0.0)


SECONDS = (  # what finds some of the same once more
    ("evidence.hidden_by_zeros", nothing),
    ("distribution._other_settings", nothing),
    ("verify.compare_parts", lambda _: PartsFound()),
)

COMPARISONS = [  # where it stands, what is put in its place, and what gets through
    ("comparison.relative_difference", zero, "another activation"),
    ("comparison.Comparison.judge", equal, "another tensor as output"),
    ("verify.compare_ends", no_difference, "equal outputs in another order"),
    ("verify.compare_dtypes", no_difference, "another dtype"),
    ("differences.Spread.features", every_feature, "before a zero head"),
    ("inner_tensors.InnerTensors._values_differ", nothing, "what argmax hides"),
    ("inner_tensors.InnerTensors._layers_differ", nothing, "a zero head itself"),
    ("inner_tensors.same_state", true, "other weights behind zeros"),
    ("inner_tensors.same_masks", true, "a mask behind which all is zero"),
    ("evidence.relative_difference", zero, "layer out before a zero head"),
    ("own_noise.how_runs_differ", nothing, "behind noise of its own"),
    ("distribution.how_runs_differ", nothing, "another rate at inference"),
    *(("verify.further_tries", without(label), name) for label, name in FURTHER.items()),
]


@pytest.mark.parametrize(("place", "off", "name"), COMPARISONS, ids=[c[2] for c in COMPARISONS])
def test_each_comparison_is_what_catches_a_wrong_pass(place, off, name, monkeypatch):
    wrong = next(each for each in WRONG if each.name == name)
    for second, found in SECONDS:
        monkeypatch.setattr(f"rewriter.verification.{second}", found)
    monkeypatch.setattr(f"rewriter.verification.{place}", off)
    assert said_of(wrong, wrong.keras[0]) == "verified"
