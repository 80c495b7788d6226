"""Errors say what, where and what to do, and travel between processes."""

import pickle

import pytest

from rewriter import errors
from rewriter.errors import RewriterError

FAMILY = [cls for cls in vars(errors).values() if isinstance(cls, type)]


@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_an_error_says_where_what_and_what_to_do(cls):
    assert issubclass(cls, RewriterError)
    assert str(cls("it is gone", where="m.h5", fix="look")) == "m.h5: it is gone; look"


@pytest.mark.parametrize("cls", FAMILY, ids=lambda cls: cls.__name__)
def test_an_error_survives_pickling(cls):
    again = pickle.loads(pickle.dumps(cls("it is gone", where="m.h5", fix="look")))
    assert type(again) is cls
    assert str(again) == "m.h5: it is gone; look"
