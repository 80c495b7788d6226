"""The diff: small golden texts that were read by eye, and what they all have in common."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from support.plans import (
    PLANS,
    hostile,
    long_chain,
    masked_and_moved,
    moved,
    nested,
    replaced,
    text_model,
    two_thousand,
)
from support.written import Written

from rewriter.api.plans import Plan, plan_graph
from rewriter.dialects import decode
from rewriter.graph import Layer
from rewriter.graph.changes import Change
from rewriter.pipeline import Guarantee, Pass
from rewriter.report.diff import Row, near_changes, rows
from rewriter.report.terminal import show
from rewriter.report.text import plan_lines, plan_text

pytestmark = pytest.mark.fast

GOLDEN = Path(__file__).parent / "golden"


class Switch(Pass):
    """Replace each Dense by one without a bias."""

    name = "switch"
    guarantee = Guarantee.CHANGED_ON_PURPOSE

    def run(self, graph):
        layer = graph.layer("dense")
        dense = {**layer.config, "use_bias": True}
        yield graph.replace("dense", Layer("dense", "Dense", dense), reason="first it is on")
        bare = Layer("dense", "Dense", {**dense, "use_bias": False})
        yield graph.replace("dense", bare, reason="then it is off")


@pytest.mark.parametrize("plan", PLANS, ids=lambda each: each.__name__)
def test_the_diff_is_as_it_was_when_it_was_reviewed(plan):
    path = GOLDEN / f"{plan.__name__}.txt"
    text = plan_text(plan()) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("plan", [masked_and_moved, replaced, hostile], ids=lambda e: e.__name__)
def test_a_narrow_terminal_gets_lines_that_fit(plan):
    narrow = plan_lines(plan(), width=48)
    rest = [line.text for line in narrow if line.style not in ("title", "result")]
    words = [text for text in rest if max(map(len, text.split()), default=0) < 30]
    assert all(len(text) <= 48 for text in words)
    assert "".join(plan_text(plan()).split()).count("[") == "".join(
        "".join(line.text for line in narrow).split()
    ).count("[")


def test_an_option_that_is_off_and_new_in_a_replaced_layer_is_not_shown():
    graph = decode(text_model(), 3)
    shown = plan_text(plan_graph(graph, ["replace-dropout:to=dynamic"]))
    assert "Dropout -> DynamicDropout" in shown
    assert "false" not in shown
    shown = plan_text(plan_graph(graph, [Switch()]))
    assert "use_bias: true -> false" in shown


def test_every_change_is_in_exactly_one_row():
    for plan in (make() for make in PLANS):
        shown = [id(change) for row in rows(plan) for change in row.changes]
        assert sorted(shown) == sorted(map(id, plan.changes))


def test_every_call_before_and_after_has_a_row():
    plan = nested()
    labels = [row.label for row in rows(plan)]
    assert labels == [
        "a",
        "b",
        "encoder",
        *("tokens", "project", "drop", "out"),
        "encoder (call 2)",
        "add",
    ]


def test_a_change_of_a_layer_that_is_in_neither_model_is_shown_at_the_end():
    plan = moved()
    change = Change(plan.changes[0].action, "ghost", "Dropout", "here", "there", "why", "haunt")
    plan = Plan(
        plan.model,
        plan.passes,
        plan.guarantee,
        0.0,
        (*plan.changes, change),
        (),
        plan.before,
        plan.after,
    )
    assert rows(plan)[-1] == Row("ghost", "ghost", "Dropout", 0, (change,))


def test_two_thousand_layers_with_three_changes_fit_one_screen():
    assert len(plan_text(two_thousand()).splitlines()) <= 40


def test_all_rows_are_there_when_asked_for():
    assert len(plan_text(two_thousand(), full=True).splitlines()) > 2000


def test_the_diff_takes_linear_time():
    """Counted in calls of Python functions, not in seconds."""
    import cProfile
    import pstats

    def calls(layers: int) -> int:
        plan = long_chain(layers)
        profile = cProfile.Profile()
        profile.runcall(plan_text, plan)
        return pstats.Stats(profile).total_calls

    assert calls(4000) < 4.6 * calls(1000)


def test_many_notes_are_cut_and_counted():
    model = Written(2)
    x = model.input("x", (None, 4))
    for number in range(30):
        x = model.call("Dropout", f"d{number}", x, rate=0.5, kwargs={"training": True})
    plan = plan_graph(model.graph(model.call("Dense", "dense", x, units=1)), ["strip-dropout"])
    assert "... 23 more; --full shows them" in plan_text(plan)
    assert plan_text(plan, full=True).count("stays: it draws noise at inference") == 30


def test_rows_near_a_nested_change_keep_the_model_that_they_stand_in():
    model = Written(3)
    x = model.input("x", (None, 4))
    inner = Written(3, "deep")
    y = inner.input("y", (None, 4))
    for number in range(9):
        y = inner.call("Dense", f"dense_{number}", y, units=4)
    y = inner.call("Dropout", "drop", y, rate=0.1)
    x = model.call("Functional", "deep", x, document=inner.document(y))
    plan = plan_graph(model.graph(x), ["strip-dropout"])
    labels = [row.label for row in near_changes(rows(plan)) if isinstance(row, Row)]
    assert labels == ["x", "deep", "dense_7", "dense_8", "drop"]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, variables, coloured):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "70")
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    show(lambda width: plan_lines(masked_and_moved(), width=width))
    written = screen.getvalue()
    assert ("\x1b[33m" in written) is coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert plain.splitlines() == plan_text(masked_and_moved(), width=69).splitlines()


def test_without_a_terminal_the_diff_is_plain_and_unbroken(capsys):
    show(lambda width: plan_lines(masked_and_moved(), width=width))
    assert capsys.readouterr().out == plan_text(masked_and_moved()) + "\n"
