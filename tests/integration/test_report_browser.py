"""The pages of a report and of a comparison in real browsers that can reach no network."""

import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.pages.browser import PROGRAMS, Name, Page, browse, program_of

_EVERY_CHART = 18
_PHONE = 390
# Scrolls to each figure, as a reader would, and waits for it.
_READ = """(async () => {
  const told = [];
  for (const place of document.querySelectorAll("[data-chart]")) {
    place.scrollIntoView();
    while (!place.dataset.drawn) await new Promise((done) => setTimeout(done, 20));
    const marks = place.querySelectorAll("svg g.role-mark > *").length;
    told.push([place.dataset.chart, place.dataset.drawn, marks]);
  }
  return told;
})()"""


@pytest.fixture(scope="module", params=list(PROGRAMS))
def browser(request: pytest.FixtureRequest) -> Iterator[Page]:
    name: Name = request.param
    if program_of(name) is None:
        pytest.skip(f"no {name} here: apt-get install {PROGRAMS[name][0]}")
    with browse(name) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from analysis.data.sweep import load
    from analysis.report import write_report
    from controller.results import Predicted, Results, Store
    from tests.unit.analysis.synthetic import write_sweep

    folder = tmp_path_factory.mktemp("report")
    path = write_sweep(folder / "results.sqlite", cuts=(0, 12, 24, 36, 48, 60))
    with Results.open(path) as results:
        deep = next(cell for cell in results.cells() if cell.depth == 4)
    with Store.append(path) as store:
        store.add(Predicted(deep.id, 0.02))
    return write_report(load(path), folder, ()).page


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two sweeps, the second with a slower first device of another name."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from analysis.comparison import compare, sides_of, write_comparison
    from tests.unit.analysis.synthetic import Physics, write_sweep

    folder = tmp_path_factory.mktemp("comparison")
    cuts = (0, 12, 24, 36, 48, 60)
    one = write_sweep(folder / "one.sqlite", cuts=cuts)
    slower = Physics(whole_s=(0.060, 0.004))
    other = write_sweep(folder / "other.sqlite", cuts=cuts, physics=slower, devices=("rpi4", "server"))
    return write_comparison(compare(*sides_of([one, other], "", 0)), folder / "out", ())


def _open(browser: Page, page: Path, *, width: int = 1200, height: int = 900) -> None:
    browser.complaints.clear()
    browser.resize(width, height)
    browser.open(page)


def _read_to_the_end(browser: Page, page: Path, *, width: int) -> list[tuple[str, str, int]]:
    """Every figure of the page with the layout that it was drawn in, and its number of marks."""
    _open(browser, page, width=width)
    figures = [(name, layout, marks) for name, layout, marks in browser.evaluate(_READ)]
    assert browser.complaints == []
    return figures


@pytest.mark.parametrize(("width", "layout"), [(1200, "wide"), (_PHONE, "narrow")])
def test_every_figure_of_a_report_has_marks_and_nothing_complains(
    browser: Page, report: Path, width: int, layout: str
) -> None:
    figures = _read_to_the_end(browser, report, width=width)
    assert len(figures) == _EVERY_CHART
    assert {drawn for _, drawn, _ in figures} == {layout}
    assert [name for name, _, marks in figures if not marks] == []


@pytest.mark.parametrize("width", [1200, _PHONE])
def test_every_figure_of_a_comparison_has_marks_and_nothing_complains(
    browser: Page, comparison: Path, width: int
) -> None:
    figures = _read_to_the_end(browser, comparison, width=width)
    assert len(figures) == 3 * 2, "latency and throughput under each network"
    assert [name for name, _, marks in figures if not marks] == []


def test_the_first_figure_does_not_wait_for_those_below_it(browser: Page, report: Path) -> None:
    order = """
      window.order = [];
      new MutationObserver((changes) => changes.forEach((c) => order.push(c.target.dataset.chart)))
        .observe(document, { subtree: true, attributeFilter: ["data-drawn"] });
    """
    browser.before_load(order)
    _open(browser, report)
    browser.wait_for("document.documentElement.dataset.charts")
    drawn = browser.evaluate("[...new Set(window.order)]")
    assert len(drawn) == _EVERY_CHART, "those below are drawn though nobody scrolled"
    assert drawn == browser.evaluate(
        "[...document.querySelectorAll('[data-chart]')].map((e) => e.dataset.chart)"
    )


_BREAK = """<script>
let embed;
const broken = (place) => place.dataset.chart === "mobilenet_v2-wifi-parts";
Object.defineProperty(window, "vegaEmbed", {
  set: (real) => (embed = real),
  get: () => (place, ...rest) => (broken(place) ? Promise.reject(new Error("no")) : embed(place, ...rest)),
});
</script>"""


def test_a_figure_that_fails_says_so_and_the_others_are_drawn(
    browser: Page, report: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "report.html"
    # The drawing code has such an element in a string.
    text = report.read_text(encoding="utf-8").replace("<body>", f"<body>{_BREAK}", 1)
    copy.write_text(text, encoding="utf-8")
    _open(browser, copy)
    browser.wait_for("document.documentElement.dataset.charts")
    assert browser.evaluate("document.querySelectorAll('[data-drawn]').length") == _EVERY_CHART - 1
    text = browser.evaluate("document.querySelector('[data-chart=mobilenet_v2-wifi-parts]').textContent")
    assert text.startswith("This figure could not be drawn (no)")
    assert browser.complaints != []


def test_the_drawn_front_has_its_points_and_their_names(browser: Page, report: Path) -> None:
    _read_to_the_end(browser, report, width=1200)
    figure = "document.querySelector('[data-chart=\"mobilenet_v2-wifi-capability\"]')"
    texts = browser.evaluate(f"[...{figure}.querySelectorAll('text')].map((text) => text.textContent)")
    assert {"raw input to server", "features.2", "everything on pi", "plain ONNX Runtime on pi"} <= {*texts}
    assert browser.evaluate(f"{figure}.querySelectorAll('.mark-symbol path').length") >= 6


_CHOOSE = """(async () => {
  const select = document.querySelector("[data-filter=NAME]");
  select.value = "VALUE";
  select.dispatchEvent(new Event("change"));
  await new Promise((done) => setTimeout(done, 300));
})()"""
# Clicks the figure's first mark that is of a cell: how many there are, and the card that opens.
_CLICK = """(async () => {
  const place = document.querySelector('[data-chart="NAME"]');
  place.scrollIntoView();
  const marks = [...place.querySelectorAll("path")].filter((mark) => mark.__data__?.datum?.cell);
  if (!marks.length) return [0, ""];
  const { x, y } = marks[0].getBoundingClientRect();
  for (const kind of ["mousedown", "mouseup", "click"])
    marks[0].dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: x + 1, clientY: y + 1 }));
  return [marks.length, place.closest("figure").querySelector(".cell")?.innerHTML ?? ""];
})()"""


def _narrow(browser: Page, report: Path, *charts: str, **chosen: str) -> list[tuple[int, str]]:
    """Choose in the menus, then click each figure's first mark: its marks, its card."""
    _read_to_the_end(browser, report, width=1200)
    for name, value in chosen.items():
        browser.evaluate(_CHOOSE.replace("NAME", name).replace("VALUE", value))
    clicked = [browser.evaluate(_CLICK.replace("NAME", chart)) for chart in charts]
    assert browser.complaints == []
    return [(marks, card) for marks, card in clicked]


def test_the_page_can_be_narrowed_and_a_click_shows_where_a_cells_time_goes(
    browser: Page, report: Path
) -> None:
    charts = [f"mobilenet_v2-wifi-{what}" for what in ("operating", "busy", "parts", "timeline")]
    clicked = _narrow(browser, report, *charts, network="wifi", depth="4")
    sections = browser.evaluate(
        "[...document.querySelectorAll('section.network')].map((s) => [s.dataset.network, s.hidden])"
    )
    assert [network for network, hidden in sections if not hidden] == ["wifi"]
    assert len(sections) == 3
    (marks, card), *_ = clicked
    assert re.search(r"<li[^>]*>(pi|server): compute [0-9.]+ ms</li>", card)
    assert 6 <= marks < 12, "six of twelve cells, and the line through the front"
    for (_, card), depth in zip(clicked, (4, 4, 1, 4), strict=True):
        assert f"<dt>depth, batch</dt><dd>{depth}, 1</dd>" in card, "only bars of parts are of depth 1"


def test_figures_of_several_networks_and_of_other_depths_are_narrowed_too(
    browser: Page, report: Path
) -> None:
    charts = "gains", "mobilenet_v2-wifi-busy"
    clicked = _narrow(browser, report, *charts, network="wifi", depth="1")
    for _, card in clicked:
        assert "<dt>network</dt><dd>wifi</dd>" in card
        assert "<dt>depth, batch</dt><dd>1, 1</dd>" in card
    assert 0 < clicked[0][0] <= 3 * 2 * 2, "of three networks' gains one's: a point and a line each"
    emptied = browser.evaluate("[...document.querySelectorAll('.emptied')].map((e) => e.dataset.chart)")
    assert "predicted-interval" in emptied, "its only cell is of depth 4, under another network"
    assert not {*charts, "mobilenet_v2-wifi-operating", "mobilenet_v2-wifi-timeline"} & {*emptied}


_BEYOND = """(() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const within = (element) => element.closest(".scroll, pre, .vega-embed details") || element.ownerSVGElement;
  const beyond = (element) => !within(element) && element.getBoundingClientRect().right > innerWidth + 1;
  const wide = [...document.body.querySelectorAll("*")].filter(beyond);
  return wide.map((element) => `${element.tagName} in ${element.closest("[id]")?.id}`);
})()"""


@pytest.mark.parametrize("which", ["report", "comparison"])
def test_nothing_lies_beyond_a_phones_edge(browser: Page, which: str, request: pytest.FixtureRequest) -> None:
    _read_to_the_end(browser, request.getfixturevalue(which), width=_PHONE)
    assert browser.evaluate(_BEYOND) == []
    # A scroll bar may take some of the width.
    assert browser.evaluate("document.documentElement.scrollWidth") <= _PHONE


def _pages(pdf: bytes) -> int:
    """Pages of a PDF, whose objects may lie in compressed streams."""
    parts = [pdf]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        with suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(stream))
    return sum(len(re.findall(rb"/Type\s*/Page\b(?!s)", part)) for part in parts)


@pytest.mark.parametrize(("which", "least", "most"), [("report", 2, 8), ("comparison", 2, 8)])
def test_it_prints_as_pages_with_all_figures(
    browser: Page, which: str, least: int, most: int, request: pytest.FixtureRequest
) -> None:
    _open(browser, request.getfixturevalue(which))
    browser.wait_for("document.documentElement.dataset.charts")
    assert least <= _pages(browser.pdf()) <= most, "the answer, more than a page for each network, the tables"
