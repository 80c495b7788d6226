"""The page, opened in a real browser without a window."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from support.plans import (
    VERIFICATION,
    encoder,
    long_chain,
    masked_and_moved,
    nested,
    pinned,
    wrapped,
)
from support.written import Written, sequential

from rewriter.api.plans import plan_graph
from rewriter.checks.findings import Finding
from rewriter.dialects import decode
from rewriter.graph.changes import Action
from rewriter.rehearsal import Compared, Rehearsal
from rewriter.rehearsal import TrainingCase as Tried
from rewriter.report.html import html_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--virtual-time-budget=15000",
]

REHEARSAL = Compared(
    Rehearsal("m", 3, (Tried(3, 9, "eager", "trains"),), (), ()),
    Rehearsal(
        "m",
        3,
        (Tried(3, 9, "eager", "fails", "drop"),),
        (),
        (Finding("RW151", "drop", "training fails at batch 3"),),
    ),
)


class Page(HTMLParser):
    """The elements of a page after its scripts have run: name and attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def having(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a class."""
        return [held for _, held in self.elements if name in (held.get("class") or "").split()]

    @property
    def body(self) -> dict[str, str | None]:
        return next(held for tag, held in self.elements if tag == "body")


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a page, runs a script in it, and gives the page back."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")

    def run(html: str, script: str = "", *flags: str) -> Page:
        path = tmp_path / "report.html"
        path.write_text(html + f"<script>{script}</script>", encoding="utf-8")
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags]
        done = subprocess.run(
            [*command, "--dump-dom", path.as_uri()], capture_output=True, timeout=120, check=True
        )
        page = Page(done.stdout.decode("utf-8"))
        assert page.body.get("data-drawn") == "yes", done.stderr.decode()[-2000:]
        return page

    return run


def test_each_side_shows_its_calls_and_marks_what_changes(opened):
    page = opened(html_report(masked_and_moved()))
    nodes = page.having("node")
    assert len(nodes) == 10
    labels = [node["aria-label"] for node in nodes if node.get("data-changed")]
    assert labels == [
        "configure: embedding, Embedding",
        "move: dropout, Dropout",
        "configure: embedding, Embedding",
        "move: dropout, Dropout",
    ]


def test_what_stays_is_at_the_same_height_on_both_sides(opened):
    heights: dict[str, set[str]] = {}
    for node in opened(html_report(masked_and_moved())).having("node"):
        heights.setdefault(node["data-path"], set()).add(node["data-y"])
    assert {path: len(found) for path, found in heights.items()} == {
        "ids": 1,
        "embedding": 1,
        "lstm": 1,
        "dense": 1,
        "dropout": 2,
    }


def test_the_way_of_a_mask_is_in_colour_and_named(opened):
    html = html_report(masked_and_moved())
    masked = opened(html).having("masked")
    assert [edge["style"] for edge in masked] == ["stroke: var(--mask-0);"]
    assert "mask of embedding" in html


def test_every_model_has_its_own_drawing(opened):
    page = opened(html_report(nested()))
    panes = [held["id"] for held in page.having("pane")]
    assert panes == ["pane-0-before", "pane-0-after", "pane-1-before", "pane-1-after"]
    changed = [node["aria-label"] for node in page.having("node") if node.get("data-changed")]
    assert "remove: drop, Dropout" in changed
    assert "configure: encoder, Functional" in changed


def test_a_change_inside_a_wrapper_marks_the_wrapper(opened):
    page = opened(html_report(wrapped()))
    changed = {node["aria-label"] for node in page.having("node") if node.get("data-changed")}
    assert changed == {"configure: both, Bidirectional"}


def test_hovering_shows_the_config(opened):
    script = """
      const node = document.querySelector("#pane-0-after .node.configure");
      node.dispatchEvent(new MouseEvent("mouseenter"));
      document.body.dataset.tip = document.getElementById("tip").innerText;
    """
    tip = opened(html_report(masked_and_moved()), script).body["data-tip"]
    assert "mask_zero" in tip and "false -> true" in tip and "input_dim" in tip


def test_the_keyboard_walks_through_changes_and_calls(opened):
    script = """
      const said = [];
      const press = (key) => {
        document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        const here = document.activeElement;
        said.push(here.dataset.path + " " + here.closest(".pane").id);
      };
      ["n", "n", "p", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"].forEach(press);
      document.body.dataset.said = said.join(", ");
    """
    said = opened(html_report(masked_and_moved()), script).body["data-said"]
    before, after = "pane-0-before", "pane-0-after"
    assert said.split(", ") == [
        f"embedding {before}",
        f"dropout {before}",
        f"embedding {before}",
        f"embedding {after}",
        f"lstm {after}",
        f"embedding {after}",
        f"embedding {before}",
    ]


def test_every_side_has_one_stop_of_the_tab_key(opened):
    nodes = opened(html_report(nested())).having("node")
    assert sum(node["tabindex"] == "0" for node in nodes) == 4


def test_five_hundred_layers_are_folded_and_unfold(opened):
    html = html_report(long_chain(500))
    folded = opened(html).having("node")
    assert len(folded) < 40
    unfolded = opened(
        html, 'document.querySelector(".node.fold").dispatchEvent(new Event("click"))'
    )
    assert len(unfolded.having("node")) == 501 + 498


def test_a_click_on_a_change_leads_to_its_call(opened):
    script = """
      document.querySelectorAll("ol.changes button")[1].click();
      document.body.dataset.here = document.activeElement.dataset.path;
    """
    assert opened(html_report(masked_and_moved()), script).body["data-here"] == "dropout"


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>document.body.dataset.bad='1'</script>",
        "<img src=x onerror=\"document.body.dataset.bad='1'\">",
        '" onfocus="document.body.dataset.bad=\'1\'" x="',
        "<!--slot data-->",
        "--><b>",
        "&lt;b&gt;\u202e\x00",
    ],
)
def test_nothing_that_a_model_says_becomes_markup(opened, name):
    document = sequential(
        3,
        ("InputLayer", {"batch_shape": [None, 4], "name": name}),
        ("Dropout", {"rate": 0.5, "name": f"d{name}", "note": name}),
        (name, {"name": f"c{name}", name: name}),
    )
    plan = plan_graph(decode(document, 3), ["strip-dropout"], name)
    page = opened(html_report(plan, VERIFICATION))
    assert "data-bad" not in page.body
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("img"), tags.count("b"), tags.count("script")) == (0, len(Action), 4)
    assert len(page.having("node")) == 5


def test_verification_and_rehearsal_are_tables():
    html = html_report(masked_and_moved(), VERIFICATION, REHEARSAL)
    assert '<tr class="bad"><td>made</td><td>3</td><td>5</td><td>compiled</td>' in html
    row = "<td>3</td><td>9</td><td>eager</td><td>trains</td><td>fails: drop</td>"
    assert f'<tr class="bad">{row}</tr>' in html
    assert "verification failed" in html and "the rehearsal failed" in html
    assert "training fails at batch 3" in html


def test_notes_findings_and_the_diff_are_on_the_page():
    html = html_report(pinned())
    assert "stays: it draws noise at inference too" in html
    assert "<summary>The diff as text</summary>" in html


def test_the_page_asks_nothing_of_any_network():
    html = html_report(masked_and_moved(), VERIFICATION)
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", html)


def test_light_and_dark_have_their_own_colours(opened):
    script = "document.body.dataset.paper = getComputedStyle(document.body).backgroundColor"
    html = html_report(masked_and_moved())
    papers = [
        opened(html, script, f"--blink-settings=preferredColorScheme={scheme}").body["data-paper"]
        for scheme in (0, 1)
    ]
    assert papers == ["rgb(20, 24, 31)", "rgb(255, 255, 255)"]


def test_the_page_can_be_printed(tmp_path):
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    path, pdf = tmp_path / "report.html", tmp_path / "report.pdf"
    path.write_text(html_report(nested(), VERIFICATION), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [*command, f"--print-to-pdf={pdf}", path.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert pdf.read_bytes().startswith(b"%PDF")


def test_a_model_nested_twice_is_drawn_once(opened):
    model = Written(2)
    x = model.input("x", (None, 4))
    x = model.call("Functional", "encoder", x, document=encoder(2))
    x = model.call("Functional", "encoder", x)
    plan = plan_graph(model.graph(x), ["strip-dropout"])
    assert len(opened(html_report(plan)).having("pane")) == 4
