"""The cards of a report's points, by mouse and by keys, in a real browser."""

from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.report import write_report
from benchmarks.pages.browser import browse, program_of
from tests.integration.report_lengths import DRAWN
from tests.unit.analysis.synthetic import write_sweep

pytestmark = pytest.mark.skipif(
    program_of("chromium") is None, reason="no chromium here: apt-get install chromium"
)

# Clicks each point of a figure at its centre, hovers over it, and then works the figure by its keys.
_POINTS = """(() => {
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
  return told;
})()"""


def test_a_point_shows_its_own_card_by_mouse_and_by_keys(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "results.sqlite", cuts=(0, 12, 24, 36, 48, 60))
    report = write_report(load(path), tmp_path / "out", ()).page
    with browse("chromium") as browser:
        browser.resize(1200, 2000)
        browser.open(report)
        browser.wait_for(DRAWN)
        told = browser.evaluate(_POINTS.replace("CHART", "mobilenet_v2-lan-capability"))
        assert browser.complaints == []
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
