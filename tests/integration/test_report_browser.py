"""The report in a real browser that can reach no network."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from analysis.report import write_report
    from analysis.results import load
    from tests.unit.analysis.synthetic import write_sweep

    folder = tmp_path_factory.mktemp("report")
    sweep = load(write_sweep(folder / "results.sqlite", cuts=(0, 12, 24, 36, 48, 60)))
    return write_report(sweep, folder, ()).page


def _open(page: Path, profile: Path, *, width: int) -> tuple[str, str]:
    """The page's elements after its scripts ran, and what the browser logged."""
    assert _CHROMIUM is not None
    run = subprocess.run(
        [
            _CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            # Every name fails to resolve and every address is refused by a proxy that is not there.
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=20000", f"--window-size={width},2000", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return run.stdout, run.stderr


@pytest.mark.parametrize(("width", "layout"), [(1200, "wide"), (600, "narrow")])
def test_every_figure_is_drawn_for_the_width_and_nothing_complains(
    report: Path, tmp_path: Path, width: int, layout: str
) -> None:
    dom, log = _open(report, tmp_path, width=width)
    assert "CONSOLE" not in log, log
    charts = re.findall(r'<div class="chart[^"]*"[^>]*data-chart="([^"]+)"[^>]*data-drawn="(\w+)"', dom)
    assert len(charts) == 20
    assert {drawn for _, drawn in charts} == {layout}
    assert re.search(r'<html[^>]*data-charts="20"', dom)


def test_the_drawn_front_has_its_points_and_their_names(report: Path, tmp_path: Path) -> None:
    dom, _ = _open(report, tmp_path, width=1200)
    start = dom.index('data-chart="mobilenet_v2-wifi-capability"')
    figure = html.unescape(dom[start : dom.index("</figure>", start)])
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", figure)
    assert {"raw input to server", "features.2", "all on pi", "pi alone"} <= set(texts)
    assert len(re.findall(r'<path aria-label="', figure)) >= 6, "a mark for each split"


_ACT = """<script type="module">
const waiting = setInterval(() => {
  if (!document.documentElement.dataset.charts) return;
  clearInterval(waiting);
  for (const [name, value] of [["profile", "wifi"], ["depth", "4"]]) {
    const select = document.querySelector(`[data-filter=${name}]`);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }
  setTimeout(() => {
    const figure = document.querySelector('[data-chart="mobilenet_v2-wifi-operating"]');
    const marks = [...figure.querySelectorAll("path")].filter((mark) => mark.__data__?.datum?.cell);
    document.documentElement.dataset.marks = marks.length;
    const { x, y } = marks[0].getBoundingClientRect();
    for (const kind of ["mousedown", "mouseup", "click"])
      marks[0].dispatchEvent(new MouseEvent(kind, { bubbles: true, clientX: x + 1, clientY: y + 1 }));
  }, 500);
}, 50);
</script>"""


def test_the_page_can_be_narrowed_and_a_click_shows_where_a_cells_time_goes(
    report: Path, tmp_path: Path
) -> None:
    page = report.read_text(encoding="utf-8")
    end = page.rindex("</body>")
    acted = tmp_path / "acted.html"
    acted.write_text(page[:end] + _ACT + page[end:], encoding="utf-8")
    dom, log = _open(acted, tmp_path / "profile", width=1200)
    assert "CONSOLE" not in log, log
    sections = re.findall(r'<section class="profile"[^>]*>', dom)
    assert [("wifi" in section, "hidden" in section) for section in sections].count((True, False)) == 1
    assert sum("hidden" in section for section in sections) == 2
    panel = dom[dom.index('<div class="cell">') :]
    assert re.search(r"<li[^>]*>(pi|server): compute [0-9.]+ ms</li>", panel)
    assert "<dt>depth, batch</dt><dd>4, 1</dd>" in panel, "only the cells of depth 4 are left to click on"
    marks = re.search(r'data-marks="(\d+)"', dom)
    assert marks and 6 <= int(marks[1]) < 12, "six of twelve cells, and the line through the front"
