"""How long a report is, in a real browser."""

from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.report import write_report
from benchmarks.pages.browser import program_of
from tests.integration.report_lengths import MOST_PAGES, MOST_WORDS, lengths
from tests.unit.analysis.synthetic import write_sweep

pytestmark = pytest.mark.skipif(
    program_of("chromium") is None, reason="no chromium here: apt-get install chromium"
)


def test_a_report_like_the_demos_is_short_on_a_screen_and_on_paper(tmp_path: Path) -> None:
    """Three networks with as many cells as `make demo` has at most, and telemetry."""
    cuts = (0, 2, 4, 8, *range(6, 60, 6), 60)
    path = write_sweep(tmp_path / "results.sqlite", cuts=cuts, trials=5, telemetry=True)
    sweep = load(path)
    assert len(sweep.cells) >= 70
    page = write_report(sweep, tmp_path / "out", ()).page
    words, pages = lengths(page)
    assert words <= MOST_WORDS
    assert 2 <= pages <= MOST_PAGES
