"""The report in a real browser that can reach no network."""

import html
import json
import re
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.report import write_report
from controller.results import Predicted, Results, Store
from tests.integration.chromium import CHROMIUM, browse, with_script
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
