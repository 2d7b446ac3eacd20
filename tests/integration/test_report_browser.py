"""The report in a real browser that can reach no network."""

import html
import json
import re
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.report import write_report
from controller.results import Predicted, Results, Store
from tests.integration.chromium import (
    CHROMIUM,
    MOST_PAGES,
    MOST_WORDS,
    browse,
    pages_printed,
    visible_words,
    with_script,
)
from tests.unit.analysis.synthetic import write_sweep

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    path = write_sweep(folder / "results.sqlite", cuts=(0, 12, 24, 36, 48, 60))
    with Results.open(path) as results:
        deep = next(cell for cell in results.cells() if cell.depth == 4)
    with Store.append(path) as store:
        store.add(Predicted(deep.id, 0.02))
    return write_report(load(path), folder, ()).page


def _open(page: Path, network: Path, *, width: int) -> tuple[str, str]:
    """The page's elements after its scripts ran, and what the browser logged."""
    return browse(page, network, f"--window-size={width},2000", "--dump-dom")


@pytest.mark.parametrize(("width", "layout"), [(1200, "wide"), (600, "narrow")])
def test_every_figure_is_drawn_for_the_width_and_nothing_complains(
    report: Path, tmp_path: Path, width: int, layout: str
) -> None:
    dom, log = _open(report, tmp_path, width=width)
    assert "CONSOLE" not in log, log
    charts = re.findall(r'<div class="chart[^"]*"[^>]*data-chart="([^"]+)"[^>]*data-drawn="(\w+)"', dom)
    assert len(charts) == 18
    assert {drawn for _, drawn in charts} == {layout}
    assert re.search(r'<html[^>]*data-charts="18"', dom)


def test_the_drawn_front_has_its_points_and_their_names(report: Path, tmp_path: Path) -> None:
    dom, _ = _open(report, tmp_path, width=1200)
    start = dom.index('data-chart="mobilenet_v2-wifi-capability"')
    figure = html.unescape(dom[start : dom.index("</figure>", start)])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", figure)
    assert {"raw input to server", "features.2", "everything on pi", "plain ONNX Runtime on pi"} <= set(texts)
    assert len(re.findall(r'<path aria-label="', figure)) >= 6, "a mark for each split"


_ACT = """<script type="module">
const waiting = setInterval(() => {
  if (!document.documentElement.dataset.charts) return;
  clearInterval(waiting);
  for (const [name, value] of Object.entries(CHOSEN)) {
    const select = document.querySelector(`[data-filter=${name}]`);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }
  setTimeout(() => {
    for (const chart of CHARTS) {
      const place = document.querySelector(`[data-chart="${chart}"]`);
      const marks = [...place.querySelectorAll("path")].filter((mark) => mark.__data__?.datum?.cell);
      place.closest("figure").dataset.marks = marks.length;
      if (!marks.length) continue;
      const { x, y } = marks[0].getBoundingClientRect();
      for (const kind of ["mousedown", "mouseup", "click"])
        marks[0].dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: x + 1, clientY: y + 1 }));
    }
  }, 500);
}, 50);
</script>"""


def _act(report: Path, folder: Path, *charts: str, **chosen: str) -> tuple[str, list[tuple[int, str]]]:
    """Choose in the menus, then click each figure's first mark: the page; its marks, its panel."""
    act = _ACT.replace("CHOSEN", json.dumps(chosen)).replace("CHARTS", json.dumps(charts))
    acted = with_script(report, folder / "acted.html", act)
    dom, log = _open(acted, folder / "network", width=1200)
    assert "CONSOLE" not in log, log
    found = []
    for chart in charts:
        before, after = dom.split(f'data-chart="{chart}"')
        marks = re.findall(r'data-marks="(\d+)"', before)[-1]
        figure = after[: after.index("</figure>")]
        found.append((int(marks), figure[figure.find('<div class="cell">') :]))
    return dom, found


def test_the_page_can_be_narrowed_and_a_click_shows_where_a_cells_time_goes(
    report: Path, tmp_path: Path
) -> None:
    charts = [f"mobilenet_v2-wifi-{what}" for what in ("operating", "busy", "parts", "timeline")]
    dom, found = _act(report, tmp_path, *charts, network="wifi", depth="4")
    sections = re.findall(r'<section class="network"[^>]*>', dom)
    assert [("wifi" in section, "hidden" in section) for section in sections].count((True, False)) == 1
    assert sum("hidden" in section for section in sections) == 2
    (marks, panel), *_ = found
    assert re.search(r"<li[^>]*>(pi|server): compute [0-9.]+ ms</li>", panel)
    assert 6 <= marks < 12, "six of twelve cells, and the line through the front"
    for (_, panel), depth in zip(found, (4, 4, 1, 4), strict=True):
        assert f"<dt>depth, batch</dt><dd>{depth}, 1</dd>" in panel, "only bars of parts are of depth 1"


def test_figures_of_several_networks_and_of_other_depths_are_narrowed_too(
    report: Path, tmp_path: Path
) -> None:
    charts = "gains", "mobilenet_v2-wifi-busy"
    dom, found = _act(report, tmp_path, *charts, network="wifi", depth="1")
    for _, panel in found:
        assert "<dt>network</dt><dd>wifi</dd>" in panel
        assert "<dt>depth, batch</dt><dd>1, 1</dd>" in panel
    assert 0 < found[0][0] <= 3 * 2 * 2, "of three networks' gains one's: a point and a line each"
    emptied = re.findall(r'<div class="chart[^"]* emptied"[^>]*data-chart="([^"]+)"', dom)
    assert "predicted-interval" in emptied, "its only cell is of depth 4, under another network"
    assert not {*charts, "mobilenet_v2-wifi-operating", "mobilenet_v2-wifi-timeline"} & {*emptied}


# A browser's window cannot be as narrow as a phone's; a frame in it can.
_PHONE = 390
_MEASURE = """<script type="module">
const waiting = setInterval(() => {
  if (!document.documentElement.dataset.charts) return;
  clearInterval(waiting);
  for (const details of document.querySelectorAll("details")) details.open = true;
  const within = (element) => element.closest(".scroll, pre, .vega-embed details") || element.ownerSVGElement;
  const beyond = (element) => !within(element) && element.getBoundingClientRect().right > innerWidth + 1;
  const wide = [...document.body.querySelectorAll("*")].filter(beyond);
  const told = {
    width: innerWidth,
    needed: document.documentElement.scrollWidth,
    wide: wide.map((element) => `${element.tagName} in ${element.closest("[id]")?.id}`),
    narrow: document.querySelectorAll("[data-drawn=narrow]").length,
  };
  parent.postMessage(JSON.stringify(told), "*");
}, 50);
</script>"""


def test_nothing_lies_beyond_a_phones_edge(report: Path, tmp_path: Path) -> None:
    with_script(report, tmp_path / "phone.html", _MEASURE)
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe src="phone.html" width="{_PHONE}" height="800" style="border: 0"></iframe>'
        '<pre id="told"></pre>'
        '<script>onmessage = (event) => (document.getElementById("told").textContent = event.data);</script>'
    )
    dom, _ = browse(frame, tmp_path / "network", "--hide-scrollbars", "--dump-dom")
    told = json.loads(html.unescape(dom[dom.index('<pre id="told">') + 15 : dom.index("</pre>")]))
    assert told == {"width": _PHONE, "needed": _PHONE, "wide": [], "narrow": 18}


# Clicks each point of a figure at its centre, hovers over it, and then works the figure by its keys.
_POINTS = """<script type="module">
const waiting = setInterval(() => {
  if (!document.documentElement.dataset.charts) return;
  clearInterval(waiting);
  const place = document.querySelector('[data-chart="CHART"]');
  const figure = place.closest("figure");
  const here = { block: "start", behavior: "instant" };
  const at = (mark) => {
    const { left, top, width, height } = mark.getBoundingClientRect();
    return { bubbles: true, clientX: left + width / 2, clientY: top + height / 2 };
  };
  const send = (target, kind, where) => target.dispatchEvent(new PointerEvent(kind, where));
  const tooltip = () => document.getElementById("vg-tooltip-element");
  const key = (name) =>
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  const card = () => figure.querySelector(".cell");
  const text = () => card()?.innerText ?? "";
  const points = [...place.querySelectorAll(".mark-symbol path")].filter((p) => p.__data__?.datum?.cell);
  const told = { clicks: [], keys: [] };
  for (const point of points) {
    place.scrollIntoView(here);
    const where = at(point);
    const target = document.elementFromPoint(where.clientX, where.clientY);
    for (const kind of ["pointermove", "mousemove"]) send(target, kind, where);
    const hint = tooltip().classList.contains("visible") ? tooltip().innerText : "";
    for (const kind of ["mousedown", "mouseup", "click"]) send(target, kind, where);
    const { where: wanted } = (target.closest(".mark-symbol") ? target : point).__data__.datum;
    const hidden = !tooltip().classList.contains("visible");
    told.clicks.push({ wanted, got: text(), hint, hidden });
  }
  const line = place.querySelector(".mark-line path");
  const steps = line.getBoundingClientRect();
  send(line, "click", { bubbles: true, clientX: steps.left + steps.width / 2, clientY: steps.top - 60 });
  const layer = (element) => Number(getComputedStyle(element).zIndex);
  told.below = layer(tooltip()) < layer(card());
  card().querySelector(".close").click();
  told.closed = text();
  place.focus();
  told.steps = [];
  for (let step = 0; step < 3; step++) {
    key("ArrowRight");
    const { where } = document.activeElement.__data__.datum;
    key("Enter");
    told.steps.push({ wanted: where, got: text() });
    key("Escape");
    const back = document.activeElement.__data__?.datum?.where === where;
    told.steps.push({ wanted: "", got: text(), back });
  }
  const out = document.createElement("pre");
  out.id = "told";
  out.textContent = JSON.stringify(told);
  document.body.append(out);
}, 50);
</script>"""


def test_a_point_shows_its_own_card_by_mouse_and_by_keys(report: Path, tmp_path: Path) -> None:
    chart = "mobilenet_v2-lan-capability"
    page = with_script(report, tmp_path / "points.html", _POINTS.replace("CHART", chart))
    dom, log = _open(page, tmp_path / "network", width=1200)
    assert "CONSOLE" not in log, log
    told = json.loads(html.unescape(dom[dom.index('<pre id="told">') + 15 : dom.rindex("</pre>")]))
    assert len(told["clicks"]) == 6
    for click in told["clicks"]:
        title = click["got"].splitlines()[1:2]
        assert title == [click["wanted"]], click
        assert click["wanted"] in click["hint"] and click["hidden"], "the tooltip was of the same point"
        assert "Latency: one request alone" in click["got"], "a capability is of two cells"
        assert "Throughput: a full pipeline" in click["got"]
    assert told["below"], "where both are shown, the tooltip is beneath"
    assert told["closed"] == ""
    for shown, closed in zip(told["steps"][::2], told["steps"][1::2], strict=True):
        assert shown["wanted"] in shown["got"].splitlines(), shown
        assert closed["got"] == "" and closed["back"], "Esc closes it, and the point has the keyboard again"
    assert len({shown["wanted"] for shown in told["steps"][::2]}) == 3


@pytest.fixture(scope="module")
def like_the_demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three networks with as many cells as `make demo` has at most, and telemetry."""
    folder = tmp_path_factory.mktemp("demo")
    cuts = (0, 2, 4, 8, *range(6, 60, 6), 60)
    path = write_sweep(folder / "results.sqlite", cuts=cuts, trials=5, telemetry=True)
    sweep = load(path)
    assert len(sweep.cells) >= 70
    return write_report(sweep, folder, ()).page


def test_a_report_like_the_demos_is_short_on_a_screen_and_on_paper(
    like_the_demos: Path, tmp_path: Path
) -> None:
    assert visible_words(like_the_demos, tmp_path) <= MOST_WORDS
    assert 2 <= pages_printed(like_the_demos, tmp_path) <= MOST_PAGES
